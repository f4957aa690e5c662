/* Puts IP fragments together (RFC 791 and 815 for IPv4, RFC 8200 and 5722 for IPv6).
 *
 * IPv4: where fragments overlap the first copy wins. IPv6: a datagram with overlapping fragments is
 * dropped with all its fragments, also later ones; an exact repetition of a fragment is ignored. A
 * datagram is given up 30 s of packet time after its first fragment; its key contains the capture
 * interface, because copies of one fragment seen at two places must not be left over for a later
 * datagram with the same identification. Fragments cut by a snaplen are dropped: what is missing
 * never comes.
 *
 * Memory is bounded: at most max_datagrams at once and max_bytes in all; the oldest gives way. The
 * table's hash has a random key. Thread: owner. */
#ifndef TRAWL_PACKET_DEFRAG_H
#define TRAWL_PACKET_DEFRAG_H

#include "packet/frame.h"

struct defrag;

struct defrag_options {
    size_t max_datagrams; /* 0 = 1,024 */
    size_t max_bytes;     /* 0 = 16 MiB */
    int64_t timeout_ns;   /* 0 = 30 s */
};

enum defrag_result {
    DEFRAG_PENDING,  /* kept, more is missing */
    DEFRAG_COMPLETE, /* *ret_ip is the whole datagram */
    DEFRAG_DROPPED   /* the fragment is of no use: see the counters */
};

struct defrag_counters {
    uint64_t completed;
    uint64_t timed_out; /* datagrams, like the next two */
    uint64_t evicted;   /* for want of room */
    uint64_t refused;   /* overlapping IPv6, contradicting lengths, too many pieces */
    uint64_t repeated;  /* fragments that brought nothing new */
    uint64_t unusable;  /* fragments: cut by a snaplen, beyond 65,535 bytes, no multiple of 8 */
};

/* options may be NULL. 0 or -ENOMEM. */
int defrag_new(const struct defrag_options *options, struct defrag **ret_defrag);
void defrag_free(struct defrag *defrag);

/* frame is that of packet and its kind FRAME_FRAGMENT. *ret_ip, an IP packet with a header without
 * options or extensions, is for frame_decode_ip; borrowed until the next call. It says nothing of
 * VLAN and tunnel: those of the fragment hold. DEFRAG_DROPPED also when memory is short. */
enum defrag_result defrag_add(struct defrag *defrag, const struct packet *packet,
                              const struct frame *frame, struct slice *ret_ip);
const struct defrag_counters *defrag_counters(const struct defrag *defrag);
/* What is held now. */
size_t defrag_bytes(const struct defrag *defrag);
size_t defrag_datagrams(const struct defrag *defrag);

#endif
