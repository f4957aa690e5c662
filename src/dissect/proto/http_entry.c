/* From two HTTP messages to the fields of an entry (filter.md, row HTTP): URL, query, cookies,
 * trace ids (W3C Trace Context, B3, Jaeger), decoded bodies, summary. */
#include <errno.h>
#include <stdio.h>

#include "dissect/proto/http_graphql.h"

enum {
    SUMMARY_PATH_MAX = 256,
    MAX_PAIRS = 1000
};

struct filler {
    struct dissect_conn *conn;
    struct dissect_entry *entry;
    struct arena *arena;
};

static void set_text(struct filler *f, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(f->entry, field, text);
}

static struct slice until(struct slice text, char stop)
{
    const uint8_t *p = text.len ? memchr(text.data, stop, text.len) : NULL;
    return p ? slice_of(text.data, (size_t)(p - text.data)) : text;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct slice http_percent_decode(struct arena *arena, struct slice text, bool form)
{
    bool plain = true;
    for (size_t i = 0; i < text.len && plain; i++)
        plain = text.data[i] != '%' && !(form && text.data[i] == '+');
    if (plain)
        return text;
    uint8_t *out = arena_alloc(arena, text.len);
    if (!out)
        return text;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        int high = c == '%' && i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            out[len++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            out[len++] = form && c == '+' ? ' ' : c;
        }
    }
    return slice_of(out, len);
}

/* "a=1&b=2" or "a=1; b=2" into pairs. */
static void set_pairs(struct filler *f, unsigned field, struct slice text, char separator,
                      bool decode)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len && count < MAX_PAIRS; i++)
        count += text.data[i] == separator;
    struct entry_pair *pairs = text.len ? arena_alloc(f->arena, count * sizeof *pairs) : NULL;
    if (!pairs)
        return;
    size_t n = 0;
    while (text.len && n < count) {
        struct slice item = until(text, separator);
        text = slice_sub(text, item.len + 1, SIZE_MAX);
        item = slice_trim(item);
        if (item.len == 0)
            continue;
        struct slice key = until(item, '=');
        struct slice value = slice_sub(item, key.len + 1, SIZE_MAX);
        pairs[n].key = decode ? http_percent_decode(f->arena, key, true) : key;
        pairs[n++].value = decode ? http_percent_decode(f->arena, value, true) : value;
    }
    if (n)
        dissect_set_map(f->entry, field, pairs, http_join_repeats(f->arena, pairs, n));
}

/* One pair a line of set-cookie: "sid=42; Path=/" → sid, 42. */
static void set_response_cookies(struct filler *f, struct slice lines)
{
    size_t count = 1;
    for (size_t i = 0; i < lines.len && count < MAX_PAIRS; i++)
        count += lines.data[i] == '\n';
    struct entry_pair *pairs = lines.len ? arena_alloc(f->arena, count * sizeof *pairs) : NULL;
    if (!pairs)
        return;
    size_t n = 0;
    while (lines.len && n < count) {
        struct slice line = until(lines, '\n');
        lines = slice_sub(lines, line.len + 1, SIZE_MAX);
        struct slice cookie = slice_trim(until(line, ';'));
        struct slice key = until(cookie, '=');
        if (cookie.len == 0)
            continue;
        pairs[n].key = slice_trim(key);
        pairs[n++].value = slice_trim(slice_sub(cookie, key.len + 1, SIZE_MAX));
    }
    if (n)
        dissect_set_map(f->entry, FIELD_RESPONSE_COOKIES_ID, pairs,
                        http_join_repeats(f->arena, pairs, n));
}

/* ── path template ── */

static bool is_id_segment(struct slice s)
{
    size_t digits = 0;
    size_t hex = 0;
    size_t letters = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool digit = c >= '0' && c <= '9';
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        digits += digit;
        letters += letter;
        hex += hex_digit(c) >= 0 || c == '-';
        if (!digit && !letter && c != '-' && c != '_')
            return false;
    }
    if (s.len == 0 || digits == 0)
        return false;
    return digits == s.len || (hex == s.len && s.len >= 4) || (letters && s.len >= 16);
}

