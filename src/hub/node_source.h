/* A node as a `struct snapshot_source`: over its worker's HTTP protocol, with hard links when its
 * ring lies on our file system. Memory: node_source_free. Thread: as snapshot_source.h says. */
#ifndef TRAWL_HUB_NODE_SOURCE_H
#define TRAWL_HUB_NODE_SOURCE_H

#include "hub/fleet.h"
#include "snapshot/snapshot_source.h"

struct node_source;

/* Takes its own reference of the node. */
int node_source_new(struct fleet_node *node, struct node_source **ret_source, struct error *reterr);
void node_source_free(struct node_source *source);
const struct snapshot_source *node_source_get(const struct node_source *source);

/* The sources of some nodes (names ends with NULL; NULL = all). A name that is not known gets an
 * entry without a source when `unknown_allowed`, else −ENOENT. */
struct node_sources {
    struct snapshot_take_node *nodes;
    struct node_source **sources; /* same order; NULL = unknown */
    char **names;
    size_t count;
};
int node_sources_make(struct fleet *fleet, const char *const *names, bool unknown_allowed,
                      struct node_sources *ret_sources, struct error *reterr);
/* For looking, not for taking: all that is asked through them is over after at most 2 s, and after
 * 1 s where a node did not answer before. */
void node_sources_set_deadline(struct node_sources *sources);
void node_sources_done(struct node_sources *sources);

#endif
