#include "filter/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "filter/eval.h"

void set_error_printf(struct filter_eval *eval, struct value *ret, enum value_error error,
                      const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    set_error_about(ret, error, arena_dup(eval->arena, slice_str(text)));
}

const char *value_kind_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_ERROR] = "error",
        [VALUE_NULL] = "null_type",
        [VALUE_BOOL] = "bool",
        [VALUE_INT] = "int",
        [VALUE_UINT] = "uint",
        [VALUE_DOUBLE] = "double",
        [VALUE_STRING] = "string",
        [VALUE_BYTES] = "bytes",
        [VALUE_LIST] = "list",
        [VALUE_MAP] = "map",
        [VALUE_TIMESTAMP] = "google.protobuf.Timestamp",
        [VALUE_DURATION] = "google.protobuf.Duration",
        [VALUE_TYPE] = "type",
        [VALUE_OPTIONAL] = "optional_type",
        [VALUE_IP] = "net.IP",
        [VALUE_CIDR] = "net.CIDR",
    };
    return names[v->kind];
}

const char *value_output_name(const struct value *v)
{
    if (v->kind == VALUE_TIMESTAMP)
        return "timestamp";
    if (v->kind == VALUE_DURATION)
        return "duration";
    return value_kind_name(v);
}

void value_list_at(const struct value_list *list, uint32_t i, struct value *ret)
{
    switch (list->storage) {
    case STORED_VALUES:
        *ret = list->values[i];
        break;
    case STORED_TEXT:
        set_text(ret, list->texts[i]);
        break;
    case STORED_INTS:
        set_int(ret, list->ints[i]);
        break;
    }
}

void value_map_at(const struct value_map *map, uint32_t i, struct value *ret_key,
                  struct value *ret_value)
{
    if (map->storage == STORED_TEXT) {
        set_text(ret_key, map->texts[i].key);
        set_text(ret_value, map->texts[i].value);
        return;
    }
    *ret_key = map->pairs[i].key;
    *ret_value = map->pairs[i].value;
}

bool value_is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_UINT || v->kind == VALUE_DOUBLE;
}

/* ── order ── */

enum {
    UNORDERED = 2
};

static int order_int_uint(int64_t a, uint64_t b)
{
    if (a < 0)
        return -1;
    return ((uint64_t)a > b) - ((uint64_t)a < b);
}

/* As the language definition has it: within the range of the integer type both are compared as
 * doubles (9223372036854775807 == 9223372036854775808.0). */
static int order_int_double(int64_t a, double b)
{
    if (isnan(b))
        return UNORDERED;
    if (b > 0x1p63)
        return -1;
    if (b < -0x1p63)
        return 1;
    double x = (double)a;
    return (x > b) - (x < b);
}

static int order_uint_double(uint64_t a, double b)
{
    if (isnan(b))
        return UNORDERED;
    if (b > 0x1p64)
        return -1;
    if (b < 0)
        return 1;
    double x = (double)a;
    return (x > b) - (x < b);
}

static int swap_order(int order)
{
    return order == UNORDERED ? UNORDERED : -order;
}

static int order_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return UNORDERED;
    return (a > b) - (a < b);
}

static int order_numbers(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_INT) {
        if (b->kind == VALUE_INT)
            return (a->integer > b->integer) - (a->integer < b->integer);
        return b->kind == VALUE_UINT ? order_int_uint(a->integer, b->uinteger)
                                     : order_int_double(a->integer, b->real);
    }
    if (a->kind == VALUE_UINT) {
        if (b->kind == VALUE_UINT)
            return (a->uinteger > b->uinteger) - (a->uinteger < b->uinteger);
        return b->kind == VALUE_INT ? swap_order(order_int_uint(b->integer, a->uinteger))
                                    : order_uint_double(a->uinteger, b->real);
    }
    if (b->kind == VALUE_INT)
        return swap_order(order_int_double(b->integer, a->real));
    if (b->kind == VALUE_UINT)
        return swap_order(order_uint_double(b->uinteger, a->real));
    return order_doubles(a->real, b->real);
}

