/* HTTP/1 recognised by content: at the start of a connection, and again after a loss. */
#include "dissect/proto/http1_state.h"

enum {
    SEARCH_WINDOW = HTTP1_SEARCH_WINDOW,
    CONFIRM_MAX = 128 /* longest header name that confirms a first line found by search */
};

/* Where in the line (its end included) a first line begins; SIZE_MAX: nowhere. */
size_t http1_find_request_line(struct slice line)
{
    struct http_message message;
    size_t end = line.len;
    while (end && (line.data[end - 1] == '\n' || line.data[end - 1] == '\r'))
        end--;
    if (end < 14 || memcmp(line.data + end - 9, " HTTP/1.", 8) != 0)
        return SIZE_MAX;
    size_t low = line.len > SEARCH_WINDOW ? line.len - SEARCH_WINDOW : 0;
    size_t space = end - 9;
    size_t target = space;
    while (target > low && line.data[target - 1] > ' ')
        target--;
    if (target == space || target <= low + 1 || line.data[target - 1] != ' ')
        return SIZE_MAX;
    for (size_t n = 3; n <= 9 && target - 1 >= low + n; n++) {
        size_t at = target - 1 - n;
        if (http1_is_known_method(slice_of(line.data + at, n)) &&
            http1_parse_request_line(slice_sub(line, at, SIZE_MAX), &message))
            return at;
    }
    return SIZE_MAX;
}

size_t http1_find_status_line(struct slice line)
{
    struct http_message message;
    size_t at = line.len > SEARCH_WINDOW ? line.len - SEARCH_WINDOW : 0;
    while (line.len - at >= 12) {
        const uint8_t *p = memmem(line.data + at, line.len - at, "HTTP/1.", 7);
        if (!p)
            break;
        at = (size_t)(p - line.data);
        if (http1_parse_status_line(slice_sub(line, at, SIZE_MAX), &message))
            return at;
        at += 7;
    }
    return SIZE_MAX;
}

/* A first line found by search counts when a header line or an empty line follows. */
enum probe_result http1_confirm(struct slice next, bool ended)
{
    size_t n = 0;
    if (next.len && (next.data[0] == '\r' || next.data[0] == '\n'))
        return PROBE_YES;
    while (n < next.len && n < CONFIRM_MAX && http1_is_token_char(next.data[n]))
        n++;
    if (n == next.len && n < CONFIRM_MAX)
        return ended ? PROBE_YES : PROBE_MAYBE;
    return n && n < CONFIRM_MAX && next.data[n] == ':' ? PROBE_YES : PROBE_NO;
}

/* ── detection ── */

static enum probe_result probe_request(struct slice s, bool ended)
{
    struct http_message message;
    while (s.len && (s.data[0] == '\r' || s.data[0] == '\n'))
        s = slice_sub(s, 1, SIZE_MAX);
    const uint8_t *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
    if (lf) {
        bool ok = http1_parse_request_line(slice_of(s.data, (size_t)(lf - s.data) + 1), &message);
        return ok ? PROBE_YES : PROBE_NO;
    }
    size_t n = 0;
    while (n < s.len && n < 32 && http1_is_token_char(s.data[n]))
        n++;
    if (n == 32 || (n < s.len && s.data[n] != ' ') || (n == 0 && s.len))
        return PROBE_NO;
    if (n == s.len || s.len - n < 2)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (!http1_is_known_method(slice_of(s.data, n)))
        return ended ? PROBE_NO : PROBE_MAYBE;
    uint8_t c = s.data[n + 1];
    if (c != '/' && c != '*' && (c | 0x20) != 'h' && n != 7 /* CONNECT */)
        return PROBE_NO;
    /* A request line longer than what probes are shown. */
    return s.len >= 4000 && (c == '/' || (c | 0x20) == 'h') ? PROBE_YES : PROBE_MAYBE;
}

static enum probe_result probe_response(struct slice s)
{
    struct http_message message;
    size_t n = s.len < 7 ? s.len : 7;
    if (n && strncasecmp((const char *)s.data, "HTTP/1.", n) != 0)
        return PROBE_NO;
    if (s.len < 13)
        return PROBE_MAYBE;
    return http1_parse_status_line(slice_of(s.data, 13), &message) ? PROBE_YES : PROBE_NO;
}

static enum probe_result probe_inside(struct slice s, bool ended)
{
    if (s.len == 0)
        return PROBE_NO;
    for (size_t at = 0; at < s.len;) {
        const uint8_t *lf = memchr(s.data + at, '\n', s.len - at);
        if (!lf)
            break;
        size_t end = (size_t)(lf - s.data) + 1;
        struct slice line = slice_of(s.data + at, end - at);
        if ((http1_find_request_line(line) != SIZE_MAX ||
             http1_find_status_line(line) != SIZE_MAX) &&
            http1_confirm(slice_sub(s, end, SIZE_MAX), ended) == PROBE_YES)
            return PROBE_YES;
        at = end;
    }
    /* Bytes that are no text say nothing: the next message begins where the other side answers. */
    return s.len < 4000 && !ended && !gather_is_binary(s) ? PROBE_MAYBE : PROBE_NO;
}

static enum probe_result best_of(enum probe_result a, enum probe_result b)
{
    return a > b ? a : b;
}

/* "GET /x" alone may be HTTP/0.9 or a command of some other line protocol: the server decides. */
static enum probe_result probe_simple(const struct probe_input *in)
{
    struct slice s = in->server;
    if (s.len == 0)
        return in->server_ended ? PROBE_NO : PROBE_MAYBE;
    return memchr("+-$:*_#,", s.data[0], 8) ? PROBE_NO : PROBE_YES;
}

/* A whole line of printable characters, or the name of our protocol somewhere. */
static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\n')
            return true;
        if ((s.data[i] < ' ' && s.data[i] != '\r' && s.data[i] != '\t') || s.data[i] >= 0x7f)
            break;
    }
    return s.len > 8 && memmem(s.data, s.len, "HTTP/1.", 7);
}

enum probe_result http1_probe(const struct probe_input *in)
{
    struct http_message message = {0};
    enum probe_result client = probe_request(in->client, in->client_ended);
    if (client == PROBE_YES) {
        struct slice s = in->client;
        while (s.len && (s.data[0] == '\r' || s.data[0] == '\n'))
            s = slice_sub(s, 1, SIZE_MAX);
        const uint8_t *lf = memchr(s.data, '\n', s.len);
        if (lf && http1_parse_request_line(slice_of(s.data, (size_t)(lf - s.data) + 1), &message) &&
            slice_eq_str(message.version, "0.9"))
            client = probe_simple(in);
    }
    enum probe_result server = probe_response(in->server);
    enum probe_result result = best_of(client, server);
    /* A request line that is none may still be answered in HTTP. */
    if (client == PROBE_NO && in->server.len == 0 && in->client.len &&
        (in->server_ended || !is_text(in->client)))
        result = PROBE_NO;
    /* A server does not speak first. */
    if (in->client.len == 0 && in->server.len && server == PROBE_NO)
        result = PROBE_NO;
    if (result == PROBE_YES || !in->is_late_join)
        return result;
    if (probe_response(in->client) == PROBE_YES ||
        (in->server.len && probe_request(in->server, false) == PROBE_YES))
        return PROBE_YES;
    result = best_of(result, probe_inside(in->client, in->client_ended));
    return best_of(result, probe_inside(in->server, in->server_ended));
}
