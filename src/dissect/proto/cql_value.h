/* CQL types and values (native protocol v3 to v5, sections "Data Type Serialization Formats" and
 * 4.2.5.2): what columns are called and the bytes of their values as the text that CQL would write.
 * Slices borrow from what is read. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_CQL_VALUE_H
#define TRAWL_DISSECT_PROTO_CQL_VALUE_H

#include "base/cursor.h"

enum {
    CQL_TEXT_MAX = 2048, /* of a value that has to be written anew */
    CQL_COLUMNS_MAX = 4096
};

/* The columns of a result or the variables of a prepared statement. */
struct cql_columns {
    struct cursor at;
    uint32_t left; /* columns that have not been read */
    uint32_t flags;
    bool has_table; /* one for all: no table stands before each name */
};

struct cql_column {
    struct slice name;
    struct slice type; /* an [option] */
};

/* Reads the head of a <metadata> (is_prepared: of a PREPARED's variables, where the partition key
 * follows since version 4) and stands in front of the first column. False: it is damaged. */
bool cql_columns_begin(struct cursor *c, uint8_t version, bool is_prepared,
                       struct cql_columns *ret);
/* False when there is none, or damage. */
bool cql_columns_next(struct cql_columns *columns, struct cql_column *ret);
/* Moves over those that are left; `c` is where the metadata were read from. */
bool cql_columns_end(struct cql_columns *columns, struct cursor *c);

/* The value as text: that of a type (text, ascii) from where it stands, anything else in `scratch`.
 * Empty type: unknown (text if it looks like it, else 0x…). *ret_cut: it is longer than that. */
struct slice cql_value_text(struct slice type, struct slice value, char scratch[CQL_TEXT_MAX],
                            bool *ret_cut);

#endif
