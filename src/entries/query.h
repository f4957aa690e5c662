/* What can be asked of dissected entries, and the line protocol of the query job that answers.
 *
 * The hub never opens an entry store: it starts a `query` job per source (job/job.h), which loads
 * DuckDB, opens the sealed parts, closes the sandbox and then answers one JSON line with one or
 * more JSON lines until its parent closes the channel.
 *
 * Start request: {"dirs":["DATA/snapshots/<id>/dissections/<name>", …],"source":"<id>/<name>"}
 *   answer: {"ready":true,"entries":N,"from_ns":…,"to_ns":…}   (the job ends with {"error":…} when
 * a part is damaged) Question: {"q":7,"op":"page", …members…} answer: {"q":7,"result":{…}}, or
 * {"q":7,"problem":{"status":400,"title":…,"detail":…,"offset":…,"token":…,"suggestion":…}} `lines`
 * and `packets` also send any number of {"q":7,"item":{…}} before their result.
 *
 *  op        members                                            result
 *  page      filter, from_ns, to_ns, order, limit, cursor       EntriesResponse of
 * web/src/api/types.ts (entries without headers and bodies) lines     filter, from_ns, to_ns,
 * order, limit               items: whole entries; result {"count":N} count     filter, from_ns,
 * to_ns                             {"total":N,"matched_of":M,"unjudged":K} entry     id the whole
 * Entry; 404 when there is none body      id, half ("request"|"response")
 * {"content_type":…,"base64":…,"truncated":…} refs      id
 * {"refs":[{"node":…,"seq":…,"offset":…,"direction":"client"|"server"}],"truncated":…} flows
 * filter, from_ns, to_ns
 * {"flows":[{"protocol":"tcp","a":"10.0.0.1","a_port":…,"b":…,"b_port":…}],"calls":N} packets
 * filter, from_ns, to_ns                             items {"node":…,"seq":…,"offsets":[…]} (scope
 * calls); result {"calls":N,"packets":N} timeline  filter, from_ns, to_ns, buckets TimelineResponse
 *  top       filter, from_ns, to_ns, by [1 … 4 fields, "src", "dst"], limit (≤ 5,000), order
 * (calls, errors, elapsed_time, size), prefix (of the first key) TopResponse: groups with counts,
 * percentiles and bytes explain   filter, from_ns, to_ns ExplainResponse: what of the filter the
 * columns answer, and what the rest makes the job read conn      conn_id EntriesResponse in time
 * order, at most 1,000
 *
 * order: "-time" (default), "+time", "±elapsed_time", "±size". from_ns/to_ns: optional, half-open.
 * limit: 1…1,000 (lines: any). Thread: the job answers one question at a time. */
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

#endif
