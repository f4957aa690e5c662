#include "filter/json_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "filter/text_out.h"
#include "filter/time_value.h"

#define EXACT_INTEGERS (INT64_C(1) << 53)

struct reader {
    struct slice text;
    size_t pos;
    struct arena *arena;
    unsigned depth;
    int error;
};

/* Elements of a list or map while their number is not known. */
struct gathered {
    struct value *items;
    size_t count, room;
};

static bool read_value(struct reader *r, struct value *ret);

static bool fail(struct reader *r, int error)
{
    r->error = r->error ? r->error : error;
    return false;
}

static int peek(const struct reader *r)
{
    return r->pos < r->text.len ? r->text.data[r->pos] : -1;
}

static void skip_blank(struct reader *r)
{
    for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        r->pos++;
}

static bool take_word(struct reader *r, const char *word)
{
    if (!slice_starts_with(slice_sub(r->text, r->pos, r->text.len), slice_str(word)))
        return fail(r, JSON_VALUE_BAD);
    r->pos += strlen(word);
    return true;
}

static size_t skip_digits(struct reader *r)
{
    size_t begin = r->pos;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->pos++;
    return r->pos - begin;
}

static bool set_number(struct reader *r, struct slice number, bool is_integer, struct value *ret)
{
    char copy[64];
    char *text = copy;
    if (number.len >= sizeof copy) {
        text = arena_alloc(r->arena, number.len + 1);
        if (!text)
            return fail(r, JSON_VALUE_MEMORY);
    }
    memcpy(text, number.data, number.len);
    text[number.len] = 0;
    *ret = (struct value){.kind = VALUE_DOUBLE};
    if (is_integer && number.len <= 20) {
        bool negative = text[0] == '-';
        uint64_t v = 0;
        bool fits = true;
        for (const char *p = text + negative; *p; p++)
            fits = fits && !__builtin_mul_overflow(v, 10u, &v) &&
                   !__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
        if (fits && v <= (uint64_t)INT64_MAX + negative) {
            ret->kind = VALUE_INT;
            ret->uinteger = negative ? 0 - v : v;
            return true;
        }
        if (fits && !negative) {
            ret->kind = VALUE_UINT;
            ret->uinteger = v;
            return true;
        }
    }
    ret->real = strtod(text, NULL);
    return true;
}

static bool read_number(struct reader *r, struct value *ret)
{
    size_t begin = r->pos;
    bool is_integer = true;
    if (peek(r) == '-')
        r->pos++;
    if (peek(r) == '0')
        r->pos++;
    else if (skip_digits(r) == 0)
        return fail(r, JSON_VALUE_BAD);
    if (peek(r) == '.') {
        is_integer = false;
        r->pos++;
        if (skip_digits(r) == 0)
            return fail(r, JSON_VALUE_BAD);
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        is_integer = false;
        r->pos++;
        if (peek(r) == '+' || peek(r) == '-')
            r->pos++;
        if (skip_digits(r) == 0)
            return fail(r, JSON_VALUE_BAD);
    }
    return set_number(r, slice_sub(r->text, begin, r->pos - begin), is_integer, ret);
}

static bool read_hex4(struct reader *r, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(r);
        int low = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0)
            return fail(r, JSON_VALUE_BAD);
        *ret = *ret << 4 | (uint32_t)digit;
        r->pos++;
    }
    return true;
}

static bool read_escape(struct reader *r, uint8_t *out, size_t *len)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *simple = c > 0 ? strchr(from, c) : NULL;
    r->pos++;
    if (simple) {
        out[(*len)++] = (uint8_t)to[simple - from];
        return true;
    }
    uint32_t cp;
    uint32_t low;
    if (c != 'u')
        return fail(r, JSON_VALUE_BAD);
    if (!read_hex4(r, &cp))
        return false;
    if (cp >= 0xd800 && cp < 0xdc00 &&
        slice_starts_with(slice_sub(r->text, r->pos, 2), SLICE_LITERAL("\\u"))) {
        size_t before = r->pos;
        r->pos += 2;
        if (!read_hex4(r, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000)
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        else
            r->pos = before; /* no pair: what follows stands for itself */
    }
    if (cp >= 0xd800 && cp < 0xe000)
        cp = 0xfffd;
    *len += text_put_code_point(cp, out + *len);
    return true;
}

