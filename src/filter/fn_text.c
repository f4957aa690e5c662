/* Text functions. Positions are counted in code points; captured bytes that are not UTF-8 count as
 * one each. */
#include <stdlib.h>

#include "base/text.h"
#include "filter/functions.h"
#include "filter/regex.h"
#include "filter/text_out.h"

/* Compiling a pattern while the filter runs. */
enum {
    PATTERN_STEPS = 20000
};

size_t out_count_code_points(struct slice text)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len; count++) {
        uint64_t eight;
        for (; text.len - at >= sizeof eight; at += sizeof eight, count += sizeof eight) {
            memcpy(&eight, text.data + at, sizeof eight);
            if (eight & UINT64_C(0x8080808080808080))
                break;
        }
        if (at == text.len)
            break;
        text_next_code_point(text, &at);
    }
    return count;
}

/* The byte where code point `index` begins; false when the text has fewer. */
static bool find_position(struct slice text, int64_t index, size_t *ret_at)
{
    size_t at = 0;
    if (index < 0)
        return false;
    for (; index > 0 && at < text.len; index--)
        text_next_code_point(text, &at);
    *ret_at = at;
    return index == 0;
}

static void fail_position(struct filter_eval *eval, int64_t index, struct value *ret)
{
    set_error_printf(eval, ret, ERROR_ARGUMENT, "index out of range: %lld", (long long)index);
}

static const uint8_t *find_bytes(struct slice text, struct slice part)
{
    if (part.len == 0)
        return text.data;
    return text.len ? memmem(text.data, text.len, part.data, part.len) : NULL;
}

FUNCTION_BODY(fn_contains)
{
    (void)node;
    struct slice text = args[0].text;
    struct slice part = args[1].text;
    if (eval_charge_bytes(eval, text.len, ret))
        set_bool(ret, part.len == 0 || find_bytes(text, part));
}

FUNCTION_BODY(fn_starts_with)
{
    (void)eval;
    (void)node;
    set_bool(ret, slice_starts_with(args[0].text, args[1].text));
}

FUNCTION_BODY(fn_ends_with)
{
    (void)eval;
    (void)node;
    set_bool(ret, slice_ends_with(args[0].text, args[1].text));
}

static struct filter_regex *computed_pattern(struct filter_eval *eval, struct slice pattern,
                                             struct value *ret)
{
    struct filter_pattern *last = eval->scratch->last_pattern;
    char sentence[120];
    if (last && last->len == pattern.len && memcmp(last->text, pattern.data, pattern.len) == 0)
        return last->regex;
    if (!eval_charge(eval, PATTERN_STEPS, ret))
        return NULL;
    struct filter_pattern *fresh = malloc(sizeof *fresh + pattern.len + 1);
    if (!fresh) {
        set_error(ret, ERROR_MEMORY);
        return NULL;
    }
    *fresh = (struct filter_pattern){.text = (char *)(fresh + 1), .len = pattern.len};
    if (pattern.len)
        memcpy(fresh->text, pattern.data, pattern.len);
    fresh->regex = filter_regex_new(fresh->text, fresh->len, sentence, sizeof sentence);
    if (!fresh->regex) {
        free(fresh);
        set_error_about(ret, ERROR_REGEX, arena_dup(eval->arena, slice_str(sentence)));
        return NULL;
    }
    if (last) {
        filter_regex_free(last->regex);
        free(last);
    }
    eval->scratch->last_pattern = fresh;
    return fresh->regex;
}

FUNCTION_BODY(fn_matches)
{
    const struct call_plan *plan = node->plan;
    const struct filter_regex *regex =
        plan->pattern ? plan->pattern->regex : computed_pattern(eval, args[1].text, ret);
    if (regex && eval_charge(eval, args[0].text.len / 8 + 1, ret))
        set_bool(ret,
                 filter_regex_search(regex, (const char *)args[0].text.data, args[0].text.len));
}

FUNCTION_BODY(fn_char_at)
{
    (void)node;
    struct slice text = args[0].text;
    size_t at;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    if (!find_position(text, args[1].integer, &at)) {
        fail_position(eval, args[1].integer, ret);
        return;
    }
    size_t end = at;
    if (end < text.len)
        text_next_code_point(text, &end);
    set_text(ret, slice_sub(text, at, end - at));
}

