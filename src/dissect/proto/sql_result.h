/* The result of a statement as JSON text, for response.body: an array with one object a row, and
 * what was said beside the rows: [{"id":"1","name":null},{"tag":"SELECT 1"}]. Built as rows come,
 * capped at DISSECT_BODY_CAP: rows beyond it are left out whole and `cut` is set. Shared by
 * PostgreSQL, MySQL and CQL. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_SQL_RESULT_H
#define TRAWL_DISSECT_PROTO_SQL_RESULT_H

#include "dissect/proto/gather.h"

/* Zero-initialise. */
struct sql_result {
    struct gather text;
    size_t row_at;  /* where the row in hand begins */
    bool has_items; /* one stands before */
    bool is_object;
    bool has_cells, is_note;
    bool cut;
};

/* named: cells have names, the row is an object; else an array. */
void sql_result_begin_row(struct sql_result *r, struct arena *arena, bool named);
void sql_result_cell(struct sql_result *r, struct arena *arena, struct slice name,
                     struct slice value, bool is_null);
void sql_result_end_row(struct sql_result *r, struct arena *arena);
/* {"key":"text"} between the rows. */
void sql_result_note(struct sql_result *r, struct arena *arena, const char *key, struct slice text);
/* The whole; empty when nothing was said. */
struct slice sql_result_text(struct sql_result *r, struct arena *arena);

#endif