/* Without escapes the text is borrowed as it is. */
static bool read_text(struct reader *r, struct value *ret)
{
    size_t begin = ++r->pos;
    size_t end = begin;
    bool escaped = false;
    for (; end < r->text.len && r->text.data[end] != '"'; end++) {
        if (r->text.data[end] < ' ')
            return fail(r, JSON_VALUE_BAD);
        if (r->text.data[end] == '\\') {
            escaped = true;
            end++;
        }
    }
    if (end >= r->text.len)
        return fail(r, JSON_VALUE_BAD);
    *ret = (struct value){.kind = VALUE_STRING, .text = slice_sub(r->text, begin, end - begin)};
    if (escaped) {
        uint8_t *out = arena_alloc(r->arena, end - begin);
        size_t len = 0;
        if (!out)
            return fail(r, JSON_VALUE_MEMORY);
        while (r->pos < end) {
            uint8_t c = r->text.data[r->pos++];
            if (c != '\\')
                out[len++] = c;
            else if (!read_escape(r, out, &len))
                return false;
        }
        ret->text = slice_of(out, len);
    }
    r->pos = end + 1;
    return true;
}

static struct value *add_place(struct reader *r, struct gathered *g)
{
    if (g->count == g->room) {
        size_t room = g->room ? g->room * 2 : 8;
        struct value *items = arena_alloc(r->arena, room * sizeof *items);
        if (!items) {
            fail(r, JSON_VALUE_MEMORY);
            return NULL;
        }
        if (g->count)
            memcpy(items, g->items, g->count * sizeof *items);
        g->items = items;
        g->room = room;
    }
    return &g->items[g->count++];
}

static bool read_member(struct reader *r, struct gathered *g, bool is_map)
{
    struct value v;
    struct value *place;
    if (is_map) {
        skip_blank(r);
        if (peek(r) != '"')
            return fail(r, JSON_VALUE_BAD);
        if (!read_text(r, &v) || !(place = add_place(r, g)))
            return false;
        *place = v;
        skip_blank(r);
        if (peek(r) != ':')
            return fail(r, JSON_VALUE_BAD);
        r->pos++;
    }
    if (!read_value(r, &v) || !(place = add_place(r, g)))
        return false;
    *place = v;
    return true;
}

static bool set_gathered(struct reader *r, const struct gathered *g, bool is_map, struct value *ret)
{
    _Static_assert(sizeof(struct value_pair) == 2 * sizeof(struct value),
                   "keys and values alternate");
    if (is_map) {
        struct value_map *map = arena_zalloc(r->arena, sizeof *map);
        if (!map)
            return fail(r, JSON_VALUE_MEMORY);
        map->count = (uint32_t)(g->count / 2);
        map->storage = STORED_VALUES;
        map->pairs = (const struct value_pair *)(const void *)g->items;
        *ret = (struct value){.kind = VALUE_MAP, .map = map};
        return true;
    }
    struct value_list *list = arena_zalloc(r->arena, sizeof *list);
    if (!list)
        return fail(r, JSON_VALUE_MEMORY);
    list->count = (uint32_t)g->count;
    list->storage = STORED_VALUES;
    list->values = g->items;
    *ret = (struct value){.kind = VALUE_LIST, .list = list};
    return true;
}

static bool read_collection(struct reader *r, struct value *ret)
{
    bool is_map = peek(r) == '{';
    int close = is_map ? '}' : ']';
    struct gathered g = {0};
    if (++r->depth > JSON_VALUE_MAX_DEPTH)
        return fail(r, JSON_VALUE_BAD);
    r->pos++;
    skip_blank(r);
    if (peek(r) != close) {
        for (;;) {
            if (!read_member(r, &g, is_map)) // NOLINT(misc-no-recursion): JSON_VALUE_MAX_DEPTH
                return false;
            skip_blank(r);
            if (peek(r) != ',')
                break;
            r->pos++;
        }
        if (peek(r) != close)
            return fail(r, JSON_VALUE_BAD);
    }
    r->pos++;
    r->depth--;
    return set_gathered(r, &g, is_map, ret);
}

static bool read_value(struct reader *r, struct value *ret)
{
    skip_blank(r);
    switch (peek(r)) {
    case '{':
    case '[':
        return read_collection(r, ret); // NOLINT(misc-no-recursion): JSON_VALUE_MAX_DEPTH
    case '"':
        return read_text(r, ret);
    case 't':
        *ret = (struct value){.kind = VALUE_BOOL, .boolean = true};
        return take_word(r, "true");
    case 'f':
        *ret = (struct value){.kind = VALUE_BOOL};
        return take_word(r, "false");
    case 'n':
        *ret = (struct value){.kind = VALUE_NULL};
        return take_word(r, "null");
    default:
        return read_number(r, ret);
    }
}

