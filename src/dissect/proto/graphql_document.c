/* GraphQL documents: GraphQL specification (October 2021), section 2. Enough of the grammar to tell
 * a document from any other text in braces, and to name its operations; no recursion. */
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

/* The length of the string or block string that starts here; 0: it has no end. */
static size_t string_len(struct slice text)
{
    bool is_block = slice_starts_with(text, SLICE_LITERAL("\"\"\""));
    for (size_t i = is_block ? 3 : 1; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (is_block) {
            if (c == '\\' && slice_starts_with(slice_sub(text, i + 1, 3), SLICE_LITERAL("\"\"\"")))
                i += 3;
            else if (c == '"' && slice_starts_with(slice_sub(text, i, 3), SLICE_LITERAL("\"\"\"")))
                return i + 3;
        } else if (c == '"') {
            return i + 1;
        } else if (c == '\\') {
            i++;
        } else if (c == '\n' || c == '\r') {
            return 0;
        }
    }
    return 0;
}

static size_t word_len(struct slice text, bool is_number)
{
    size_t n = 1;
    while (n < text.len && (is_name_start(text.data[n]) || is_digit(text.data[n]) ||
                            (is_number && strchr(".+-", text.data[n] ? text.data[n] : 'x'))))
        n++;
    return n;
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
        n = word_len(r->rest, false);
    } else if (c == '-' || is_digit(c)) {
        t.kind = TOKEN_VALUE;
        n = word_len(r->rest, true);
    } else if (c == '"') {
        n = string_len(r->rest);
        t.kind = n ? TOKEN_VALUE : TOKEN_BAD;
    } else if (slice_starts_with(r->rest, SLICE_LITERAL("..."))) {
        t.kind = TOKEN_SPREAD;
        n = 3;
    } else if (c && strchr("!$&():=@[]{|}", c)) {
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

/* "(name: value …)" of arguments or "($name: type …)" of variables, brackets in order. */
static bool take_parentheses(struct reader *r, bool are_variables)
{
    uint8_t open[JSON_SCAN_DEPTH] = {')'};
    size_t depth = 1;
    next(r);
    if (are_variables ? !at(r, '$') : r->token.kind != TOKEN_NAME)
        return false;
    for (; depth; next(r)) {
        if (r->token.kind == TOKEN_BAD || r->token.kind == TOKEN_END)
            return false;
        if (r->token.kind != TOKEN_PUNCTUATOR)
            continue;
        uint8_t c = r->token.punctuator;
        if (c == '(' || c == '[' || c == '{') {
            if (depth == sizeof open)
                return false;
            open[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
        } else if (c == ')' || c == ']' || c == '}') {
            if (open[--depth] != c)
                return false;
        }
    }
    return true;
}

static bool take_directives(struct reader *r)
{
    while (at(r, '@')) {
        next(r);
        if (!take_name(r, NULL) || (at(r, '(') && !take_parentheses(r, false)))
            return false;
    }
    return true;
}

/* One selection, without the set behind it: a field, a fragment spread, an inline fragment. */
static bool take_selection(struct reader *r)
{
    if (r->token.kind == TOKEN_SPREAD) {
        next(r);
        if (at_word(r, "on")) {
            next(r);
            if (!take_name(r, NULL))
                return false;
        } else {
            take_name(r, NULL);
        }
        return take_directives(r);
    }
    if (!take_name(r, NULL))
        return false;
    if (at(r, ':')) { /* what stood before it was an alias */
        next(r);
        if (!take_name(r, NULL))
            return false;
    }
    return (!at(r, '(') || take_parentheses(r, false)) && take_directives(r);
}

static bool take_selection_set(struct reader *r)
{
    size_t depth = 0;
    bool is_empty = false;
    do {
        if (at(r, '{')) {
            if (is_empty || ++depth > GRAPHQL_MAX_DEPTH)
                return false;
            is_empty = true;
            next(r);
        } else if (at(r, '}')) {
            if (is_empty || depth == 0)
                return false;
            depth--;
            next(r);
            /* what follows a set is a selection or the end of the one around it */
            if (depth && at(r, '{'))
                return false;
        } else {
            if (depth == 0 || !take_selection(r))
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
    if (at(r, '{')) {
        ret_operation->type = "query";
        return take_selection_set(r);
    }
    if (at_word(r, "fragment")) {
        next(r);
        if (!take_name(r, NULL) || !at_word(r, "on"))
            return false;
        next(r);
        return take_name(r, NULL) && take_directives(r) && take_selection_set(r);
    }
    ret_operation->type = operation_type(r);
    if (!ret_operation->type)
        return false;
    next(r);
    take_name(r, &ret_operation->name);
    if (at(r, '(') && !take_parentheses(r, true))
        return false;
    return take_directives(r) && take_selection_set(r);
}

bool graphql_read_document(struct slice document, struct slice wanted,
                           struct graphql_operation *ret)
{
    struct reader r = {.rest = document};
    bool found = false;
    *ret = (struct graphql_operation){0};
    next(&r);
    while (r.token.kind != TOKEN_END) {
        struct graphql_operation operation;
        if (!take_definition(&r, &operation))
            return false;
        bool is_wanted = wanted.len && slice_eq(operation.name, wanted);
        if (operation.type && (!found || is_wanted))
            *ret = operation;
        found |= operation.type != NULL;
    }
    return found;
}
