/* What can be told of a SQL statement without parsing it: its verb, its shape with the literals
 * folded, and whether it carries a secret. Shared by PostgreSQL, MySQL and CQL. All work is linear
 * in the text. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_SQL_TEMPLATE_H
#define TRAWL_DISSECT_PROTO_SQL_TEMPLATE_H

#include "base/arena.h"

enum sql_dialect {
    SQL_POSTGRESQL, /* "x" is a name, $$text$$ and E'…' are literals, $1 a parameter */
    SQL_MYSQL,      /* "x" and 'x' are literals with backslashes, `x` a name, # begins a comment */
    SQL_CQL         /* "x" is a name, $$text$$ a literal, uuids and 0x… too */
};

enum {
    SQL_TEMPLATE_MAX = 4096
};

/* The statement on one line: comments dropped, white space single, literals and parameters "?",
 * IN (…) one "?", of several VALUES rows the first. At most SQL_TEMPLATE_MAX bytes, in the arena;
 * empty without memory. */
struct slice sql_template(struct arena *arena, struct slice text, enum sql_dialect dialect);

/* The first word, in upper case: "SELECT"; behind comments, "(" and "EXPLAIN" stays itself. At most
 * 32 letters. Static or in the arena; empty when there is none. */
struct slice sql_verb(struct arena *arena, struct slice text, enum sql_dialect dialect);

/* The text sets a password: PASSWORD or IDENTIFIED stands in it. Only the first 64 KiB are looked
 * at. */
bool sql_has_secret(struct slice text);

/* Begins with a word that begins statements; for probes. */
bool sql_looks_like_statement(struct slice text);

/* Text on one line for a summary: at most `most` bytes, never cut inside a character, "…" behind
 * what was cut, control characters as spaces. In the arena. */
struct slice sql_one_line(struct arena *arena, struct slice text, size_t most);

#endif
