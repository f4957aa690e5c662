/* One shard of a dissection: its flows, their connections, what they emit. Everything in it belongs
 * to one thread at a time; shards know nothing of each other. */
#ifndef TRAWL_DISSECT_SHARD_H
#define TRAWL_DISSECT_SHARD_H

#include "dissect/conn.h"
#include "flow/flow.h"

struct shard_context {
    void (*emit)(void *ctx, const struct entry *entry);
    void *ctx;
    struct slice capture_source;
    size_t memory_cap_bytes;
    struct key_store *keys; /* NULL: none */
    struct body_tap *tap;   /* NULL: none */
    /* The names behind file and vantage numbers, kept by the reader. */
    struct slice (*node_of)(void *ctx, uint32_t file);
    struct slice (*vantage_of)(void *ctx, uint32_t vantage);
    void *names;
};

/* A connection that was a part of another: its entries that reach to since_ns or beyond are said by
 * that one as well, and are left out. */
struct shard_withdrawn {
    uint64_t number; /* of the connection's first packet: what `stream` is until the end */
    int64_t since_ns;
    bool is_whole; /* nothing of it came before */
};

enum {
    SHARD_MAX_WITHDRAWN = 1 << 14 /* what is beyond stays, twice */
};

struct shard {
    struct flow_table flows;
    struct dissect_host host;
    struct shard_context context;
    uint64_t evictions;
    uint64_t failed_allocations;
    struct shard_withdrawn *withdrawn;
    size_t withdrawn_count, withdrawn_cap;
};

int shard_init(struct shard *shard, const struct shard_context *context);
void shard_done(struct shard *shard);
int shard_packet(struct shard *shard, const struct flow_packet *packet);
/* flow_table_absorb. */
void shard_absorb(struct shard *shard, const struct flow_packet *packet);
/* Capture time has come to now_ns. */
void shard_tick(struct shard *shard, int64_t now_ns);
/* The capture ends. */
void shard_finish(struct shard *shard);

/* conn_report.c: the entries of a connection as a whole: tcp_conn or udp_conn, and tcp_flow or
 * udp_flow when nobody knows what it carried. */
void shard_report_conn(struct dissect_conn *conn, const struct flow *flow);

#endif
