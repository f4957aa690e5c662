/* One entry as a row of DuckDB's vectors: its JSON in, a value a field out, with the type of the
 * field table. Thread: owner. */
#ifndef TRAWL_ENTRIES_PARQUET_ROW_H
#define TRAWL_ENTRIES_PARQUET_ROW_H

#include <jansson.h>

#include "dissect/field.h"
#include "entries/duckdb_api.h"

/* DuckDB's type of the column of a field: destroy_logical_type. */
duckdb_logical_type parquet_row_type(const struct field_def *def);

/* NULL where the entry has no such member or another type. -ENOMEM where DuckDB has no room. */
int parquet_row_put(duckdb_vector vector, idx_t row, const struct field_def *def,
                    const json_t *entry);

#endif
