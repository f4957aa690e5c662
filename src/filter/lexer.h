/* Tokens of CEL (language definition, "Syntax"). The text MUST be valid UTF-8. Tokens borrow from
 * it; unescaped literals live in the arena. Thread: owner. */
#ifndef TRAWL_FILTER_LEXER_H
#define TRAWL_FILTER_LEXER_H

#include "base/arena.h"
#include "filter/filter.h"

enum token_kind {
    TOKEN_END,
    TOKEN_BAD, /* the diagnostic says what */
    TOKEN_IDENT,
    TOKEN_ESCAPED_IDENT, /* `a-b`: only after a dot */
    TOKEN_INT,           /* magnitude in uinteger; the parser applies a sign */
    TOKEN_UINT,
    TOKEN_DOUBLE,
    TOKEN_STRING,
    TOKEN_BYTES,
    TOKEN_OR,  /* || */
    TOKEN_AND, /* && */
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LE,
    TOKEN_GE,
    TOKEN_LT,
    TOKEN_GT,
    TOKEN_IN,
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_NULL,
    TOKEN_OPEN,  /* ( */
    TOKEN_CLOSE, /* ) */
    TOKEN_OPEN_BRACKET,
    TOKEN_CLOSE_BRACKET,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
    TOKEN_DOT,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_QUESTION,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_STAR,
    TOKEN_SLASH,
    TOKEN_PERCENT,
    TOKEN_NOT
};

struct token {
    enum token_kind kind;
    uint32_t begin, end;
    struct slice text; /* IDENT: the name; STRING, BYTES: the value */
    uint64_t uinteger;
    double real;
};

struct lexer {
    struct slice text;
    size_t pos;
    struct arena *arena;
    struct filter_diagnostic *diagnostic; /* filled with a TOKEN_BAD */
};

/* The next token; TOKEN_END again and again at the end. */
struct token lexer_next(struct lexer *lexer);
/* A word that CEL keeps for itself and that can be no variable. */
bool lexer_is_reserved(struct slice name);

/* Fills a diagnostic about text[begin … end). NULL is allowed. */
void filter_diagnose(struct filter_diagnostic *diagnostic, struct slice text, size_t begin,
                     size_t end, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
