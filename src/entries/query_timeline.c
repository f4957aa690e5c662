/* Calls per bucket of time, by how they ended and, if wanted, by protocol, with percentiles of
 * their latency. Empty buckets are left out. */
#include <inttypes.h>
#include <string.h>

#include "entries/query_ops.h"
#include "entries/question_rows.h"

enum {
    MAX_BUCKETS = 2000,
    DEFAULT_BUCKETS = 120
};

struct timeline {
    struct json_writer *w;
    int64_t from_ns, to_ns, bucket_ns;
    bool by_protocol;
    int64_t calls;
};

enum {
    NUMBERS = 8 /* of a bucket, its place first */
};

static int write_bucket(void *ctx, const struct slice *texts, const int64_t *v)
{
    struct timeline *t = ctx;
    static const char *const names[NUMBERS - 1] = {"ok",     "client_error", "error", "no_response",
                                                   "p50_us", "p95_us",       "p99_us"};
    json_begin_object(t->w);
    json_member_time(t->w, "at", t->from_ns + v[0] * t->bucket_ns);
    if (t->by_protocol) {
        json_key(t->w, "protocol");
        json_text(t->w, texts[0]);
    }
    for (size_t i = 0; i + 1 < NUMBERS; i++)
        json_member_int(t->w, names[i], v[i + 1] == INT64_MIN ? 0 : v[i + 1]);
    json_end_object(t->w);
    t->calls += v[1] + v[2] + v[3] + v[4];
    return 0;
}

static int select_buckets(struct question *q, struct timeline *t)
{
    bool hops = entries_reader_has_hops(q->session->reader);
    const char *key = t->by_protocol ? "protocol" : "''";
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_printf(&sql,
               "SELECT series, b, ok, client_error, error, neither, p[1]::BIGINT, p[2]::BIGINT,"
               " p[3]::BIGINT FROM (SELECT %s AS series,"
               " ((r.\"timestamp\" - (%" PRId64 ")) // %" PRId64 ")::BIGINT AS b,"
               " count(*) FILTER (status = 'ok' AND NOT client)::BIGINT AS ok,"
               " count(*) FILTER (status = 'ok' AND client)::BIGINT AS client_error,"
               " count(*) FILTER (status = 'error')::BIGINT AS error,"
               " count(*) FILTER (status NOT IN ('ok', 'error'))::BIGINT AS neither,"
               " quantile_disc(elapsed_time, [0.5, 0.95, 0.99]) AS p"
               " FROM (SELECT r.\"timestamp\", coalesce(r.protocol, '') AS protocol,"
               " coalesce(r.status, 'ok') AS status, r.elapsed_time,"
               " coalesce(r.status_code BETWEEN 400 AND 499, false) AS client FROM ",
               key, t->from_ns, t->bucket_ns);
    question_put_from(q, &sql);
    if (hops) /* a call counts where the first of its hops is */
        buf_append_str(&sql, " QUALIFY r.hop_call IS NULL OR row_number() OVER (PARTITION BY"
                             " r.hop_call ORDER BY r.\"timestamp\", r.row) = 1");
    buf_append_str(&sql, ") r GROUP BY series, b) ORDER BY b, series");
    buf_append_u8(&sql, 0);
    int r = buf_failed(&sql)
                ? question_no_memory(q)
                : question_select_keyed(q, (const char *)sql.data, 1, NUMBERS, write_bucket, t);
    buf_done(&sql);
    return r;
}

/* What was asked for; where that is open, what there is. */
static int choose_range(struct question *q, int64_t buckets, struct timeline *t)
{
    int64_t first, last;
    entries_reader_range(q->session->reader, &first, &last);
    t->from_ns = q->from_ns == INT64_MIN ? first : q->from_ns;
    t->to_ns = q->to_ns == INT64_MAX ? last + (last < INT64_MAX) : q->to_ns;
    if (t->from_ns == INT64_MAX)
        t->from_ns--;
    if (t->to_ns <= t->from_ns)
        t->to_ns = t->from_ns + 1;
    int64_t span;
    if (__builtin_sub_overflow(t->to_ns, t->from_ns, &span))
        return question_refuse_text(q, 400, "Wrong range",
                                    "The time range is longer than 292 years.");
    t->bucket_ns = span / buckets + (span % buckets != 0);
    return 0;
}

static int parse(struct question *q, struct timeline *t)
{
    const json_t *wanted = json_object_get(q->json, "buckets");
    const char *by = json_string_value(json_object_get(q->json, "series"));
    int64_t buckets = json_is_integer(wanted) ? json_integer_value(wanted) : DEFAULT_BUCKETS;
    if (buckets < 1 || buckets > MAX_BUCKETS)
        return question_refuse_text(q, 400, "Wrong number of buckets",
                                    "buckets is a whole number from 1 to 2,000.");
    t->by_protocol = by && strcmp(by, "protocol") == 0;
    if (by && !t->by_protocol && strcmp(by, "status") != 0)
        return question_refuse_text(q, 400, "Unknown series", "by is status or protocol.");
    return choose_range(q, buckets, t);
}

int query_op_timeline(struct question *q, struct json_writer *w)
{
    struct timeline t = {.w = w};
    int r = parse(q, &t);
    if (r == 0)
        r = question_apply_filter(q);
    if (r < 0)
        return r;
    json_begin_object(w);
    json_member_time(w, "from", t.from_ns);
    json_member_time(w, "to", t.to_ns);
    json_member_int(w, "bucket_ns", t.bucket_ns);
    json_member_str(w, "by", t.by_protocol ? "protocol" : "status");
    json_key(w, "buckets");
    json_begin_array(w);
    r = select_buckets(q, &t);
    json_end_array(w);
    json_member_int(w, "calls", t.calls);
    question_write_warnings(q, w);
    json_end_object(w);
    return r;
}