FUNCTION_BODY(fn_index_of)
{
    struct slice text = args[0].text;
    int64_t from = node->arg_count == 3 ? args[2].integer : 0;
    size_t at;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    if (!find_position(text, from, &at)) {
        fail_position(eval, from, ret);
        return;
    }
    const uint8_t *found = find_bytes(slice_sub(text, at, text.len), args[1].text);
    if (!found && args[1].text.len)
        set_int(ret, -1);
    else if (args[1].text.len == 0)
        set_int(ret, from);
    else
        set_int(ret,
                (int64_t)out_count_code_points(slice_of(text.data, (size_t)(found - text.data))));
}

/* The last occurrence that begins at byte `from` or before it. Linear: it walks over the
 * occurrences from the left, each found by memmem. */
static const uint8_t *find_last(struct filter_eval *eval, struct slice text, struct slice part,
                                size_t from, struct value *ret)
{
    const uint8_t *last = NULL;
    size_t at = 0;
    size_t end = from > text.len - part.len ? text.len : from + part.len;
    while (at <= from && at + part.len <= end) {
        const uint8_t *found = find_bytes(slice_of(text.data + at, end - at), part);
        if (!found)
            break;
        if (!eval_charge(eval, 1 + part.len / 32, ret)) /* memmem prepares anew every time */
            return NULL;
        last = found;
        at = (size_t)(found - text.data) + 1;
    }
    return last;
}

FUNCTION_BODY(fn_last_index_of)
{
    struct slice text = args[0].text;
    struct slice part = args[1].text;
    size_t from = text.len;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    if (node->arg_count == 3 && !find_position(text, args[2].integer, &from)) {
        fail_position(eval, args[2].integer, ret);
        return;
    }
    if (part.len > text.len) {
        set_int(ret, -1);
        return;
    }
    const uint8_t *last = part.len ? find_last(eval, text, part, from, ret) : text.data + from;
    if (ret->kind == VALUE_ERROR && eval->steps_left == 0)
        return;
    if (!last && part.len)
        set_int(ret, -1);
    else
        set_int(ret, (int64_t)out_count_code_points(
                         slice_of(text.data, part.len ? (size_t)(last - text.data) : from)));
}

FUNCTION_BODY(fn_substring)
{
    struct slice text = args[0].text;
    size_t begin;
    size_t end = text.len;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    if (!find_position(text, args[1].integer, &begin)) {
        fail_position(eval, args[1].integer, ret);
        return;
    }
    if (node->arg_count == 3 && !find_position(text, args[2].integer, &end)) {
        fail_position(eval, args[2].integer, ret);
        return;
    }
    if (end < begin) {
        set_error_printf(eval, ret, ERROR_ARGUMENT,
                         "invalid substring range. start: %lld, end: %lld",
                         (long long)args[1].integer, (long long)args[2].integer);
        return;
    }
    set_text(ret, slice_sub(text, begin, end - begin));
}

static bool is_white_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

FUNCTION_BODY(fn_trim)
{
    (void)node;
    struct slice text = args[0].text;
    size_t begin = 0;
    size_t end = 0;
    bool started = false;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    for (size_t at = 0; at < text.len;) {
        size_t here = at;
        if (is_white_space(text_next_code_point(text, &at)))
            continue;
        begin = started ? begin : here;
        started = true;
        end = at;
    }
    set_text(ret, started ? slice_sub(text, begin, end - begin) : SLICE_LITERAL(""));
}

static struct slice change_case(struct filter_eval *eval, struct slice text, uint8_t first,
                                uint8_t last, struct value *ret)
{
    if (!eval_charge_bytes(eval, text.len, ret))
        return SLICE_NONE;
    struct slice copy = arena_dup(eval->arena, text);
    if (!copy.data) {
        set_error(ret, ERROR_MEMORY);
        return SLICE_NONE;
    }
    uint8_t *p = (uint8_t *)(uintptr_t)copy.data;
    for (size_t i = 0; i < copy.len; i++)
        if (p[i] >= first && p[i] <= last)
            p[i] ^= 0x20;
    return copy;
}

