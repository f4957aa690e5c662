/* "…".format([…]): %s %d %f %e %b %o %x %X %%, with .precision for f and e (string extension). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "filter/functions.h"
#include "filter/text_out.h"
#include "filter/time_value.h"

enum {
    MAX_PRECISION = 100,
    DEFAULT_PRECISION = 6,
    MAX_SORTED_KEYS = 4096
};

static void fail(struct text_out *out, const char *what, const struct value *v)
{
    struct value error;
    set_error_printf(out->eval, &error, ERROR_ARGUMENT, "%s, was given %s", what,
                     value_kind_name(v));
    out_fail(out, &error);
}

static void put_value(struct text_out *out, const struct value *v);

static void put_list(struct text_out *out, const struct value_list *list)
{
    out_str(out, "[");
    for (uint32_t i = 0; i < list->count && !out->failed; i++) {
        struct value item;
        value_list_at(list, i, &item);
        if (i)
            out_str(out, ", ");
        put_value(out, &item); // NOLINT(misc-no-recursion): as deep as values may be
    }
    out_str(out, "]");
}

struct keyed {
    struct slice text;
    struct value value;
};

static int order_keys(const void *a, const void *b)
{
    return slice_cmp(((const struct keyed *)a)->text, ((const struct keyed *)b)->text);
}

/* Sorted by the text of the key, so that the order of the map does not show. */
static void put_map(struct text_out *out, const struct value_map *map)
{
    struct value error;
    struct keyed *items = NULL;
    if (map->count > MAX_SORTED_KEYS || !eval_charge(out->eval, map->count * 4ul, &error) ||
        !(items = arena_calloc(out->eval->arena, map->count + 1ul, sizeof *items))) {
        set_error(&error, ERROR_MEMORY);
        out_fail(out, &error);
        return;
    }
    for (uint32_t i = 0; i < map->count && !out->failed; i++) {
        struct value key;
        struct value text;
        struct text_out one = out_begin(out->eval);
        value_map_at(map, i, &key, &items[i].value);
        put_value(&one, &key); // NOLINT(misc-no-recursion): a key is no map
        out_finish(&one, &text);
        if (text.kind == VALUE_ERROR)
            out_fail(out, &text);
        else
            items[i].text = text.text;
    }
    if (out->failed)
        return;
    qsort(items, map->count, sizeof *items, order_keys);
    out_str(out, "{");
    for (uint32_t i = 0; i < map->count && !out->failed; i++) {
        if (i)
            out_str(out, ", ");
        out_put(out, items[i].text);
        out_str(out, ": ");
        put_value(out, &items[i].value); // NOLINT(misc-no-recursion): as deep as values may be
    }
    out_str(out, "}");
}

static void put_value(struct text_out *out, const struct value *v)
{
    struct value text;
    struct value error;
    /* A number may take a microsecond to write. */
    if (!eval_charge(out->eval, 8, &error)) {
        out_fail(out, &error);
        return;
    }
    switch ((int)v->kind) {
    case VALUE_LIST:
        put_list(out, v->list); // NOLINT(misc-no-recursion)
        return;
    case VALUE_MAP:
        put_map(out, v->map); // NOLINT(misc-no-recursion)
        return;
    case VALUE_NULL:
        out_str(out, "null");
        return;
    case VALUE_TYPE:
    case VALUE_BYTES:
        out_put(out, v->text);
        return;
    case VALUE_OPTIONAL:
    case VALUE_ERROR:
        fail(out, "%s cannot show this", v);
        return;
    default:
        text = (struct value){0};
        fn_to_string(out->eval, NULL, v, &text);
        if (text.kind == VALUE_ERROR)
            out_fail(out, &text);
        else
            out_put(out, text.text);
    }
}

static void put_decimal(struct text_out *out, const struct value *v)
{
    if (value_is_number(v))
        put_value(out, v);
    else
        fail(out, "%d shows numbers only", v);
}

static void put_fixed(struct text_out *out, const struct value *v, char verb, int precision)
{
    char text[NUMBER_TEXT_SIZE + MAX_PRECISION];
    double x = v->kind == VALUE_INT    ? (double)v->integer
               : v->kind == VALUE_UINT ? (double)v->uinteger
                                       : v->real;
    if (!value_is_number(v)) {
        fail(out, verb == 'f' ? "%f shows numbers only" : "%e shows numbers only", v);
        return;
    }
    if (!isfinite(x))
        number_format_double(x, text);
    else if (verb == 'f')
        snprintf(text, sizeof text, "%.*f", precision, x);
    else
        snprintf(text, sizeof text, "%.*e", precision, x);
    out_str(out, text);
}