static void set_path_template(struct filler *f, struct slice path)
{
    size_t slashes = 1;
    for (size_t i = 0; i < path.len; i++)
        slashes += path.data[i] == '/';
    uint8_t *out = arena_alloc(f->arena, path.len + slashes * 4);
    if (!out)
        return;
    size_t len = 0;
    for (size_t at = 0; at <= path.len;) {
        struct slice segment = until(slice_sub(path, at, SIZE_MAX), '/');
        struct slice shown = is_id_segment(segment) ? SLICE_LITERAL("{id}") : segment;
        if (at)
            out[len++] = '/';
        if (shown.len)
            memcpy(out + len, shown.data, shown.len);
        len += shown.len;
        at += segment.len + 1;
    }
    set_text(f, FIELD_PATH_TEMPLATE_ID, slice_of(out, len));
}

/* ── request target (RFC 9112 section 3.2) ── */

struct target {
    struct slice path, query, authority;
    bool is_absolute;
};

static struct target split_target(const struct http_message *request)
{
    struct slice rest = request->target;
    struct target t = {0};
    const uint8_t *scheme_end = rest.len > 3 ? memmem(rest.data, rest.len, "://", 3) : NULL;
    if (scheme_end && rest.data[0] != '/' && scheme_end - rest.data <= 10) {
        rest = slice_sub(rest, (size_t)(scheme_end - rest.data) + 3, SIZE_MAX);
        t.is_absolute = true;
        size_t len = 0;
        while (len < rest.len && !byte_is_in(rest.data[len], "/?#"))
            len++;
        t.authority = slice_of(rest.data, len);
        rest = slice_sub(rest, len, SIZE_MAX);
    }
    rest = until(rest, '#');
    t.path = until(rest, '?');
    t.query = slice_sub(rest, t.path.len + 1, SIZE_MAX);
    if (t.is_absolute && t.path.len == 0)
        t.path = SLICE_LITERAL("/");
    return t;
}

static struct slice server_address(struct filler *f)
{
    const struct dissect_tuple *tuple = dissect_tuple(f->conn);
    const uint8_t *a = tuple->server_ip;
    if (tuple->ip_version != 6)
        return arena_printf(f->arena, "%u.%u.%u.%u:%u", a[0], a[1], a[2], a[3], tuple->server_port);
    return arena_printf(f->arena, "[%x:%x:%x:%x:%x:%x:%x:%x]:%u", a[0] << 8 | a[1],
                        a[2] << 8 | a[3], a[4] << 8 | a[5], a[6] << 8 | a[7], a[8] << 8 | a[9],
                        a[10] << 8 | a[11], a[12] << 8 | a[13], a[14] << 8 | a[15],
                        tuple->server_port);
}

static void set_target(struct filler *f, const struct http_message *request)
{
    struct target t = split_target(request);
    struct slice host = t.authority.len ? t.authority : request->authority;
    if (host.len == 0)
        host = http_header(request, "host");
    /* An extended CONNECT (RFC 8441) has a path and a scheme like other requests. */
    bool is_connect = slice_eq_str(request->method, "CONNECT") && !request->scheme.len;
    if (is_connect && host.len == 0)
        host = request->target;
    set_text(f, FIELD_HOST_ID, host);
    set_text(f, FIELD_PATH_ID, t.path);
    set_pairs(f, FIELD_QUERY_STRING_ID, t.query, '&', true);
    if (t.path.len && t.path.data[0] == '/')
        set_path_template(f, t.path);
    if (t.is_absolute || is_connect) {
        set_text(f, FIELD_URL_ID, request->target);
        return;
    }
    if (host.len == 0 && (request->has_gap || request->truncated || request->lacks_fields))
        return; /* it may be among what was lost */
    if (host.len == 0)
        host = server_address(f);
    struct slice target = slice_eq_str(request->target, "*") ? SLICE_NONE : request->target;
    struct slice scheme = dissect_is_tls(f->conn) ? SLICE_LITERAL("https") : SLICE_LITERAL("http");
    if (request->scheme.len)
        scheme = request->scheme;
    struct slice parts[4] = {scheme, SLICE_LITERAL("://"), host, target};
    uint8_t *url = arena_alloc(f->arena, scheme.len + 3 + host.len + target.len);
    size_t len = 0;
    for (int i = 0; url && i < 4; i++)
        if (parts[i].len) {
            memcpy(url + len, parts[i].data, parts[i].len);
            len += parts[i].len;
        }
    set_text(f, FIELD_URL_ID, slice_of(url, len));
}