static int order_timestamps(const struct value *a, const struct value *b)
{
    if (a->integer != b->integer)
        return a->integer > b->integer ? 1 : -1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

bool value_order(const struct value *a, const struct value *b, int *ret_order)
{
    if (value_is_number(a) && value_is_number(b)) {
        *ret_order = order_numbers(a, b);
        return true;
    }
    if (a->kind != b->kind)
        return false;
    switch ((int)a->kind) {
    case VALUE_BOOL:
        *ret_order = a->boolean - b->boolean;
        return true;
    case VALUE_STRING: /* the bytes of UTF-8 sort like the code points */
    case VALUE_BYTES: {
        int order = slice_cmp(a->text, b->text);
        *ret_order = (order > 0) - (order < 0);
        return true;
    }
    case VALUE_TIMESTAMP:
        *ret_order = order_timestamps(a, b);
        return true;
    case VALUE_DURATION:
        *ret_order = (a->integer > b->integer) - (a->integer < b->integer);
        return true;
    default:
        return false;
    }
}

/* ── equality ── */

static void equal_lists(struct filter_eval *eval, const struct value_list *a,
                        const struct value_list *b, struct value *ret)
{
    set_bool(ret, a->count == b->count);
    for (uint32_t i = 0; i < a->count && ret->kind == VALUE_BOOL && ret->boolean; i++) {
        struct value x;
        struct value y;
        value_list_at(a, i, &x);
        value_list_at(b, i, &y);
        // NOLINTNEXTLINE(misc-no-recursion): values are as deep as trees and JSON may be
        value_equal(eval, &x, &y, ret);
    }
}

static void equal_maps(struct filter_eval *eval, const struct value_map *a,
                       const struct value_map *b, struct value *ret)
{
    set_bool(ret, a->count == b->count);
    for (uint32_t i = 0; i < a->count && ret->kind == VALUE_BOOL && ret->boolean; i++) {
        struct value key;
        struct value x;
        struct value y;
        value_map_at(a, i, &key, &x);
        int found = value_map_find(eval, b, &key, &y);
        if (found > 0)
            value_equal(eval, &x, &y, ret); // NOLINT(misc-no-recursion)
        else if (found == 0)
            set_bool(ret, false);
        else
            *ret = y;
    }
}

static bool equal_addresses(const struct value *a, const struct value *b)
{
    return a->kind == b->kind && a->error == b->error && a->prefix == b->prefix &&
           memcmp(a->ip.bytes, b->ip.bytes, sizeof a->ip.bytes) == 0;
}

void value_equal(struct filter_eval *eval, const struct value *a, const struct value *b,
                 struct value *ret)
{
    if (!eval_charge(eval, 1, ret))
        return;
    if (value_is_number(a) && value_is_number(b)) {
        set_bool(ret, order_numbers(a, b) == 0);
        return;
    }
    if (a->kind != b->kind) {
        set_bool(ret, false);
        return;
    }
    switch ((enum value_kind)a->kind) {
    case VALUE_NULL:
        set_bool(ret, true);
        return;
    case VALUE_BOOL:
        set_bool(ret, a->boolean == b->boolean);
        return;
    case VALUE_STRING:
    case VALUE_BYTES:
        if (a->text.len != b->text.len)
            set_bool(ret, false);
        else if (eval_charge(eval, a->text.len / 32, ret))
            set_bool(ret, slice_eq(a->text, b->text));
        return;
    case VALUE_TYPE:
        set_bool(ret, slice_eq(a->text, b->text));
        return;
    case VALUE_LIST:
        equal_lists(eval, a->list, b->list, ret); // NOLINT(misc-no-recursion)
        return;
    case VALUE_MAP:
        equal_maps(eval, a->map, b->map, ret); // NOLINT(misc-no-recursion)
        return;
    case VALUE_TIMESTAMP:
        set_bool(ret, order_timestamps(a, b) == 0);
        return;
    case VALUE_DURATION:
        set_bool(ret, a->integer == b->integer);
        return;
    case VALUE_OPTIONAL:
        if (a->optional && b->optional)
            value_equal(eval, a->optional, b->optional, ret); // NOLINT(misc-no-recursion)
        else
            set_bool(ret, a->optional == b->optional);
        return;
    case VALUE_IP:
    case VALUE_CIDR:
        set_bool(ret, equal_addresses(a, b));
        return;
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DOUBLE:
    case VALUE_ERROR:
        break;
    }
    set_bool(ret, false);
}

/* ── members ── */

static bool is_key(const struct value *v)
{
    return value_is_number(v) || v->kind == VALUE_BOOL || v->kind == VALUE_STRING;
}

static bool same_key(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_STRING)
        return b->kind == VALUE_STRING && slice_eq(a->text, b->text);
    if (a->kind == VALUE_BOOL)
        return b->kind == VALUE_BOOL && a->boolean == b->boolean;
    return value_is_number(b) && order_numbers(a, b) == 0;
}

int value_map_find(struct filter_eval *eval, const struct value_map *map, const struct value *key,
                   struct value *ret)
{
    if (!eval_charge(eval, 1 + map->count / 4, ret))
        return -1;
    if (!is_key(key)) {
        set_error(ret, ERROR_NO_OVERLOAD);
        return -1;
    }
    if (map->storage == STORED_TEXT) {
        for (uint32_t i = 0; key->kind == VALUE_STRING && i < map->count; i++)
            if (slice_eq(map->texts[i].key, key->text)) {
                set_text(ret, map->texts[i].value);
                return 1;
            }
        return 0;
    }
    for (uint32_t i = 0; i < map->count; i++)
        if (same_key(key, &map->pairs[i].key)) {
            *ret = map->pairs[i].value;
            return 1;
        }
    return 0;
}

