/* What redis.c (pairing), redis_replication.c (a primary's stream) and redis_detect.c (whose bytes
 * are these) share of one connection. Lives in the connection's state. Thread: that of the
 * connection. */
#ifndef TRAWL_DISSECT_PROTO_REDIS_STATE_H
#define TRAWL_DISSECT_PROTO_REDIS_STATE_H

#include "dissect/proto/redis_call.h"

enum redis_reply_mode {
    REPLY_ON,
    REPLY_OFF,
    REPLY_SKIP_NEXT, /* CLIENT REPLY SKIP was said: the next command has none */
};

enum server_mode {
    SERVER_REPLIES,
    SERVER_RDB_HEADER,  /* replication: "$len" of the snapshot comes */
    SERVER_RDB,         /* its bytes, without a line end behind them */
    SERVER_RDB_TO_MARK, /* its bytes up to a mark of 40 bytes */
    SERVER_COMMANDS     /* the server sends commands */
};

enum {
    MARK_BYTES = 40
};

struct redis_side {
    struct resp_parser parser;
    struct redis_call *at;
    bool lost;      /* looking for the next command or reply */
    bool lost_some; /* since the last one that was found again */
};

struct redis_state {
    struct redis_side side[2];
    struct redis_call *oldest, *newest;
    struct redis_call *held; /* answered, while `doubtful` */
    enum redis_reply_mode reply_mode;
    enum server_mode server_mode;
    uint64_t rdb_left;
    uint8_t mark[MARK_BYTES];
    int64_t db; /* −1: not known */
    bool subscribes, monitors, pipelines, unsure;
    bool doubtful; /* commands from before a loss may still have their replies to come: a call is
                      believed once the client goes on after exactly one reply */
    bool any_command, any_entry, any_done;
    bool disowned;      /* it was another protocol */
    bool server_judged; /* late join: its first bytes are known to begin a reply, or not */
};

/* A call whose entry is begun; NULL when there is no room. */
struct redis_call *redis_begin_call(struct dissect_conn *conn, struct redis_state *state);

/* ── redis_replication.c: server_mode other than SERVER_REPLIES ── */

/* "$len" or "$EOF:<40 bytes>", after any number of line ends that keep the replica patient. */
enum dissect_result redis_read_rdb_header(struct dissect_conn *conn, struct redis_state *state,
                                          struct dissect_stream *stream);
enum dissect_result redis_read_rdb(struct dissect_conn *conn, struct redis_state *state,
                                   struct dissect_stream *stream);
/* The primary's commands: entries that want no reply, asked by the server side. */
enum dissect_result redis_read_replicated(struct dissect_conn *conn, struct redis_state *state,
                                          struct dissect_stream *stream);

/* ── redis_detect.c ── */

/* "*2\r\n$3\r\nGET\r\n" at the front. MAYBE: more bytes are needed. */
enum probe_result redis_command_head(struct slice s, bool ended);
/* The first reply has RESP's form; POP3 and others begin with "+OK" too, so the command must fit.
 */
enum probe_result redis_reply_head(struct slice s);
/* The command at the front, whose head was found, is one of Redis. */
bool redis_names_command(struct slice s);
enum probe_result redis_probe(const struct probe_input *in);

#endif