/* ── trace ids ── */

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.data[i]) < 0)
            return false;
    return text.len > 0;
}

static bool is_all_zero(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '0')
            return false;
    return true;
}

static bool set_trace_id(struct filler *f, struct slice id)
{
    if (id.len > 32 || !is_hex(id) || is_all_zero(id))
        return false;
    uint8_t *lower = arena_alloc(f->arena, id.len);
    if (!lower)
        return false;
    for (size_t i = 0; i < id.len; i++)
        lower[i] = id.data[i] | 0x20; /* digits have that bit already */
    dissect_set_text(f->entry, FIELD_TRACE_ID_ID, slice_of(lower, id.len));
    return true;
}

static void set_trace(struct filler *f, const struct http_message *message)
{
    /* version "-" trace-id "-" parent-id "-" flags (W3C Trace Context, section 3.2) */
    struct slice w3c = http_header(message, "traceparent");
    struct slice id = slice_sub(w3c, 3, 32);
    if (w3c.len >= 55 && w3c.data[2] == '-' && w3c.data[35] == '-' && set_trace_id(f, id))
        return;
    if (set_trace_id(f, http_header(message, "x-b3-traceid")))
        return;
    struct slice b3 = until(http_header(message, "b3"), '-');
    if ((b3.len == 16 || b3.len == 32) && set_trace_id(f, b3))
        return;
    struct slice jaeger =
        http_percent_decode(f->arena, http_header(message, "uber-trace-id"), true);
    set_trace_id(f, until(jaeger, ':'));
}

/* ── bodies ── */

/* Content codings, then transfer codings, in the order in which they were applied. */
static struct slice codings(struct filler *f, const struct http_message *message)
{
    struct slice content = http_header(message, "content-encoding");
    struct slice transfer = http_header(message, "transfer-encoding");
    uint8_t *out = arena_alloc(f->arena, content.len + transfer.len + 4);
    if (!out)
        return SLICE_NONE;
    size_t len = 0;
    struct slice lists[2] = {content, transfer};
    for (int i = 0; i < 2; i++)
        while (lists[i].len) {
            struct slice item = until(lists[i], ',');
            lists[i] = slice_sub(lists[i], item.len + 1, SIZE_MAX);
            item = slice_trim(item);
            if (item.len == 0 || slice_eq_nocase(item, SLICE_LITERAL("chunked")) ||
                slice_eq_nocase(item, SLICE_LITERAL("identity")))
                continue;
            if (len)
                out[len++] = ',';
            memcpy(out + len, item.data, item.len);
            len += item.len;
        }
    return slice_of(out, len);
}

/* Returns the body as it is shown. */
static struct slice set_body(struct filler *f, struct http_message *message, unsigned field)
{
    struct slice body = slice_of(message->body.data, message->body.len);
    struct slice coding = body.len && !message->body_is_text ? codings(f, message) : SLICE_NONE;
    if (coding.len) {
        struct slice decoded = SLICE_NONE;
        bool truncated = false;
        int r = dissect_decode_body(f->arena, coding, body, &decoded, &truncated);
        if (r == 0 || (r == -EBADMSG && decoded.len))
            body = decoded;
        message->truncated |= truncated;
    }
    set_text(f, field, body);
    return body;
}

/* ── both ── */

