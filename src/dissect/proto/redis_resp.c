/* RESP2 and RESP3, incrementally: see redis_resp.h. */
#include "dissect/proto/redis_resp.h"

static const char type_bytes[] = "+-:$*_#,(!=%~>|";

bool resp_is_type(uint8_t byte)
{
    return byte && strchr(type_bytes, byte) != NULL;
}

const char *resp_type_name(uint8_t type)
{
    static const char *const names[] = {"string",   "error",   "integer", "bulk",   "array",
                                        "nil",      "boolean", "double",  "bignum", "error",
                                        "verbatim", "map",     "set",     "push",   "attribute"};
    const char *p = type ? strchr(type_bytes, type) : NULL;
    return p ? names[p - type_bytes] : "inline";
}

bool resp_parse_number(struct slice line, int64_t *ret_v)
{
    int64_t v = 0;
    bool negative = line.len && line.data[0] == '-';
    size_t i = negative || (line.len && line.data[0] == '+') ? 1 : 0;
    if (i >= line.len || line.len - i > 19)
        return false;
    for (; i < line.len; i++) {
        uint8_t c = line.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, c - '0', &v))
            return false;
    }
    *ret_v = negative ? -v : v;
    return true;
}

/* ── keeping ── */

static void put(const struct resp_target *t, const char *text)
{
    gather_add(&t->value->text, t->arena, slice_str(text), DISSECT_BODY_CAP);
}

static void put_slice(const struct resp_target *t, struct slice s)
{
    gather_add(&t->value->text, t->arena, s, DISSECT_BODY_CAP);
}

/* As inside a JSON string. */
static void put_escaped(const struct resp_target *t, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        put_slice(t, slice_of(s.data + plain, i - plain));
        plain = i + 1;
        char code[7] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], 0};
        if (c == '"' || c == '\\') {
            code[1] = (char)c;
            code[2] = 0;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            code[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
            code[2] = 0;
        }
        put(t, code);
    }
    put_slice(t, slice_of(s.data + plain, s.len - plain));
}

/* What stands before the next element of the innermost aggregate. */
static void put_separator(struct resp_parser *p, const struct resp_target *t)
{
    if (p->depth == 0)
        return;
    const struct resp_level *level = &p->levels[p->depth - 1];
    bool is_pair = level->type == '%' || level->type == '|';
    if (t->value->is_command) {
        if (level->read)
            put(t, " ");
        return;
    }
    if (level->read == 0)
        return;
    put(t, is_pair && level->read % 2 ? ":" : ",");
}

static void keep(const struct resp_target *t, struct slice s)
{
    uint64_t i = t->value->elements;
    if (i < RESP_KEPT)
        gather_add(&t->value->kept[i], t->arena, s, RESP_KEPT_BYTES);
}

static bool needs_quotes(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] == '"' || s.data[i] == '\\' || s.data[i] == 0x7f)
            return true;
    return s.len == 0;
}

/* A whole scalar. */
static void put_scalar(struct resp_parser *p, const struct resp_target *t, uint8_t type,
                       struct slice s)
{
    bool is_bare = p->depth == 0 || byte_is_in(type, ":,(");
    keep(t, s);
    put_separator(p, t);
    if (t->value->is_command && !needs_quotes(s))
        is_bare = true;
    if (type == '_')
        put(t, "null");
    else if (type == '#')
        put(t, s.len && s.data[0] == 't' ? "true" : "false");
    else if (is_bare)
        put_slice(t, s);
    else {
        put(t, "\"");
        put_escaped(t, s);
        put(t, "\"");
    }
}

static void begin_string(struct resp_parser *p, const struct resp_target *t)
{
    put_separator(p, t);
    if (p->depth && !t->value->is_command)
        put(t, "\"");
    p->string_start = t->value->text.len;
}

