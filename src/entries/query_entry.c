/* One entry: entry, body, refs, and its neighbours in the connection. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "entries/query_ops.h"
#include "entries/question_rows.h"

static int find_row(struct question *q, uint64_t *ret_row)
{
    const char *id = json_string_value(json_object_get(q->json, "id"));
    struct row_list rows = {0};
    int r = question_select_by_text(q, "SELECT row FROM rows WHERE \"id\" = ? ORDER BY row LIMIT 1",
                                    id ? id : "", &rows);
    if (r == 0 && rows.count == 0)
        r = question_refuse_text(q, 404, "No such entry",
                                 "This dissection has no entry with that id.");
    if (r == 0)
        *ret_row = (uint64_t)rows.items[0][0];
    free(rows.items);
    return r;
}

static int find_entry(struct question *q, unsigned payload, struct entry *ret_entry,
                      const struct entry_files **ret_files)
{
    uint64_t row;
    int r = find_row(q, &row);
    return r < 0 ? r : question_load_row(q, row, payload, ret_entry, ret_files);
}

int query_op_entry(struct question *q, struct json_writer *w)
{
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY, &entry, &files);
    if (r == 0)
        entry_write_json(&entry, files, w);
    return r;
}

static struct slice header_value(const struct entry *entry, field_id headers, const char *name)
{
    const struct entry_value *v = entry_find(entry, headers);
    for (uint32_t i = 0; v && i < v->count; i++)
        if (slice_eq_str(v->pairs[i].key, name))
            return v->pairs[i].value;
    return SLICE_NONE;
}

static int64_t number_of(const struct entry *entry, field_id field)
{
    const struct entry_value *v = entry_find(entry, field);
    return v ? v->integer : 0;
}

/* What it takes to read the whole body back from the packets. */
static void write_where(const struct entry *entry, bool is_request, struct json_writer *w)
{
    field_id headers = is_request ? FIELD_REQUEST_HEADERS_ID : FIELD_RESPONSE_HEADERS_ID;
    const struct entry_value *conn_id = entry_find(entry, FIELD_CONN_ID_ID);
    json_key(w, "whole");
    json_begin_object(w);
    json_member_str(w, "protocol", entry->protocol);
    json_member_string(w, "conn_id", conn_id ? conn_id->text : SLICE_NONE);
    json_member_int(w, "begin_ns", entry->timestamp_ns);
    json_member_int(w, "elapsed_us", number_of(entry, FIELD_ELAPSED_TIME_ID));
    json_member_int(w, "gap_bytes", number_of(entry, FIELD_GAP_BYTES_ID));
    json_member_int(
        w, "bytes",
        number_of(entry, is_request ? FIELD_REQUEST_BODY_SIZE_ID : FIELD_RESPONSE_BODY_SIZE_ID));
    json_member_string(w, "content_encoding", header_value(entry, headers, "content-encoding"));
    json_member_string(w, "transfer_encoding", header_value(entry, headers, "transfer-encoding"));
    json_end_object(w);
}

int query_op_body(struct question *q, struct json_writer *w)
{
    const char *half = json_string_value(json_object_get(q->json, "half"));
    bool is_request = half && strcmp(half, "request") == 0;
    if (!is_request && (!half || strcmp(half, "response") != 0))
        return question_refuse_text(q, 400, "Which half", "half is request or response.");
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, FIELD_HEADERS | (is_request ? FIELD_REQUEST_BODY : FIELD_RESPONSE_BODY),
                       &entry, &files);
    if (r < 0)
        return r;
    const struct entry_value *body =
        entry_find(&entry, is_request ? FIELD_REQUEST_BODY_ID : FIELD_RESPONSE_BODY_ID);
    if (!body)
        return question_refuse_text(q, 404, "No body", "This half of the call has no body.");
    const struct entry_value *truncated =
        entry_find(&entry, is_request ? FIELD_REQUEST_TRUNCATED_ID : FIELD_RESPONSE_TRUNCATED_ID);
    json_begin_object(w);
    json_member_string(
        w, "content_type",
        header_value(&entry, is_request ? FIELD_REQUEST_HEADERS_ID : FIELD_RESPONSE_HEADERS_ID,
                     "content-type"));
    json_key(w, "base64");
    json_base64(w, body->text);
    json_member_bool(w, "truncated", truncated && truncated->boolean);
    if (truncated && truncated->boolean)
        write_where(&entry, is_request, w);
    json_end_object(w);
    return 0;
}

