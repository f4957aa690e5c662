/* The columns of a part: one DuckDB table `entries` with the FIELD_COLUMN rows of the field table
 * under their own names, NULL where absent, times as BIGINT nanoseconds; and `hop_call`, a number
 * that the hops of one call have in common (NULL: it was seen at one), by which aggregates count it
 * once. Thread: owner. */
#ifndef TRAWL_ENTRIES_COLUMNS_H
#define TRAWL_ENTRIES_COLUMNS_H

#include "dissect/entry.h"
#include "entries/duckdb_api.h"

enum {
    COLUMNS_MAX = 32
};

struct columns_writer;

/* Makes the file. */
int columns_writer_open(const char *path, uint64_t memory_bytes, unsigned threads,
                        struct columns_writer **ret_writer, struct error *reterr);
int columns_writer_append(struct columns_writer *writer, const struct entry *entry,
                          struct error *reterr);
/* Everything is in the file (checkpointed) and the file is closed. Free it afterwards. */
int columns_writer_close(struct columns_writer *writer, struct error *reterr);
void columns_writer_free(struct columns_writer *writer);

#endif
