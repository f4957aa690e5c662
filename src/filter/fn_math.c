/* The math extension. */
#include <math.h>

#include "filter/functions.h"

/* order: 1 for the greatest, −1 for the least; the first of equals stays. */
static void extreme(struct filter_eval *eval, const struct filter_node *node,
                    const struct value *args, int order, struct value *ret)
{
    const struct value_list *list =
        node->arg_count == 1 && args[0].kind == VALUE_LIST ? args[0].list : NULL;
    uint32_t count = list ? list->count : node->arg_count;
    if (count == 0) {
        set_error_about(ret, ERROR_ARGUMENT, SLICE_LITERAL("the list is empty"));
        return;
    }
    if (!eval_charge(eval, count, ret))
        return;
    struct value best = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct value v;
        int result;
        if (list)
            value_list_at(list, i, &v);
        else
            v = args[i];
        if (!value_is_number(&v)) {
            set_error(ret, ERROR_NO_OVERLOAD);
            return;
        }
        if (i == 0 || (value_order(&v, &best, &result) && result == order))
            best = v;
    }
    *ret = best;
}

FUNCTION_BODY(fn_greatest)
{
    extreme(eval, node, args, 1, ret);
}

FUNCTION_BODY(fn_least)
{
    extreme(eval, node, args, -1, ret);
}

#define OF_DOUBLE(name, expression) \
    FUNCTION_BODY(name)             \
    {                               \
        (void)eval;                 \
        (void)node;                 \
        double x = args[0].real;    \
        ret->kind = VALUE_DOUBLE;   \
        ret->real = (expression);   \
    }

OF_DOUBLE(fn_math_ceil, ceil(x))
OF_DOUBLE(fn_math_floor, floor(x))
OF_DOUBLE(fn_math_round, round(x))
OF_DOUBLE(fn_math_trunc, trunc(x))

#define TEST_DOUBLE(name, expression) \
    FUNCTION_BODY(name)               \
    {                                 \
        (void)eval;                   \
        (void)node;                   \
        double x = args[0].real;      \
        set_bool(ret, (expression));  \
    }

TEST_DOUBLE(fn_math_is_nan, isnan(x))
TEST_DOUBLE(fn_math_is_inf, isinf(x))
TEST_DOUBLE(fn_math_is_finite, isfinite(x))

FUNCTION_BODY(fn_math_sqrt)
{
    (void)eval;
    (void)node;
    double x = args[0].kind == VALUE_INT    ? (double)args[0].integer
               : args[0].kind == VALUE_UINT ? (double)args[0].uinteger
                                            : args[0].real;
    ret->kind = VALUE_DOUBLE;
    ret->real = sqrt(x);
}

FUNCTION_BODY(fn_math_abs)
{
    (void)eval;
    (void)node;
    *ret = args[0];
    if (args[0].kind == VALUE_DOUBLE)
        ret->real = fabs(args[0].real);
    else if (args[0].kind == VALUE_INT && args[0].integer == INT64_MIN)
        set_error(ret, ERROR_OVERFLOW);
    else if (args[0].kind == VALUE_INT && args[0].integer < 0)
        ret->integer = -args[0].integer;
}

FUNCTION_BODY(fn_math_sign)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (args[0].kind == VALUE_DOUBLE)
        ret->real =
            isnan(args[0].real) ? args[0].real : (double)((args[0].real > 0) - (args[0].real < 0));
    else if (args[0].kind == VALUE_UINT)
        ret->uinteger = args[0].uinteger > 0;
    else
        ret->integer = (args[0].integer > 0) - (args[0].integer < 0);
}

/* int and uint share their bits. */
#define OF_BITS(name, expression)     \
    FUNCTION_BODY(name)               \
    {                                 \
        (void)eval;                   \
        (void)node;                   \
        ret->kind = args[0].kind;     \
        ret->uinteger = (expression); \
    }

OF_BITS(fn_bit_and, args[0].uinteger &args[1].uinteger)
OF_BITS(fn_bit_or, args[0].uinteger | args[1].uinteger)
OF_BITS(fn_bit_xor, args[0].uinteger ^ args[1].uinteger)
OF_BITS(fn_bit_not, ~args[0].uinteger)

static bool shift_of(const struct value *args, struct value *ret)
{
    if (args[1].integer >= 0)
        return true;
    set_error_about(ret, ERROR_ARGUMENT, SLICE_LITERAL("negative offset of a shift"));
    return false;
}

FUNCTION_BODY(fn_bit_shift_left)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (shift_of(args, ret))
        ret->uinteger = args[1].integer > 63 ? 0 : args[0].uinteger << args[1].integer;
}

FUNCTION_BODY(fn_bit_shift_right)
{
    (void)eval;
    (void)node;
    ret->kind = args[0].kind;
    if (!shift_of(args, ret))
        return;
    int64_t by = args[1].integer;
    if (args[0].kind == VALUE_UINT)
        ret->uinteger = by > 63 ? 0 : args[0].uinteger >> by;
    else
        ret->integer = args[0].integer >> (by > 63 ? 63 : by); /* keeps the sign */
}
