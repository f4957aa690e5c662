/* Encodes classic pcap files (little endian, nanoseconds) into memory. Returns 0 or the buf's
 * sticky error. Thread: any. Source: draft-ietf-opsawg-pcap. */
#ifndef TRAWL_PACKET_PCAP_WRITER_H
#define TRAWL_PACKET_PCAP_WRITER_H

#include "base/buf.h"
#include "packet/packet.h"

enum {
    PCAP_FILE_HEADER_BYTES = 24,
    PCAP_RECORD_HEADER_BYTES = 16
};

/* snaplen 0 means no limit and is written as 262,144. */
int pcap_put_header(struct buf *out, uint16_t link_type, uint32_t snaplen_bytes);
/* Every packet of a file has the header's link type: -EINVAL is not checked here, the caller
 * decides. Seconds are unsigned 32-bit: times outside 1970 … 2106 are clamped. */
int pcap_put_packet(struct buf *out, const struct packet *packet);

#endif
