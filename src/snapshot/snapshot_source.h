/* Taking a snapshot: from the rings of the nodes into a folder of the store.
 *
 * The hub implements one `struct snapshot_source` per node (over the worker's HTTP protocol);
 * snapshot_take() is the algorithm: status → rotate → pin → list → link or fetch → trim the edges
 * in a sandboxed extract job → check SHA-256 → coverage, gaps, drops → manifest → Completed. Times
 * given to and got from a source are in the node's clock; snapshot_take shifts the window by the
 * node's clock offset. Windows are half-open [from, to). */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_SOURCE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_SOURCE_H

#include "packet/packet.h"
#include "ring/ring_reader.h"
#include "snapshot/snapshot_store.h"

enum {
    SNAPSHOT_PIN_SIZE = 80,
    SNAPSHOT_PIN_LEASE_S = 60
};

struct snapshot_source_status { /* strings: borrowed until the next call on the source */
    bool recording;
    int64_t captured_until_ns; /* everything captured before this is visible; 0 = not known */
    int64_t clock_offset_ns;   /* node time − hub time */
    const char *clock_source;  /* "same host", "http round trip" */
    const struct packet_interface *interfaces; /* capture rules in force */
    size_t interface_count;
};

/* A piece of a segment, in order; non-zero (−ECANCELED …) stops the fetch with that result. */
typedef int (*snapshot_sink)(void *ctx, const uint8_t *data, size_t n);

/* All return 0 or a negative errno with a sentence. One thread at a time calls a source, except
 * `renew`, which comes from a second thread. A source may be called again after any failure. */
struct snapshot_source {
    void *ctx;
    /* −EHOSTUNREACH, −ECONNREFUSED, −ETIMEDOUT …: the node is unreachable. */
    int (*status)(void *ctx, struct snapshot_source_status *ret_status, struct error *reterr);
    /* After status failed: the node was heard of lately, so its server may only be starting again
     * (at another port). False once it is silent for longer. NULL: never. */
    bool (*may_return)(void *ctx);
    /* What ring_reader_list() says: segments that touch [from, to), covered time, gaps, drops. The
     * list is snapshot_take's (ring_list_done). */
    int (*list)(void *ctx, int64_t from_ns, int64_t to_ns, struct ring_list *ret_list,
                struct error *reterr);
    /* Everything captured until now is in sealed segments afterwards. 0 also when no capturer runs.
     */
    int (*rotate)(void *ctx, struct error *reterr);
    /* A lease of 60 s on what touches [from, to); what is listed from now on stays. */
    int (*pin)(void *ctx, int64_t from_ns, int64_t to_ns, char ret_pin[SNAPSHOT_PIN_SIZE],
               struct error *reterr);
    /* −ESTALE or −ENOENT: the pin was broken. */
    int (*renew)(void *ctx, const char *pin, struct error *reterr);
    int (*release)(void *ctx, const char *pin, struct error *reterr);
    /* The bytes [offset, offset + length) of a segment. −ENOENT: it is gone. */
    int (*fetch)(void *ctx, const char *name, uint64_t offset, uint64_t length, snapshot_sink sink,
                 void *sink_ctx, struct error *reterr);
    /* The openings of connections that were alive in a window (node's clock) as a pcapng, nothing
     * when there are none: ring_reader_openings(). Hostile like a segment. NULL: never any. */
    int (*openings)(void *ctx, const struct ring_openings_window *window, snapshot_sink sink,
                    void *sink_ctx, struct error *reterr);
    /* A hard link of the sealed segment as dir/to_name (made through io_link, phase
     * "snapshot-link"); −EXDEV, −EPERM or −EOPNOTSUPP: not possible here, fetch instead; −ENOENT:
     * it is gone. NULL: never possible. */
    int (*link)(void *ctx, const char *name, int dir, const char *to_name, struct error *reterr);
    /* The same for the index of that segment. NULL: never possible. */
    int (*link_index)(void *ctx, const char *name, int dir, const char *to_name,
                      struct error *reterr);
};

/* Whether it is worth asking again after status ended with `result`: nobody listens, or the
 * exchange broke off, as when a server starts again. One that answers nonsense, or hangs, is not
 * waited for. */
bool snapshot_source_may_return(const struct snapshot_source *source, int result);

struct snapshot_take_node {
    const char *name;
    const struct snapshot_source *source; /* NULL: the hub has no address for it (unreachable) */
    bool doubtful;                        /* it may well not answer: asked after the others */
};

/* ── before: what is there ── */
struct snapshot_node_availability {
    char *name;
    bool reachable;
    bool may_return;                /* not reachable, but heard of lately */
    char *detail;                   /* why not; else "" */
    struct snapshot_interval *held; /* hub time, within the asked window */
    size_t held_count;
    struct snapshot_gap *gaps;
    size_t gap_count;
    uint64_t bytes_in_window;     /* what a snapshot of it would take, at most */
    int64_t oldest_ns, newest_ns; /* of all it holds, hub time; oldest > newest: nothing */
};
struct snapshot_availability {
    struct snapshot_node_availability *nodes;
    size_t node_count;
    int64_t oldest_ns, newest_ns; /* over all nodes; oldest > newest: nothing */
    uint64_t estimate_bytes;
    bool anything; /* some node holds a part of the window (or it ends in the future) */
    bool whole;    /* nothing of the window is missing */
};
/* Asks the nodes, up to 16 at once, so that a slow one keeps no other from being asked; how long
 * one may take is up to its source. An unreachable node is no error. */
int snapshot_ask(const struct snapshot_take_node *nodes, size_t count,
                 struct snapshot_interval window, struct snapshot_availability *ret_availability,
                 struct error *reterr);
void snapshot_availability_done(struct snapshot_availability *availability);
/* Exactly the `AvailabilityResponse` of types.ts. */
void snapshot_availability_write_json(const struct snapshot_availability *availability,
                                      const struct snapshot_quota *quota, struct json_writer *w);
/* −ENODATA with a sentence that names the available range when nothing is left. */
int snapshot_availability_check(const struct snapshot_availability *availability,
                                struct snapshot_interval window, struct error *reterr);

/* ── taking ── */
struct snapshot_take_options {
    struct snapshot_store *store;
    const char *id; /* Pending */
    const struct snapshot_take_node *nodes;
    size_t node_count;
    const bool *cancel; /* atomic; polled at least every 200 ms and 4 MiB; may be NULL */
    unsigned parallel;  /* nodes at once; 0 = 4 */
    bool in_process;    /* tests and bare tools: trims without a job */
    int64_t lead_in_ns; /* what is taken of before the window, where it is there: 0 = 10 s,
                           negative: nothing */
};
/* Pending → Completed or Failed; both are in the store afterwards. Blocks (a window that ends in
 * the future is waited for, its segments pinned meanwhile). Returns 0 when Completed, −ECANCELED,
 * −ENODATA, −EHOSTUNREACH, −EDQUOT, −ENOSPC … with the sentence that is also the reason. Thread:
 * any; several snapshots may be taken at once. */
int snapshot_take(const struct snapshot_take_options *options, struct error *reterr);

#endif
