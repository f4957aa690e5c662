/* Shared by fleet.c (the list), fleet_poll.c (a node's thread) and fleet_json.c. */
#ifndef TRAWL_HUB_FLEET_PRIVATE_H
#define TRAWL_HUB_FLEET_PRIVATE_H

#include <pthread.h>

#include "hub/fleet.h"

enum {
    FLEET_CLOCK_SAMPLES = 16,
    /* A status comes every second, and in it a heartbeat of at most a second. When either is older
     * than this, what the node said last is no longer said for it. */
    FLEET_STALE_SECONDS = 6
};

struct fleet_node {
    struct fleet *fleet;
    unsigned refs; /* guarded by the fleet's lock */
    char name[WORKER_NAME_MAX + 1];
    pthread_t thread;
    bool thread_started;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool ended;
    char instance[WORKER_INSTANCE_SIZE], address[80], token[WORKER_TOKEN_SIZE], version[32];
    uint16_t port;
    unsigned generation;   /* of address and token */
    int64_t known_mono_ns; /* first announced; never changes */
    int64_t registered_mono_ns;
    struct worker_status *status; /* the latest, or NULL */
    int64_t status_mono_ns;
    char problem[400]; /* why the last question failed; "" */
    struct {
        int64_t round_trip_ns, offset_ns;
    } clock[FLEET_CLOCK_SAMPLES];
    unsigned clock_count, clock_next;
    int ring_fd; /* −1: not on our file system */
    bool same_host;
    int64_t hold_until_ns;
};

struct fleet {
    pthread_mutex_t lock; /* guards nodes, count and the nodes' refs; taken before a node's lock */
    struct fleet_node *nodes[FLEET_MAX_NODES]; /* sorted by name */
    size_t count;
};

/* The node's thread. */
void *fleet_poll_main(void *arg);
/* Called with the node's lock. Silent: another instance may have its name. Stale: nothing was heard
 * for some seconds, so nothing is known of it now. */
bool fleet_node_is_stale(const struct fleet_node *node);
bool fleet_node_is_silent(const struct fleet_node *node);
struct fleet_clock fleet_node_clock_locked(const struct fleet_node *node);

#endif
