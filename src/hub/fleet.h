/* Who is there: the workers that announced themselves, what each last said of itself (asked once a
 * second by a thread per node), its clock, whether it shares our file system, and holds.
 *
 * Memory: a `struct fleet_node` is counted; fleet_node_unref. Thread: any, unless said. */
#ifndef TRAWL_HUB_FLEET_H
#define TRAWL_HUB_FLEET_H

#include "base/json_writer.h"
#include "hub/worker_client.h"

struct fleet;
struct fleet_node;

enum {
    FLEET_MAX_NODES = 1024
};

int fleet_new(struct fleet **ret_fleet);
/* Ends the threads. */
void fleet_free(struct fleet *fleet);

struct fleet_registration {
    const char *name, *instance, *address, *token, *version;
    uint16_t port;
};
/* −EINVAL, −EEXIST (another instance of this name lives), −ENOSPC, each with a sentence. */
int fleet_register(struct fleet *fleet, const struct fleet_registration *r, struct error *reterr);

/* Counts the changes of address and token: whoever connected before has to do it again. */
unsigned fleet_node_generation(struct fleet_node *node);
/* It answered, or announced itself for the first time, within WORKER_SILENT_SECONDS: one that only
 * announces itself and never answers is not awaited for ever. */
bool fleet_node_heard_lately(struct fleet_node *node);
/* It did not answer the last question. */
bool fleet_node_is_doubtful(struct fleet_node *node);
/* A reference each, sorted by name; the array is the caller's (fleet_nodes_done). names ends with
 * NULL; NULL = all. −ENOENT with a sentence for an unknown name. */
int fleet_nodes(struct fleet *fleet, const char *const *names, struct fleet_node ***ret_nodes,
                size_t *ret_count, struct error *reterr);
void fleet_nodes_done(struct fleet_node **nodes, size_t count);
/* NULL when it is not known (a node of a resumed snapshot that has not come back). */
struct fleet_node *fleet_find(struct fleet *fleet, const char *name);
struct fleet_node *fleet_node_ref(struct fleet_node *node);
void fleet_node_unref(struct fleet_node *node);

const char *fleet_node_name(const struct fleet_node *node);
/* Asks it anew, with the caller's client; also gives what is known of its clock. */
struct fleet_clock {
    int64_t offset_ns; /* node time − hub time */
    const char *source;
};
struct fleet_clock fleet_node_clock(struct fleet_node *node);
/* A client of its own for the caller's thread. */
int fleet_node_connect(struct fleet_node *node, struct worker_client **ret_client,
                       struct error *reterr);
/* Its ring folder when it provably lies on our file system: a descriptor of the caller's, or
 * −EXDEV. */
int fleet_node_ring_fd(struct fleet_node *node);

/* The array of NodeInfo (web/src/api/types.ts). */
void fleet_write_json(struct fleet *fleet, struct json_writer *w);
void fleet_write_metrics(struct fleet *fleet, struct buf *out);
uint64_t fleet_ring_budget(struct fleet *fleet);

/* Pins what every node holds now until then (0 = release). The leases are renewed by the nodes'
 * threads. −EHOSTUNREACH when no node answered. */
int fleet_hold(struct fleet *fleet, int64_t until_ns, struct error *reterr);

#endif