/* A command's words are quoted only where they must be: that is known at their end. */
static void end_string(struct resp_parser *p, const struct resp_target *t)
{
    struct gather *text = &t->value->text;
    if (p->depth == 0)
        return;
    if (!t->value->is_command) {
        put(t, "\"");
        return;
    }
    struct slice s = slice_sub(gather_slice(text), p->string_start, SIZE_MAX);
    if (!needs_quotes(s) || text->cut || s.len > RESP_LINE_MAX)
        return;
    s = arena_dup(t->arena, s);
    if (!s.data)
        return;
    text->len = p->string_start;
    put(t, "\"");
    put_escaped(t, s);
    put(t, "\"");
}

static void put_string(struct resp_parser *p, const struct resp_target *t, struct slice s)
{
    keep(t, s);
    if (p->depth == 0 || t->value->is_command)
        put_slice(t, s);
    else
        put_escaped(t, s);
}

/* ── structure ── */

static const char *bracket(uint8_t type, bool is_end)
{
    bool is_map = type == '%' || type == '|';
    if (is_map)
        return is_end ? "}" : "{";
    return is_end ? "]" : "[";
}

static void put_bracket(const struct resp_target *t, uint8_t type, bool is_end)
{
    if (!t->value->is_command)
        put(t, bracket(type, is_end));
}

/* An element is complete: closes every aggregate that ends with it. */
static enum resp_result element_done(struct resp_parser *p, const struct resp_target *t)
{
    while (p->depth) {
        struct resp_level *level = &p->levels[p->depth - 1];
        level->read++;
        if (level->is_streamed || level->read < level->left)
            return RESP_ON;
        put_bracket(t, level->type, true);
        p->depth--;
        if (level->type == '|') { /* attributes stand before a value, they are none */
            if (p->depth == 0) {
                t->value->elements = 0;
                for (int i = 0; i < RESP_KEPT; i++)
                    t->value->kept[i].len = 0;
                put(t, " ");
            }
            return RESP_ON;
        }
    }
    return RESP_DONE;
}

static enum resp_result begin_aggregate(struct resp_parser *p, const struct resp_target *t,
                                        uint8_t type, struct slice count)
{
    int64_t n = 0;
    bool is_streamed = slice_eq_str(count, "?");
    if (!is_streamed && !resp_parse_number(count, &n))
        return RESP_BAD;
    if (n < 0) { /* RESP2's nil array */
        if (p->depth == 0)
            t->value->is_nil = true;
        put_scalar(p, t, '_', SLICE_NONE);
        t->value->elements++;
        return element_done(p, t);
    }
    if (p->depth == RESP_MAX_DEPTH || n > INT64_MAX / 4)
        return RESP_BAD;
    if (type == '%' || type == '|')
        n *= 2;
    put_separator(p, t);
    put_bracket(t, type, false);
    if (n == 0 && !is_streamed) {
        put_bracket(t, type, true);
        return type == '|' ? RESP_ON : element_done(p, t);
    }
    p->levels[p->depth++] =
        (struct resp_level){.left = (uint64_t)n, .type = type, .is_streamed = is_streamed};
    return RESP_ON;
}

static enum resp_result end_streamed(struct resp_parser *p, const struct resp_target *t)
{
    if (p->depth == 0 || !p->levels[p->depth - 1].is_streamed)
        return RESP_BAD;
    put_bracket(t, p->levels[p->depth - 1].type, true);
    p->depth--;
    return element_done(p, t);
}

static enum resp_result begin_bulk(struct resp_parser *p, const struct resp_target *t, uint8_t type,
                                   struct slice length)
{
    int64_t n;
    if (type == '$' && slice_eq_str(length, "?")) {
        p->in_streamed_string = true;
        begin_string(p, t);
        p->phase = RESP_CHUNK;
        return RESP_ON;
    }
    if (!resp_parse_number(length, &n) || n < -1)
        return RESP_BAD;
    if (n < 0) {
        if (p->depth == 0)
            t->value->is_nil = true;
        put_scalar(p, t, '_', SLICE_NONE);
        t->value->elements++;
        return element_done(p, t);
    }
    begin_string(p, t);
    p->left = (uint64_t)n;
    p->phase = n ? RESP_BULK : RESP_BULK_END;
    return RESP_ON;
}

