/* Writes one part of a dissection: part-NNNNNN.tmp while it grows, part-NNNNNN once it is sealed.
 * Order of a seal: payload synced, columns checkpointed and synced, part.json, rename, folder
 * synced. Readers see it when part_list_write has named it. Memory: one payload block, one chunk of
 * columns and DuckDB's limit. Thread: owner. */
#ifndef TRAWL_ENTRIES_PART_WRITER_H
#define TRAWL_ENTRIES_PART_WRITER_H

#include "entries/part.h"

struct part_writer;

struct part_writer_options {
    int dir_fd;      /* of the dissection; borrowed */
    const char *dir; /* the same by name: DuckDB opens by name; borrowed until the part is open */
    unsigned number; /* of the part */
    uint64_t duckdb_memory_bytes;
    unsigned threads;
};

int part_writer_open(const struct part_writer_options *options, struct part_writer **ret_writer,
                     struct error *reterr);
/* In order of index, without holes. */
int part_writer_append(struct part_writer *writer, const struct entry *entry, struct error *reterr);
uint64_t part_writer_rows(const struct part_writer *writer);
/* Of payload, on disk, once it is sealed. */
uint64_t part_writer_bytes(const struct part_writer *writer);
/* "part-NNNNNN". */
const char *part_writer_name(const struct part_writer *writer);
/* files: what packet references speak of. The writer may only be freed afterwards. */
int part_writer_seal(struct part_writer *writer, struct entry_files files, struct error *reterr);
/* What was not sealed is removed. */
void part_writer_free(struct part_writer *writer);

#endif
