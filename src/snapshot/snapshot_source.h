/* Taking a snapshot: from the rings of the nodes into a folder of the store.
 *
 * The hub implements one `struct snapshot_source` per node (over the worker's HTTP protocol);
 * snapshot_take() is the algorithm: status → rotate → list → pin → link or fetch → trim the edges
 * in a sandboxed extract job → check SHA-256 → coverage, gaps, drops → manifest → Completed. Times
 * given to and got from a source are in the node's clock; snapshot_take shifts the window by the
 * node's clock offset. Windows are half-open [from, to). */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_SOURCE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_SOURCE_H

#include "packet/packet.h"
#include "snapshot/snapshot_store.h"

enum {
    SNAPSHOT_SEGMENT_NAME_SIZE = 80,
    SNAPSHOT_PIN_SIZE = 80,
    SNAPSHOT_PIN_LEASE_S = 60
};

struct snapshot_segment {
    char name[SNAPSHOT_SEGMENT_NAME_SIZE]; /* file name in the ring */
    bool sealed;
    uint64_t bytes;            /* valid length */
    int64_t from_ns, to_ns;    /* recorded during [from, to): also times without packets */
    int64_t first_ns, last_ns; /* smallest and largest packet stamp; first > last: none, both
                                  INT64_MIN: not known */
    uint64_t packets;
    struct snapshot_drops drops;       /* while it was written */
    char sha256[SNAPSHOT_SHA256_SIZE]; /* "" = not known */
};

struct snapshot_segments { /* owned by the caller: snapshot_segments_done */
    struct snapshot_segment *items;
    size_t count, cap;
    struct snapshot_gap *gaps; /* what the recorder declares: stopped, disk, clock step … */
    size_t gap_count, gap_cap;
};
struct snapshot_segment *
snapshot_segments_add(struct snapshot_segments *list); /* zeroed, or NULL */
int snapshot_segments_add_gap(struct snapshot_segments *list, struct snapshot_gap gap);
void snapshot_segments_done(struct snapshot_segments *list);

struct snapshot_source_status { /* strings: borrowed until the next call on the source */
    bool recording;
    int64_t recording_since_ns; /* oldest moment the recorder could know of; 0 = not known */
    int64_t heartbeat_ns;       /* up to here everything is recorded */
    int64_t clock_offset_ns;    /* node time − hub time */
    const char *clock_source;   /* "same host", "http round trip" */
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
    /* Segments that overlap [from, to) by their recording time, and the gaps inside it. */
    int (*list)(void *ctx, int64_t from_ns, int64_t to_ns, struct snapshot_segments *ret_list,
                struct error *reterr);
    /* Everything captured until now is in sealed segments afterwards. */
    int (*rotate)(void *ctx, struct error *reterr);
    /* A lease of SNAPSHOT_PIN_LEASE_S on these segments. Those that are already gone: still 0, the
     * fetch will say so. */
    int (*pin)(void *ctx, const char *const *names, size_t count, char ret_pin[SNAPSHOT_PIN_SIZE],
               struct error *reterr);
    /* −ESTALE: the pin was broken. */
    int (*renew)(void *ctx, const char *pin, struct error *reterr);
    int (*release)(void *ctx, const char *pin, struct error *reterr);
    /* The bytes [offset, offset + length) of a segment. −ENOENT: it is gone. */
    int (*fetch)(void *ctx, const char *name, uint64_t offset, uint64_t length, snapshot_sink sink,
                 void *sink_ctx, struct error *reterr);
    /* A hard link of the sealed segment as dir/to_name (made through io_link, phase
     * "snapshot-link"); −EXDEV, −EPERM or −EOPNOTSUPP: not possible here, fetch instead; −ENOENT:
     * it is gone. NULL: never possible. */
    int (*link)(void *ctx, const char *name, int dir, const char *to_name, struct error *reterr);
};

struct snapshot_take_node {
    const char *name;
    const struct snapshot_source *source; /* NULL: the hub has no address for it (unreachable) */
};

/* ── before: what is there ── */
struct snapshot_node_availability {
    char *name;
    bool reachable;
    char *detail;                   /* why not; else "" */
    struct snapshot_interval *held; /* hub time, within the asked window */
    size_t held_count;
    struct snapshot_gap *gaps;
    size_t gap_count;
    uint64_t bytes_in_window;     /* estimate of what a snapshot of it would take */
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
/* Asks the nodes one after the other. An unreachable node is no error. */
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
};
/* Pending → Completed or Failed; both are in the store afterwards. Blocks (a window that ends in
 * the future is waited for, its segments pinned meanwhile). Returns 0 when Completed, −ECANCELED,
 * −ENODATA, −EHOSTUNREACH, −EDQUOT, −ENOSPC … with the sentence that is also the reason. Thread:
 * any; several snapshots may be taken at once. */
int snapshot_take(const struct snapshot_take_options *options, struct error *reterr);

#endif
