#include "dissect/proto/sql_template.h"

enum {
    DEPTH_MAX = 32,
    SECRET_LOOK_BYTES = 64 * 1024,
    VERB_MAX = 32
};

/* What an open parenthesis holds. */
enum paren {
    PAREN_OTHER,
    PAREN_LIST, /* IN ( … ): equal members fold to one */
    PAREN_ROW   /* VALUES ( … ) */
};

struct folder {
    struct slice in;
    size_t at;
    enum sql_dialect dialect;
    uint8_t *out;
    size_t len, cap;
    bool space;      /* white space or a comment since the last token */
    bool after_in;   /* the last word was IN */
    bool in_values;  /* between VALUES and the next word that is no row */
    bool after_row;  /* a row of VALUES ended */
    unsigned hidden; /* depth at which a further row began: nothing is written. 0 = none */
    unsigned depth;
    uint8_t parens[DEPTH_MAX];
};

static uint8_t peek(const struct folder *f, size_t ahead)
{
    return f->at + ahead < f->in.len ? f->in.data[f->at + ahead] : 0;
}

static bool is_letter(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Moves to the byte behind `end` (or to the end of the text). */
static void skip_past(struct folder *f, const char *end)
{
    size_t n = strlen(end);
    while (f->at < f->in.len) {
        const uint8_t *found = memchr(f->in.data + f->at, end[0], f->in.len - f->at);
        if (!found)
            break;
        f->at = (size_t)(found - f->in.data);
        if (f->in.len - f->at >= n && memcmp(found, end, n) == 0) {
            f->at += n;
            return;
        }
        f->at++;
    }
    f->at = f->in.len;
}

/* At white space or a comment: moves over it. */
static bool skip_space(struct folder *f)
{
    uint8_t c = peek(f, 0), next = peek(f, 1);
    if (is_space(c)) {
        f->at++;
        return true;
    }
    if (c == '/' && next == '*') {
        f->at += 2;
        skip_past(f, "*/");
        return true;
    }
    if ((c == '-' && next == '-') || (c == '/' && next == '/' && f->dialect == SQL_CQL) ||
        (c == '#' && f->dialect == SQL_MYSQL)) {
        skip_past(f, "\n");
        return true;
    }
    return false;
}

static void skip_spaces(struct folder *f)
{
    while (f->at < f->in.len && skip_space(f))
        ;
}

static void put(struct folder *f, struct slice token)
{
    if (f->hidden)
        return;
    bool tight =
        token.data[0] == ',' || token.data[0] == ')' || (f->len && f->out[f->len - 1] == '(');
    if (f->space && f->len && f->len < f->cap && !tight)
        f->out[f->len++] = ' ';
    f->space = false;
    if (token.len > f->cap - f->len)
        token.len = f->cap - f->len;
    if (token.len)
        memcpy(f->out + f->len, token.data, token.len);
    f->len += token.len;
}

static void put_placeholder(struct folder *f)
{
    if (f->hidden)
        return;
    if (f->depth && f->depth <= DEPTH_MAX && f->parens[f->depth - 1] == PAREN_LIST) {
        size_t n = f->len;
        if (n && f->out[n - 1] == ',' && n >= 2 && f->out[n - 2] == '?') {
            f->len = n - 1; /* "?, ?" */
            f->space = false;
            return;
        }
    }
    put(f, SLICE_LITERAL("?"));
}

/* Behind the opening quote: moves behind the closing one. */
static void skip_quoted(struct folder *f, uint8_t quote, bool backslashes)
{
    while (f->at < f->in.len) {
        uint8_t c = f->in.data[f->at++];
        if (c == '\\' && backslashes && f->at < f->in.len)
            f->at++;
        else if (c == quote && peek(f, 0) == quote)
            f->at++;
        else if (c == quote)
            return;
    }
}

/* $$…$$ or $tag$…$tag$ (PostgreSQL 4.1.2.4): true when it was one. */
static bool skip_dollar_quoted(struct folder *f)
{
    enum {
        TAG_MAX = 63
    };
    char tag[TAG_MAX + 3];
    size_t n = 1;
    while (n <= TAG_MAX && (is_letter(peek(f, n)) || (n > 1 && is_digit(peek(f, n)))))
        n++;
    if (peek(f, n) != '$')
        return false;
    memcpy(tag, f->in.data + f->at, n + 1);
    tag[n + 1] = 0;
    f->at += n + 1;
    skip_past(f, tag);
    return true;
}

/* A sign that belongs to the number behind it. */
static bool drop_sign(struct folder *f)
{
    if (f->hidden || f->len == 0 || (f->out[f->len - 1] != '-' && f->out[f->len - 1] != '+') ||
        f->space)
        return false;
    size_t n = f->len - 1;
    while (n && f->out[n - 1] == ' ')
        n--;
    if (n && !memchr("(,=<>*/%", f->out[n - 1], 8))
        return false;
    f->space = n < f->len - 1;
    f->len = n;
    return true;
}

static void fold_number(struct folder *f)
{
    drop_sign(f);
    bool hex = peek(f, 0) == '0' && (peek(f, 1) | 0x20) == 'x';
    while (f->at < f->in.len) {
        uint8_t c = peek(f, 0);
        bool exponent = !hex && (c | 0x20) == 'e' &&
                        (is_digit(peek(f, 1)) || peek(f, 1) == '-' || peek(f, 1) == '+');
        if (exponent && !is_digit(peek(f, 1)))
            f->at++;
        else if (!is_digit(c) && !is_letter(c) && c != '.')
            break;
        f->at++;
    }
    put_placeholder(f);
}

static void fold_word(struct folder *f)
{
    size_t from = f->at;
    while (f->at < f->in.len &&
           (is_letter(peek(f, 0)) || is_digit(peek(f, 0)) || peek(f, 0) == '$'))
        f->at++;
    struct slice word = slice_of(f->in.data + from, f->at - from);
    uint8_t next = peek(f, 0);
    bool prefix = word.len == 1 && next == '\'' && byte_is_in(word.data[0], "eEbBxXnNuU");
    if (prefix && f->dialect != SQL_CQL) { /* E'…' X'…' B'…' N'…' */
        f->at++;
        skip_quoted(f, '\'', (word.data[0] | 0x20) == 'e' || f->dialect == SQL_MYSQL);
        put_placeholder(f);
        return;
    }
    if (slice_eq_nocase(word, SLICE_LITERAL("VALUES"))) {
        f->in_values = true;
        f->after_row = false;
    } else if (f->depth == 0) {
        f->in_values = false;
    }
    f->after_in = slice_eq_nocase(word, SLICE_LITERAL("IN"));
    put(f, word);
}

static void open_paren(struct folder *f)
{
    enum paren kind = PAREN_OTHER;
    bool row = f->in_values && (f->depth == 0 || f->parens[0] != PAREN_ROW);
    if (f->after_in)
        kind = PAREN_LIST;
    else if (row && f->depth == 0)
        kind = PAREN_ROW;
    if (kind == PAREN_ROW && f->after_row && !f->hidden) {
        if (f->len && f->out[f->len - 1] == ',') /* a further row: it goes with its comma */
            f->len--;
        f->hidden = f->depth + 1;
    }
    f->after_in = false;
    put(f, SLICE_LITERAL("("));
    if (f->depth < DEPTH_MAX)
        f->parens[f->depth] = (uint8_t)kind;
    f->depth++;
}

static void close_paren(struct folder *f)
{
    put(f, SLICE_LITERAL(")"));
    if (f->depth == 0)
        return;
    if (f->hidden == f->depth) {
        f->hidden = 0;
        f->space = false;
    }
    f->depth--;
    if (f->depth < DEPTH_MAX && f->parens[f->depth] == PAREN_ROW)
        f->after_row = true;
}

static void fold_other(struct folder *f)
{
    uint8_t c = peek(f, 0);
    if (c == '(') {
        f->at++;
        open_paren(f);
        return;
    }
    if (c == ')') {
        f->at++;
        close_paren(f);
        return;
    }
    if (c == ';') {
        f->in_values = f->after_row = false;
    }
    f->after_in = false;
    f->at++;
    put(f, slice_of(f->in.data + f->at - 1, 1));
}

/* A name in quotes, as it is. */
static void copy_name(struct folder *f, uint8_t quote)
{
    size_t from = f->at++;
    skip_quoted(f, quote, false);
    f->after_in = false;
    put(f, slice_of(f->in.data + from, f->at - from));
}

/* 8-4-4-4-12 hexadecimal digits: a literal without quotes in CQL. */
static bool is_uuid(const struct folder *f)
{
    for (size_t i = 0; i < 36; i++) {
        uint8_t c = peek(f, i), low = c | 0x20;
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !is_digit(c) && !(low >= 'a' && low <= 'f'))
            return false;
    }
    return true;
}

