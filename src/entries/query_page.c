/* Lists of entries: page, lines, count, conn. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "entries/har.h"
#include "entries/query_ops.h"
#include "entries/question_rows.h"

static int write_rows(struct question *q, const struct row_list *rows, size_t count,
                      struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        const struct entry_files *files;
        int r = question_load_row(q, (uint64_t)rows->items[i][0], 0, &entry, &files);
        if (r < 0)
            return r;
        question_write_entry(q, (uint64_t)rows->items[i][0], &entry, NULL, w);
    }
    json_end_array(w);
    return 0;
}

static void write_page_end(struct question *q, const struct row_list *rows, int64_t limit,
                           const int64_t totals[2], int64_t started_ns, struct json_writer *w)
{
    json_key(w, "next_cursor");
    if (rows->count > (size_t)limit) {
        char cursor[64];
        const int64_t *last = rows->items[limit - 1];
        snprintf(cursor, sizeof cursor, "%" PRId64 ":%" PRId64, last[1], last[0]);
        json_str(w, cursor);
    } else {
        json_none(w);
    }
    json_member_int(w, "total", totals[0]);
    json_member_bool(w, "total_is_lower_bound", false);
    json_member_int(w, "matched_of", totals[1]);
    json_member_str(w, "source", q->session->source);
    question_write_warnings(q, w);
    json_member_int(w, "took_ms", (clock_mono_ns() - started_ns) / NS_PER_MS);
}

static int write_page(struct question *q, struct page_request *page, int64_t limit,
                      struct json_writer *w)
{
    int64_t started_ns = clock_mono_ns();
    struct row_list rows = {0};
    int64_t totals[2] = {0, 0};
    page->limit = limit + 1;
    int r = question_select_rows(q, page, &rows);
    if (r == 0)
        r = question_count_rows(q, true, &totals[0]);
    if (r == 0)
        r = question_count_rows(q, false, &totals[1]);
    json_begin_object(w);
    json_key(w, "entries");
    if (r == 0)
        r = write_rows(q, &rows, rows.count < (size_t)limit ? rows.count : (size_t)limit, w);
    if (r == 0)
        write_page_end(q, &rows, limit, totals, started_ns, w);
    json_end_object(w);
    free(rows.items);
    return r;
}

int query_op_page(struct question *q, struct json_writer *w)
{
    struct page_request page = {0};
    const json_t *limit = json_object_get(q->json, "limit");
    int64_t n = json_is_integer(limit) ? json_integer_value(limit) : 100;
    if (n < 1 || n > QUERY_MAX_PAGE)
        return question_refuse_text(q, 400, "Wrong limit",
                                    "limit is a whole number from 1 to 1,000.");
    int r = question_parse_page(q, &page);
    if (r == 0)
        r = question_apply_filter(q);
    return r < 0 ? r : write_page(q, &page, n, w);
}

/* Whole entries, as items: ours, or as parts of an HTTP Archive. */
static int send_entries(struct question *q, bool har, struct json_writer *w)
{
    uint64_t left_out = 0;
    struct page_request page = {.limit = -1};
    const json_t *limit = json_object_get(q->json, "limit");
    if (json_is_integer(limit) && json_integer_value(limit) >= 0)
        page.limit = json_integer_value(limit);
    struct row_list rows = {0};
    int r = question_parse_page(q, &page);
    if (r == 0)
        r = question_apply_filter(q);
    if (r == 0)
        r = question_select_rows(q, &page, &rows);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = question_load_row(q, (uint64_t)rows.items[i][0],
                              FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY, &entry,
                              &files);
        if (r < 0)
            break;
        if (har && !har_has_place_for(&entry)) {
            left_out++;
            continue;
        }
        struct buf line;
        struct json_writer item;
        question_begin_item(q, &line, &item);
        if (har)
            har_write_entry(&entry, &item);
        else
            question_write_entry(q, (uint64_t)rows.items[i][0], &entry, files, &item);
        r = question_end_item(q, &line, &item);
    }
    json_begin_object(w);
    json_member_uint(w, "count", rows.count - left_out);
    json_member_uint(w, "left_out", left_out);
    json_end_object(w);
    free(rows.items);
    return r;
}

int query_op_lines(struct question *q, struct json_writer *w)
{
    return send_entries(q, false, w);
}

int query_op_har(struct question *q, struct json_writer *w)
{
    return send_entries(q, true, w);
}

int query_op_count(struct question *q, struct json_writer *w)
{
    int64_t total = 0;
    int64_t all = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = question_count_rows(q, true, &total);
    if (r == 0)
        r = question_count_rows(q, false, &all);
    json_begin_object(w);
    json_member_int(w, "total", total);
    json_member_int(w, "matched_of", all);
    json_member_uint(w, "unjudged", q->matches ? q->matches->unjudged : 0);
    json_end_object(w);
    return r;
}

int query_op_conn(struct question *q, struct json_writer *w)
{
    const char *conn_id = json_string_value(json_object_get(q->json, "conn_id"));
    struct row_list rows = {0};
    int r = question_select_by_text(
        q, "SELECT row FROM rows WHERE conn_id = ? ORDER BY \"timestamp\", row LIMIT 1001",
        conn_id ? conn_id : "", &rows);
    int64_t total = (int64_t)rows.count;
    json_begin_object(w);
    json_key(w, "entries");
    if (r == 0)
        r = write_rows(q, &rows, rows.count < QUERY_MAX_PAGE ? rows.count : QUERY_MAX_PAGE, w);
    if (r == 0) {
        int64_t totals[2] = {total, total};
        rows.count = 0; /* no further page */
        write_page_end(q, &rows, QUERY_MAX_PAGE, totals, clock_mono_ns(), w);
    }
    json_end_object(w);
    free(rows.items);
    return r;
}
