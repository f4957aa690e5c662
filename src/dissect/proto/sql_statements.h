/* Prepared statements of one connection: what was prepared under a name or number, so that an
 * execution can show its text. Capped: 1,024 statements, 16 KiB of each text, 1 MiB in all; the
 * oldest leave first. Memory comes from the connection's arena and is used again. Thread: that of
 * the connection. */
#ifndef TRAWL_DISSECT_PROTO_SQL_STATEMENTS_H
#define TRAWL_DISSECT_PROTO_SQL_STATEMENTS_H

#include "base/arena.h"

enum {
    SQL_STATEMENT_TEXT_MAX = 16 * 1024,
    SQL_STATEMENT_KEY_MAX = 128,
    SQL_STATEMENTS_MAX = 1024,
    SQL_STATEMENTS_BYTES = 1024 * 1024,
    SQL_STATEMENT_CLASSES = 10, /* blocks of 32 B … 16 KiB */
    SQL_STATEMENT_BUCKETS = 256
};

enum sql_part {
    SQL_KEY,
    SQL_TEXT,
    SQL_TYPES,   /* of the parameters, in the protocol's own form */
    SQL_COLUMNS, /* of the result, in the protocol's own form */
    SQL_PARTS
};

struct sql_statement {
    struct sql_statement *next_in_bucket, *older, *newer;
    struct slice part[SQL_PARTS];
    uint64_t hash;
    bool text_cut;        /* the text is longer than what is kept */
    uint16_t param_count; /* the dissector's to use */
};

/* Zero-initialise. */
struct sql_statements {
    struct sql_statement **buckets;
    struct sql_statement *oldest, *newest, *free_records;
    void *free_blocks[SQL_STATEMENT_CLASSES];
    size_t count, bytes;
};

/* NULL when it is not known. Borrowed until the next put, set, drop or clear. */
struct sql_statement *sql_statement_find(const struct sql_statements *all, struct slice key);
/* A new one under this key (an older one is forgotten); NULL without memory, or when the key is too
 * long to be kept. */
struct sql_statement *sql_statement_put(struct sql_statements *all, struct arena *arena,
                                        struct slice key);
/* Replaces a part with a copy. False: it was not kept (types and columns are kept whole or not at
 * all, of a text the beginning). `statement` stays valid. */
bool sql_statement_set(struct sql_statements *all, struct arena *arena,
                       struct sql_statement *statement, enum sql_part part, struct slice bytes);
void sql_statement_drop(struct sql_statements *all, struct slice key);
void sql_statements_clear(struct sql_statements *all);

#endif
