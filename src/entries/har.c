#include "entries/har.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* The fields of one side of a call. */
struct side {
    field_id headers, cookies, body, body_size, headers_size;
};
static const struct side request_side = {FIELD_REQUEST_HEADERS_ID, FIELD_REQUEST_COOKIES_ID,
                                         FIELD_REQUEST_BODY_ID, FIELD_REQUEST_BODY_SIZE_ID,
                                         FIELD_REQUEST_HEADERS_SIZE_ID};
static const struct side response_side = {FIELD_RESPONSE_HEADERS_ID, FIELD_RESPONSE_COOKIES_ID,
                                          FIELD_RESPONSE_BODY_ID, FIELD_RESPONSE_BODY_SIZE_ID,
                                          FIELD_RESPONSE_HEADERS_SIZE_ID};

static struct slice text_of(const struct entry *entry, field_id field)
{
    const struct entry_value *v = entry_find(entry, field);
    return v && v->type == FIELD_TEXT ? v->text : SLICE_NONE;
}

static int64_t int_of(const struct entry *entry, field_id field, int64_t absent)
{
    const struct entry_value *v = entry_find(entry, field);
    return v && v->type == FIELD_INT ? v->integer : absent;
}

static struct slice header(const struct entry *entry, const struct side *side, const char *name)
{
    const struct entry_value *v = entry_find(entry, side->headers);
    for (uint32_t i = 0; v && v->type == FIELD_MAP && i < v->count; i++)
        if (slice_eq_str(v->pairs[i].key, name))
            return v->pairs[i].value;
    return SLICE_NONE;
}

static void write_pair(struct json_writer *w, struct slice name, struct slice value)
{
    json_begin_object(w);
    json_member_string(w, "name", name);
    json_member_string(w, "value", value);
    json_end_object(w);
}

/* Lines of set-cookie are kept under one name, a line each. */
static void write_lines(struct json_writer *w, struct slice name, struct slice lines)
{
    for (;;) {
        const uint8_t *end = lines.len ? memchr(lines.data, '\n', lines.len) : NULL;
        size_t n = end ? (size_t)(end - lines.data) : lines.len;
        write_pair(w, name, slice_sub(lines, 0, n));
        if (!end)
            return;
        lines = slice_sub(lines, n + 1, lines.len);
    }
}

static void write_pairs(struct json_writer *w, const char *key, const struct entry *entry,
                        field_id field)
{
    const struct entry_value *v = entry_find(entry, field);
    json_key(w, key);
    json_begin_array(w);
    for (uint32_t i = 0; v && v->type == FIELD_MAP && i < v->count; i++)
        write_lines(w, v->pairs[i].key, v->pairs[i].value);
    json_end_array(w);
}

static void write_http_version(struct json_writer *w, const struct entry *entry)
{
    struct slice version = text_of(entry, FIELD_HTTP_VERSION_ID);
    char text[24];
    snprintf(text, sizeof text, "HTTP/%.*s", (int)(version.len < 8 ? version.len : 8),
             version.len ? (const char *)version.data : "");
    json_member_str(w, "httpVersion", version.len ? text : "");
}

/* The body as text, or in base64 when it is none. */
static void write_text(struct json_writer *w, struct slice body)
{
    if (text_is_utf8(body)) {
        json_member_string(w, "text", body);
        return;
    }
    json_key(w, "text");
    json_base64(w, body);
    json_member_str(w, "encoding", "base64");
}

static void write_media_type(struct json_writer *w, const struct entry *entry,
                             const struct side *side)
{
    struct slice type = header(entry, side, "content-type");
    json_key(w, "mimeType");
    json_text(w, type.len ? type : SLICE_LITERAL("application/octet-stream"));
}

static void write_request(struct json_writer *w, const struct entry *entry)
{
    const struct side *side = &request_side;
    struct slice body = text_of(entry, side->body);
    json_begin_object(w);
    json_member_string(w, "method", text_of(entry, FIELD_METHOD_ID));
    json_member_string(w, "url", text_of(entry, FIELD_URL_ID));
    write_http_version(w, entry);
    write_pairs(w, "cookies", entry, side->cookies);
    write_pairs(w, "headers", entry, side->headers);
    write_pairs(w, "queryString", entry, FIELD_QUERY_STRING_ID);
    if (body.len) {
        json_key(w, "postData");
        json_begin_object(w);
        write_media_type(w, entry, side);
        write_text(w, body);
        json_end_object(w);
    }
    json_member_int(w, "headersSize", int_of(entry, side->headers_size, -1));
    json_member_int(w, "bodySize", int_of(entry, side->body_size, -1));
    json_end_object(w);
}

