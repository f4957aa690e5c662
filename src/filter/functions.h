/* The table of functions: one row an overload. Type checker, evaluator and the user's guide read
 * it. To add a function: a row in functions.c and its body in one of the fn_*.c files.
 *
 * A signature: "." when it is called on its first argument (a.f(b)), one letter an argument, ":",
 * the result. b bool, i int, u uint, d double, s string, y bytes, n null, t timestamp, r duration,
 * p net.IP, c net.CIDR, * dyn, A B any type (the same letter means the same type), Tx type(x),
 * Lx list(x), Mxy map(x, y), Ox optional(x).
 * Thread: any (constant). */
#ifndef TRAWL_FILTER_FUNCTIONS_H
#define TRAWL_FILTER_FUNCTIONS_H

#include "filter/eval.h"

/* Stores the result (maybe a VALUE_ERROR without an offset: the caller adds it). `args` fit the
 * signature and hold no errors. */
typedef void (*function_fn)(struct filter_eval *eval, const struct filter_node *node,
                            const struct value *args, struct value *ret);

struct function_overload {
    const char *name; /* as it is written, with its namespace: "math.greatest" */
    const char *signature;
    function_fn call;
    unsigned weight; /* steps of one call, besides what it looks at; 0 is 1 */
};

/* Rows of one name stand together. *ret_count is 0 when there is no such function. */
const struct function_overload *function_find(struct slice name, size_t *ret_count);
/* The whole table. */
const struct function_overload *function_table(size_t *ret_count);
/* The closest function name, or NULL. */
const char *function_suggest(struct slice name);

bool function_is_member(const struct function_overload *overload);
unsigned function_arg_count(const struct function_overload *overload);
/* Whether values of these kinds may be handed to it. */
bool function_accepts(const struct function_overload *overload, const struct value *args,
                      unsigned count);

/* bodies */
#define FUNCTION_BODY(name)                                                                       \
    void name(struct filter_eval *eval, const struct filter_node *node, const struct value *args, \
              struct value *ret)
/* fn_arithmetic.c */
FUNCTION_BODY(fn_add);
FUNCTION_BODY(fn_subtract);
FUNCTION_BODY(fn_multiply);
FUNCTION_BODY(fn_divide);
FUNCTION_BODY(fn_modulo);
FUNCTION_BODY(fn_negate);
/* fn_convert.c */
FUNCTION_BODY(fn_size);
FUNCTION_BODY(fn_to_int);
FUNCTION_BODY(fn_to_uint);
FUNCTION_BODY(fn_to_double);
FUNCTION_BODY(fn_to_string);
FUNCTION_BODY(fn_to_bytes);
FUNCTION_BODY(fn_to_bool);
FUNCTION_BODY(fn_to_dyn);
FUNCTION_BODY(fn_to_type);
FUNCTION_BODY(fn_to_timestamp);
FUNCTION_BODY(fn_to_duration);
/* fn_text.c */
FUNCTION_BODY(fn_contains);
FUNCTION_BODY(fn_starts_with);
FUNCTION_BODY(fn_ends_with);
FUNCTION_BODY(fn_matches);
FUNCTION_BODY(fn_char_at);
FUNCTION_BODY(fn_index_of);
FUNCTION_BODY(fn_last_index_of);
FUNCTION_BODY(fn_substring);
FUNCTION_BODY(fn_trim);
FUNCTION_BODY(fn_lower_ascii);
FUNCTION_BODY(fn_upper_ascii);
FUNCTION_BODY(fn_replace);
FUNCTION_BODY(fn_split);
FUNCTION_BODY(fn_join);
FUNCTION_BODY(fn_reverse);
FUNCTION_BODY(fn_quote);
FUNCTION_BODY(fn_glob);
FUNCTION_BODY(fn_icontains);
FUNCTION_BODY(fn_base64_encode);
FUNCTION_BODY(fn_base64_decode);
/* fn_format.c */
FUNCTION_BODY(fn_format);
/* fn_time.c */
FUNCTION_BODY(fn_get_full_year);
FUNCTION_BODY(fn_get_month);
FUNCTION_BODY(fn_get_day_of_year);
FUNCTION_BODY(fn_get_day_of_month);
FUNCTION_BODY(fn_get_date);
FUNCTION_BODY(fn_get_day_of_week);
FUNCTION_BODY(fn_get_hours);
FUNCTION_BODY(fn_get_minutes);
FUNCTION_BODY(fn_get_seconds);
FUNCTION_BODY(fn_get_milliseconds);
FUNCTION_BODY(fn_now);
/* fn_math.c */
FUNCTION_BODY(fn_greatest);
FUNCTION_BODY(fn_least);
FUNCTION_BODY(fn_math_ceil);
FUNCTION_BODY(fn_math_floor);
FUNCTION_BODY(fn_math_round);
FUNCTION_BODY(fn_math_trunc);
FUNCTION_BODY(fn_math_sqrt);
FUNCTION_BODY(fn_math_abs);
FUNCTION_BODY(fn_math_sign);
FUNCTION_BODY(fn_math_is_nan);
FUNCTION_BODY(fn_math_is_inf);
FUNCTION_BODY(fn_math_is_finite);
FUNCTION_BODY(fn_bit_and);
FUNCTION_BODY(fn_bit_or);
FUNCTION_BODY(fn_bit_xor);
FUNCTION_BODY(fn_bit_not);
FUNCTION_BODY(fn_bit_shift_left);
FUNCTION_BODY(fn_bit_shift_right);
/* fn_network.c */
FUNCTION_BODY(fn_to_ip);
FUNCTION_BODY(fn_to_cidr);
FUNCTION_BODY(fn_is_ip);
FUNCTION_BODY(fn_is_cidr);
FUNCTION_BODY(fn_ip_is_canonical);
FUNCTION_BODY(fn_ip_family);
FUNCTION_BODY(fn_ip_is_unspecified);
FUNCTION_BODY(fn_ip_is_loopback);
FUNCTION_BODY(fn_ip_is_global_unicast);
FUNCTION_BODY(fn_ip_is_link_local_multicast);
FUNCTION_BODY(fn_ip_is_link_local_unicast);
FUNCTION_BODY(fn_ip_is_private);
FUNCTION_BODY(fn_contains_ip);
FUNCTION_BODY(fn_contains_cidr);
FUNCTION_BODY(fn_cidr_ip);
FUNCTION_BODY(fn_cidr_masked);
FUNCTION_BODY(fn_cidr_prefix_length);
/* fn_extra.c */
FUNCTION_BODY(fn_map_get);
FUNCTION_BODY(fn_json);
FUNCTION_BODY(fn_optional_of);
FUNCTION_BODY(fn_optional_of_non_zero);
FUNCTION_BODY(fn_optional_none);
FUNCTION_BODY(fn_optional_has_value);
FUNCTION_BODY(fn_optional_value);
FUNCTION_BODY(fn_optional_or);
FUNCTION_BODY(fn_optional_or_value);

#endif
