/* Decodes one packet's headers, L2 to L4, to the innermost IP packet. Followed: Ethernet, LLC/SNAP,
 * VLAN and QinQ, Linux cooked v1/v2, raw IP, BSD loopback, PPP, PPPoE, Cisco HDLC, FDDI, MPLS, IP
 * in IP, GRE, ERSPAN, VXLAN, Geneve, GTP-U. Where a tunnel holds no IP packet that can be decoded,
 * the packet around it is the answer. Checksums are not looked at (offloading leaves them wrong).
 *
 * Lengths: the IP header decides what is payload, so Ethernet padding and check sequences never
 * are; where it says 0 (segmentation offload, BIG TCP) the frame's length does. Headers that claim
 * more than there was on the wire are believed: payload is what is there, payload_bytes what they
 * say.
 *
 * Borrows everything. Thread: any. Never allocates; at most 32 headers. Sources: RFC 791, 8200,
 * 2675, 9293, 768, 9260, 2784, 2890, 2637, 7348, 8926, 3032, 2516, 1661; IEEE 802.1Q, 802.3;
 * LINKTYPE_LINUX_SLL(2), LINKTYPE_NULL; 3GPP TS 29.281. */
#ifndef TRAWL_PACKET_FRAME_H
#define TRAWL_PACKET_FRAME_H

#include "packet/packet.h"

enum frame_kind {
    FRAME_OTHER,    /* not IP (ARP, LLDP …) */
    FRAME_IP,       /* IP, but an L4 we do not decode */
    FRAME_FRAGMENT, /* an IP fragment: give it to defrag first */
    FRAME_TCP,
    FRAME_UDP,
    FRAME_ICMP, /* ICMP or ICMPv6 */
    FRAME_SCTP,
    FRAME_BAD /* headers contradict their lengths */
};

enum {
    FRAME_TCP_FIN = 0x01,
    FRAME_TCP_SYN = 0x02,
    FRAME_TCP_RST = 0x04,
    FRAME_TCP_PSH = 0x08,
    FRAME_TCP_ACK = 0x10,
    FRAME_TCP_URG = 0x20
};

struct frame {
    enum frame_kind kind;
    uint8_t ip_version;             /* 4 or 6, 0 for OTHER */
    uint8_t ip_protocol;            /* of the last header */
    uint8_t src_ip[16], dst_ip[16]; /* IPv4 in the first four bytes, the rest zero */
    uint16_t src_port, dst_port;
    uint16_t vlan;      /* innermost VLAN id, 0 = none */
    uint32_t tunnel_id; /* VNI of VXLAN and Geneve, key of GRE, TEID of GTP-U; 0 = none */
    uint16_t ip_id;     /* IPv4 identification */
    uint8_t ttl;        /* hop limit of IPv6 */
    /* fragments */
    uint32_t fragment_id;
    uint32_t fragment_offset;
    bool more_fragments;
    /* TCP */
    uint8_t tcp_flags;
    uint32_t tcp_seq, tcp_ack;
    uint16_t tcp_window;
    struct slice tcp_options;
    /* Other L4 headers. UDP: length and checksum as they stand there. SCTP: bytes behind the IP
     * header, CRC32c as it stands there, verification tag. ICMP: bytes behind the IP header,
     * checksum.
     */
    uint32_t l4_length, l4_checksum, sctp_tag;
    /* What follows the L4 header; ICMP: from its type on; SCTP: the chunks; IP: what follows the IP
     * headers; FRAGMENT: the fragment's bytes; OTHER, BAD: empty. Cut by snaplen it is shorter than
     * payload_bytes. */
    struct slice payload;
    uint32_t payload_bytes; /* by the headers' lengths */
};

/* kind is always set; the rest as far as it could be read. */
void frame_decode(const struct packet *packet, struct frame *ret_frame);
/* The same for an IP packet without link layer (reassembled datagrams, tunnels). */
void frame_decode_ip(struct slice ip, struct frame *ret_frame);

#endif
