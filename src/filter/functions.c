#include "filter/functions.h"

#include "base/text.h"

static const struct function_overload table[] = {
    /* operators */
    {"_+_", "ii:i", fn_add, 0},
    {"_+_", "uu:u", fn_add, 0},
    {"_+_", "dd:d", fn_add, 0},
    {"_+_", "ss:s", fn_add, 0},
    {"_+_", "yy:y", fn_add, 0},
    {"_+_", "LALA:LA", fn_add, 0},
    {"_+_", "tr:t", fn_add, 0},
    {"_+_", "rt:t", fn_add, 0},
    {"_+_", "rr:r", fn_add, 0},
    {"_-_", "ii:i", fn_subtract, 0},
    {"_-_", "uu:u", fn_subtract, 0},
    {"_-_", "dd:d", fn_subtract, 0},
    {"_-_", "tt:r", fn_subtract, 0},
    {"_-_", "tr:t", fn_subtract, 0},
    {"_-_", "rr:r", fn_subtract, 0},
    {"_*_", "ii:i", fn_multiply, 0},
    {"_*_", "uu:u", fn_multiply, 0},
    {"_*_", "dd:d", fn_multiply, 0},
    {"_/_", "ii:i", fn_divide, 0},
    {"_/_", "uu:u", fn_divide, 0},
    {"_/_", "dd:d", fn_divide, 0},
    {"_%_", "ii:i", fn_modulo, 0},
    {"_%_", "uu:u", fn_modulo, 0},
    {"-_", "i:i", fn_negate, 0},
    {"-_", "d:d", fn_negate, 0},
    /* sizes and conversions */
    {"size", "s:i", fn_size, 0},
    {"size", "y:i", fn_size, 0},
    {"size", "LA:i", fn_size, 0},
    {"size", "MAB:i", fn_size, 0},
    {"size", ".s:i", fn_size, 0},
    {"size", ".y:i", fn_size, 0},
    {"size", ".LA:i", fn_size, 0},
    {"size", ".MAB:i", fn_size, 0},
    {"int", "i:i", fn_to_int, 0},
    {"int", "u:i", fn_to_int, 0},
    {"int", "d:i", fn_to_int, 0},
    {"int", "s:i", fn_to_int, 0},
    {"int", "t:i", fn_to_int, 0},
    {"int", "r:i", fn_to_int, 0},
    {"uint", "i:u", fn_to_uint, 0},
    {"uint", "u:u", fn_to_uint, 0},
    {"uint", "d:u", fn_to_uint, 0},
    {"uint", "s:u", fn_to_uint, 0},
    {"double", "i:d", fn_to_double, 0},
    {"double", "u:d", fn_to_double, 0},
    {"double", "d:d", fn_to_double, 0},
    {"double", "s:d", fn_to_double, 0},
    {"string", "s:s", fn_to_string, 0},
    {"string", "b:s", fn_to_string, 0},
    {"string", "i:s", fn_to_string, 0},
    {"string", "u:s", fn_to_string, 0},
    {"string", "d:s", fn_to_string, 16},
    {"string", "y:s", fn_to_string, 0},
    {"string", "t:s", fn_to_string, 8},
    {"string", "r:s", fn_to_string, 8},
    {"string", "p:s", fn_to_string, 8},
    {"string", "c:s", fn_to_string, 8},
    {"bytes", "y:y", fn_to_bytes, 0},
    {"bytes", "s:y", fn_to_bytes, 0},
    {"bool", "b:b", fn_to_bool, 0},
    {"bool", "s:b", fn_to_bool, 0},
    {"dyn", "A:*", fn_to_dyn, 0},
    {"type", "A:TA", fn_to_type, 0},
    {"timestamp", "t:t", fn_to_timestamp, 0},
    {"timestamp", "s:t", fn_to_timestamp, 0},
    {"timestamp", "i:t", fn_to_timestamp, 0},
    {"duration", "r:r", fn_to_duration, 0},
    {"duration", "s:r", fn_to_duration, 0},
    /* text */
    {"contains", ".ss:b", fn_contains, 0},
    {"startsWith", ".ss:b", fn_starts_with, 0},
    {"endsWith", ".ss:b", fn_ends_with, 0},
    {"matches", ".ss:b", fn_matches, 0},
    {"matches", "ss:b", fn_matches, 0},
    {"charAt", ".si:s", fn_char_at, 0},
    {"indexOf", ".ss:i", fn_index_of, 0},
    {"indexOf", ".ssi:i", fn_index_of, 0},
    {"lastIndexOf", ".ss:i", fn_last_index_of, 0},
    {"lastIndexOf", ".ssi:i", fn_last_index_of, 0},
    {"substring", ".si:s", fn_substring, 0},
    {"substring", ".sii:s", fn_substring, 0},
    {"trim", ".s:s", fn_trim, 0},
    {"lowerAscii", ".s:s", fn_lower_ascii, 0},
    {"upperAscii", ".s:s", fn_upper_ascii, 0},
    {"replace", ".sss:s", fn_replace, 0},
    {"replace", ".sssi:s", fn_replace, 0},
    {"split", ".ss:Ls", fn_split, 0},
    {"split", ".ssi:Ls", fn_split, 0},
    {"join", ".Ls:s", fn_join, 0},
    {"join", ".Lss:s", fn_join, 0},
    {"reverse", ".s:s", fn_reverse, 0},
    {"format", ".sL*:s", fn_format, 0},
    {"strings.quote", "s:s", fn_quote, 0},
    {"glob", "ss:b", fn_glob, 0},
    {"glob", ".ss:b", fn_glob, 0},
    {"icontains", "ss:b", fn_icontains, 0},
    {"icontains", ".ss:b", fn_icontains, 0},
    {"base64.encode", "y:s", fn_base64_encode, 0},
    {"base64.decode", "s:y", fn_base64_decode, 0},
    /* time */
    {"now", ":t", fn_now, 0},
    {"getFullYear", ".t:i", fn_get_full_year, 0},
    {"getFullYear", ".ts:i", fn_get_full_year, 0},
    {"getMonth", ".t:i", fn_get_month, 0},
    {"getMonth", ".ts:i", fn_get_month, 0},
    {"getDayOfYear", ".t:i", fn_get_day_of_year, 0},
    {"getDayOfYear", ".ts:i", fn_get_day_of_year, 0},
    {"getDayOfMonth", ".t:i", fn_get_day_of_month, 0},
    {"getDayOfMonth", ".ts:i", fn_get_day_of_month, 0},
    {"getDate", ".t:i", fn_get_date, 0},
    {"getDate", ".ts:i", fn_get_date, 0},
    {"getDayOfWeek", ".t:i", fn_get_day_of_week, 0},
    {"getDayOfWeek", ".ts:i", fn_get_day_of_week, 0},
    {"getHours", ".t:i", fn_get_hours, 0},
    {"getHours", ".ts:i", fn_get_hours, 0},
    {"getHours", ".r:i", fn_get_hours, 0},
    {"getMinutes", ".t:i", fn_get_minutes, 0},
    {"getMinutes", ".ts:i", fn_get_minutes, 0},
    {"getMinutes", ".r:i", fn_get_minutes, 0},
    {"getSeconds", ".t:i", fn_get_seconds, 0},
    {"getSeconds", ".ts:i", fn_get_seconds, 0},
    {"getSeconds", ".r:i", fn_get_seconds, 0},
    {"getMilliseconds", ".t:i", fn_get_milliseconds, 0},
    {"getMilliseconds", ".ts:i", fn_get_milliseconds, 0},
    {"getMilliseconds", ".r:i", fn_get_milliseconds, 0},
    /* numbers; more than two become a list (check_call.c) */
    {"math.greatest", "i:i", fn_greatest, 0},
    {"math.greatest", "u:u", fn_greatest, 0},
    {"math.greatest", "d:d", fn_greatest, 0},
    {"math.greatest", "LA:A", fn_greatest, 0},
    {"math.greatest", "ii:i", fn_greatest, 0},
    {"math.greatest", "uu:u", fn_greatest, 0},
    {"math.greatest", "dd:d", fn_greatest, 0},
    {"math.greatest", "**:*", fn_greatest, 0},
    {"math.least", "i:i", fn_least, 0},
    {"math.least", "u:u", fn_least, 0},
    {"math.least", "d:d", fn_least, 0},
    {"math.least", "LA:A", fn_least, 0},
    {"math.least", "ii:i", fn_least, 0},
    {"math.least", "uu:u", fn_least, 0},
    {"math.least", "dd:d", fn_least, 0},
    {"math.least", "**:*", fn_least, 0},
    {"math.ceil", "d:d", fn_math_ceil, 0},
    {"math.floor", "d:d", fn_math_floor, 0},
    {"math.round", "d:d", fn_math_round, 0},
    {"math.trunc", "d:d", fn_math_trunc, 0},
    {"math.sqrt", "d:d", fn_math_sqrt, 0},
    {"math.sqrt", "i:d", fn_math_sqrt, 0},
    {"math.sqrt", "u:d", fn_math_sqrt, 0},
    {"math.abs", "i:i", fn_math_abs, 0},
    {"math.abs", "u:u", fn_math_abs, 0},
    {"math.abs", "d:d", fn_math_abs, 0},
    {"math.sign", "i:i", fn_math_sign, 0},
    {"math.sign", "u:u", fn_math_sign, 0},
    {"math.sign", "d:d", fn_math_sign, 0},
    {"math.isNaN", "d:b", fn_math_is_nan, 0},
    {"math.isInf", "d:b", fn_math_is_inf, 0},
    {"math.isFinite", "d:b", fn_math_is_finite, 0},
    {"math.bitAnd", "ii:i", fn_bit_and, 0},
    {"math.bitAnd", "uu:u", fn_bit_and, 0},
    {"math.bitOr", "ii:i", fn_bit_or, 0},
    {"math.bitOr", "uu:u", fn_bit_or, 0},
    {"math.bitXor", "ii:i", fn_bit_xor, 0},
    {"math.bitXor", "uu:u", fn_bit_xor, 0},
    {"math.bitNot", "i:i", fn_bit_not, 0},
    {"math.bitNot", "u:u", fn_bit_not, 0},
    {"math.bitShiftLeft", "ii:i", fn_bit_shift_left, 0},
    {"math.bitShiftLeft", "ui:u", fn_bit_shift_left, 0},
    {"math.bitShiftRight", "ii:i", fn_bit_shift_right, 0},
    {"math.bitShiftRight", "ui:u", fn_bit_shift_right, 0},
    /* addresses */
    {"ip", "s:p", fn_to_ip, 0},
    {"ip", "p:p", fn_to_ip, 0},
    {"ip", ".c:p", fn_cidr_ip, 0},
    {"cidr", "s:c", fn_to_cidr, 0},
    {"cidr", "c:c", fn_to_cidr, 0},
    {"isIP", "s:b", fn_is_ip, 0},
    {"isCIDR", "s:b", fn_is_cidr, 0},
    {"ip.isCanonical", "s:b", fn_ip_is_canonical, 0},
    {"family", ".p:i", fn_ip_family, 0},
    {"isUnspecified", ".p:b", fn_ip_is_unspecified, 0},
    {"isLoopback", ".p:b", fn_ip_is_loopback, 0},
    {"isGlobalUnicast", ".p:b", fn_ip_is_global_unicast, 0},
    {"isLinkLocalMulticast", ".p:b", fn_ip_is_link_local_multicast, 0},
    {"isLinkLocalUnicast", ".p:b", fn_ip_is_link_local_unicast, 0},
    {"isPrivate", ".p:b", fn_ip_is_private, 0},
    {"containsIP", ".cp:b", fn_contains_ip, 0},
    {"containsIP", ".cs:b", fn_contains_ip, 0},
    {"containsCIDR", ".cc:b", fn_contains_cidr, 0},
    {"containsCIDR", ".cs:b", fn_contains_cidr, 0},
    {"masked", ".c:c", fn_cidr_masked, 0},
    {"prefixLength", ".c:i", fn_cidr_prefix_length, 0},
    /* maps, JSON, optionals */
    {"map_get", "MABAB:B", fn_map_get, 0},
    {"json", "s:*", fn_json, 0},
    {"optional.of", "A:OA", fn_optional_of, 0},
    {"optional.ofNonZeroValue", "A:OA", fn_optional_of_non_zero, 0},
    {"optional.none", ":OA", fn_optional_none, 0},
    {"hasValue", ".OA:b", fn_optional_has_value, 0},
    {"value", ".OA:A", fn_optional_value, 0},
    {"or", ".OAOA:OA", fn_optional_or, 0},
    {"orValue", ".OAA:A", fn_optional_or_value, 0},
};

