#include "filter/lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

void filter_diagnose(struct filter_diagnostic *diagnostic, struct slice text, size_t begin,
                     size_t end, const char *format, ...)
{
    if (!diagnostic)
        return;
    *diagnostic = (struct filter_diagnostic){.offset = begin, .length = end - begin};
    text_escape(slice_sub(text, begin, end - begin), diagnostic->token, sizeof diagnostic->token);
    va_list args;
    va_start(args, format);
    vsnprintf(diagnostic->text, sizeof diagnostic->text, format, args);
    va_end(args);
}

static struct token bad(struct lexer *lexer, size_t begin, size_t end, const char *what)
{
    filter_diagnose(lexer->diagnostic, lexer->text, begin, end, "%s", what);
    return (struct token){.kind = TOKEN_BAD, .begin = (uint32_t)begin, .end = (uint32_t)end};
}

static struct token token_at(const struct lexer *lexer, enum token_kind kind, size_t begin)
{
    return (struct token){.kind = kind,
                          .begin = (uint32_t)begin,
                          .end = (uint32_t)lexer->pos,
                          .text = slice_sub(lexer->text, begin, lexer->pos - begin)};
}

static int peek_at(const struct lexer *lexer, size_t ahead)
{
    size_t at = lexer->pos + ahead;
    return at < lexer->text.len ? lexer->text.data[at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_name_start(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool lexer_is_reserved(struct slice name)
{
    static const char *const words[] = {
        "as",  "break", "const",   "continue",  "else",   "for", "function", "if",    "import",
        "let", "loop",  "package", "namespace", "return", "var", "void",     "while",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq_str(name, words[i]))
            return true;
    return false;
}

/* Moves over white space and comments. */
static void skip_blank(struct lexer *lexer)
{
    for (;;) {
        int c = peek_at(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            lexer->pos++;
        } else if (c == '/' && peek_at(lexer, 1) == '/') {
            while ((c = peek_at(lexer, 0)) >= 0 && c != '\n')
                lexer->pos++;
        } else {
            return;
        }
    }
}

/* ── numbers ── */

static struct token read_hex(struct lexer *lexer, size_t begin)
{
    uint64_t v = 0;
    bool too_big = false;
    lexer->pos += 2;
    size_t digits = lexer->pos;
    for (int h; (h = hex_value(peek_at(lexer, 0))) >= 0; lexer->pos++) {
        too_big |= v >> 60 != 0;
        v = v << 4 | (uint64_t)h;
    }
    if (lexer->pos == digits)
        return bad(lexer, begin, lexer->pos, "0x needs hexadecimal digits");
    bool is_uint = peek_at(lexer, 0) == 'u' || peek_at(lexer, 0) == 'U';
    lexer->pos += is_uint;
    if (too_big)
        return bad(lexer, begin, lexer->pos, "the number does not fit into 64 bits");
    struct token token = token_at(lexer, is_uint ? TOKEN_UINT : TOKEN_INT, begin);
    token.uinteger = v;
    return token;
}

static struct token read_double(struct lexer *lexer, size_t begin)
{
    if (peek_at(lexer, 0) == '.') {
        lexer->pos++;
        while (is_digit(peek_at(lexer, 0)))
            lexer->pos++;
    }
    int c = peek_at(lexer, 0);
    if (c == 'e' || c == 'E') {
        size_t sign = peek_at(lexer, 1) == '+' || peek_at(lexer, 1) == '-';
        if (!is_digit(peek_at(lexer, 1 + sign)))
            return bad(lexer, begin, lexer->pos + 1 + sign, "the exponent has no digits");
        lexer->pos += 1 + sign;
        while (is_digit(peek_at(lexer, 0)))
            lexer->pos++;
    }
    struct token token = token_at(lexer, TOKEN_DOUBLE, begin);
    const uint8_t *copy = arena_dup(lexer->arena, token.text).data;
    if (!copy)
        return bad(lexer, begin, lexer->pos, "there is not enough memory for the filter");
    token.real = strtod((const char *)copy, NULL);
    return token;
}

static struct token read_number(struct lexer *lexer)
{
    size_t begin = lexer->pos;
    if (peek_at(lexer, 0) == '0' && (peek_at(lexer, 1) == 'x' || peek_at(lexer, 1) == 'X'))
        return read_hex(lexer, begin);
    uint64_t v = 0;
    bool too_big = false;
    for (int c; is_digit(c = peek_at(lexer, 0)); lexer->pos++)
        too_big |= __builtin_mul_overflow(v, 10u, &v) ||
                   __builtin_add_overflow(v, (uint64_t)(c - '0'), &v);
    int c = peek_at(lexer, 0);
    if ((c == '.' && is_digit(peek_at(lexer, 1))) || c == 'e' || c == 'E')
        return read_double(lexer, begin);
    bool is_uint = c == 'u' || c == 'U';
    lexer->pos += is_uint;
    if (too_big)
        return bad(lexer, begin, lexer->pos, "the number does not fit into 64 bits");
    struct token token = token_at(lexer, is_uint ? TOKEN_UINT : TOKEN_INT, begin);
    token.uinteger = v;
    return token;
}

/* ── strings ── */

struct literal {
    size_t begin;
    bool is_raw, is_bytes;
    uint8_t quote;
    size_t quotes; /* 1 or 3 */
};

static size_t put_code_point(uint32_t cp, bool is_octet, uint8_t *out)
{
    if (is_octet) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    return text_put_code_point(cp, out);
}

/* Reads `count` digits of `base`; false when they are not there. */
static bool read_digits(struct lexer *lexer, size_t count, unsigned base, uint32_t *ret_v)
{
    uint32_t v = 0;
    for (size_t i = 0; i < count; i++) {
        int h = hex_value(peek_at(lexer, i));
        if (h < 0 || (unsigned)h >= base)
            return false;
        v = v * base + (uint32_t)h;
    }
    lexer->pos += count;
    *ret_v = v;
    return true;
}

static int simple_escape(int c)
{
    static const char from[] = "abfnrtv\\?\"'`";
    static const char to[] = "\a\b\f\n\r\t\v\\?\"'`";
    const char *at = c > 0 ? strchr(from, c) : NULL;
    return at ? to[at - from] : -1;
}

/* After the backslash. Bytes written, or 0 when the escape is no good. */
static size_t read_escape(struct lexer *lexer, const struct literal *literal, uint8_t out[4])
{
    int c = peek_at(lexer, 0);
    int simple = simple_escape(c);
    if (simple >= 0) {
        lexer->pos++;
        out[0] = (uint8_t)simple;
        return 1;
    }
    uint32_t v;
    if (c >= '0' && c <= '3')
        return read_digits(lexer, 3, 8, &v) ? put_code_point(v, literal->is_bytes, out) : 0;
    size_t digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 || (digits > 2 && literal->is_bytes))
        return 0;
    lexer->pos++;
    if (!read_digits(lexer, digits, 16, &v) || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    return put_code_point(v, literal->is_bytes, out);
}

static bool at_closing_quote(const struct lexer *lexer, const struct literal *literal)
{
    for (size_t i = 0; i < literal->quotes; i++)
        if (peek_at(lexer, i) != literal->quote)
            return false;
    return true;
}

static struct token read_string(struct lexer *lexer, const struct literal *literal)
{
    lexer->pos += literal->quotes;
    uint8_t *out = arena_alloc(lexer->arena, lexer->text.len - lexer->pos + 4);
    size_t len = 0;
    if (!out)
        return bad(lexer, literal->begin, lexer->pos, "there is not enough memory for the filter");
    while (!at_closing_quote(lexer, literal)) {
        int c = peek_at(lexer, 0);
        if (c < 0 || (literal->quotes == 1 && (c == '\n' || c == '\r')))
            return bad(lexer, literal->begin, lexer->pos, "the text is not closed by a quote");
        lexer->pos++;
        if (c != '\\' || literal->is_raw) {
            out[len++] = (uint8_t)c;
            continue;
        }
        size_t escape = lexer->pos - 1;
        size_t n = read_escape(lexer, literal, out + len);
        if (n == 0) {
            size_t end = escape + 2 < lexer->text.len ? escape + 2 : lexer->text.len;
            return bad(lexer, escape, end,
                       literal->is_bytes ? "this escape is not known in bytes"
                                         : "this escape is not known");
        }
        len += n;
    }
    lexer->pos += literal->quotes;
    struct token token =
        token_at(lexer, literal->is_bytes ? TOKEN_BYTES : TOKEN_STRING, literal->begin);
    token.text = slice_of(out, len);
    return token;
}

/* Whether a string literal begins here: quote after an optional r, b, rb or br. */
static bool find_string(const struct lexer *lexer, struct literal *ret)
{
    *ret = (struct literal){.begin = lexer->pos, .quotes = 1};
    size_t prefix = 0;
    for (; prefix < 2; prefix++) {
        int c = peek_at(lexer, prefix) | 0x20;
        if (c == 'r' && !ret->is_raw)
            ret->is_raw = true;
        else if (c == 'b' && !ret->is_bytes)
            ret->is_bytes = true;
        else
            break;
    }
    int c = peek_at(lexer, prefix);
    if (c != '"' && c != '\'')
        return false;
    ret->quote = (uint8_t)c;
    if (peek_at(lexer, prefix + 1) == c && peek_at(lexer, prefix + 2) == c)
        ret->quotes = 3;
    return true;
}

/* ── names and marks ── */

static struct token read_name(struct lexer *lexer)
{
    size_t begin = lexer->pos;
    while (is_name_start(peek_at(lexer, 0)) || is_digit(peek_at(lexer, 0)))
        lexer->pos++;
    struct token token = token_at(lexer, TOKEN_IDENT, begin);
    if (slice_eq_str(token.text, "in"))
        token.kind = TOKEN_IN;
    else if (slice_eq_str(token.text, "true"))
        token.kind = TOKEN_TRUE;
    else if (slice_eq_str(token.text, "false"))
        token.kind = TOKEN_FALSE;
    else if (slice_eq_str(token.text, "null"))
        token.kind = TOKEN_NULL;
    return token;
}

static struct token read_escaped_name(struct lexer *lexer)
{
    size_t begin = lexer->pos++;
    for (int c; (c = peek_at(lexer, 0)) != '`'; lexer->pos++)
        if (!is_name_start(c) && !is_digit(c) && c != '.' && c != '-' && c != '/' && c != ' ')
            return bad(lexer, begin, lexer->pos, "the name is not closed by `");
    lexer->pos++;
    struct token token = token_at(lexer, TOKEN_ESCAPED_IDENT, begin);
    token.text = slice_sub(token.text, 1, token.text.len - 2);
    if (token.text.len == 0)
        return bad(lexer, begin, lexer->pos, "the name between the ` is empty");
    return token;
}

static struct token read_mark(struct lexer *lexer)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } marks[] = {
        {"||", TOKEN_OR},        {"&&", TOKEN_AND},         {"==", TOKEN_EQ},
        {"!=", TOKEN_NE},        {"<=", TOKEN_LE},          {">=", TOKEN_GE},
        {"<", TOKEN_LT},         {">", TOKEN_GT},           {"(", TOKEN_OPEN},
        {")", TOKEN_CLOSE},      {"[", TOKEN_OPEN_BRACKET}, {"]", TOKEN_CLOSE_BRACKET},
        {"{", TOKEN_OPEN_BRACE}, {"}", TOKEN_CLOSE_BRACE},  {".", TOKEN_DOT},
        {",", TOKEN_COMMA},      {":", TOKEN_COLON},        {"?", TOKEN_QUESTION},
        {"+", TOKEN_PLUS},       {"-", TOKEN_MINUS},        {"*", TOKEN_STAR},
        {"/", TOKEN_SLASH},      {"%", TOKEN_PERCENT},      {"!", TOKEN_NOT},
    };
    size_t begin = lexer->pos;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t len = marks[i].text[1] ? 2 : 1;
        if (peek_at(lexer, 0) == marks[i].text[0] &&
            (len == 1 || peek_at(lexer, 1) == marks[i].text[1])) {
            lexer->pos += len;
            return token_at(lexer, marks[i].kind, begin);
        }
    }
    size_t end = begin;
    text_next_code_point(lexer->text, &end);
    int c = peek_at(lexer, 0);
    if (c == '=')
        return bad(lexer, begin, end, "to compare, write ==");
    if (c == '&' || c == '|')
        return bad(lexer, begin, end, c == '&' ? "to combine, write &&" : "to combine, write ||");
    return bad(lexer, begin, end, "this character has no meaning here");
}

struct token lexer_next(struct lexer *lexer)
{
    skip_blank(lexer);
    int c = peek_at(lexer, 0);
    struct literal literal;
    if (c < 0)
        return token_at(lexer, TOKEN_END, lexer->pos);
    if (find_string(lexer, &literal)) {
        lexer->pos += literal.is_raw + literal.is_bytes;
        return read_string(lexer, &literal);
    }
    if (is_digit(c))
        return read_number(lexer);
    if (c == '.' && is_digit(peek_at(lexer, 1)))
        return read_double(lexer, lexer->pos);
    if (is_name_start(c))
        return read_name(lexer);
    if (c == '`')
        return read_escaped_name(lexer);
    return read_mark(lexer);
}