static enum resp_result on_inline(const struct resp_target *t, struct slice line)
{
    struct slice words[RESP_KEPT];
    size_t n = resp_split_inline(t->arena, line, words, RESP_KEPT);
    if (n == 0)
        return RESP_BAD;
    for (size_t i = 0; i < n; i++) {
        gather_add(&t->value->kept[i], t->arena, words[i], RESP_KEPT_BYTES);
        t->value->elements++;
    }
    put_slice(t, line);
    return RESP_DONE;
}

static enum resp_result on_line(struct resp_parser *p, const struct resp_target *t, uint8_t type,
                                struct slice text)
{
    switch (type) {
    case '*':
    case '~':
    case '%':
    case '>':
    case '|':
        return begin_aggregate(p, t, type, text);
    case '$':
    case '!':
    case '=':
        return begin_bulk(p, t, type, text);
    case '.':
        return text.len ? RESP_BAD : end_streamed(p, t);
    case '_':
        if (p->depth == 0)
            t->value->is_nil = true;
        break;
    case '+':
    case '-':
    case ':':
    case '#':
    case ',':
    case '(':
        break;
    default:
        return RESP_BAD;
    }
    put_scalar(p, t, type, text);
    t->value->elements++;
    return element_done(p, t);
}

/* ── bytes ── */

static size_t whole_line(struct resp_parser *p, const struct dissect_stream *stream)
{
    size_t from = p->scanned > stream->offset ? (size_t)(p->scanned - stream->offset) : 0;
    if (from > stream->len)
        from = stream->len;
    const uint8_t *lf = memchr(stream->data + from, '\n', stream->len - from);
    if (lf)
        return (size_t)(lf - stream->data) + 1;
    p->scanned = stream->offset + stream->len;
    return 0;
}

bool resp_has_line(struct resp_parser *parser, const struct dissect_stream *stream)
{
    return whole_line(parser, stream) > 0 || stream->len > RESP_LINE_MAX;
}

static void take(const struct resp_target *t, struct dissect_stream *stream, size_t n)
{
    dissect_take(t->conn, stream, t->span ? t->arena : NULL, t->span, n);
}

/* A line that starts with a type byte. What it says is used before its bytes are consumed. */
static enum resp_result read_line(struct resp_parser *p, const struct resp_target *t,
                                  struct dissect_stream *stream, bool allow_inline)
{
    uint8_t type = stream->data[0];
    bool is_start = p->depth == 0 && t->value->type == 0;
    bool is_inline = is_start && allow_inline && type != '*';
    if (!is_inline && !resp_is_type(type) && type != '.')
        return RESP_BAD;
    size_t n = whole_line(p, stream);
    if (n == 0)
        return stream->len > RESP_LINE_MAX ? RESP_BAD : RESP_MORE;
    size_t len = n - 1;
    if (len && stream->data[len - 1] == '\r')
        len--;
    if (n > RESP_LINE_MAX || (!is_inline && (len == 0 || len == n - 1)))
        return RESP_BAD;
    enum resp_result result;
    if (is_inline) {
        t->value->type = ' ';
        result = on_inline(t, slice_of(stream->data, len));
    } else {
        /* Attributes are not the value. */
        if (is_start && type != '|')
            t->value->type = type;
        result = on_line(p, t, type, slice_of(stream->data + 1, len - 1));
    }
    if (result != RESP_BAD)
        take(t, stream, n);
    return result;
}

static enum resp_result read_bulk(struct resp_parser *p, const struct resp_target *t,
                                  struct dissect_stream *stream)
{
    size_t n = p->left < stream->len ? (size_t)p->left : stream->len;
    if (!t->value->has_gap)
        put_string(p, t, slice_of(stream->data, n));
    p->left -= n;
    take(t, stream, n);
    if (p->left == 0)
        p->phase = RESP_BULK_END;
    return RESP_ON;
}

