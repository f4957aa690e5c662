#include "unit/filter/support_textproto.h"

#include "base/text.h"

struct reader {
    struct arena *arena;
    struct slice text;
    size_t pos;
    bool bad;
};

static int peek(const struct reader *r)
{
    return r->pos < r->text.len ? r->text.data[r->pos] : -1;
}

static void skip_blank(struct reader *r)
{
    for (int c; (c = peek(r)) >= 0; r->pos++) {
        if (c == '#')
            while (peek(r) >= 0 && peek(r) != '\n')
                r->pos++;
        else if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ',' && c != ';')
            return;
    }
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Bytes written. */
static size_t read_escape(struct reader *r, uint8_t out[4])
{
    static const char from[] = "abfnrtv";
    static const char to[] = "\a\b\f\n\r\t\v";
    int c = peek(r);
    r->pos++;
    const char *at = c > 0 ? strchr(from, c) : NULL;
    if (at) {
        out[0] = (uint8_t)to[at - from];
        return 1;
    }
    int v = 0;
    if (c == 'u' || c == 'U') {
        for (int i = 0; i < (c == 'u' ? 4 : 8) && hex_digit(peek(r)) >= 0; i++)
            v = v * 16 + hex_digit(r->text.data[r->pos++]);
        return text_put_code_point((uint32_t)v, out);
    }
    out[0] = (uint8_t)c;
    if (c == 'x' || c == 'X') {
        for (int i = 0; i < 2 && hex_digit(peek(r)) >= 0; i++)
            v = v * 16 + hex_digit(r->text.data[r->pos++]);
        out[0] = (uint8_t)v;
    }
    if (c >= '0' && c <= '7') {
        v = c - '0';
        for (int i = 0; i < 2 && peek(r) >= '0' && peek(r) <= '7'; i++)
            v = v * 8 + r->text.data[r->pos++] - '0';
        out[0] = (uint8_t)v;
    }
    return 1;
}

/* Strings that stand side by side are one. */
static struct slice read_strings(struct reader *r)
{
    uint8_t *out = arena_alloc(r->arena, r->text.len - r->pos + 8);
    size_t len = 0;
    for (int quote; out && ((quote = peek(r)) == '"' || quote == '\'');) {
        r->pos++;
        while (peek(r) >= 0 && peek(r) != quote) {
            uint8_t c = r->text.data[r->pos++];
            if (c == '\\')
                len += read_escape(r, out + len);
            else
                out[len++] = c;
        }
        r->bad |= peek(r) < 0;
        r->pos++;
        skip_blank(r);
    }
    r->bad |= !out;
    struct slice copy = out ? arena_dup(r->arena, slice_of(out, len)) : SLICE_NONE;
    r->bad |= !copy.data;
    return copy;
}

static bool is_word(int c)
{
    return c == '_' || c == '.' || c == '-' || c == '+' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static struct slice read_word(struct reader *r)
{
    size_t begin = r->pos;
    if (peek(r) == '[') {
        while (peek(r) >= 0 && peek(r) != ']')
            r->pos++;
        r->pos++;
    } else {
        while (is_word(peek(r)))
            r->pos++;
    }
    r->bad |= r->pos == begin || r->pos > r->text.len;
    return slice_sub(r->text, begin, r->pos - begin);
}

static struct proto_field *read_fields(struct reader *r, int close)
{
    struct proto_field *first = NULL;
    struct proto_field **last = &first;
    for (;;) {
        skip_blank(r);
        if (r->bad || peek(r) == close) {
            r->pos += close >= 0;
            return first;
        }
        struct proto_field *field = arena_zalloc(r->arena, sizeof *field);
        if (!field) {
            r->bad = true;
            return NULL;
        }
        field->name = read_word(r);
        skip_blank(r);
        if (peek(r) == ':')
            r->pos++;
        skip_blank(r);
        int c = peek(r);
        if (c == '{') {
            r->pos++;
            field->is_message = true;
            field->children = read_fields(r, '}');
        } else if (c == '"' || c == '\'') {
            field->scalar = read_strings(r);
        } else {
            field->scalar = read_word(r);
        }
        *last = field;
        last = &field->next;
    }
}

struct proto_field *textproto_parse(struct arena *arena, struct slice text, size_t *ret_line)
{
    struct reader r = {.arena = arena, .text = text};
    struct proto_field *root = read_fields(&r, -1);
    *ret_line = 1;
    for (size_t i = 0; i < r.pos && i < text.len; i++)
        *ret_line += text.data[i] == '\n';
    return r.bad ? NULL : root;
}

const struct proto_field *textproto_child(const struct proto_field *field, const char *name)
{
    for (const struct proto_field *c = field->children; c; c = c->next)
        if (slice_eq_str(c->name, name))
            return c;
    return NULL;
}

struct slice textproto_scalar(const struct proto_field *field, const char *name)
{
    const struct proto_field *child = textproto_child(field, name);
    return child ? child->scalar : SLICE_NONE;
}
