// clang-format off
/* What can be asked of dissected entries, and the line protocol of the query job that answers.
 *
 * The hub never opens an entry store: it starts a `query` job per source (job/job.h), which loads
 * DuckDB, opens the sealed parts, closes the sandbox and then answers one JSON line with one or
 * more JSON lines until its parent closes the channel.
 *
 * Start:    {"dirs":["DATA/snapshots/<id>/dissections/<name>", …],"source":"<id>/<name>"}, of several folders also
 *           "sources":[of each one]: entries then say theirs ("source":…), and a call that several have is one. With "follows":true
 *           each question is answered from what the folders hold by then, else from what they held at the start.
 * answer:   {"ready":true,"entries":N,"from_ns":…,"to_ns":…}; the job ends with {"error":…} when a part is damaged.
 * Question: {"q":7,"op":"page", …members…}
 * answer:   {"q":7,"result":{…}}, or
 *           {"q":7,"problem":{"status":400,"title":…,"detail":…,"offset":…,"token":…,"suggestion":…,
 *            "cause":…}}; the cause is for the log alone.
 *           `lines`, `har` and `packets` also send any number of {"q":7,"item":{…}} before their result.
 *
 *  op          members                                      result (names of api/schema_table.c)
 *  page        F, order, limit, cursor                      EntriesResponse: entries without headers and bodies
 *  tail        filter, next, limit, max_behind, whole       {"entries":[…],"next":N,"behind":N,"missed":N,"unjudged":N}: what
 *                                                           was stored from row `next` on, in that order (without it: nothing
 *                                                           yet); missed: rows passed over, gone or further behind than
 *                                                           max_behind; whole: with headers, bodies and packets
 *  lines       F, order, limit                              items: whole entries; result {"count":N}
 *  har         F, order, limit                              items: HAR 1.2 entries; result {"count":N,…}
 *  count       F                                            CountResponse
 *  explain     F                                            ExplainResponse: what the columns answer, what has to be read
 *  top         F, by, limit, order, prefix                  TopResponse: groups by one to four fields, "src", "dst";
 *                                                           order calls, errors, elapsed_time, size; limit ≤ 5,000
 *  timeline    F, buckets, series ("status"|"protocol")     TimelineResponse
 *  entry       id                                           the whole Entry; 404 when there is none
 *  neighbours  id, limit (≤ 200)                            NeighboursResponse: calls around it in its connection
 *  body        id, half ("request"|"response")              {"content_type":…,"base64":…,"truncated":…}
 *  refs        id                                           {"refs":[{"node":…,"seq":…,"offset":…,"direction":
 *                                                           "client"|"server"}],"truncated":…}
 *  conn        conn_id                                      EntriesResponse in the order of time, at most 1,000
 *  flows       F                                            {"flows":[{"protocol":"tcp","a":"10.0.0.1","a_port":…,
 *                                                           "b":…,"b_port":…}],"calls":N}
 *  packets     F                                            items {"node":…,"seq":…,"offsets":[…]}; result
 *                                                           {"calls":N,"packets":N}
 *
 * F: filter, from_ns, to_ns (all optional; the range is half-open). order of lists: "-time" (default), "+time",
 * "±elapsed_time", "±size". limit of pages: 1 … 1,000 (of lines: any).
 * Thread: the job answers one question at a time. */
// clang-format on
#ifndef TRAWL_ENTRIES_QUERY_H
#define TRAWL_ENTRIES_QUERY_H

#include "job/job.h"

/* Job kind "query". */
extern const struct job_kind job_kind_query;

/* Job kind "dissect": captures → entry store.
 * Request:
 * {"dir":"…/dissections/<name>","capture_source":"af_packet"|"file","files":[{"node":"n1","seq":1,"bytes":…},
 * …],"protocols":["http",…], "threads":0}; files[i] is descriptor JOB_FIRST_FD + i; `dir` exists,
 * is empty and is the one write_dir. Messages:
 * {"progress":{"percent":…,"packets":…,"bytes":…,"entries":…,"eta_s":…,"per_protocol":{…}}} twice a
 * second,
 * {"damage":{"node":…,"seq":…,"offset":…,"text":…}} (at most 100), at the end
 * {"done":{…progress…,"damage":N}}. */
extern const struct job_kind job_kind_dissect;

/* Job kind "live": segments while they are written → a store that grows.
 * Request: {"dir":"…/live","keep_rows":N,"keep_bytes":N}; descriptor JOB_FIRST_FD is the feed
 * (live_feed.h); `dir` exists and is the one write_dir; what an earlier job stored there is gone on
 * with. Messages:
 * {"live":{"stored":…,"packets":…,"bytes":…,"evictions":…,"until_ns":…}} once it can be fed and
 * after each UNTIL (entries below index `stored` are sealed: kill -9 cannot take them);
 * {"done":{…}} at the end of the feed. */
extern const struct job_kind job_kind_live;

#endif
