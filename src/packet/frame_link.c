/* Link layers: everything that stands before the first IP header. */
#include "packet/frame_walk.h"

enum {
    ETHERNET_BYTES = 14,
    ETHERNET_TYPES_FROM = 0x600, /* smaller numbers are lengths */

    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_OLD_QINQ = 0x9100,
    TYPE_OLD_QINQ_2 = 0x9200,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_MULTICAST = 0x8848,
    TYPE_PPPOE_SESSION = 0x8864,
    TYPE_PPP = 0x880b,
    TYPE_BRIDGED_ETHERNET = 0x6558,
    TYPE_NSH = 0x894f,
    TYPE_COOKED_LLC = 0x0004,

    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_FDDI = 10,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_PPP_HDLC = 50,
    LINK_PPPOE = 51,
    LINK_RAW = 101,
    LINK_CISCO_HDLC = 104,
    LINK_LOOP = 108,
    LINK_COOKED = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_COOKED_2 = 276,

    COOKED_BYTES = 16,
    COOKED_2_BYTES = 20,
    HARDWARE_NETLINK = 824,

    MPLS_LABELS_MAX = 16
};

enum frame_step frame_walk_ethernet(struct frame_walk *w)
{
    if (w->have < ETHERNET_BYTES)
        return STEP_BAD;
    w->ethertype = walk_be16(w->at + 12);
    walk_over(w, ETHERNET_BYTES);
    return STEP_ETHERTYPE;
}

/* One tag per step, so that the bound on steps holds for them too. */
static enum frame_step walk_vlan(struct frame_walk *w)
{
    if (w->have < 4)
        return STEP_BAD;
    uint16_t id = walk_be16(w->at) & 0xfff;
    if (id)
        w->frame->vlan = id;
    w->ethertype = walk_be16(w->at + 2);
    walk_over(w, 4);
    return STEP_ETHERTYPE;
}

enum frame_step frame_walk_ethertype(struct frame_walk *w)
{
    switch (w->ethertype) {
    case TYPE_IPV4:
        return STEP_IPV4;
    case TYPE_IPV6:
        return STEP_IPV6;
    case TYPE_VLAN:
    case TYPE_QINQ:
    case TYPE_OLD_QINQ:
    case TYPE_OLD_QINQ_2:
        return walk_vlan(w);
    case TYPE_MPLS:
    case TYPE_MPLS_MULTICAST:
        return STEP_MPLS;
    case TYPE_PPPOE_SESSION:
        return STEP_PPPOE;
    case TYPE_PPP:
        return STEP_PPP;
    case TYPE_BRIDGED_ETHERNET:
        return STEP_ETHERNET;
    case TYPE_NSH:
        return STEP_NSH;
    case TYPE_COOKED_LLC:
        return STEP_LLC;
    default:
        break;
    }
    if (w->ethertype >= ETHERNET_TYPES_FROM || w->ethertype > w->wire)
        return STEP_OTHER;
    walk_trim(w, w->ethertype);
    return STEP_LLC;
}

enum frame_step frame_walk_llc(struct frame_walk *w)
{
    static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
    static const uint8_t bridged_snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0xf8};
    static const uint8_t ip[3] = {0x06, 0x06, 0x03};
    if (w->have >= 3 && memcmp(w->at, ip, 3) == 0) {
        walk_over(w, 3);
        return STEP_IP;
    }
    if (w->have < 8 || (memcmp(w->at, snap, 6) != 0 && memcmp(w->at, bridged_snap, 6) != 0))
        return STEP_OTHER;
    w->ethertype = walk_be16(w->at + 6);
    walk_over(w, 8);
    return w->ethertype >= ETHERNET_TYPES_FROM ? STEP_ETHERTYPE : STEP_OTHER;
}

enum frame_step frame_walk_mpls(struct frame_walk *w)
{
    bool bottom = false;
    for (int i = 0; i < MPLS_LABELS_MAX && !bottom; i++) {
        if (w->have < 4)
            return STEP_BAD;
        bottom = w->at[2] & 1;
        walk_over(w, 4);
    }
    if (!bottom || w->have < 1)
        return STEP_OTHER;
    uint8_t nibble = w->at[0] >> 4;
    if (nibble == 4 || nibble == 6)
        return STEP_IP;
    if (nibble == 0 && w->have >= 4 + ETHERNET_BYTES)
        walk_over(w, 4); /* control word of a pseudo-wire (RFC 4385) */
    return STEP_ETHERNET;
}