FUNCTION_BODY(fn_lower_ascii)
{
    (void)node;
    struct slice text = change_case(eval, args[0].text, 'A', 'Z', ret);
    if (text.data)
        set_text(ret, text);
}

FUNCTION_BODY(fn_upper_ascii)
{
    (void)node;
    struct slice text = change_case(eval, args[0].text, 'a', 'z', ret);
    if (text.data)
        set_text(ret, text);
}

/* An empty `from` stands between all code points, and at both ends. */
static void replace_empty(struct text_out *out, struct slice text, struct slice into, int64_t limit)
{
    size_t at = 0;
    for (;;) {
        if (limit != 0) {
            out_put(out, into);
            limit -= limit > 0;
        }
        if (at >= text.len || out->failed)
            return;
        size_t begin = at;
        text_next_code_point(text, &at);
        out_put(out, slice_sub(text, begin, at - begin));
    }
}

FUNCTION_BODY(fn_replace)
{
    struct slice text = args[0].text;
    struct slice from = args[1].text;
    int64_t limit = node->arg_count == 4 ? args[3].integer : -1;
    struct text_out out = out_begin(eval);
    if (!eval_charge(eval, text.len / (from.len ? 32 : 2) + 1, ret))
        return;
    if (from.len == 0) {
        replace_empty(&out, text, args[2].text, limit);
        out_finish(&out, ret);
        return;
    }
    for (; limit != 0 && !out.failed; limit -= limit > 0) {
        const uint8_t *found = find_bytes(text, from);
        if (!found)
            break;
        size_t before = (size_t)(found - text.data);
        if (!eval_charge(eval, 1, ret)) {
            out_fail(&out, ret);
            break;
        }
        out_put(&out, slice_sub(text, 0, before));
        out_put(&out, args[2].text);
        text = slice_sub(text, before + from.len, text.len);
    }
    out_put(&out, text);
    out_finish(&out, ret);
}

/* The piece before the next separator; moves *rest. */
static struct slice take_piece(struct slice *rest, struct slice separator, bool *ret_last)
{
    struct slice text = *rest;
    size_t piece = text.len;
    size_t skip = 0;
    if (separator.len == 0 && text.len) {
        piece = 0;
        text_next_code_point(text, &piece);
    } else if (separator.len) {
        const uint8_t *found = find_bytes(text, separator);
        skip = found ? separator.len : 0;
        piece = found ? (size_t)(found - text.data) : text.len;
    }
    *rest = slice_sub(text, piece + skip, text.len);
    *ret_last = skip == 0 && rest->len == 0;
    return slice_sub(text, 0, piece);
}

FUNCTION_BODY(fn_split)
{
    int64_t limit = node->arg_count == 3 ? args[2].integer : -1;
    struct slice separator = args[1].text;
    size_t count = 0;
    bool last = limit == 0 || (separator.len == 0 && args[0].text.len == 0);
    if (!eval_charge_bytes(eval, args[0].text.len, ret))
        return;
    /* Twice: to count, then to fill. */
    for (struct slice rest = args[0].text; !last;) {
        count++;
        if (limit > 0 && (int64_t)count == limit)
            break;
        take_piece(&rest, separator, &last);
    }
    struct value *values = NULL;
    if (eval_charge(eval, count, ret))
        values = eval_new_values(eval, count, ret);
    if (!values)
        return;
    struct slice rest = args[0].text;
    for (size_t i = 0; i < count; i++) {
        bool whole = limit > 0 && (int64_t)i + 1 == limit;
        struct slice piece = whole ? rest : take_piece(&rest, separator, &last);
        values[i] = (struct value){.kind = VALUE_STRING, .text = piece};
    }
    eval_set_list(eval, values, count, ret);
}

FUNCTION_BODY(fn_join)
{
    struct text_out out = out_begin(eval);
    const struct value_list *list = args[0].list;
    if (!eval_charge(eval, list->count, ret))
        return;
    for (uint32_t i = 0; i < list->count && !out.failed; i++) {
        struct value v;
        value_list_at(list, i, &v);
        if (v.kind != VALUE_STRING) {
            set_error(&v, ERROR_NO_OVERLOAD);
            out_fail(&out, &v);
            break;
        }
        if (i && node->arg_count == 2)
            out_put(&out, args[1].text);
        out_put(&out, v.text);
    }
    out_finish(&out, ret);
}