static void fold_token(struct folder *f)
{
    uint8_t c = peek(f, 0), next = peek(f, 1);
    bool mysql = f->dialect == SQL_MYSQL;
    if (c == '\'' || (c == '"' && mysql)) {
        f->at++;
        skip_quoted(f, c, mysql);
        put_placeholder(f);
    } else if (f->dialect == SQL_CQL && is_uuid(f)) {
        f->at += 36;
        put_placeholder(f);
    } else if (c == '"' || c == '`') {
        copy_name(f, c);
    } else if (is_digit(c) || (c == '.' && is_digit(next))) {
        fold_number(f);
    } else if (c == '$' && is_digit(next)) {
        for (f->at++; is_digit(peek(f, 0)); f->at++)
            ;
        put_placeholder(f);
    } else if (c == '$' && !mysql && skip_dollar_quoted(f)) {
        put_placeholder(f);
    } else if (c == '?') {
        f->at++;
        put_placeholder(f);
    } else if (is_letter(c)) {
        fold_word(f);
    } else {
        fold_other(f);
    }
}

struct slice sql_template(struct arena *arena, struct slice text, enum sql_dialect dialect)
{
    /* Folding never makes a text longer. */
    size_t cap = text.len < SQL_TEMPLATE_MAX ? text.len : SQL_TEMPLATE_MAX;
    uint8_t *out = text.len ? arena_alloc(arena, cap) : NULL;
    if (!out)
        return SLICE_NONE;
    struct folder f = {.in = text, .dialect = dialect, .out = out, .cap = cap};
    while (f.at < f.in.len && f.len < cap) {
        if (skip_space(&f))
            f.space = true;
        else
            fold_token(&f);
    }
    while (f.len && (out[f.len - 1] == ';' || out[f.len - 1] == ' '))
        f.len--;
    if (f.at < f.in.len) /* cut: not inside a character */
        while (f.len && out[f.len - 1] >= 0x80)
            f.len--;
    return slice_of(out, f.len);
}

