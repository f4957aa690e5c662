/* A MySQL connection and one command with its answer, between mysql.c (streams, detection),
 * mysql_command.c (what the client asks), mysql_answer.c (what the server answers) and
 * mysql_entry.c (the fields). Calls live in their entries' arenas. Thread: that of the connection.
 */
#ifndef TRAWL_DISSECT_PROTO_MYSQL_CALL_H
#define TRAWL_DISSECT_PROTO_MYSQL_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/mysql_packet.h"
#include "dissect/proto/sql_result.h"
#include "dissect/proto/sql_statements.h"

enum {
    MY_FIELD_COUNT = 10,
    MY_COLUMNS_MAX = 4096, /* the most a table has */
    MY_COLUMNS_KEPT = 1024,
    MY_PARAMS_MAX = 1000,
    MY_KEY_BYTES = 4
};

/* What the next packet of the answer is. */
enum my_expect {
    MY_FIRST,
    MY_COLUMNS,
    MY_COLUMNS_END,
    MY_ROWS,
    MY_PARAMS,     /* definitions of a prepared statement's parameters */
    MY_PARAMS_END, /* the EOF behind them, or already the first column */
    MY_INFILE,     /* the client sends a file */
    MY_AUTH,       /* login and COM_CHANGE_USER */
    MY_EVENTS,     /* replication */
    MY_TEXT        /* COM_STATISTICS */
};

struct my_call {
    struct my_call *next;
    struct dissect_entry *entry;
    const char *name; /* "COM_QUERY", "CONNECT" … */
    uint8_t command;
    uint8_t expect;    /* enum my_expect */
    uint8_t next_seq;  /* of the answer */
    bool is_alone;     /* an answer without its question */
    bool window_start; /* whose question was asked before the recording */
    bool damaged, has_gap, truncated, answered, failed, has_rows, is_binary, has_statement;
    bool is_done;
    bool text_lost;  /* what its statement says was not seen */
    bool end_unsure; /* the packet of the answer before was lost: a row, or its end */
    uint32_t statement;
    uint64_t columns_left, columns_after; /* of the part in hand; a statement's result columns */
    struct my_column *columns;
    uint32_t column_count, column_cap;
    bool keeps_columns; /* they are the result's, and not a statement's parameters */

    struct slice query;
    struct slice database; /* as it was when the command was sent */
    struct slice user, plugin, version;
    struct entry_pair *attributes;
    size_t attribute_count;
    struct slice *params;
    size_t param_count;
    struct gather file; /* LOAD DATA LOCAL */
    struct sql_result result;
    uint64_t rows, insert_id, warnings;
    struct slice info;
    struct my_error error;
};

struct my_side {
    struct my_call *call;
    uint32_t left; /* bytes of the packet that have not come */
    uint8_t seq;
    bool in_packet;
    bool goes_on; /* this packet continues the one before (16 MiB and more) */
    bool is_full; /* this packet is continued by the next one */
    bool content_done;
    bool lost, lost_some;
};

enum my_phase {
    MY_GREETING,
    MY_LOGIN,
    MY_COMMANDS
};

/* What the compressed layer must know of the login (dissect_params). */
struct my_session {
    uint32_t capabilities, maria_capabilities;
    bool knows_capabilities;
    bool eof_is_deprecated, eof_is_known;
    char database[256], user[128];
    uint16_t database_len, user_len;
};

struct my_state {
    struct my_side side[2];
    struct my_call *oldest, *newest, *alone;
    struct sql_statements statements;
    struct my_session session;
    struct my_greeting greeting;
    char version[64];
    uint8_t version_len;
    uint8_t phase;           /* enum my_phase */
    uint32_t long_statement; /* parameters that came with COM_STMT_SEND_LONG_DATA */
    uint64_t long_params;
    bool pipelines, unsure, any_entry, any_command;
    bool wants_tls, wants_compression;
    bool names_lost; /* statements may have been prepared that were not seen */
    bool side_judged;
    struct my_unpack *unpack; /* compressed: a layer reads what is inside */
};

extern const struct field_def mysql_fields[MY_FIELD_COUNT];

/* ── calls ── */
struct my_call *my_begin_call(struct dissect_conn *conn, struct my_state *state, const char *name);
void my_send_off(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                 const char *status, const char *reason);
/* The oldest is answered. */
void my_emit_oldest(struct dissect_conn *conn, struct my_state *state);
void my_emit_alone(struct dissect_conn *conn, struct my_state *state);
void my_give_up(struct dissect_conn *conn, struct my_state *state);
/* The answers to all that waits lack something. */
void my_damage_waiting(struct my_state *state);
/* What the session is in by now may have been asked for in what is missing. */
void my_forget_session(struct my_state *state);
void my_lost(struct dissect_conn *conn, struct my_state *state, enum dissect_dir dir);

/* ── packets ── as in a message: whose it is (false: no room yet), its content, its end. */
bool my_client_begins(struct dissect_conn *conn, struct my_state *state, uint8_t seq);
void my_client_content(struct dissect_conn *conn, struct my_state *state, struct slice body,
                       bool cut);
void my_client_ends(struct dissect_conn *conn, struct my_state *state);
bool my_server_begins(struct dissect_conn *conn, struct my_state *state, uint8_t seq);
void my_server_content(struct dissect_conn *conn, struct my_state *state, struct slice body,
                       bool cut);
void my_server_ends(struct dissect_conn *conn, struct my_state *state);

/* The key of a statement in state->statements; lies in out. */
struct slice my_statement_key(uint32_t statement, uint8_t out[MY_KEY_BYTES]);
/* The call's result columns are kept with their statement, and taken from it: MariaDB sends them
 * once, and COM_STMT_FETCH brings none. */
void my_remember_columns(struct dissect_conn *conn, struct my_state *state,
                         const struct my_call *call, struct sql_statement *s);
void my_recall_columns(struct my_call *call, const struct sql_statement *s);

/* A row of the answer goes into the result. */
void my_add_row(struct my_call *call, struct slice body);
/* Fills the entry and sends it off. */
void mysql_emit(struct dissect_conn *conn, struct my_call *call, const char *status,
                const char *reason);

/* ── compression ── */
/* Opens the layer. False: it cannot be (limits). */
bool my_unpack_open(struct dissect_conn *conn, struct my_state *state);
enum dissect_result my_unpack_data(struct dissect_conn *conn, struct my_unpack *u,
                                   struct dissect_stream *stream);
void my_unpack_gap(struct my_unpack *u, enum dissect_dir dir, uint64_t bytes);
void my_unpack_close(struct my_unpack *u);

#endif
