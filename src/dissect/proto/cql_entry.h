/* One CQL request and what becomes of it as an entry: statements with the values bound to them,
 * rows, errors. Everything lives in the entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_CQL_ENTRY_H
#define TRAWL_DISSECT_PROTO_CQL_ENTRY_H

#include "dissect/dissector.h"
#include "dissect/proto/cql_message.h"
#include "dissect/proto/sql_result.h"
#include "dissect/proto/sql_statements.h"
#include "dissect/proto/waiting.h"

enum {
    CQL_FIELD_COUNT = 6,
    CQL_PARAMS_MAX = 1024
};
extern const struct field_def cql_fields[CQL_FIELD_COUNT];

struct cql_call {
    struct waiting_call waiting; /* by its stream; the first member */
    struct dissect_entry *entry;
    struct cql_header header;
    struct slice query, error;
    struct slice *params;
    struct slice columns; /* of an EXECUTE whose answer leaves them out */
    struct sql_result result;
    unsigned param_count;
    uint16_t consistency;
    uint32_t error_code, rows;
    bool has_consistency, has_rows, is_event, is_compressed;
    bool answered, failed, has_gap, truncated;
};

/* What a request says; `body` may be cut. */
void cql_fill_request(struct cql_call *call, const struct sql_statements *statements,
                      struct slice body);
/* What its answer says. A PREPARED's variables and columns go to the statements, kept in `arena`.
 */
void cql_fill_response(struct cql_call *call, const struct cql_header *header, struct slice body,
                       struct sql_statements *statements, struct arena *arena);
/* Hands the entry over; the call is gone. */
void cql_emit(struct dissect_conn *conn, struct cql_call *call, const char *status,
              const char *reason);

#endif
