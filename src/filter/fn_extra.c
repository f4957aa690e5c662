/* map_get, json and the optionals. */
#include "filter/functions.h"
#include "filter/json_value.h"

FUNCTION_BODY(fn_map_get)
{
    (void)node;
    struct value found;
    int result = value_map_find(eval, args[0].map, &args[1], &found);
    *ret = result ? found : args[2];
}

FUNCTION_BODY(fn_json)
{
    (void)node;
    struct slice about;
    if (!eval_charge(eval, args[0].text.len / 16 + 1, ret))
        return;
    int result = json_value_read(args[0].text, eval->arena, ret, &about);
    if (result < 0)
        set_error_about(ret, result == JSON_VALUE_MEMORY ? ERROR_MEMORY : ERROR_JSON, about);
}

FUNCTION_BODY(fn_optional_of)
{
    (void)node;
    eval_set_optional(eval, &args[0], ret);
}

FUNCTION_BODY(fn_optional_of_non_zero)
{
    (void)node;
    eval_set_optional(eval, value_is_zero(&args[0]) ? NULL : &args[0], ret);
}

FUNCTION_BODY(fn_optional_none)
{
    (void)node;
    (void)args;
    eval_set_optional(eval, NULL, ret);
}

FUNCTION_BODY(fn_optional_has_value)
{
    (void)eval;
    (void)node;
    set_bool(ret, args[0].optional);
}

FUNCTION_BODY(fn_optional_value)
{
    (void)eval;
    (void)node;
    if (args[0].optional)
        *ret = *args[0].optional;
    else
        set_error(ret, ERROR_NONE_DEREFERENCED);
}

FUNCTION_BODY(fn_optional_or)
{
    (void)eval;
    (void)node;
    *ret = args[0].optional ? args[0] : args[1];
}

FUNCTION_BODY(fn_optional_or_value)
{
    (void)eval;
    (void)node;
    *ret = args[0].optional ? *args[0].optional : args[1];
}
