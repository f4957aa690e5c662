/* Writes one dissection as sealed parts: DIR/part-000001/{part.json, columns.duckdb, payload.blk}.
 *
 * In: entries in order of index. Out: a part that readers can see once it is sealed; until then it
 * is called part-NNNNNN.tmp and is of no use to anybody (a crash leaves it; the next writer removes
 * it). Order of a seal: payload synced, columns checkpointed and synced, part.json, rename, folder
 * synced. Memory: one payload block, one chunk of columns and DuckDB's limit. Thread: owner. */
#ifndef TRAWL_ENTRIES_WRITER_H
#define TRAWL_ENTRIES_WRITER_H

#include "base/error.h"
#include "dissect/entry.h"

struct entries_writer;

struct entries_writer_options {
    const char *dir;              /* exists and is writable */
    struct entry_files files;     /* what packet references speak of; borrowed until close */
    uint64_t duckdb_memory_bytes; /* 0 = 128 MB */
    unsigned threads;             /* DuckDB's own; 0 = 1 */
    uint64_t part_rows;           /* a part is sealed after so many; 0 = 2,000,000 */
};

/* Loads DuckDB and opens the first part: after this nothing outside `dir` is opened any more. */
int entries_writer_open(const struct entries_writer_options *options,
                        struct entries_writer **ret_writer, struct error *reterr);
int entries_writer_append(struct entries_writer *writer, const struct entry *entry,
                          struct error *reterr);
/* Seals what is open (a dissection without entries has one empty part). The writer may only be
 * freed afterwards. */
int entries_writer_close(struct entries_writer *writer, struct error *reterr);
/* What was not sealed is removed. */
void entries_writer_free(struct entries_writer *writer);

#endif
