/* What of a capture is wanted: whole flows (connections of matching entries) or single packets
 * (those that the matching calls consist of). Built by whoever knows the entries, handed to the
 * export job as a file. Owner: selection_free. Thread: owner; read-only use from any. */
#ifndef TRAWL_SNAPSHOT_SELECTION_H
#define TRAWL_SNAPSHOT_SELECTION_H

#include "base/error.h"
#include "packet/frame.h"

struct selection;

enum selection_kind {
    SELECT_FLOWS,
    SELECT_PACKETS
};

struct selection_flow { /* either order of the ends */
    uint8_t ip_version, ip_protocol;
    uint8_t ip_a[16], ip_b[16]; /* IPv4 in the first four bytes, the rest zero */
    uint16_t port_a, port_b;
};

int selection_new(enum selection_kind kind, struct selection **ret_selection);
void selection_free(struct selection *selection);
enum selection_kind selection_kind(const struct selection *selection);

int selection_add_flow(struct selection *selection, const struct selection_flow *flow);
/* node and sequence as in packet references; offset of the block in the uncompressed file. */
int selection_add_packet(struct selection *selection, const char *node, uint64_t sequence,
                         uint64_t offset);
/* After the last add, before the first question. Sorts, drops doubles. */
int selection_seal(struct selection *selection);
size_t selection_count(const struct selection *selection);

bool selection_has_flow(const struct selection *selection, const struct selection_flow *flow);
/* The wanted offsets of one file, ascending; NULL and 0 when there are none. Borrowed. */
const uint64_t *selection_packets(const struct selection *selection, const char *node,
                                  uint64_t sequence, size_t *ret_count);

/* Flows of packets, fragments followed: remembers which fragmented datagrams were wanted. */
struct selection_matcher {
    const struct selection *selection;
    struct {
        uint64_t key; /* 0 = free */
        bool wanted;
    } fragments[1024];
};
bool selection_match(struct selection_matcher *matcher, const struct packet *packet);

/* To and from a descriptor (memfd). Reading is hostile-proof. */
int selection_save(const struct selection *selection, int fd);
int selection_load(int fd, struct selection **ret_selection, struct error *reterr);

#endif