static void write_refs(const struct entry_packets *packets, const struct entry_files *files,
                       const char *direction, struct json_writer *w)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        if (packets->refs[i].file >= files->count)
            continue;
        const struct entry_file *file = &files->files[packets->refs[i].file];
        json_begin_object(w);
        json_member_str(w, "node", file->node);
        json_member_uint(w, "seq", file->sequence);
        json_member_uint(w, "offset", packets->refs[i].offset);
        json_member_str(w, "direction", direction);
        json_end_object(w);
    }
}

int query_op_refs(struct question *q, struct json_writer *w)
{
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, 0, &entry, &files);
    if (r < 0)
        return r;
    json_begin_object(w);
    json_key(w, "refs");
    json_begin_array(w);
    write_refs(&entry.request, files, "client", w);
    write_refs(&entry.response, files, "server", w);
    json_end_array(w);
    json_member_bool(w, "truncated", entry.request.truncated || entry.response.truncated);
    json_end_object(w);
    return 0;
}

/* ── neighbours ── */

enum {
    MAX_NEIGHBOURS = 200,
    DEFAULT_NEIGHBOURS = 20
};

/* Rows of the same connection before or after this one, the nearest first, one more than wanted. */
static int select_side(struct question *q, uint64_t row, bool before, int64_t limit,
                       struct row_list *ret_rows)
{
    struct buf sql;
    const char *direction = before ? "DESC" : "ASC";
    buf_init(&sql, QUERY_MAX_SQL);
    buf_printf(&sql,
               "SELECT r.row, r.\"timestamp\" FROM rows r, (SELECT conn_id, \"timestamp\" AS t, row"
               " AS n FROM rows WHERE row = %" PRIu64 ") me WHERE r.conn_id = me.conn_id AND"
               " (r.\"timestamp\", r.row) %c (me.t, me.n) ORDER BY r.\"timestamp\" %s, r.row %s"
               " LIMIT %" PRId64,
               row, before ? '<' : '>', direction, direction, limit + 1);
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 2, row_list_add, ret_rows);
    buf_done(&sql);
    return r == -ENOMEM ? question_no_memory(q) : r;
}

static int write_neighbour(struct question *q, uint64_t row, struct json_writer *w)
{
    struct entry entry;
    const struct entry_files *files;
    int r = question_load_row(q, row, 0, &entry, &files);
    if (r == 0)
        entry_write_json(&entry, NULL, w);
    return r;
}

static int write_neighbours(struct question *q, uint64_t row, const struct row_list sides[2],
                            size_t limit, struct json_writer *w)
{
    size_t before = sides[0].count < limit ? sides[0].count : limit;
    size_t after = sides[1].count < limit ? sides[1].count : limit;
    int r = 0;
    json_begin_object(w);
    json_key(w, "entries");
    json_begin_array(w);
    for (size_t i = before; r == 0 && i-- > 0;)
        r = write_neighbour(q, (uint64_t)sides[0].items[i][0], w);
    if (r == 0)
        r = write_neighbour(q, row, w);
    for (size_t i = 0; r == 0 && i < after; i++)
        r = write_neighbour(q, (uint64_t)sides[1].items[i][0], w);
    json_end_array(w);
    json_member_uint(w, "position", before);
    json_member_bool(w, "more_before", sides[0].count > limit);
    json_member_bool(w, "more_after", sides[1].count > limit);
    json_end_object(w);
    return r;
}

int query_op_neighbours(struct question *q, struct json_writer *w)
{
    const json_t *wanted = json_object_get(q->json, "limit");
    int64_t limit = json_is_integer(wanted) ? json_integer_value(wanted) : DEFAULT_NEIGHBOURS;
    struct row_list sides[2] = {{0}, {0}};
    uint64_t row;
    if (limit < 1 || limit > MAX_NEIGHBOURS)
        return question_refuse_text(q, 400, "Wrong limit",
                                    "limit is a whole number from 1 to 200.");
    int r = find_row(q, &row);
    for (size_t i = 0; r == 0 && i < 2; i++)
        r = select_side(q, row, i == 0, limit, &sides[i]);
    if (r == 0)
        r = write_neighbours(q, row, sides, (size_t)limit, w);
    free(sides[0].items);
    free(sides[1].items);
    return r;
}
