/* HTTP/1 messages: first line, header block, framing (RFC 9110, RFC 9112). What goes into the entry
 * is in http1_entry.c. */
#include "dissect/proto/http1_message.h"

static const char *const known_methods[] = {
    "GET",    "POST",     "PUT",       "HEAD",  "DELETE", "OPTIONS", "PATCH", "CONNECT",
    "TRACE",  "PROPFIND", "PROPPATCH", "MKCOL", "COPY",   "MOVE",    "LOCK",  "UNLOCK",
    "SEARCH", "REPORT",   "MERGE",     "QUERY", "PURGE",  "CHECKOUT"};

bool http1_is_known_method(struct slice method)
{
    for (size_t i = 0; i < sizeof known_methods / sizeof known_methods[0]; i++)
        if (slice_eq_str(method, known_methods[i]))
            return true;
    return false;
}

bool http1_is_token_char(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return byte_is_in(c, "!#$%&'*+-.^_`|~");
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static struct slice cut_line_end(struct slice line)
{
    if (line.len && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* "HTTP/1.1" → "1.1"; major version 0 or 1 only. */
static bool parse_version(struct slice text, struct slice *ret_version)
{
    if (text.len != 8 || strncasecmp((const char *)text.data, "HTTP/", 5) != 0)
        return false;
    const uint8_t *p = text.data + 5;
    if (p[0] > '1' || p[0] < '0' || p[1] != '.' || !is_digit(p[2]))
        return false;
    *ret_version = slice_of(p, 3);
    return true;
}

/* The version at the end of a request line; a wrong one ("HTTP/1.", "HTTP/2.0") is recovered
 * behind a known method. */
static struct slice request_version(struct slice method, struct slice text)
{
    struct slice version;
    if (parse_version(text, &version))
        return version;
    if (slice_starts_with(text, SLICE_LITERAL("HTTP/")) && text.len < 16 &&
        http1_is_known_method(method))
        return slice_sub(text, 5, SIZE_MAX);
    return SLICE_NONE;
}

static size_t last_space(struct slice text)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.data[i - 1] == ' ' || text.data[i - 1] == '\t')
            return i - 1;
    return SIZE_MAX;
}

bool http1_parse_request_line(struct slice line, struct http_message *ret_message)
{
    line = slice_trim(cut_line_end(line));
    size_t n = 0;
    while (n < line.len && n < 64 && http1_is_token_char(line.data[n]))
        n++;
    if (n == 0 || n >= line.len || (line.data[n] != ' ' && line.data[n] != '\t'))
        return false;
    struct slice method = slice_of(line.data, n);
    struct slice rest = slice_trim(slice_sub(line, n, SIZE_MAX));
    size_t space = last_space(rest);
    struct slice version = SLICE_NONE;
    struct slice target;
    if (space != SIZE_MAX)
        version = request_version(method, slice_sub(rest, space + 1, SIZE_MAX));
    if (version.data) {
        target = slice_trim(slice_of(rest.data, space));
        /* Spaces inside are a fault that only a known method excuses. */
        if (last_space(target) != SIZE_MAX && !http1_is_known_method(method))
            return false;
    } else {
        /* HTTP/0.9 has no version (and only GET, but peers err); anything longer is another
         * protocol. */
        if (!http1_is_known_method(method) || rest.len == 0 || rest.data[0] != '/' ||
            space != SIZE_MAX)
            return false;
        for (size_t i = 0; i < rest.len; i++)
            if (rest.data[i] <= ' ' || rest.data[i] >= 0x7f)
                return false;
        version = SLICE_LITERAL("0.9");
        target = rest;
    }
    if (target.len == 0)
        return false;
    ret_message->method = method;
    ret_message->target = target;
    ret_message->version = version;
    return true;
}

bool http1_parse_status_line(struct slice line, struct http_message *ret_message)
{
    line = cut_line_end(line);
    struct slice version;
    if (line.len < 12 || !parse_version(slice_of(line.data, 8), &version))
        return false;
    size_t at = 8;
    while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
        at++;
    if (at == 8 || line.len - at < 3)
        return false;
    const uint8_t *p = line.data + at;
    if (!is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) || p[0] == '0')
        return false;
    if (line.len - at > 3 && p[3] != ' ' && p[3] != '\t')
        return false;
    ret_message->status_code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    ret_message->version = version;
    return true;
}

/* ── header block ── */

/* Folded lines (RFC 9112 section 5.2) become one line: each break is replaced by spaces. */
static size_t unfolded_line_len(uint8_t *data, size_t len)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *lf = memchr(data + at, '\n', len - at);
        if (!lf)
            return len;
        at = (size_t)(lf - data) + 1;
        if (at >= len || (data[at] != ' ' && data[at] != '\t'))
            return at;
        data[at - 1] = ' ';
        if (at >= 2 && data[at - 2] == '\r')
            data[at - 2] = ' ';
    }
}

