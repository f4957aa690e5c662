/* All dissectors, made from registry.def, and the global field ids of their rows. Constant after
 * the first use. Thread: any. */
#ifndef TRAWL_DISSECT_REGISTRY_H
#define TRAWL_DISSECT_REGISTRY_H

#include "base/error.h"
#include "dissect/dissector.h"

enum {
    REGISTRY_MAX_DISSECTORS = 64 /* a set of them is a bit mask */
};

size_t registry_count(void);
const struct dissector *registry_at(size_t index);
/* The index of the dissector with that name, or -1. */
int registry_find(struct slice name);
/* Global id of row 0 of that dissector. */
field_id registry_field_base(size_t index);
/* The static text of a protocol name that entries may carry, or NULL. */
const char *registry_protocol(struct slice name);
/* The protocol names that a flag stands for ("http": http, grpc, gql; "conn": tcp_conn, udp_conn):
 * how many were put into ret_names (at most PROTOCOL_FLAG_MAX_NAMES); -EINVAL with a sentence when
 * there is no such protocol here. */
int registry_expand(const char *flag, const char **ret_names, struct error *reterr);

#endif
