/* What came since: entries in the order in which they were stored. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "entries/query_ops.h"
#include "entries/question_rows.h"

enum {
    SCAN_ROWS = 2000, /* judged by one question */
    DEFAULT_TAIL = 200,
    TAIL_MAX_BYTES = 8 * 1024 * 1024, /* of an answer, beyond its first entry */
    ENTRY_MAX_BYTES = 4 * 1024 * 1024
};

struct tail {
    uint64_t from, to, end, missed; /* rows: those to judge are [from, to) */
    int64_t limit;
    bool whole;
};

static int64_t int_member(const struct question *q, const char *name, int64_t absent)
{
    const json_t *v = json_object_get(q->json, name);
    return json_is_integer(v) ? json_integer_value(v) : absent;
}

/* Where to go on: behind what the store has given up, and what the asker would not catch up with.
 */
static int plan(const struct question *q, struct tail *tail)
{
    uint64_t first;
    int64_t next = int_member(q, "next", -1), max_behind = int_member(q, "max_behind", -1);
    *tail = (struct tail){.limit = int_member(q, "limit", DEFAULT_TAIL),
                          .whole = json_is_true(json_object_get(q->json, "whole"))};
    if (tail->limit < 1 || tail->limit > QUERY_MAX_PAGE)
        return -EINVAL;
    entries_reader_span(q->session->reader, &first, &tail->end);
    tail->from = tail->end;
    if (next >= 0 && (uint64_t)next <= tail->end) {
        if (max_behind >= 0 && tail->end - first > (uint64_t)max_behind)
            first = tail->end - (uint64_t)max_behind;
        tail->from = (uint64_t)next > first ? (uint64_t)next : first;
        tail->missed = tail->from - (uint64_t)next;
    }
    tail->to = tail->end - tail->from > SCAN_ROWS ? tail->from + SCAN_ROWS : tail->end;
    return 0;
}

static int judge(struct question *q, const struct tail *tail, struct entries_matches *ret)
{
    uint64_t rows[SCAN_ROWS];
    size_t count = tail->to - tail->from;
    struct error error;
    for (size_t i = 0; i < count; i++)
        rows[i] = tail->from + i;
    if (q->filter && filter_root(q->filter)) {
        struct entries_range range = {
            .from_ns = INT64_MIN, .to_ns = INT64_MAX, .only = rows, .only_count = count};
        int r = entries_reader_match(q->session->reader, q->filter, &range, ret, &error);
        return r < 0 ? question_refuse(q, 500, "The entries cannot be read", &error) : 0;
    }
    ret->rows = malloc((count ? count : 1) * sizeof *rows);
    if (!ret->rows)
        return question_no_memory(q);
    memcpy(ret->rows, rows, count * sizeof *rows);
    ret->count = count;
    return 0;
}

/* One entry as JSON; one that is too large goes without its headers and bodies. */
static int render(struct question *q, uint64_t row, bool whole, struct buf *out)
{
    struct entry entry;
    const struct entry_files *files;
    struct json_writer w;
    unsigned payload = whole ? FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY : 0;
    int r = question_load_row(q, row, payload, &entry, &files);
    buf_reset(out);
    json_init(&w, out);
    if (r == 0)
        entry_write_json(&entry, whole ? files : NULL, &w);
    if (r == 0 && buf_failed(out) && whole)
        return render(q, row, false, out); // NOLINT(misc-no-recursion): once
    return r;
}

/* Returns where the next question begins. */
static int write_matches(struct question *q, const struct tail *tail,
                         const struct entries_matches *matches, uint64_t *ret_next,
                         struct json_writer *w)
{
    struct buf one;
    int r = 0;
    uint64_t bytes = 0;
    buf_init(&one, ENTRY_MAX_BYTES);
    *ret_next = tail->to;
    for (uint64_t i = 0; i < matches->count; i++) {
        r = render(q, matches->rows[i], tail->whole, &one);
        if (r < 0)
            break;
        if (i == (uint64_t)tail->limit || (i && bytes + one.len > TAIL_MAX_BYTES)) {
            *ret_next = matches->rows[i];
            break;
        }
        bytes += one.len;
        if (!buf_failed(&one))
            json_raw(w, buf_slice(&one));
    }
    buf_done(&one);
    return r;
}

int query_op_tail(struct question *q, struct json_writer *w)
{
    struct tail tail;
    struct entries_matches matches = {0};
    uint64_t next = 0;
    if (plan(q, &tail) < 0)
        return question_refuse_text(q, 400, "Wrong limit",
                                    "limit is a whole number from 1 to 1,000.");
    int r = question_compile_filter(q);
    if (r == 0)
        r = judge(q, &tail, &matches);
    json_begin_object(w);
    json_key(w, "entries");
    json_begin_array(w);
    if (r == 0)
        r = write_matches(q, &tail, &matches, &next, w);
    json_end_array(w);
    json_member_uint(w, "next", next);
    json_member_uint(w, "behind", tail.end - next);
    json_member_uint(w, "missed", tail.missed);
    json_member_uint(w, "unjudged", matches.unjudged);
    json_end_object(w);
    free(matches.rows);
    return r;
}
