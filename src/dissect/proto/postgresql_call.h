/* One PostgreSQL statement with its answer (or another exchange: startup, cancel …) between
 * postgresql.c, which reads, postgresql_exchange.c, which pairs, and postgresql_entry.c, which
 * fills the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_POSTGRESQL_CALL_H
#define TRAWL_DISSECT_PROTO_POSTGRESQL_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/postgresql_message.h"
#include "dissect/proto/sql_result.h"
#include "dissect/proto/sql_statements.h"

enum {
    PG_STEPS_MAX = 8,
    PG_FIELD_COUNT = 11,
    PG_PARAMS_MAX = 1000,
    PG_COLUMNS_MAX = 1700
};

/* What the server answers one by one. */
enum pg_step {
    PG_STARTUP,
    PG_ENCRYPT, /* SSLRequest, GSSENCRequest: one byte */
    PG_PARSE,
    PG_BIND,
    PG_DESCRIBE,
    PG_EXECUTE,
    PG_CLOSE,
    PG_SYNC,
    PG_QUERY,
    PG_FUNCTION
};

struct pg_call {
    struct pg_call *next;
    struct dissect_entry *entry;
    uint8_t steps[PG_STEPS_MAX];
    uint8_t step_count, steps_done;
    bool has_copy_in; /* the server took the call into COPY FROM: the client's data follow */
    bool copy_ended;
    bool is_push, is_alone; /* no request */
    bool damaged;           /* part of its answer is lost, or whose it is */
    bool window_start, has_gap, truncated;
    bool text_lost; /* what its statement or portal says was not seen */
    bool answered;  /* something came back */
    bool failed, skipped;

    const char *command; /* NULL: the statement's verb */
    struct slice query;
    struct slice names[2]; /* of the statement and the portal, for summaries */
    struct slice describe_key;
    const char *authentication;
    struct entry_pair *parameters; /* of the startup packet */
    size_t parameter_count;
    struct entry_pair *settings; /* that the server reported */
    size_t setting_count, setting_cap;

    bool has_bind;
    struct slice formats, values; /* of Bind: be16 each; length and bytes each */
    unsigned value_count;
    struct slice result_formats; /* be16 each */
    struct slice types;          /* be32 each: OIDs of the parameters */
    struct slice columns;        /* body of a RowDescription */
    bool formats_are_of_bind;    /* the columns came with a Describe of the statement */

    struct gather copied; /* COPY data of the client */
    struct sql_result result;
    struct slice tag;
    int64_t rows, tag_rows;
    bool has_rows;
    struct pg_error error;
    uint8_t tx_state;
};

struct pg_identity {
    struct slice user, database; /* in the connection's arena */
};

extern const struct field_def postgresql_fields[PG_FIELD_COUNT];

/* A row of the answer goes into the result. */
void postgresql_add_row(struct pg_call *call, struct slice body);
/* Fills the entry and sends it off. */
void postgresql_emit(struct dissect_conn *conn, struct pg_call *call, const struct pg_identity *who,
                     const char *status, const char *reason);

#endif