bool value_as_index(const struct value *v, int64_t *ret)
{
    if (v->kind == VALUE_INT) {
        *ret = v->integer;
        return true;
    }
    if (v->kind == VALUE_UINT) {
        *ret = v->uinteger > INT64_MAX ? INT64_MAX : (int64_t)v->uinteger;
        return true;
    }
    if (v->kind == VALUE_DOUBLE && v->real >= -0x1p63 && v->real < 0x1p63 &&
        (double)(int64_t)v->real == v->real) {
        *ret = (int64_t)v->real;
        return true;
    }
    return false;
}

bool value_is_zero(const struct value *v)
{
    switch ((enum value_kind)v->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return !v->boolean;
    case VALUE_INT:
    case VALUE_DURATION:
    case VALUE_UINT:
        return v->integer == 0;
    case VALUE_DOUBLE:
        return v->real == 0;
    case VALUE_STRING:
    case VALUE_BYTES:
        return v->text.len == 0;
    case VALUE_LIST:
        return v->list->count == 0;
    case VALUE_MAP:
        return v->map->count == 0;
    case VALUE_TIMESTAMP:
        return v->integer == 0 && v->offset == 0;
    case VALUE_OPTIONAL:
        return !v->optional;
    case VALUE_TYPE:
    case VALUE_IP:
    case VALUE_CIDR:
    case VALUE_ERROR:
        break;
    }
    return false;
}

struct value *eval_new_values(struct filter_eval *eval, size_t count, struct value *ret)
{
    struct value *values = arena_alloc(eval->arena, count * sizeof *values);
    if (!values)
        set_error(ret, ERROR_MEMORY);
    return values;
}

void eval_set_list(struct filter_eval *eval, const struct value *values, size_t count,
                   struct value *ret)
{
    struct value_list *list = arena_alloc(eval->arena, sizeof *list);
    if (!list) {
        set_error(ret, ERROR_MEMORY);
        return;
    }
    *list =
        (struct value_list){.count = (uint32_t)count, .storage = STORED_VALUES, .values = values};
    *ret = (struct value){.kind = VALUE_LIST, .list = list};
}

void eval_set_map(struct filter_eval *eval, const struct value_pair *pairs, size_t count,
                  struct value *ret)
{
    struct value_map *map = arena_alloc(eval->arena, sizeof *map);
    if (!map) {
        set_error(ret, ERROR_MEMORY);
        return;
    }
    *map = (struct value_map){.count = (uint32_t)count, .storage = STORED_VALUES, .pairs = pairs};
    *ret = (struct value){.kind = VALUE_MAP, .map = map};
}

void eval_set_optional(struct filter_eval *eval, const struct value *v, struct value *ret)
{
    struct value *copy = NULL;
    if (v) {
        copy = arena_alloc(eval->arena, sizeof *copy);
        if (!copy) {
            set_error(ret, ERROR_MEMORY);
            return;
        }
        *copy = *v;
    }
    *ret = (struct value){.kind = VALUE_OPTIONAL, .optional = copy};
}

void value_error_text(const struct value *error, char *out, size_t out_size)
{
    static const char *const texts[] = {
        [ERROR_NONE] = "the evaluation failed",
        [ERROR_NO_OVERLOAD] = "no such overload: these types do not go together",
        [ERROR_NO_KEY] = "no such key",
        [ERROR_NO_FIELD] = "no such member",
        [ERROR_INDEX] = "index out of bounds",
        [ERROR_DIVIDE] = "divide by zero",
        [ERROR_MODULUS] = "modulus by zero",
        [ERROR_OVERFLOW] = "integer overflow",
        [ERROR_RANGE] = "the result is out of range",
        [ERROR_CONVERSION] = "type conversion error",
        [ERROR_UTF8] = "invalid UTF-8 cannot become a string",
        [ERROR_REGEX] = "this is not a valid regular expression",
        [ERROR_ZONE] = "unknown time zone",
        [ERROR_DUPLICATE_KEY] = "the map has this key twice",
        [ERROR_BAD_KEY] = "a map key must be int, uint, bool or string",
        [ERROR_NO_VARIABLE] = "undeclared reference: there is no such variable",
        [ERROR_NO_FUNCTION] = "unbound function: there is no such function",
        [ERROR_NONE_DEREFERENCED] = "the optional has no value",
        [ERROR_ARGUMENT] = "invalid argument",
        [ERROR_JSON] = "the text is not JSON",
        [ERROR_BUDGET] = "the evaluation takes too many steps",
        [ERROR_MEMORY] = "the evaluation needs too much memory",
    };
    char about[160];
    if (error->text.len == 0) {
        snprintf(out, out_size, "%s", texts[error->error]);
        return;
    }
    snprintf(out, out_size, "%s: %s", texts[error->error],
             text_escape(error->text, about, sizeof about));
}
