/* DuckDB's C functions, found in libduckdb.so at run time (beside the binary first, then where the
 * system has it). Only query and dissect processes call duckdb_api_load. Thread: init-only; the
 * table is constant afterwards. */
#ifndef TRAWL_ENTRIES_DUCKDB_API_H
#define TRAWL_ENTRIES_DUCKDB_API_H

#include <duckdb.h>

#include "base/error.h"

#define DUCKDB_FUNCTIONS(X)             \
    X(create_config)                    \
    X(set_config)                       \
    X(destroy_config)                   \
    X(open_ext)                         \
    X(close)                            \
    X(connect)                          \
    X(disconnect)                       \
    X(query)                            \
    X(destroy_result)                   \
    X(result_error)                     \
    X(prepare)                          \
    X(destroy_prepare)                  \
    X(prepare_error)                    \
    X(nparams)                          \
    X(bind_int64)                       \
    X(bind_varchar_length)              \
    X(execute_prepared)                 \
    X(fetch_chunk)                      \
    X(data_chunk_get_size)              \
    X(data_chunk_get_vector)            \
    X(data_chunk_set_size)              \
    X(data_chunk_reset)                 \
    X(create_data_chunk)                \
    X(destroy_data_chunk)               \
    X(vector_get_data)                  \
    X(vector_get_validity)              \
    X(vector_ensure_validity_writable)  \
    X(vector_assign_string_element_len) \
    X(validity_set_row_invalid)         \
    X(validity_row_is_valid)            \
    X(vector_size)                      \
    X(create_logical_type)              \
    X(destroy_logical_type)             \
    X(create_list_type)                 \
    X(create_map_type)                  \
    X(list_vector_get_child)            \
    X(list_vector_get_size)             \
    X(list_vector_reserve)              \
    X(list_vector_set_size)             \
    X(struct_vector_get_child)          \
    X(create_table_function)            \
    X(destroy_table_function)           \
    X(table_function_set_name)          \
    X(table_function_set_extra_info)    \
    X(table_function_set_bind)          \
    X(table_function_set_init)          \
    X(table_function_set_function)      \
    X(register_table_function)          \
    X(bind_get_extra_info)              \
    X(bind_add_result_column)           \
    X(init_set_max_threads)             \
    X(function_get_extra_info)          \
    X(function_set_error)               \
    X(appender_create)                  \
    X(append_data_chunk)                \
    X(appender_close)                   \
    X(appender_destroy)                 \
    X(appender_error)                   \
    X(free)

struct duckdb_api {
#define DUCKDB_MEMBER(name) __typeof__(&duckdb_##name) name;
    DUCKDB_FUNCTIONS(DUCKDB_MEMBER)
#undef DUCKDB_MEMBER
};

extern struct duckdb_api duckdb_api;

/* 0 (also when it is loaded already), or -ENOENT with a sentence. */
int duckdb_api_load(struct error *reterr);

/* Opens a database with our settings: no extension loading, the memory limit, that many threads, no
 * temporary files. `path` NULL: in memory. */
int duckdb_api_open(const char *path, uint64_t memory_bytes, unsigned threads,
                    duckdb_database *ret_database, duckdb_connection *ret_connection,
                    struct error *reterr);
/* Either may be NULL inside. */
void duckdb_api_close(duckdb_database *database, duckdb_connection *connection);
/* One sentence for a failure of the store: `doing` is what could not be done ("be written"), `raw`
 * DuckDB's own words, which may name paths of the machine and land in reterr->cause alone.
 * -ENOMEM, -ENOSPC, -EDQUOT, else -EIO. */
int duckdb_api_error(struct error *reterr, const char *doing, const char *raw);
/* A statement without result. */
int duckdb_api_run(duckdb_connection connection, const char *sql, struct error *reterr);

#endif