static enum resp_result read_bulk_end(struct resp_parser *p, const struct resp_target *t,
                                      struct dissect_stream *stream)
{
    if (stream->data[0] != '\r' || (stream->len > 1 && stream->data[1] != '\n'))
        return RESP_BAD;
    if (stream->len < 2)
        return RESP_MORE;
    take(t, stream, 2);
    if (p->in_streamed_string) {
        p->phase = RESP_CHUNK;
        return RESP_ON;
    }
    end_string(p, t);
    t->value->elements++;
    p->phase = RESP_TYPE;
    return element_done(p, t);
}

/* ";4\r\n" and its bytes; ";0" ends the string. */
static enum resp_result read_chunk(struct resp_parser *p, const struct resp_target *t,
                                   struct dissect_stream *stream)
{
    int64_t len;
    if (stream->data[0] != ';')
        return RESP_BAD;
    size_t n = whole_line(p, stream);
    if (n == 0)
        return stream->len > 32 ? RESP_BAD : RESP_MORE;
    if (n < 4 || stream->data[n - 2] != '\r' ||
        !resp_parse_number(slice_of(stream->data + 1, n - 3), &len) || len < 0)
        return RESP_BAD;
    take(t, stream, n);
    if (len) {
        p->left = (uint64_t)len;
        p->phase = RESP_BULK;
        return RESP_ON;
    }
    p->in_streamed_string = false;
    end_string(p, t);
    t->value->elements++;
    p->phase = RESP_TYPE;
    return element_done(p, t);
}

enum resp_result resp_read(struct resp_parser *p, const struct resp_target *t,
                           struct dissect_stream *stream, bool allow_inline)
{
    enum resp_result result = RESP_ON;
    while (result == RESP_ON) {
        if (stream->len == 0)
            return RESP_MORE;
        switch (p->phase) {
        case RESP_TYPE:
            result = read_line(p, t, stream, allow_inline);
            break;
        case RESP_BULK:
            result = read_bulk(p, t, stream);
            break;
        case RESP_BULK_END:
            result = read_bulk_end(p, t, stream);
            break;
        case RESP_CHUNK:
            result = read_chunk(p, t, stream);
            break;
        }
    }
    if (result == RESP_DONE || result == RESP_BAD)
        memset(p, 0, offsetof(struct resp_parser, levels));
    return result;
}

bool resp_gap(struct resp_parser *p, const struct resp_target *t, uint64_t bytes)
{
    t->value->has_gap = true;
    t->value->text.cut = true;
    if (t->span)
        t->span->gap_bytes += bytes;
    if (p->phase != RESP_BULK || bytes > p->left) {
        memset(p, 0, offsetof(struct resp_parser, levels));
        return false;
    }
    p->left -= bytes;
    if (p->left == 0)
        p->phase = RESP_BULK_END;
    return true;
}

/* ── inline commands ── */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape of a double-quoted word; moves *at behind it. */
static uint8_t unescape(struct slice line, size_t *at)
{
    uint8_t c = line.data[*at];
    if (c == 'x' && *at + 2 < line.len && hex_value(line.data[*at + 1]) >= 0 &&
        hex_value(line.data[*at + 2]) >= 0) {
        c = (uint8_t)(hex_value(line.data[*at + 1]) << 4 | hex_value(line.data[*at + 2]));
        *at += 3;
        return c;
    }
    (*at)++;
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

size_t resp_split_inline(struct arena *arena, struct slice line, struct slice *words, size_t max)
{
    uint8_t *out = arena_alloc(arena, line.len ? line.len : 1);
    size_t len = 0;
    size_t count = 0;
    for (size_t at = 0; out && at < line.len && count < max;) {
        if (line.data[at] == ' ' || line.data[at] == '\t') {
            at++;
            continue;
        }
        size_t start = len;
        uint8_t quote = 0;
        while (at < line.len && (quote || (line.data[at] != ' ' && line.data[at] != '\t'))) {
            uint8_t c = line.data[at++];
            if (quote && c == quote)
                quote = 0;
            else if (!quote && (c == '"' || c == '\''))
                quote = c;
            else if (quote == '"' && c == '\\' && at < line.len)
                out[len++] = unescape(line, &at);
            else
                out[len++] = c;
        }
        words[count++] = slice_of(out + start, len - start);
    }
    return count;
}