static void add_line(struct http_message *message, size_t most, uint8_t *data, size_t len)
{
    struct slice line = cut_line_end(slice_of(data, len));
    const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
    if (!colon)
        return;
    size_t name_len = (size_t)(colon - line.data);
    struct slice value = slice_trim(slice_of(colon + 1, line.len - name_len - 1));
    struct slice name = slice_trim(slice_of(data, name_len));
    if (name.len == 0)
        return;
    if (message->header_count >= most) {
        message->truncated = true;
        return;
    }
    for (size_t i = 0; i < name_len; i++)
        if (data[i] >= 'A' && data[i] <= 'Z')
            data[i] |= 0x20;
    message->headers[message->header_count++] = (struct entry_pair){.key = name, .value = value};
}

static size_t count_lines(struct slice text)
{
    size_t lines = 1;
    const uint8_t *p = text.data;
    size_t left = text.len;
    while (left && lines <= DISSECT_MAX_HEADERS) {
        const uint8_t *lf = memchr(p, '\n', left);
        if (!lf)
            break;
        lines++;
        left -= (size_t)(lf - p) + 1;
        p = lf + 1;
    }
    return lines > DISSECT_MAX_HEADERS ? DISSECT_MAX_HEADERS : lines;
}

void http1_parse_headers(struct http_message *message, struct arena *arena)
{
    size_t len = message->head.len;
    size_t most = count_lines(slice_of(message->head.data, len));
    message->headers = arena_alloc(arena, most * sizeof *message->headers);
    if (!message->headers) {
        message->truncated = true;
        return;
    }
    for (size_t at = 0; at < len;) {
        size_t line_len = unfolded_line_len(message->head.data + at, len - at);
        add_line(message, most, message->head.data + at, line_len);
        at += line_len;
    }
    message->header_count = http_join_repeats(arena, message->headers, message->header_count);
}

void http1_parse_trailers(struct http_message *message, struct arena *arena)
{
    struct http_message trailers = {.head = message->head};
    http1_parse_headers(&trailers, arena);
    http_add_trailers(message, arena, trailers.headers, trailers.header_count);
}

/* ── framing ── */

static bool parse_length(struct slice text, uint64_t *ret_length)
{
    uint64_t v = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.data[i]) || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.data[i] - '0'), &v))
            return false;
    if (v > INT64_MAX)
        return false;
    *ret_length = v;
    return true;
}

/* "5" and "5, 5" are lengths; "5, 6", "-1" and 2^64 are not. */
static bool parse_content_length(struct slice list, uint64_t *ret_length)
{
    struct slice element;
    bool any = false;
    while (http_next_element(&list, &element)) {
        uint64_t v = 0;
        if (!parse_length(element, &v) || (any && v != *ret_length))
            return false;
        *ret_length = v;
        any = true;
    }
    return any;
}

static bool has_header(const struct http_message *message, const char *name, struct slice *ret)
{
    *ret = http_header(message, name);
    return ret->data != NULL;
}

/* True when a Transfer-Encoding decides; "identity" alone (RFC 2616) is as good as none. */
static bool transfer_coding(const struct http_message *message, bool *ret_chunked_is_last)
{
    struct slice list;
    struct slice element;
    struct slice last = SLICE_NONE;
    if (!has_header(message, "transfer-encoding", &list))
        return false;
    while (http_next_element(&list, &element))
        if (element.len && !slice_eq_nocase(element, SLICE_LITERAL("identity")))
            last = element;
    if (last.len == 0)
        return false;
    const uint8_t *semicolon = memchr(last.data, ';', last.len);
    if (semicolon)
        last = slice_trim(slice_of(last.data, (size_t)(semicolon - last.data)));
    *ret_chunked_is_last = slice_eq_nocase(last, SLICE_LITERAL("chunked"));
    return true;
}

enum http1_framing http1_request_framing(struct http_message *message)
{
    bool chunked = false;
    struct slice length;
    if (slice_eq_str(message->version, "0.9"))
        return HTTP1_NO_BODY;
    if (transfer_coding(message, &chunked))
        return chunked ? HTTP1_CHUNKED : HTTP1_BROKEN;
    if (!has_header(message, "content-length", &length))
        return HTTP1_NO_BODY;
    if (!parse_content_length(length, &message->content_length))
        return HTTP1_BROKEN;
    return message->content_length ? HTTP1_LENGTH : HTTP1_NO_BODY;
}

enum http1_framing http1_response_framing(struct http_message *message,
                                          const struct http_message *request)
{
    bool chunked = false;
    struct slice length;
    int code = message->status_code;
    if ((request && slice_eq_str(request->method, "HEAD")) || code / 100 == 1 || code == 204 ||
        code == 304)
        return HTTP1_NO_BODY;
    if (request && slice_eq_str(request->method, "CONNECT") && code / 100 == 2)
        return HTTP1_NO_BODY;
    if (transfer_coding(message, &chunked))
        return chunked ? HTTP1_CHUNKED : HTTP1_UNTIL_CLOSE;
    if (!has_header(message, "content-length", &length) ||
        !parse_content_length(length, &message->content_length))
        return HTTP1_UNTIL_CLOSE;
    return message->content_length ? HTTP1_LENGTH : HTTP1_NO_BODY;
}