static void put_binary(struct text_out *out, const struct value *v)
{
    char text[66];
    char *at = text + sizeof text - 1;
    if (v->kind != VALUE_INT && v->kind != VALUE_UINT && v->kind != VALUE_BOOL) {
        fail(out, "%b shows integers and bools only", v);
        return;
    }
    bool negative = v->kind == VALUE_INT && v->integer < 0;
    uint64_t bits = v->kind == VALUE_BOOL ? v->boolean : negative ? 0 - v->uinteger : v->uinteger;
    *at = 0;
    do
        *--at = (char)('0' + (bits & 1));
    while (bits >>= 1);
    if (negative)
        *--at = '-';
    out_str(out, at);
}

static void put_octal_or_hex(struct text_out *out, const struct value *v, char verb)
{
    char text[32];
    if (verb != 'o' && (v->kind == VALUE_STRING || v->kind == VALUE_BYTES)) {
        struct value error;
        if (!eval_charge(out->eval, v->text.len, &error))
            out_fail(out, &error);
        for (size_t i = 0; i < v->text.len && !out->failed; i++) {
            snprintf(text, sizeof text, verb == 'x' ? "%02x" : "%02X", v->text.data[i]);
            out_str(out, text);
        }
        return;
    }
    if (v->kind != VALUE_INT && v->kind != VALUE_UINT) {
        fail(out,
             verb == 'o' ? "%o shows integers only" : "%x shows integers, strings and bytes only",
             v);
        return;
    }
    bool negative = v->kind == VALUE_INT && v->integer < 0;
    unsigned long long bits = negative ? 0 - v->uinteger : v->uinteger;
    if (negative)
        out_str(out, "-");
    if (verb == 'o')
        snprintf(text, sizeof text, "%llo", bits);
    else
        snprintf(text, sizeof text, verb == 'x' ? "%llx" : "%llX", bits);
    out_str(out, text);
}

static void put_verb(struct text_out *out, const struct value *v, char verb, int precision)
{
    struct value error;
    if (!eval_charge(out->eval, 8, &error)) {
        out_fail(out, &error);
        return;
    }
    switch (verb) {
    case 's':
        put_value(out, v);
        break;
    case 'd':
        put_decimal(out, v);
        break;
    case 'f':
    case 'e':
        put_fixed(out, v, verb, precision < 0 ? DEFAULT_PRECISION : precision);
        break;
    case 'b':
        put_binary(out, v);
        break;
    case 'o':
    case 'x':
    case 'X':
        put_octal_or_hex(out, v, verb);
        break;
    default:
        set_error_printf(out->eval, &error, ERROR_ARGUMENT, "unrecognized formatting clause \"%c\"",
                         verb > ' ' && verb < 127 ? verb : '?');
        out_fail(out, &error);
    }
}

/* ".3" behind the percent sign; −1 when there is none, −2 when it is no good. */
static int take_precision(struct slice *rest)
{
    if (rest->len == 0 || rest->data[0] != '.')
        return -1;
    int precision = 0;
    *rest = slice_sub(*rest, 1, rest->len);
    while (rest->len && rest->data[0] >= '0' && rest->data[0] <= '9') {
        precision = precision * 10 + rest->data[0] - '0';
        *rest = slice_sub(*rest, 1, rest->len);
        if (precision > MAX_PRECISION)
            return -2;
    }
    return precision;
}

static void put_clause(struct text_out *out, struct slice *rest, const struct value_list *list,
                       uint32_t *index)
{
    struct value v;
    int precision = take_precision(rest);
    if (rest->len == 0 || precision == -2) {
        set_error_about(&v, ERROR_ARGUMENT, SLICE_LITERAL("a formatting clause is not complete"));
        out_fail(out, &v);
        return;
    }
    char verb = (char)rest->data[0];
    *rest = slice_sub(*rest, 1, rest->len);
    if (verb == '%' && precision == -1) {
        out_str(out, "%");
        return;
    }
    if (*index >= list->count) {
        set_error_printf(out->eval, &v, ERROR_ARGUMENT, "index %u out of range", *index);
        out_fail(out, &v);
        return;
    }
    value_list_at(list, (*index)++, &v);
    put_verb(out, &v, verb, precision);
}

FUNCTION_BODY(fn_format)
{
    (void)node;
    struct text_out out = out_begin(eval);
    struct slice rest = args[0].text;
    uint32_t index = 0;
    if (!eval_charge_bytes(eval, rest.len, ret))
        return;
    while (rest.len && !out.failed) {
        const uint8_t *percent = memchr(rest.data, '%', rest.len);
        size_t plain = percent ? (size_t)(percent - rest.data) : rest.len;
        out_put(&out, slice_sub(rest, 0, plain));
        rest = slice_sub(rest, plain + (percent != NULL), rest.len);
        if (percent)
            put_clause(&out, &rest, args[1].list, &index);
    }
    out_finish(&out, ret);
}
