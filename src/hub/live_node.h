/* One node's part of the live dissection: looks at what its ring holds, and feeds what is new to
 * the job (entries/live_feed.h). Reads published bytes over the worker protocol, pins nothing and
 * asks the recorder for nothing: what the ring has overtaken, or what would take too long to catch
 * up with, is passed over and counted. Thread: owner. */
#ifndef TRAWL_HUB_LIVE_NODE_H
#define TRAWL_HUB_LIVE_NODE_H

#include "entries/live_feed.h"
#include "hub/fleet.h"

enum {
    LIVE_MAX_LAG_BYTES = 96 * 1024 * 1024 /* of a node; beyond it only its newest segments go on */
};

/* The writing end. */
struct live_feed {
    int fd; /* not blocking; borrowed */
    uint32_t segments;
    int error;           /* the first; nothing is written afterwards */
    const bool *stopped; /* atomic: gives up */
};

int live_feed_put(struct live_feed *feed, const struct feed_header *header, const void *bytes);

struct live_node;

/* Takes its own reference. begin_ns: what was captured before it (our clock) is not wanted. */
int live_node_new(struct fleet_node *node, int64_t begin_ns, struct live_node **ret_node);
void live_node_free(struct live_node *node);
const char *live_node_name(const struct live_node *node);
/* Feeds what is new. *ret_until_ns: everything captured before it was fed (our clock). An
 * error is the node's (it does not answer) unless feed->error says otherwise. */
int live_node_round(struct live_node *node, struct live_feed *feed, int64_t *ret_until_ns,
                    struct error *reterr);
/* Bytes of packets that were passed over, and when that happened last (ns; 0 = never). */
uint64_t live_node_missed(const struct live_node *node, int64_t *ret_last_ns);

#endif