int json_value_read(struct slice text, struct arena *arena, struct value *ret,
                    struct slice *ret_about)
{
    struct reader r = {.text = text, .arena = arena};
    *ret_about = SLICE_NONE;
    if (read_value(&r, ret)) {
        skip_blank(&r);
        if (r.pos == text.len)
            return 0;
        r.error = JSON_VALUE_BAD;
    }
    *ret_about = arena_printf(arena, "it stops being JSON at byte %zu", r.pos);
    return r.error;
}

/* ── writing ── */

static void write_key(struct json_writer *w, const struct value *key)
{
    char text[NUMBER_TEXT_SIZE];
    switch ((int)key->kind) {
    case VALUE_STRING:
        json_key_slice(w, key->text);
        return;
    case VALUE_BOOL:
        json_key(w, key->boolean ? "true" : "false");
        return;
    case VALUE_INT:
        snprintf(text, sizeof text, "%lld", (long long)key->integer);
        break;
    case VALUE_UINT:
        snprintf(text, sizeof text, "%llu", (unsigned long long)key->uinteger);
        break;
    default:
        number_format_double(key->real, text);
    }
    json_key(w, text);
}

static void write_list(struct json_writer *w, const struct value_list *list)
{
    json_begin_array(w);
    for (uint32_t i = 0; i < list->count && !buf_failed(w->out); i++) {
        struct value v;
        value_list_at(list, i, &v);
        json_value_write(w, &v); // NOLINT(misc-no-recursion): JSON_MAX_DEPTH
    }
    json_end_array(w);
}

static void write_map(struct json_writer *w, const struct value_map *map)
{
    json_begin_object(w);
    for (uint32_t i = 0; i < map->count && !buf_failed(w->out); i++) {
        struct value key;
        struct value v;
        value_map_at(map, i, &key, &v);
        write_key(w, &key);
        json_value_write(w, &v); // NOLINT(misc-no-recursion): JSON_MAX_DEPTH
    }
    json_end_object(w);
}

/* Beyond 2^53 other programs round numbers: as text. */
static void write_integer(struct json_writer *w, const struct value *v)
{
    char text[NUMBER_TEXT_SIZE];
    if (v->kind == VALUE_INT && v->integer >= -EXACT_INTEGERS && v->integer <= EXACT_INTEGERS) {
        json_int(w, v->integer);
    } else if (v->kind == VALUE_UINT && v->uinteger <= (uint64_t)EXACT_INTEGERS) {
        json_uint(w, v->uinteger);
    } else {
        if (v->kind == VALUE_INT)
            snprintf(text, sizeof text, "%lld", (long long)v->integer);
        else
            snprintf(text, sizeof text, "%llu", (unsigned long long)v->uinteger);
        json_str(w, text);
    }
}

void json_value_write(struct json_writer *w, const struct value *v)
{
    char text[NUMBER_TEXT_SIZE];
    /* A value may hold itself twice at every level: it is cut where the writer's depth ends. */
    if (w->depth + 1 >= JSON_MAX_DEPTH || buf_failed(w->out)) {
        json_none(w);
        return;
    }
    switch ((enum value_kind)v->kind) {
    case VALUE_ERROR:
    case VALUE_NULL:
        json_none(w);
        break;
    case VALUE_BOOL:
        json_bool(w, v->boolean);
        break;
    case VALUE_INT:
    case VALUE_UINT:
        write_integer(w, v);
        break;
    case VALUE_DOUBLE:
        json_double(w, v->real);
        break;
    case VALUE_STRING:
    case VALUE_TYPE:
        json_text(w, v->text);
        break;
    case VALUE_BYTES:
        json_base64(w, v->text);
        break;
    case VALUE_LIST:
        write_list(w, v->list); // NOLINT(misc-no-recursion)
        break;
    case VALUE_MAP:
        write_map(w, v->map); // NOLINT(misc-no-recursion)
        break;
    case VALUE_TIMESTAMP:
        time_format(v, text);
        json_str(w, text);
        break;
    case VALUE_DURATION:
        duration_format(v->integer, text);
        json_str(w, text);
        break;
    case VALUE_OPTIONAL:
        if (v->optional)
            json_value_write(w, v->optional); // NOLINT(misc-no-recursion)
        else
            json_none(w);
        break;
    case VALUE_IP:
    case VALUE_CIDR:
        address_format(v, text);
        json_str(w, text);
        break;
    }
}