struct slice sql_verb(struct arena *arena, struct slice text, enum sql_dialect dialect)
{
    struct folder f = {.in = text, .dialect = dialect};
    skip_spaces(&f);
    while (peek(&f, 0) == '(' || peek(&f, 0) == ';') {
        f.at++;
        skip_spaces(&f);
    }
    size_t n = 0;
    while (n < VERB_MAX && (peek(&f, n) | 0x20) >= 'a' && (peek(&f, n) | 0x20) <= 'z')
        n++;
    uint8_t *out = n ? arena_alloc(arena, n) : NULL;
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        out[i] = peek(&f, i) & 0xdf;
    return slice_of(out, n);
}

bool sql_has_secret(struct slice text)
{
    static const struct slice words[] = {{(const uint8_t *)"password", 8},
                                         {(const uint8_t *)"identified", 10}};
    struct slice s = slice_sub(text, 0, SECRET_LOOK_BYTES);
    for (size_t i = 0; i < s.len; i++)
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if ((s.data[i] | 0x20) == words[w].data[0] &&
                slice_eq_nocase(slice_sub(s, i, words[w].len), words[w]))
                return true;
    return false;
}

bool sql_looks_like_statement(struct slice text)
{
    static const char *const verbs[] = {
        "SELECT", "INSERT",  "UPDATE",   "DELETE",   "BEGIN", "COMMIT",   "ROLLBACK",  "SET",
        "SHOW",   "CREATE",  "DROP",     "ALTER",    "WITH",  "EXPLAIN",  "START",     "CALL",
        "COPY",   "DECLARE", "FETCH",    "CLOSE",    "LOCK",  "TRUNCATE", "VACUUM",    "ANALYZE",
        "GRANT",  "REVOKE",  "PREPARE",  "EXECUTE",  "DO",    "LISTEN",   "NOTIFY",    "USE",
        "VALUES", "DISCARD", "REPLACE",  "DESCRIBE", "DESC",  "REFRESH",  "MERGE",     "END",
        "TABLE",  "KILL",    "UNLISTEN", "RESET",    "FLUSH", "LOAD",     "SAVEPOINT", "RELEASE",
        "BATCH",  "XA",      "COMMENT",  "REINDEX",  "ABORT", "CLUSTER",  "CHECKPOINT"};
    struct folder f = {.in = text, .dialect = SQL_MYSQL};
    skip_spaces(&f);
    while (peek(&f, 0) == '(')
        f.at++;
    size_t n = 0;
    while ((peek(&f, n) | 0x20) >= 'a' && (peek(&f, n) | 0x20) <= 'z' && n < VERB_MAX)
        n++;
    struct slice word = slice_sub(text, f.at, n);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_eq_nocase(word, slice_str(verbs[i])))
            return true;
    return false;
}

struct slice sql_one_line(struct arena *arena, struct slice text, size_t most)
{
    size_t n = text.len < most ? text.len : most;
    while (n < text.len && n && (text.data[n] & 0xc0) == 0x80)
        n--;
    bool cut = n < text.len;
    uint8_t *out = n ? arena_alloc(arena, n + 3) : NULL;
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        out[i] = text.data[i] < ' ' ? ' ' : text.data[i];
    if (cut)
        memcpy(out + n, "…", 3);
    return slice_of(out, cut ? n + 3 : n);
}
