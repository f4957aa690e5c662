/* QUIC packets with long headers (RFC 9000 section 17.2, RFC 9369 for version 2, drafts 23 to 34),
 * and Initial packets opened with the keys that everybody can derive (RFC 9001 section 5). Thread:
 * any. */
#ifndef TRAWL_DISSECT_PROTO_QUIC_PACKET_H
#define TRAWL_DISSECT_PROTO_QUIC_PACKET_H

#include "base/cursor.h"

enum quic_packet_type {
    QUIC_INITIAL,
    QUIC_0RTT,
    QUIC_HANDSHAKE,
    QUIC_RETRY
};

enum {
    QUIC_ID_MAX = 20,
    QUIC_KEY = 16,
    QUIC_IV = 12
};

struct quic_packet {
    uint32_t version;
    enum quic_packet_type type;
    struct slice destination; /* connection id; borrowed */
    size_t number_at;         /* where the packet number begins */
    size_t bytes;             /* of the whole packet; others may follow in the datagram */
};

/* False: no packet with a long header of a version that is known. */
bool quic_parse(struct slice datagram, struct quic_packet *ret_packet);

/* RFC 9000 section 16. */
uint64_t quic_read_varint(struct cursor *c);

struct quic_keys {
    uint8_t key[QUIC_KEY], iv[QUIC_IV], header[QUIC_KEY];
};

/* From the destination of the client's first Initial packet. */
bool quic_initial_keys(uint32_t version, struct slice destination, bool of_client,
                       struct quic_keys *ret_keys);

/* The frames of an Initial packet; out has room for its bytes. False: these are not its keys. */
bool quic_open(const struct quic_keys *keys, struct slice datagram,
               const struct quic_packet *packet, uint8_t *out, size_t *ret_len);

#endif
