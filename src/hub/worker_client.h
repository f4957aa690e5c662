/* The hub's end of the worker protocol (worker/worker_protocol.h): asks one worker, checks every
 * answer. A worker is hostile: lengths are capped, names checked, numbers ranged, lists bounded.
 * Memory: results are the caller's. Thread: a client belongs to one thread at a time. Errors:
 * −ECONNREFUSED, −ETIMEDOUT …: unreachable; −EPROTO: it talks nonsense; each with a sentence that
 * names the node. */
#ifndef TRAWL_HUB_WORKER_CLIENT_H
#define TRAWL_HUB_WORKER_CLIENT_H

#include "ring/ring_reader.h"
#include "worker/worker_protocol.h"

struct worker_client;

enum {
    WORKER_MAX_INTERFACES = 64,
    WORKER_MAX_GAPS = 256,
    WORKER_TEXT_SIZE = 256,
    WORKER_MAX_SEGMENTS = 100000
};

struct worker_interface {
    char name[64];
    unsigned link_type;
    uint64_t packets;
    int64_t dropped; /* −1 = not known */
    bool up;
};

struct worker_drops {
    uint64_t kernel, ring, disk;
};

struct worker_gap {
    int64_t from_ns, to_ns; /* the node's clock */
    char reason[32];
};

struct worker_status {
    bool recording;
    bool waiting; /* for an interface that is not there */
    char state_detail[WORKER_TEXT_SIZE], version[32], filter[WORKER_TEXT_SIZE];
    int64_t now_ns, started_ns, heartbeat_ns, captured_until_ns;
    uint64_t packets, captured_bytes, excluded_packets, snaplen;
    double packets_per_s, bytes_per_s;
    struct worker_drops drops, drops_5min;
    int64_t oldest_ns, newest_ns; /* 0 = nothing */
    uint64_t used_bytes, budget_bytes, segments, hour_budget_bytes;
    int64_t retention_ns;
    struct worker_interface interfaces[WORKER_MAX_INTERFACES];
    size_t interface_count;
    struct worker_gap gaps[WORKER_MAX_GAPS]; /* the latest */
    size_t gap_count;
    int64_t sent_ns, received_ns; /* hub clock: around the exchange */
};

struct worker_local {
    char ring_dir[4096], nonce_file[48], nonce[WORKER_TOKEN_SIZE];
};

/* node, address, token: copied. */
int worker_client_new(const char *node, const char *address, uint16_t port, const char *token,
                      struct worker_client **ret_client, struct error *reterr);
void worker_client_free(struct worker_client *client);
/* Until when (clock_mono_ns) answers are waited for, all of them together; 0 = each for its own 10
 * s. What is asked for later is −ETIMEDOUT at once. */
void worker_client_set_deadline(struct worker_client *client, int64_t deadline_mono_ns);

int worker_client_status(struct worker_client *client, struct worker_status *ret_status,
                         struct error *reterr);
/* INT64_MIN, INT64_MAX = open. ring_list_done() frees it. */
int worker_client_list(struct worker_client *client, int64_t from_ns, int64_t to_ns,
                       struct ring_list *ret_list, struct error *reterr);
int worker_client_rotate(struct worker_client *client, struct error *reterr);
int worker_client_pin(struct worker_client *client, int64_t from_ns, int64_t to_ns, char *ret_pin,
                      size_t pin_size, struct error *reterr);
int worker_client_renew(struct worker_client *client, const char *pin, struct error *reterr);
int worker_client_release(struct worker_client *client, const char *pin, struct error *reterr);
/* −ENOENT: recycled. sink: non-zero stops. */
int worker_client_fetch(struct worker_client *client, const char *name, uint64_t offset,
                        uint64_t length, int (*sink)(void *ctx, const uint8_t *data, size_t n),
                        void *ctx, struct error *reterr);
/* GET /openings: nothing when there are none, -ENOENT when the worker knows no such thing. */
int worker_client_openings(struct worker_client *c, const struct ring_openings_window *window,
                           int (*sink)(void *ctx, const uint8_t *data, size_t n), void *ctx,
                           struct error *reterr);
int worker_client_local(struct worker_client *client, struct worker_local *ret_local,
                        struct error *reterr);

#endif