enum {
    TABLE_COUNT = sizeof table / sizeof *table
};

const struct function_overload *function_table(size_t *ret_count)
{
    *ret_count = TABLE_COUNT;
    return table;
}

const struct function_overload *function_find(struct slice name, size_t *ret_count)
{
    size_t first = 0;
    while (first < TABLE_COUNT && !slice_eq_str(name, table[first].name))
        first++;
    size_t end = first;
    while (end < TABLE_COUNT && slice_eq_str(name, table[end].name))
        end++;
    *ret_count = end - first;
    return end > first ? &table[first] : NULL;
}

const char *function_suggest(struct slice name)
{
    static const char *const macros[] = {"all", "exists", "exists_one", "filter", "map", "has"};
    enum {
        MACRO_COUNT = sizeof macros / sizeof *macros
    };
    const char *names[TABLE_COUNT + MACRO_COUNT + 1];
    size_t n = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].name[0] != '_' && table[i].name[0] != '-')
            names[n++] = table[i].name;
    for (size_t i = 0; i < MACRO_COUNT; i++)
        names[n++] = macros[i];
    names[n] = NULL;
    return text_suggest(name, names);
}

bool function_is_member(const struct function_overload *overload)
{
    return overload->signature[0] == '.';
}

/* Moves over one type of a signature. */
static const char *skip_type(const char *at)
{
    for (unsigned open = 1; open; at++) {
        if (*at == 'M')
            open++;
        else if (*at != 'L' && *at != 'O' && *at != 'T')
            open--;
    }
    return at;
}

