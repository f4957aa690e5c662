/* Entries as an Apache Parquet file, written by DuckDB (its own Parquet writer, linked into it).
 *
 * In: whole entries as JSON, one a line (`trawl entries --jsonl`), from a pipe. Out: a column a
 * field with the type of the field table: bool BOOLEAN, int INT64, string STRING, timestamp
 * TIMESTAMP(NANOS) in UTC, durations INT64 nanoseconds, list and map as those; NULL where an entry
 * has no such field. Text that is no UTF-8 is what JSON shows: {"base64":"…"}. Rows keep their
 * order. Memory: DuckDB's limit, whatever the number of entries. Thread: any, one call at a time.
 */
#ifndef TRAWL_ENTRIES_PARQUET_H
#define TRAWL_ENTRIES_PARQUET_H

#include "base/error.h"
#include "dissect/field.h"

enum {
    PARQUET_MAX_FIELDS = 64
};

/* The field of a column: a name or alias; -EINVAL with a sentence where no entry has it. */
int parquet_find_field(const char *name, field_id *ret_field, struct error *reterr);

/* Reads lines_fd to its end and writes the file; both stay the caller's. */
int parquet_write(int lines_fd, int file_fd, const field_id *fields, size_t count,
                  struct error *reterr);

#endif