enum frame_step frame_walk_pppoe(struct frame_walk *w)
{
    if (w->have < 6)
        return STEP_BAD;
    bool session = w->at[0] == 0x11 && w->at[1] == 0;
    size_t length = walk_be16(w->at + 4);
    walk_over(w, 6);
    if (!session)
        return STEP_OTHER;
    if (length < w->wire)
        walk_trim(w, length);
    return STEP_PPP;
}

enum frame_step frame_walk_ppp(struct frame_walk *w)
{
    if (w->have >= 2 && w->at[0] == 0xff && w->at[1] == 0x03)
        walk_over(w, 2);
    if (w->have < 2)
        return STEP_BAD;
    bool compressed = w->at[0] & 1; /* RFC 1661, section 6.5 */
    uint16_t protocol = compressed ? w->at[0] : walk_be16(w->at);
    walk_over(w, compressed ? 1 : 2);
    switch (protocol) {
    case 0x0021:
        return STEP_IPV4;
    case 0x0057:
        return STEP_IPV6;
    case 0x0281:
    case 0x0283:
        return STEP_MPLS;
    default:
        return STEP_OTHER;
    }
}

/* Four bytes of address family, in the byte order of the host that captured (NULL) or big endian
 * (LOOP); IPv6 has another number on every system. */
static enum frame_step walk_loopback(struct frame_walk *w)
{
    if (w->have < 4)
        return STEP_BAD;
    uint32_t family = walk_be32(w->at);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    walk_over(w, 4);
    switch (family) {
    case 2:
        return STEP_IPV4;
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
        return STEP_IPV6;
    default:
        return STEP_OTHER;
    }
}

static enum frame_step walk_cooked(struct frame_walk *w, size_t bytes, size_t type_at,
                                   size_t hardware_at)
{
    if (w->have < bytes)
        return STEP_BAD;
    uint16_t hardware = walk_be16(w->at + hardware_at);
    w->ethertype = walk_be16(w->at + type_at);
    walk_over(w, bytes);
    /* Below 0x600 are Linux' own numbers, no lengths; only LLC (4) has something for us. */
    if (hardware == HARDWARE_NETLINK ||
        (w->ethertype < ETHERNET_TYPES_FROM && w->ethertype != TYPE_COOKED_LLC))
        return STEP_OTHER;
    return STEP_ETHERTYPE;
}

static enum frame_step walk_cisco_hdlc(struct frame_walk *w)
{
    if (w->have < 4)
        return STEP_BAD;
    w->ethertype = walk_be16(w->at + 2);
    walk_over(w, 4);
    return w->ethertype >= ETHERNET_TYPES_FROM ? STEP_ETHERTYPE : STEP_OTHER;
}

static enum frame_step walk_fddi(struct frame_walk *w)
{
    if (w->have < 13)
        return STEP_BAD;
    bool llc = (w->at[0] & 0xf0) == 0x50;
    walk_over(w, 13);
    return llc ? STEP_LLC : STEP_OTHER;
}

enum frame_step frame_walk_link(struct frame_walk *w, uint16_t link_type)
{
    switch (link_type) {
    case LINK_ETHERNET:
        return STEP_ETHERNET;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        return STEP_IP;
    case LINK_COOKED:
        return walk_cooked(w, COOKED_BYTES, 14, 2);
    case LINK_COOKED_2:
        return walk_cooked(w, COOKED_2_BYTES, 0, 8);
    case LINK_NULL:
    case LINK_LOOP:
        return walk_loopback(w);
    case LINK_PPP:
        return STEP_PPP;
    case LINK_PPP_HDLC:
        /* Frames of Cisco HDLC stand among those of PPP. */
        return w->have && (w->at[0] == 0x0f || w->at[0] == 0x8f) ? walk_cisco_hdlc(w) : STEP_PPP;
    case LINK_PPPOE:
        return STEP_PPPOE;
    case LINK_CISCO_HDLC:
        return walk_cisco_hdlc(w);
    case LINK_FDDI:
        return walk_fddi(w);
    default:
        return STEP_OTHER;
    }
}