FUNCTION_BODY(fn_reverse)
{
    (void)node;
    struct slice text = args[0].text;
    if (!eval_charge_bytes(eval, text.len, ret))
        return;
    uint8_t *out = arena_alloc(eval->arena, text.len);
    if (!out) {
        set_error(ret, ERROR_MEMORY);
        return;
    }
    for (size_t at = 0; at < text.len;) {
        size_t begin = at;
        text_next_code_point(text, &at);
        memcpy(out + text.len - at, text.data + begin, at - begin);
    }
    set_text(ret, slice_of(out, text.len));
}

FUNCTION_BODY(fn_quote)
{
    (void)node;
    static const char from[] = "\a\b\f\n\r\t\v\\\"";
    static const char to[] = "abfnrtv\\\"";
    struct slice text = args[0].text;
    struct text_out out = out_begin(eval);
    if (!eval_charge(eval, text.len / 4 + 1, ret))
        return;
    out_str(&out, "\"");
    for (size_t at = 0; at < text.len && !out.failed;) {
        uint32_t cp = text_next_code_point(text, &at);
        const char *escape = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
        if (escape)
            out_put(&out, slice_of((const char[]){'\\', to[escape - from]}, 2));
        else
            out_code_point(&out, cp);
    }
    out_str(&out, "\"");
    out_finish(&out, ret);
}

/* `*` any run, `?` one character, `\` makes the next one plain. Every step is charged: the worst
 * case is the product of the lengths. */
FUNCTION_BODY(fn_glob)
{
    (void)node;
    struct slice text = args[0].text;
    struct slice pattern = args[1].text;
    size_t at = 0;
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    uint64_t turns = 0;
    while (at < text.len) {
        if ((++turns & 31) == 0 && !eval_charge(eval, 2, ret))
            return;
        size_t next = at;
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            star_text = at;
            continue;
        }
        if (p < pattern.len && pattern.data[p] == '?') {
            text_next_code_point(text, &next);
            at = next;
            p++;
            continue;
        }
        size_t plain = p + (p + 1 < pattern.len && pattern.data[p] == '\\');
        if (plain < pattern.len && pattern.data[plain] == text.data[at]) {
            at++;
            p = plain + 1;
        } else if (star != SIZE_MAX) {
            text_next_code_point(text, &star_text);
            at = star_text;
            p = star;
        } else {
            set_bool(ret, false);
            return;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    set_bool(ret, p == pattern.len);
}

FUNCTION_BODY(fn_icontains)
{
    (void)node;
    struct slice text = change_case(eval, args[0].text, 'A', 'Z', ret);
    struct slice part = text.data ? change_case(eval, args[1].text, 'A', 'Z', ret) : SLICE_NONE;
    if (text.data && part.data)
        set_bool(ret, part.len == 0 || find_bytes(text, part));
}

FUNCTION_BODY(fn_base64_encode)
{
    (void)node;
    struct buf out;
    if (!eval_charge_bytes(eval, args[0].text.len, ret))
        return;
    buf_init(&out, FILTER_SCRATCH_CAP_BYTES);
    if (text_base64_encode(args[0].text, &out) < 0)
        set_error(ret, ERROR_MEMORY);
    else
        set_text(ret, arena_dup(eval->arena, buf_slice(&out)));
    if (ret->kind == VALUE_STRING && !ret->text.data)
        set_error(ret, ERROR_MEMORY);
    buf_done(&out);
}

FUNCTION_BODY(fn_base64_decode)
{
    (void)node;
    struct buf out;
    if (!eval_charge_bytes(eval, args[0].text.len, ret))
        return;
    buf_init(&out, FILTER_SCRATCH_CAP_BYTES);
    if (text_base64_decode(args[0].text, &out) < 0) {
        set_error_about(ret, ERROR_ARGUMENT, SLICE_LITERAL("the text is not base64"));
    } else {
        ret->kind = VALUE_BYTES;
        ret->text = arena_dup(eval->arena, buf_slice(&out));
        if (!ret->text.data)
            set_error(ret, ERROR_MEMORY);
    }
    buf_done(&out);
}
