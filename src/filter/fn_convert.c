/* size() and the conversions between types; each range and syntax is checked. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "filter/functions.h"
#include "filter/text_out.h"
#include "filter/time_value.h"

FUNCTION_BODY(fn_size)
{
    (void)node;
    int64_t count = 0;
    switch ((int)args[0].kind) {
    case VALUE_LIST:
        count = args[0].list->count;
        break;
    case VALUE_MAP:
        count = args[0].map->count;
        break;
    case VALUE_BYTES:
        count = (int64_t)args[0].text.len;
        break;
    default:
        if (!eval_charge_bytes(eval, args[0].text.len, ret))
            return;
        count = (int64_t)out_count_code_points(args[0].text);
    }
    set_int(ret, count);
}

/* Decimal digits only, with a sign where one is allowed. */
static bool parse_integer(struct slice text, bool is_signed, struct value *ret)
{
    bool negative = is_signed && text.len && text.data[0] == '-';
    if (is_signed && text.len && (text.data[0] == '-' || text.data[0] == '+'))
        text = slice_sub(text, 1, text.len);
    uint64_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t ch = text.data[i];
        if (ch < '0' || ch > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(ch - '0'), &v))
            return false;
    }
    if (text.len == 0 || (is_signed && v > (uint64_t)INT64_MAX + negative))
        return false;
    *ret = (struct value){.kind = is_signed ? VALUE_INT : VALUE_UINT,
                          .uinteger = negative ? 0 - v : v};
    return true;
}

FUNCTION_BODY(fn_to_int)
{
    (void)eval;
    (void)node;
    switch ((int)args[0].kind) {
    case VALUE_UINT:
        if (args[0].uinteger > INT64_MAX)
            set_error(ret, ERROR_RANGE);
        else
            set_int(ret, args[0].integer);
        break;
    case VALUE_DOUBLE:
        /* Also refuses −2^63 and what rounds to it: the nearest doubles cannot be told from it. */
        if (args[0].real > -0x1p63 && args[0].real < 0x1p63)
            set_int(ret, (int64_t)args[0].real);
        else
            set_error(ret, ERROR_RANGE);
        break;
    case VALUE_STRING:
        if (!parse_integer(args[0].text, true, ret))
            set_error_about(ret, ERROR_CONVERSION, args[0].text);
        break;
    default: /* int; a timestamp's seconds; a duration's seconds */
        set_int(ret,
                args[0].kind == VALUE_DURATION ? args[0].integer / 1000000000 : args[0].integer);
    }
}

FUNCTION_BODY(fn_to_uint)
{
    (void)eval;
    (void)node;
    ret->kind = VALUE_UINT;
    switch ((int)args[0].kind) {
    case VALUE_INT:
        if (args[0].integer < 0)
            set_error(ret, ERROR_RANGE);
        else
            ret->uinteger = args[0].uinteger;
        break;
    case VALUE_DOUBLE:
        if (args[0].real > -1 && args[0].real < 0x1p64 && !(args[0].real < 0))
            ret->uinteger = (uint64_t)args[0].real;
        else
            set_error(ret, ERROR_RANGE);
        break;
    case VALUE_STRING:
        if (!parse_integer(args[0].text, false, ret))
            set_error_about(ret, ERROR_CONVERSION, args[0].text);
        break;
    default:
        ret->uinteger = args[0].uinteger;
    }
}

static bool parse_double(struct slice text, double *ret)
{
    char copy[512];
    char *end;
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, 0, text.len) ||
        text.data[0] == ' ' || (text.data[0] >= '\t' && text.data[0] <= '\r') ||
        memchr(text.data, '(', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    errno = 0;
    *ret = strtod(copy, &end);
    return *end == 0 && !(errno == ERANGE && isinf(*ret));
}

FUNCTION_BODY(fn_to_double)
{
    (void)eval;
    (void)node;
    ret->kind = VALUE_DOUBLE;
    if (args[0].kind == VALUE_INT)
        ret->real = (double)args[0].integer;
    else if (args[0].kind == VALUE_UINT)
        ret->real = (double)args[0].uinteger;
    else if (args[0].kind == VALUE_DOUBLE)
        ret->real = args[0].real;
    else if (!parse_double(args[0].text, &ret->real))
        set_error_about(ret, ERROR_CONVERSION, args[0].text);
}

FUNCTION_BODY(fn_to_string)
{
    (void)node;
    char text[NUMBER_TEXT_SIZE];
    switch ((int)args[0].kind) {
    case VALUE_STRING:
        *ret = args[0];
        return;
    case VALUE_BYTES:
        if (eval_charge_bytes(eval, args[0].text.len, ret)) {
            if (text_is_utf8(args[0].text))
                set_text(ret, args[0].text);
            else
                set_error(ret, ERROR_UTF8);
        }
        return;
    case VALUE_BOOL:
        set_text(ret, args[0].boolean ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
        return;
    case VALUE_INT:
        snprintf(text, sizeof text, "%lld", (long long)args[0].integer);
        break;
    case VALUE_UINT:
        snprintf(text, sizeof text, "%llu", (unsigned long long)args[0].uinteger);
        break;
    case VALUE_DOUBLE:
        number_format_double(args[0].real, text);
        break;
    case VALUE_TIMESTAMP:
        time_format(&args[0], text);
        break;
    case VALUE_DURATION:
        duration_format(args[0].integer, text);
        break;
    default:
        address_format(&args[0], text);
    }
    set_text(ret, arena_dup(eval->arena, slice_str(text)));
    if (!ret->text.data)
        set_error(ret, ERROR_MEMORY);
}

FUNCTION_BODY(fn_to_bytes)
{
    (void)eval;
    (void)node;
    ret->kind = VALUE_BYTES;
    ret->text = args[0].text;
}

FUNCTION_BODY(fn_to_bool)
{
    (void)eval;
    (void)node;
    static const char *const yes[] = {"true", "True", "TRUE", "t", "1"};
    static const char *const no[] = {"false", "False", "FALSE", "f", "0"};
    if (args[0].kind == VALUE_BOOL) {
        *ret = args[0];
        return;
    }
    set_error_about(ret, ERROR_CONVERSION, args[0].text);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (slice_eq_str(args[0].text, yes[i]))
            set_bool(ret, true);
        else if (slice_eq_str(args[0].text, no[i]))
            set_bool(ret, false);
}

FUNCTION_BODY(fn_to_dyn)
{
    (void)eval;
    (void)node;
    *ret = args[0];
}

FUNCTION_BODY(fn_to_type)
{
    (void)eval;
    (void)node;
    *ret = (struct value){.kind = VALUE_TYPE, .text = slice_str(value_kind_name(&args[0]))};
}

FUNCTION_BODY(fn_to_timestamp)
{
    (void)eval;
    (void)node;
    if (args[0].kind == VALUE_TIMESTAMP)
        *ret = args[0];
    else if (args[0].kind == VALUE_INT)
        time_set(args[0].integer, 0, ret);
    else
        time_parse(args[0].text, ret);
}

FUNCTION_BODY(fn_to_duration)
{
    (void)eval;
    (void)node;
    if (args[0].kind == VALUE_DURATION)
        *ret = args[0];
    else
        duration_parse(args[0].text, ret);
}