static void write_response(struct json_writer *w, const struct entry *entry)
{
    const struct side *side = &response_side;
    struct slice body = text_of(entry, side->body);
    json_begin_object(w);
    json_member_int(w, "status", int_of(entry, FIELD_STATUS_CODE_ID, 0));
    json_member_str(w, "statusText", "");
    write_http_version(w, entry);
    write_pairs(w, "cookies", entry, side->cookies);
    write_pairs(w, "headers", entry, side->headers);
    json_key(w, "content");
    json_begin_object(w);
    json_member_uint(w, "size", body.len);
    write_media_type(w, entry, side);
    if (body.len)
        write_text(w, body);
    json_end_object(w);
    json_member_string(w, "redirectURL", header(entry, side, "location"));
    json_member_int(w, "headersSize", int_of(entry, side->headers_size, -1));
    json_member_int(w, "bodySize", int_of(entry, side->body_size, -1));
    json_end_object(w);
}

static void member_ms(struct json_writer *w, const char *key, int64_t us)
{
    json_key(w, key);
    json_double(w, (double)us / 1000);
}

/* From the request's first packet to its last, within what the whole call took. */
static int64_t send_us(const struct entry *entry, int64_t most_us)
{
    const struct entry_packets *packets = &entry->request;
    if (packets->count == 0 || packets->truncated)
        return 0;
    int64_t us = (packets->refs[packets->count - 1].ts_ns - packets->refs[0].ts_ns) / NS_PER_US;
    return us < 0 ? 0 : us < most_us ? us : most_us;
}

/* A call without an answer has no times of one: −1, "does not apply". */
static void write_timings(struct json_writer *w, const struct entry *entry)
{
    bool answered = entry_find(entry, FIELD_STATUS_CODE_ID) != NULL;
    int64_t total_us = int_of(entry, FIELD_ELAPSED_TIME_ID, 0);
    int64_t wait_us = int_of(entry, FIELD_TIME_TO_RESPONSE_US_ID, 0);
    total_us = total_us < 0 ? 0 : total_us;
    wait_us = wait_us < 0 ? 0 : wait_us < total_us ? wait_us : total_us;
    int64_t sent_us = send_us(entry, total_us - wait_us);
    member_ms(w, "time", answered ? total_us : sent_us);
    json_key(w, "timings");
    json_begin_object(w);
    member_ms(w, "send", sent_us);
    json_key(w, "wait");
    json_double(w, answered ? (double)wait_us / 1000 : -1);
    json_key(w, "receive");
    json_double(w, answered ? (double)(total_us - wait_us - sent_us) / 1000 : -1);
    json_end_object(w);
}

bool har_has_place_for(const struct entry *entry)
{
    return text_of(entry, FIELD_METHOD_ID).len && text_of(entry, FIELD_URL_ID).len &&
           text_of(entry, FIELD_HTTP_VERSION_ID).len;
}

void har_write_entry(const struct entry *entry, struct json_writer *w)
{
    char id[ENTRY_ID_TEXT_SIZE];
    const struct entry_value *incomplete = entry_find(entry, FIELD_INCOMPLETE_ID);
    struct slice reason = text_of(entry, FIELD_STATUS_REASON_ID);
    json_begin_object(w);
    json_member_time(w, "startedDateTime", entry->timestamp_ns);
    write_timings(w, entry);
    json_key(w, "request");
    write_request(w, entry);
    json_key(w, "response");
    write_response(w, entry);
    json_key(w, "cache");
    json_begin_object(w);
    json_end_object(w);
    json_member_string(w, "serverIPAddress", text_of(entry, FIELD_DST_IP_ID));
    json_member_string(w, "connection", text_of(entry, FIELD_CONN_ID_ID));
    json_member_str(w, "_id", entry_id_text(entry, id));
    json_member_str(w, "_protocol", entry->protocol);
    json_member_string(w, "_status", text_of(entry, FIELD_STATUS_ID));
    if (reason.len)
        json_member_string(w, "_status_reason", reason);
    json_member_bool(w, "_incomplete", incomplete && incomplete->boolean);
    json_end_object(w);
}

void har_write_head(struct buf *out)
{
    buf_append_str(out, "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"trawl\",\"version\":"
                        "\"" TRAWL_VERSION "\"},\"entries\":[");
}

void har_write_tail(struct buf *out, uint64_t left_out)
{
    buf_append_str(out, "]");
    if (left_out)
        buf_printf(
            out,
            ",\"comment\":\"%llu entries are no HTTP calls with a known request and are left "
            "out\"",
            (unsigned long long)left_out);
    buf_append_str(out, "}}\n");
}
