/* One captured packet as it goes through the house. Borrows its bytes. */
#ifndef TRAWL_PACKET_PACKET_H
#define TRAWL_PACKET_PACKET_H

#include "base/slice.h"

enum packet_direction {
    PACKET_DIRECTION_UNKNOWN,
    PACKET_INBOUND,
    PACKET_OUTBOUND
};

enum {
    PACKET_CAPTURED_BYTES_MAX = 262144 /* tshark and libpcap refuse more */
};

/* Times of files are kept within 1896 … 2116, so that the difference of two of them, and one of
 * them plus any time out, is still an int64_t. */
#define PACKET_TIME_MIN_NS (-(INT64_C(1) << 61))
#define PACKET_TIME_MAX_NS (INT64_C(1) << 62)

struct packet {
    int64_t ts_ns; /* since 1970, UTC */
    const uint8_t *data;
    uint32_t captured_bytes; /* ≤ PACKET_CAPTURED_BYTES_MAX */
    uint32_t original_bytes; /* on the wire */
    uint32_t interface;      /* index into the reader's or writer's interfaces */
    uint16_t link_type;      /* LINKTYPE_ of the pcap registry */
    uint8_t direction;       /* enum packet_direction */
    uint64_t offset;         /* of its block in the (uncompressed) file */
};

/* The strings are borrowed from whoever holds the description. */
struct packet_interface {
    uint16_t link_type;
    uint32_t snaplen_bytes; /* 0 = no limit */
    const char *name;       /* "eth0", may be NULL; from files: escaped, at most 255 bytes */
    const char *description;
    const char *filter; /* libpcap expression, may be NULL */
    const char *os;
};

#endif
