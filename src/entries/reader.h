/* Opens the sealed parts of one or more dissections for queries.
 *
 * Every entry has a `row`: its index, those of the second folder behind the last of the first, and
 * so on. It stays the same while a folder (of several: the last) gets further parts, parts are
 * merged, or the oldest removed. An entry that several folders have (the same id: they overlap in
 * time) is a row of the one that has it whole, else of the first; the view has no other row of it.
 * Columns are answered by DuckDB through the view `rows` (row BIGINT, then the columns of
 * columns.h); payload by entries_reader_entry. Memory: DuckDB's limit, one payload block per part
 * and scan thread, 8 bytes a match. Thread: owner (scans start two of their own). */
#ifndef TRAWL_ENTRIES_READER_H
#define TRAWL_ENTRIES_READER_H

#include "base/arena.h"
#include "base/error.h"
#include "dissect/entry.h"
#include "entries/duckdb_api.h"
#include "filter/filter.h"

struct entries_reader;

struct entries_reader_options {
    const char *const *dirs;      /* ends with NULL */
    uint64_t duckdb_memory_bytes; /* 0 = 128 MB */
    unsigned threads;             /* of DuckDB and of scans; 0 = 2 */
};

/* Opens every file it will need until the next refresh. */
int entries_reader_open(const struct entries_reader_options *options,
                        struct entries_reader **ret_reader, struct error *reterr);
/* What has been sealed, merged or removed since (all or nothing). *ret_changed: what was learned
 * from the rows no longer holds. When it fails the parts that were open still answer. */
int entries_reader_refresh(struct entries_reader *reader, bool *ret_changed, struct error *reterr);
void entries_reader_free(struct entries_reader *reader);

uint64_t entries_reader_rows(const struct entries_reader *reader);
/* Smallest and largest timestamp; 0 and 0 without rows. */
void entries_reader_range(const struct entries_reader *reader, int64_t *ret_first_ns,
                          int64_t *ret_last_ns);
/* The folder of a row; 0 for one that there is not. */
size_t entries_reader_folder(const struct entries_reader *reader, uint64_t row);
/* Some rows are not in the view, because another folder has their entries. */
bool entries_reader_has_doubles(const struct entries_reader *reader);
/* Rows are at least *ret_first and below *ret_end; 0 and 0 without any so far. */
void entries_reader_span(const struct entries_reader *reader, uint64_t *ret_first,
                         uint64_t *ret_end);
/* Some calls were seen at several hops: their rows have a hop_call. */
bool entries_reader_has_hops(const struct entries_reader *reader);
duckdb_connection entries_reader_connection(struct entries_reader *reader);

/* The entry of a row with the wanted payload (FIELD_HEADERS | FIELD_REQUEST_BODY |
 * FIELD_RESPONSE_BODY). Borrowed from the reader and the arena until the next call or arena_reset.
 * *ret_files speaks for its packets. -ENOENT when there is no such row. */
int entries_reader_entry(struct entries_reader *reader, uint64_t row, unsigned payload,
                         struct arena *arena, struct entry *ret_entry,
                         const struct entry_files **ret_files, struct error *reterr);

struct entries_matches {
    uint64_t *rows; /* ascending; the caller's (free) */
    uint64_t count;
    uint64_t unjudged; /* the filter failed on them, or what it asked for is known in part only */
};
struct entries_range {
    int64_t from_ns, to_ns;
    const uint64_t *only; /* judge only these rows (ascending); NULL = all */
    uint64_t only_count;
};
/* What entries_reader_match would read: nothing is read yet. A part is read when one of its blocks
 * is. -ENOMEM. */
struct entries_scan_plan {
    uint64_t parts, parts_read, blocks, blocks_read;
    uint64_t entries; /* to judge, those outside the times of a block they stand in included */
};
int entries_reader_plan(struct entries_reader *reader, const struct entries_range *range,
                        struct entries_scan_plan *ret_plan);
/* Judges every entry whose time is in [from_ns, to_ns) with the one evaluator, over the blocks in
 * parallel. */
int entries_reader_match(struct entries_reader *reader, const struct filter *filter,
                         const struct entries_range *range, struct entries_matches *ret_matches,
                         struct error *reterr);

#endif
