/* + - * / % and unary minus: exact, overflow is an error (language definition, "Arithmetic"). */
#include <math.h>

#include "filter/functions.h"
#include "filter/time_value.h"

static void add_texts(struct filter_eval *eval, const struct value *args, struct value *ret)
{
    size_t a = args[0].text.len;
    size_t b = args[1].text.len;
    if (!eval_charge_bytes(eval, a + b, ret))
        return;
    uint8_t *out = arena_alloc(eval->arena, a + b);
    if (!out) {
        set_error(ret, ERROR_MEMORY);
        return;
    }
    if (a)
        memcpy(out, args[0].text.data, a);
    if (b)
        memcpy(out + a, args[1].text.data, b);
    ret->kind = args[0].kind;
    ret->text = slice_of(out, a + b);
}

static void add_lists(struct filter_eval *eval, const struct value *args, struct value *ret)
{
    size_t count = (size_t)args[0].list->count + args[1].list->count;
    if (!eval_charge(eval, count / 4 + 1, ret))
        return;
    if (count > UINT32_MAX) {
        set_error(ret, ERROR_MEMORY);
        return;
    }
    struct value *values = eval_new_values(eval, count, ret);
    if (!values)
        return;
    size_t n = 0;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < args[side].list->count; i++)
            value_list_at(args[side].list, i, &values[n++]);
    eval_set_list(eval, values, count, ret);
}

/* An operation on two numbers of one kind; false when it overflows. */
static bool add_numbers(const struct value *args, struct value *ret)
{
    ret->kind = args[0].kind;
    if (ret->kind == VALUE_INT)
        return !__builtin_add_overflow(args[0].integer, args[1].integer, &ret->integer);
    if (ret->kind == VALUE_UINT)
        return !__builtin_add_overflow(args[0].uinteger, args[1].uinteger, &ret->uinteger);
    ret->real = args[0].real + args[1].real;
    return true;
}

FUNCTION_BODY(fn_add)
{
    (void)node;
    switch ((int)args[0].kind) {
    case VALUE_STRING:
    case VALUE_BYTES:
        add_texts(eval, args, ret);
        break;
    case VALUE_LIST:
        add_lists(eval, args, ret);
        break;
    case VALUE_TIMESTAMP:
        time_add(&args[0], args[1].integer, false, ret);
        break;
    case VALUE_DURATION:
        if (args[1].kind == VALUE_TIMESTAMP) {
            time_add(&args[1], args[0].integer, false, ret);
        } else {
            ret->kind = VALUE_DURATION;
            if (__builtin_add_overflow(args[0].integer, args[1].integer, &ret->integer))
                set_error(ret, ERROR_RANGE);
        }
        break;
    default:
        if (!add_numbers(args, ret))
            set_error(ret, ERROR_OVERFLOW);
    }
}

FUNCTION_BODY(fn_subtract)
{
    (void)eval;
    (void)node;
    bool ok = true;
    ret->kind = args[0].kind;
    switch ((int)args[0].kind) {
    case VALUE_TIMESTAMP:
        if (args[1].kind == VALUE_TIMESTAMP)
            time_difference(&args[0], &args[1], ret);
        else
            time_add(&args[0], args[1].integer, true, ret);
        return;
    case VALUE_DURATION:
        if (__builtin_sub_overflow(args[0].integer, args[1].integer, &ret->integer))
            set_error(ret, ERROR_RANGE);
        return;
    case VALUE_INT:
        ok = !__builtin_sub_overflow(args[0].integer, args[1].integer, &ret->integer);
        break;
    case VALUE_UINT:
        ok = !__builtin_sub_overflow(args[0].uinteger, args[1].uinteger, &ret->uinteger);
        break;
    default:
        ret->real = args[0].real - args[1].real;
    }
    if (!ok)
        set_error(ret, ERROR_OVERFLOW);
}

FUNCTION_BODY(fn_multiply)
{
    (void)eval;
    (void)node;
    bool ok = true;
    ret->kind = args[0].kind;
    if (args[0].kind == VALUE_INT)
        ok = !__builtin_mul_overflow(args[0].integer, args[1].integer, &ret->integer);
    else if (args[0].kind == VALUE_UINT)
        ok = !__builtin_mul_overflow(args[0].uinteger, args[1].uinteger, &ret->uinteger);
    else
        ret->real = args[0].real * args[1].real;
    if (!ok)
        set_error(ret, ERROR_OVERFLOW);
}

/* IEEE 754 says what x / 0.0 is; UBSan wants it said by hand. */
static double divide_doubles(double a, double b)
{
    if (b != 0)
        return a / b;
    if (a == 0 || isnan(a) || isnan(b))
        return isnan(b) ? b : (double)NAN;
    return signbit(a) != signbit(b) ? (double)-INFINITY : (double)INFINITY;
}

FUNCTION_BODY(fn_divide)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (args[0].kind == VALUE_DOUBLE)
        ret->real = divide_doubles(args[0].real, args[1].real);
    else if (args[1].integer == 0)
        set_error(ret, ERROR_DIVIDE);
    else if (args[0].kind == VALUE_UINT)
        ret->uinteger = args[0].uinteger / args[1].uinteger;
    else if (args[0].integer == INT64_MIN && args[1].integer == -1)
        set_error(ret, ERROR_OVERFLOW);
    else
        ret->integer = args[0].integer / args[1].integer;
}

FUNCTION_BODY(fn_modulo)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (args[1].integer == 0)
        set_error(ret, ERROR_MODULUS);
    else if (args[0].kind == VALUE_UINT)
        ret->uinteger = args[0].uinteger % args[1].uinteger;
    else if (args[0].integer == INT64_MIN && args[1].integer == -1)
        set_error(ret, ERROR_OVERFLOW);
    else
        ret->integer = args[0].integer % args[1].integer;
}

FUNCTION_BODY(fn_negate)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (args[0].kind == VALUE_DOUBLE)
        ret->real = -args[0].real;
    else if (args[0].integer == INT64_MIN)
        set_error(ret, ERROR_OVERFLOW);
    else
        ret->integer = -args[0].integer;
}