static struct slice fill_request(struct filler *f, struct http_message *request)
{
    set_text(f, FIELD_METHOD_ID, request->method);
    set_target(f, request);
    set_text(f, FIELD_HTTP_VERSION_ID, request->version);
    if (request->header_count)
        dissect_set_map(f->entry, FIELD_REQUEST_HEADERS_ID, request->headers,
                        request->header_count);
    set_pairs(f, FIELD_REQUEST_COOKIES_ID, http_header(request, "cookie"), ';', false);
    set_trace(f, request);
    set_text(f, FIELD_REQUEST_ID_ID, http_header(request, "x-request-id"));
    struct slice body = set_body(f, request, FIELD_REQUEST_BODY_ID);
    dissect_set_int(f->entry, FIELD_REQUEST_HEADERS_SIZE_ID, (int64_t)request->head_size);
    dissect_set_int(f->entry, FIELD_REQUEST_BODY_SIZE_ID, (int64_t)request->body_size);
    if (request->truncated)
        dissect_set_bool(f->entry, FIELD_REQUEST_TRUNCATED_ID, true);
    return body;
}

static void set_content_type(struct filler *f, const struct http_message *message)
{
    struct slice type = slice_trim(until(http_header(message, "content-type"), ';'));
    uint8_t *lower = type.len ? arena_alloc(f->arena, type.len) : NULL;
    if (!lower)
        return;
    for (size_t i = 0; i < type.len; i++) {
        uint8_t c = type.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    dissect_set_text(f->entry, FIELD_CONTENT_TYPE_ID, slice_of(lower, type.len));
}

static struct slice fill_response(struct filler *f, struct http_message *response, bool is_alone)
{
    if (response->status_code)
        dissect_set_int(f->entry, FIELD_STATUS_CODE_ID, response->status_code);
    if (is_alone) {
        set_text(f, FIELD_HTTP_VERSION_ID, response->version);
        set_trace(f, response);
        set_text(f, FIELD_REQUEST_ID_ID, http_header(response, "x-request-id"));
    }
    if (response->header_count)
        dissect_set_map(f->entry, FIELD_RESPONSE_HEADERS_ID, response->headers,
                        response->header_count);
    set_content_type(f, response);
    set_response_cookies(f, http_header(response, "set-cookie"));
    struct slice body = set_body(f, response, FIELD_RESPONSE_BODY_ID);
    dissect_set_int(f->entry, FIELD_RESPONSE_HEADERS_SIZE_ID, (int64_t)response->head_size);
    dissect_set_int(f->entry, FIELD_RESPONSE_BODY_SIZE_ID, (int64_t)response->body_size);
    if (response->truncated)
        dissect_set_bool(f->entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    return body;
}

static void set_summary(struct filler *f, const struct http_message *request,
                        const struct http_message *response)
{
    char code[16] = "";
    if (response->status_code)
        snprintf(code, sizeof code, "→ %d", response->status_code);
    if (!request->begun) {
        set_text(f, FIELD_SUMMARY_ID, arena_printf(f->arena, "%s", code));
        return;
    }
    struct slice path = split_target(request).path;
    size_t shown = path.len;
    if (shown > SUMMARY_PATH_MAX) { /* never inside a character */
        shown = SUMMARY_PATH_MAX;
        while (shown && (path.data[shown] & 0xc0) == 0x80)
            shown--;
    }
    set_text(f, FIELD_SUMMARY_ID,
             arena_printf(f->arena, "%.*s %.*s%s%s%s", SLICE_ARGS(request->method), (int)shown,
                          (const char *)path.data, shown < path.len ? "…" : "", *code ? " " : "",
                          code));
}

const char *http_status_by_code(const struct http_message *response)
{
    return response->status_code >= 500 || response->has_errors ? "error" : "ok";
}

void http_fill_entry(struct dissect_conn *conn, struct dissect_entry *entry,
                     struct http_message *request, struct http_message *response)
{
    struct filler f = {.conn = conn, .entry = entry, .arena = dissect_entry_arena(entry)};
    struct slice request_body = SLICE_NONE;
    struct slice response_body = SLICE_NONE;
    if (request->begun)
        request_body = fill_request(&f, request);
    if (response->begun)
        response_body = fill_response(&f, response, !request->begun);
    if (!request->begun ||
        !http_graphql_fill(entry, request, request_body, response, response_body))
        set_summary(&f, request, response);
    if (request->truncated || response->truncated)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
}
