/* Calls per bucket of time. */
#include <inttypes.h>

#include "entries/query_ops.h"
#include "entries/question_rows.h"

enum {
    MAX_BUCKETS = 2000
};

struct timeline {
    struct json_writer *w;
    int64_t from_ns, bucket_ns;
};

static int write_bucket(void *ctx, const int64_t *v)
{
    const struct timeline *t = ctx;
    static const char *const names[] = {"ok",          "client_error", "error",
                                        "no_response", "p50_us",       "p95_us"};
    json_begin_object(t->w);
    json_member_time(t->w, "at", t->from_ns + v[0] * t->bucket_ns);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_member_int(t->w, names[i], v[i + 1] == INT64_MIN ? 0 : v[i + 1]);
    json_end_object(t->w);
    return 0;
}

static int select_buckets(struct question *q, struct timeline *t)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_printf(
        &sql,
        "SELECT ((r.\"timestamp\" - (%" PRId64 ")) // %" PRId64 ")::BIGINT AS b,"
        " count(*) FILTER (status = 'ok' AND NOT client)::BIGINT, count(*) FILTER (status = 'ok' AND client)::BIGINT,"
        " count(*) FILTER (status = 'error')::BIGINT, count(*) FILTER (status NOT IN ('ok', 'error'))::BIGINT,"
        " quantile_disc(elapsed_time, 0.5)::BIGINT, quantile_disc(elapsed_time, 0.95)::BIGINT"
        " FROM (SELECT r.\"timestamp\", coalesce(r.status, 'ok') AS status, r.elapsed_time,"
        " coalesce(r.status_code BETWEEN 400 AND 499, false) AS client FROM ",
        t->from_ns, t->bucket_ns);
    question_put_from(q, &sql);
    buf_append_str(&sql, ") r GROUP BY b ORDER BY b");
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 7, write_bucket, t);
    buf_done(&sql);
    return r;
}

int query_op_timeline(struct question *q, struct json_writer *w)
{
    const json_t *wanted = json_object_get(q->json, "buckets");
    int64_t buckets = json_is_integer(wanted) ? json_integer_value(wanted) : 120;
    if (buckets < 1 || buckets > MAX_BUCKETS)
        return question_refuse_text(q, 400, "Wrong number of buckets",
                                    "buckets is a whole number from 1 to 2,000.");
    int r = question_apply_filter(q);
    if (r < 0)
        return r;
    int64_t first;
    int64_t last;
    entries_reader_range(q->session->reader, &first, &last);
    int64_t from = q->from_ns == INT64_MIN ? first : q->from_ns;
    int64_t to = q->to_ns == INT64_MAX ? last + 1 : q->to_ns;
    if (to <= from)
        to = from + 1;
    struct timeline t = {
        .w = w, .from_ns = from, .bucket_ns = (to - from) / buckets + ((to - from) % buckets != 0)};
    json_begin_object(w);
    json_member_time(w, "from", from);
    json_member_time(w, "to", to);
    json_member_int(w, "bucket_ns", t.bucket_ns);
    json_key(w, "buckets");
    json_begin_array(w);
    r = select_buckets(q, &t);
    json_end_array(w);
    json_end_object(w);
    return r;
}