unsigned function_arg_count(const struct function_overload *overload)
{
    const char *at = overload->signature + function_is_member(overload);
    unsigned count = 0;
    for (; *at != ':'; at = skip_type(at))
        count++;
    return count;
}

static bool accepts(char letter, const struct value *v)
{
    switch (letter) {
    case 'b':
        return v->kind == VALUE_BOOL;
    case 'i':
        return v->kind == VALUE_INT;
    case 'u':
        return v->kind == VALUE_UINT;
    case 'd':
        return v->kind == VALUE_DOUBLE;
    case 's':
        return v->kind == VALUE_STRING;
    case 'y':
        return v->kind == VALUE_BYTES;
    case 'n':
        return v->kind == VALUE_NULL;
    case 't':
        return v->kind == VALUE_TIMESTAMP;
    case 'r':
        return v->kind == VALUE_DURATION;
    case 'p':
        return v->kind == VALUE_IP;
    case 'c':
        return v->kind == VALUE_CIDR;
    case 'L':
        return v->kind == VALUE_LIST;
    case 'M':
        return v->kind == VALUE_MAP;
    case 'O':
        return v->kind == VALUE_OPTIONAL;
    case 'T':
        return v->kind == VALUE_TYPE;
    default:
        return true;
    }
}

bool function_accepts(const struct function_overload *overload, const struct value *args,
                      unsigned count)
{
    const char *at = overload->signature + function_is_member(overload);
    for (unsigned i = 0; i < count; i++, at = skip_type(at))
        if (!accepts(*at, &args[i]))
            return false;
    return true;
}
