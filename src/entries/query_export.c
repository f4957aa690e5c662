/* What an export asks: flows, packets. */
#include <errno.h>
#include <stdlib.h>

#include "entries/query_ops.h"
#include "entries/question_rows.h"

static void write_flow(const struct entry *entry, struct json_writer *w)
{
    static const field_id ends[2][2] = {{FIELD_SRC_IP_ID, FIELD_SRC_PORT_ID},
                                        {FIELD_DST_IP_ID, FIELD_DST_PORT_ID}};
    static const char *const names[2][2] = {{"a", "a_port"}, {"b", "b_port"}};
    json_begin_object(w);
    json_member_str(w, "protocol",
                    entry->transport == ENTRY_TRANSPORT_UDP   ? "udp"
                    : entry->transport == ENTRY_TRANSPORT_TCP ? "tcp"
                                                              : "ip");
    for (int i = 0; i < 2; i++) {
        const struct entry_value *ip = entry_find(entry, ends[i][0]);
        const struct entry_value *port = entry_find(entry, ends[i][1]);
        json_member_string(w, names[i][0], ip ? ip->text : SLICE_NONE);
        json_member_int(w, names[i][1], port ? port->integer : 0);
    }
    json_end_object(w);
}

/* One row a connection, so that each flow is named once. */
int query_op_flows(struct question *q, struct json_writer *w)
{
    struct row_list rows = {0};
    int64_t calls = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = question_count_rows(q, true, &calls);
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_append_str(&sql, "SELECT min(row)::BIGINT, 0::BIGINT FROM ");
    question_put_from(q, &sql);
    buf_append_str(
        &sql,
        " GROUP BY r.conn_id, r.\"src.ip\", r.\"src.port\", r.\"dst.ip\", r.\"dst.port\" ORDER BY 1");
    buf_append_u8(&sql, 0);
    if (r == 0)
        r = question_select(q, (const char *)sql.data, 2, row_list_add, &rows);
    buf_done(&sql);
    json_begin_object(w);
    json_key(w, "flows");
    json_begin_array(w);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = question_load_row(q, (uint64_t)rows.items[i][0], 0, &entry, &files);
        if (r == 0)
            write_flow(&entry, w);
    }
    json_end_array(w);
    json_member_int(w, "calls", calls);
    json_end_object(w);
    free(rows.items);
    return r == -ENOMEM ? question_no_memory(q) : r;
}

/* The refs of one entry, grouped by file; they mostly are of one. */
static int send_offsets(struct question *q, const struct entry_packets *packets,
                        const struct entry_files *files)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < packets->count;) {
        uint32_t file = packets->refs[i].file;
        if (file >= files->count) {
            i++;
            continue;
        }
        struct buf line;
        struct json_writer item;
        question_begin_item(q, &line, &item);
        json_begin_object(&item);
        json_member_str(&item, "node", files->files[file].node);
        json_member_uint(&item, "seq", files->files[file].sequence);
        json_key(&item, "offsets");
        json_begin_array(&item);
        for (; i < packets->count && packets->refs[i].file == file; i++)
            json_uint(&item, packets->refs[i].offset);
        json_end_array(&item);
        json_end_object(&item);
        r = question_end_item(q, &line, &item);
    }
    return r;
}

int query_op_packets(struct question *q, struct json_writer *w)
{
    struct row_list rows = {0};
    struct page_request page = {.order = &row_orders[0], .limit = -1};
    uint64_t packets = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = question_select_rows(q, &page, &rows);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = question_load_row(q, (uint64_t)rows.items[i][0], 0, &entry, &files);
        if (r < 0)
            break;
        packets += entry.request.count + entry.response.count;
        r = send_offsets(q, &entry.request, files);
        if (r == 0)
            r = send_offsets(q, &entry.response, files);
    }
    json_begin_object(w);
    json_member_uint(w, "calls", rows.count);
    json_member_uint(w, "packets", packets);
    json_end_object(w);
    free(rows.items);
    return r;
}
