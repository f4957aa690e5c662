/* GraphQL documents: GraphQL specification (October 2021, and descriptions of September 2025),
 * section 2. The whole grammar of executable documents: what a server would not parse is none, and
 * any other text in braces is not taken for one. No recursion. */
#include "dissect/proto/graphql.h"

enum token_kind {
    TOKEN_END,
    TOKEN_BAD,
    TOKEN_NAME,
    TOKEN_VALUE, /* a number or a string */
    TOKEN_SPREAD,
    TOKEN_PUNCTUATOR
};

struct token {
    enum token_kind kind;
    uint8_t punctuator;
    struct slice text;
};

struct reader {
    struct slice rest;
    struct token token; /* the one in hand */
};

/* ── lexer ── */

static bool is_name_start(uint8_t c)
{
    return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* White space, line ends, commas, byte order marks and comments (section 2.1). */
static void skip_ignored(struct slice *rest)
{
    size_t i = 0;
    while (i < rest->len) {
        uint8_t c = rest->data[i];
        if (c == '#')
            while (i < rest->len && rest->data[i] != '\n' && rest->data[i] != '\r')
                i++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',')
            i++;
        else if (rest->len - i >= 3 && memcmp(rest->data + i, "\xef\xbb\xbf", 3) == 0)
            i += 3;
        else
            break;
    }
    *rest = slice_sub(*rest, i, SIZE_MAX);
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static unsigned hex_value(struct slice digits)
{
    unsigned value = 0;
    for (size_t i = 0; i < digits.len; i++)
        value = (value << 4) + (digits.data[i] & 0xfU) + (is_digit(digits.data[i]) ? 0 : 9);
    return value;
}

static bool is_surrogate(unsigned code, unsigned first)
{
    return code >= first && code < first + 0x400;
}

/* Four hex digits, or some in braces, with the u before them: the length, and the code; 0: none. */
static size_t unicode_len(struct slice text, unsigned *ret_code)
{
    bool is_braced = text.len > 1 && text.data[1] == '{';
    size_t begin = is_braced ? 2 : 1, n = begin;
    while (n < text.len && is_hex(text.data[n]) && n - begin < (is_braced ? 8 : 4))
        n++;
    *ret_code = hex_value(slice_sub(text, begin, n - begin));
    if (!is_braced)
        return n - begin == 4 ? n : 0;
    bool is_closed = n > begin && n < text.len && text.data[n] == '}';
    return is_closed && *ret_code <= 0x10ffff && (*ret_code & ~0x7ffU) != 0xd800 ? n + 1 : 0;
}

/* What stands behind a backslash in a string (section 2.9.4); 0: no escape. */
static size_t escape_len(struct slice text)
{
    unsigned code, trailing;
    if (text.len == 0 || text.data[0] == 0)
        return 0;
    if (text.data[0] != 'u')
        return byte_is_in(text.data[0], "\"\\/bfnrt") ? 1 : 0;
    size_t n = unicode_len(text, &code);
    if (n == 0 || text.data[1] == '{' || (code & ~0x7ffU) != 0xd800)
        return n;
    /* halves of a character come in twos */
    struct slice rest = slice_sub(text, n, SIZE_MAX);
    if (!is_surrogate(code, 0xd800) || !slice_starts_with(rest, SLICE_LITERAL("\\u")))
        return 0;
    size_t second = unicode_len(slice_sub(rest, 1, SIZE_MAX), &trailing);
    return second == 5 && is_surrogate(trailing, 0xdc00) ? n + 1 + second : 0;
}

static size_t block_string_len(struct slice text)
{
    for (size_t i = 3; i < text.len; i++) {
        if (text.data[i] == '\\' &&
            slice_starts_with(slice_sub(text, i + 1, 3), SLICE_LITERAL("\"\"\"")))
            i += 3;
        else if (text.data[i] == '"' &&
                 slice_starts_with(slice_sub(text, i, 3), SLICE_LITERAL("\"\"\"")))
            return i + 3;
    }
    return 0;
}

/* The length of the string or block string that starts here; 0: it is none. */
static size_t string_len(struct slice text)
{
    if (slice_starts_with(text, SLICE_LITERAL("\"\"\"")))
        return block_string_len(text);
    for (size_t i = 1; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"')
            return i + 1;
        if (c == '\n' || c == '\r')
            return 0;
        if (c == '\\') {
            size_t n = escape_len(slice_sub(text, i + 1, SIZE_MAX));
            if (n == 0)
                return 0;
            i += n;
        }
    }
    return 0;
}

static size_t name_len(struct slice text)
{
    size_t n = 1;
    while (n < text.len && (is_name_start(text.data[n]) || is_digit(text.data[n])))
        n++;
    return n;
}

static size_t digits_len(struct slice text, size_t at)
{
    size_t n = at;
    while (n < text.len && is_digit(text.data[n]))
        n++;
    return n - at;
}

/* An integer or a floating point number (sections 2.9.1 and 2.9.2); 0: it is none. */
static size_t number_len(struct slice text)
{
    size_t n = text.data[0] == '-';
    size_t whole = digits_len(text, n);
    if (whole == 0 || (whole > 1 && text.data[n] == '0'))
        return 0;
    n += whole;
    if (n < text.len && text.data[n] == '.') {
        size_t fraction = digits_len(text, n + 1);
        if (fraction == 0)
            return 0;
        n += 1 + fraction;
    }
    if (n < text.len && (text.data[n] | 0x20) == 'e') {
        n++;
        n += n < text.len && (text.data[n] == '+' || text.data[n] == '-');
        size_t exponent = digits_len(text, n);
        if (exponent == 0)
            return 0;
        n += exponent;
    }
    return n < text.len && (text.data[n] == '.' || is_name_start(text.data[n])) ? 0 : n;
}

static void next(struct reader *r)
{
    skip_ignored(&r->rest);
    struct token t = {.kind = TOKEN_END};
    size_t n = 0;
    uint8_t c = r->rest.len ? r->rest.data[0] : 0;
    if (r->rest.len == 0) {
        t.kind = TOKEN_END;
    } else if (is_name_start(c)) {
        t.kind = TOKEN_NAME;
        n = name_len(r->rest);
    } else if (c == '-' || is_digit(c)) {
        n = number_len(r->rest);
        t.kind = n ? TOKEN_VALUE : TOKEN_BAD;
    } else if (c == '"') {
        n = string_len(r->rest);
        t.kind = n ? TOKEN_VALUE : TOKEN_BAD;
    } else if (slice_starts_with(r->rest, SLICE_LITERAL("..."))) {
        t.kind = TOKEN_SPREAD;
        n = 3;
    } else if (byte_is_in(c, "!$&():=@[]{|}")) {
        t.kind = TOKEN_PUNCTUATOR;
        t.punctuator = c;
        n = 1;
    } else {
        t.kind = TOKEN_BAD;
    }
    t.text = slice_sub(r->rest, 0, n);
    r->rest = slice_sub(r->rest, n, SIZE_MAX);
    r->token = t;
}

/* ── grammar ── */

static bool at(const struct reader *r, uint8_t punctuator)
{
    return r->token.kind == TOKEN_PUNCTUATOR && r->token.punctuator == punctuator;
}

static bool at_word(const struct reader *r, const char *word)
{
    return r->token.kind == TOKEN_NAME && slice_eq_str(r->token.text, word);
}

static bool take_name(struct reader *r, struct slice *ret_name)
{
    if (r->token.kind != TOKEN_NAME)
        return false;
    if (ret_name)
        *ret_name = r->token.text;
    next(r);
    return true;
}

static bool take(struct reader *r, uint8_t punctuator)
{
    bool is_there = at(r, punctuator);
    if (is_there)
        next(r);
    return is_there;
}

/* A value that holds no others. */
static bool take_leaf(struct reader *r, bool is_constant)
{
    if (r->token.kind == TOKEN_VALUE || r->token.kind == TOKEN_NAME) {
        next(r);
        return true;
    }
    return !is_constant && take(r, '$') && take_name(r, NULL);
}

/* A value (section 2.9); lists and objects by what closes them. */
static bool take_value(struct reader *r, bool is_constant)
{
    uint8_t close[GRAPHQL_MAX_NESTING];
    size_t depth = 0;
    do {
        if (depth && take(r, close[depth - 1])) {
            depth--;
            continue;
        }
        if (depth && close[depth - 1] == '}' && (!take_name(r, NULL) || !take(r, ':')))
            return false;
        if (at(r, '[') || at(r, '{')) {
            if (depth == sizeof close)
                return false;
            close[depth++] = at(r, '[') ? ']' : '}';
            next(r);
        } else if (!take_leaf(r, is_constant)) {
            return false;
        }
    } while (depth);
    return true;
}

/* Nothing, or "(name: value …)". */
static bool take_arguments(struct reader *r, bool is_constant)
{
    if (!take(r, '('))
        return true;
    do {
        if (!take_name(r, NULL) || !take(r, ':') || !take_value(r, is_constant))
            return false;
    } while (!at(r, ')'));
    next(r);
    return true;
}

static bool take_directives(struct reader *r, bool is_constant)
{
    while (take(r, '@'))
        if (!take_name(r, NULL) || !take_arguments(r, is_constant))
            return false;
    return true;
}

/* "[[Name!]]!": the brackets are counted. */
static bool take_type(struct reader *r)
{
    size_t depth = 0;
    while (take(r, '['))
        depth++;
    if (!take_name(r, NULL))
        return false;
    (void)take(r, '!');
    for (; depth; depth--) {
        if (!take(r, ']'))
            return false;
        (void)take(r, '!');
    }
    return true;
}

/* A string in front of a definition says what it is for (edition of September 2025). */
static bool take_description(struct reader *r)
{
    bool is_there = r->token.kind == TOKEN_VALUE && r->token.text.data[0] == '"';
    if (is_there)
        next(r);
    return is_there;
}

/* Nothing, or "($name: Type = value @directive …)". */
static bool take_variables(struct reader *r)
{
    if (!take(r, '('))
        return true;
    do {
        (void)take_description(r);
        if (!take(r, '$') || !take_name(r, NULL) || !take(r, ':') || !take_type(r))
            return false;
        if (take(r, '=') && !take_value(r, true))
            return false;
        if (!take_directives(r, true))
            return false;
    } while (!at(r, ')'));
    next(r);
    return true;
}

enum set_behind {
    SET_NONE,
    SET_POSSIBLE,
    SET_NEEDED
};

/* One selection, without the set behind it: a field, a fragment spread, an inline fragment. */
static bool take_selection(struct reader *r, enum set_behind *ret_behind)
{
    if (r->token.kind == TOKEN_SPREAD) {
        next(r);
        bool has_type = at_word(r, "on");
        if (has_type)
            next(r);
        bool has_name = take_name(r, NULL);
        *ret_behind = has_name && !has_type ? SET_NONE : SET_NEEDED;
        return has_type <= has_name && take_directives(r, false);
    }
    *ret_behind = SET_POSSIBLE;
    if (!take_name(r, NULL))
        return false;
    if (take(r, ':') && !take_name(r, NULL)) /* what stood before it was an alias */
        return false;
    return take_arguments(r, false) && take_directives(r, false);
}

static bool take_selection_set(struct reader *r)
{
    enum set_behind behind = SET_NEEDED;
    size_t depth = 0;
    bool is_empty = false;
    do {
        if (at(r, '{')) {
            if (behind == SET_NONE || ++depth > GRAPHQL_MAX_DEPTH)
                return false;
            behind = SET_NONE;
            is_empty = true;
            next(r);
        } else if (behind == SET_NEEDED) {
            return false;
        } else if (at(r, '}')) {
            if (is_empty)
                return false;
            behind = SET_NONE;
            depth--;
            next(r);
        } else {
            if (!take_selection(r, &behind))
                return false;
            is_empty = false;
        }
    } while (depth);
    return true;
}

static const char *operation_type(const struct reader *r)
{
    static const char *const types[] = {"query", "mutation", "subscription"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (at_word(r, types[i]))
            return types[i];
    return NULL;
}

/* One definition; *ret_operation->type stays NULL for a fragment. */
static bool take_definition(struct reader *r, struct graphql_operation *ret_operation)
{
    *ret_operation = (struct graphql_operation){0};
    if (!take_description(r) && at(r, '{')) {
        ret_operation->type = "query";
        return take_selection_set(r);
    }
    if (at_word(r, "fragment")) {
        next(r);
        if (at_word(r, "on") || !take_name(r, NULL) || !at_word(r, "on"))
            return false;
        next(r);
        return take_name(r, NULL) && take_directives(r, false) && take_selection_set(r);
    }
    ret_operation->type = operation_type(r);
    if (!ret_operation->type)
        return false;
    next(r);
    (void)take_name(r, &ret_operation->name);
    return take_variables(r) && take_directives(r, false) && take_selection_set(r);
}

/* GetOperation() of section 6.1: with a name the one that has it, without one the only one. */
bool graphql_read_document(struct slice document, struct slice wanted,
                           struct graphql_operation *ret)
{
    struct reader r = {.rest = document};
    size_t count = 0;
    bool is_found = false;
    *ret = (struct graphql_operation){0};
    next(&r);
    while (r.token.kind != TOKEN_END) {
        struct graphql_operation operation;
        if (!take_definition(&r, &operation))
            return false;
        if (!operation.type)
            continue;
        count++;
        if (!is_found && (wanted.len == 0 || slice_eq(operation.name, wanted))) {
            *ret = operation;
            is_found = true;
        }
    }
    if (wanted.len == 0 && count > 1)
        *ret = (struct graphql_operation){0};
    return count > 0;
}
