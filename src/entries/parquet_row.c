#include "entries/parquet_row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ── types ── */

static duckdb_logical_type list_of(duckdb_type type)
{
    duckdb_logical_type item = duckdb_api.create_logical_type(type);
    duckdb_logical_type list = duckdb_api.create_list_type(item);
    duckdb_api.destroy_logical_type(&item);
    return list;
}

static duckdb_logical_type map_of_text(void)
{
    duckdb_logical_type text = duckdb_api.create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type map = duckdb_api.create_map_type(text, text);
    duckdb_api.destroy_logical_type(&text);
    return map;
}

duckdb_logical_type parquet_row_type(const struct field_def *def)
{
    switch (def->type) {
    case FIELD_BOOL:
        return duckdb_api.create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case FIELD_INT:
    case FIELD_DURATION:
        return duckdb_api.create_logical_type(DUCKDB_TYPE_BIGINT);
    case FIELD_TIME:
        return duckdb_api.create_logical_type(DUCKDB_TYPE_TIMESTAMP_NS);
    case FIELD_LIST:
        return list_of(DUCKDB_TYPE_VARCHAR);
    case FIELD_INT_LIST:
        return list_of(DUCKDB_TYPE_BIGINT);
    case FIELD_MAP:
        return map_of_text();
    case FIELD_TEXT:
        break;
    }
    return duckdb_api.create_logical_type(DUCKDB_TYPE_VARCHAR);
}

/* ── values ── */

/* "src.ip" is the member ip of the member src. */
static const json_t *member(const json_t *entry, const char *name)
{
    char head[64];
    for (const char *dot; entry && !json_object_get(entry, name) && (dot = strchr(name, '.'));) {
        snprintf(head, sizeof head, "%.*s", (int)(dot - name < 63 ? dot - name : 63), name);
        entry = json_object_get(entry, head);
        name = dot + 1;
    }
    return json_object_get(entry, name);
}

/* A string as it is, anything else (bytes that are no text) as its JSON. */
static int put_text(duckdb_vector vector, idx_t row, const json_t *value)
{
    if (json_is_string(value)) {
        duckdb_api.vector_assign_string_element_len(vector, row, json_string_value(value),
                                                    json_string_length(value));
        return 0;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return -ENOMEM;
    duckdb_api.vector_assign_string_element_len(vector, row, text, strlen(text));
    free(text);
    return 0;
}

/* Room for `count` items behind those of the rows before; *ret_begin is where they stand. */
static int begin_list(duckdb_vector vector, idx_t row, size_t count, idx_t *ret_begin)
{
    duckdb_list_entry *lists = duckdb_api.vector_get_data(vector);
    idx_t begin = duckdb_api.list_vector_get_size(vector);
    if (duckdb_api.list_vector_reserve(vector, begin + count) != DuckDBSuccess ||
        duckdb_api.list_vector_set_size(vector, begin + count) != DuckDBSuccess)
        return -ENOMEM;
    lists[row] = (duckdb_list_entry){.offset = begin, .length = count};
    *ret_begin = begin;
    return 0;
}

static int put_list(duckdb_vector vector, idx_t row, const json_t *list, bool of_integers)
{
    idx_t begin;
    size_t i;
    const json_t *item;
    int r = begin_list(vector, row, json_array_size(list), &begin);
    if (r < 0)
        return r;
    duckdb_vector items = duckdb_api.list_vector_get_child(vector);
    json_array_foreach(list, i, item)
    {
        if (of_integers)
            ((int64_t *)duckdb_api.vector_get_data(items))[begin + i] = json_integer_value(item);
        else if (r == 0)
            r = put_text(items, begin + i, item);
    }
    return r;
}

static int put_map(duckdb_vector vector, idx_t row, json_t *map)
{
    idx_t at;
    const char *key;
    const json_t *value;
    int r = begin_list(vector, row, json_object_size(map), &at);
    if (r < 0)
        return r;
    duckdb_vector pairs = duckdb_api.list_vector_get_child(vector);
    duckdb_vector keys = duckdb_api.struct_vector_get_child(pairs, 0);
    duckdb_vector values = duckdb_api.struct_vector_get_child(pairs, 1);
    for (void *i = json_object_iter(map); i && r == 0; i = json_object_iter_next(map, i), at++) {
        key = json_object_iter_key(i);
        value = json_object_iter_value(i);
        duckdb_api.vector_assign_string_element_len(keys, at, key, json_object_iter_key_len(i));
        r = put_text(values, at, value);
    }
    return r;
}

static int put_null(duckdb_vector vector, idx_t row)
{
    duckdb_api.vector_ensure_validity_writable(vector);
    duckdb_api.validity_set_row_invalid(duckdb_api.vector_get_validity(vector), row);
    return 0;
}

static int put_number(duckdb_vector vector, idx_t row, int64_t number)
{
    ((int64_t *)duckdb_api.vector_get_data(vector))[row] = number;
    return 0;
}

int parquet_row_put(duckdb_vector vector, idx_t row, const struct field_def *def,
                    const json_t *entry)
{
    int64_t ns;
    const json_t *value = member(entry, def->name);
    switch (def->type) {
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            break;
        ((bool *)duckdb_api.vector_get_data(vector))[row] = json_is_true(value);
        return 0;
    case FIELD_INT:
    case FIELD_DURATION:
        if (json_is_integer(value))
            return put_number(vector, row, json_integer_value(value));
        break;
    case FIELD_TIME:
        if (json_is_string(value) && clock_parse_rfc3339(json_string_value(value), &ns) == 0)
            return put_number(vector, row, ns);
        break;
    case FIELD_LIST:
    case FIELD_INT_LIST:
        if (json_is_array(value))
            return put_list(vector, row, value, def->type == FIELD_INT_LIST);
        break;
    case FIELD_MAP:
        if (json_is_object(value))
            return put_map(vector, row, (json_t *)(uintptr_t)value);
        break;
    case FIELD_TEXT:
        if (value && !json_is_null(value))
            return put_text(vector, row, value);
        break;
    }
    return put_null(vector, row);
}
