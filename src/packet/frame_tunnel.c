/* Tunnels: GRE and what runs over UDP. */
#include "packet/frame_walk.h"

enum {
    PORT_GTP_USER = 2152,
    PORT_GRE = 4754,
    PORT_VXLAN = 4789,
    PORT_VXLAN_GPE = 4790,
    PORT_GENEVE = 6081,
    PORT_MPLS = 6635,
    PORT_VXLAN_LINUX = 8472, /* the kernel's default from before there was a number */

    GRE_CHECKSUM = 0x8000,
    GRE_ROUTING = 0x4000,
    GRE_KEY = 0x2000,
    GRE_SEQUENCE = 0x1000,
    GRE_ACKNOWLEDGMENT = 0x0080,
    GRE_VERSION = 0x0007,
    GRE_ERSPAN = 0x88be,
    GRE_ERSPAN_3 = 0x22eb,

    ERSPAN_2_BYTES = 8,
    ERSPAN_3_BYTES = 12,
    ERSPAN_3_PLATFORM_BYTES = 8,

    TYPE_BRIDGED_ETHERNET = 0x6558,
    VXLAN_BYTES = 8,
    VXLAN_HAS_ID = 0x08,
    VXLAN_HAS_NEXT = 0x04,
    NSH_BASE_BYTES = 4,
    NEXT_IPV4 = 1, /* RFC 8300 section 2.2; VXLAN-GPE has the same numbers */
    NEXT_IPV6 = 2,
    NEXT_ETHERNET = 3,
    NEXT_NSH = 4,
    NEXT_MPLS = 5,
    GENEVE_BYTES = 8,
    GTP_BYTES = 8,
    GTP_EXTENSIONS_MAX = 8
};

static enum frame_step walk_erspan(struct frame_walk *w, bool sequenced)
{
    size_t bytes = sequenced ? ERSPAN_2_BYTES : 0; /* without a sequence number it is type I */
    if (w->have < bytes)
        return STEP_BAD;
    walk_over(w, bytes);
    return STEP_ETHERNET;
}

static enum frame_step walk_erspan_3(struct frame_walk *w)
{
    if (w->have < ERSPAN_3_BYTES)
        return STEP_BAD;
    size_t bytes = ERSPAN_3_BYTES + (w->at[11] & 1 ? ERSPAN_3_PLATFORM_BYTES : 0);
    if (w->have < bytes)
        return STEP_BAD;
    walk_over(w, bytes);
    return STEP_ETHERNET;
}

enum frame_step frame_walk_gre(struct frame_walk *w)
{
    if (w->have < 4)
        return STEP_DONE;
    uint16_t flags = walk_be16(w->at);
    bool point_to_point = (flags & GRE_VERSION) == 1;
    if ((flags & GRE_VERSION) > 1 || flags & GRE_ROUTING)
        return STEP_DONE;
    size_t key_at = 4 + (flags & GRE_CHECKSUM ? 4 : 0);
    size_t bytes = key_at + (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQUENCE ? 4 : 0) +
                   (point_to_point && flags & GRE_ACKNOWLEDGMENT ? 4 : 0);
    if (w->have <= bytes)
        return STEP_DONE;
    /* PPTP's key holds a length and a call id: no tunnel's name. */
    uint32_t key = flags & GRE_KEY && !point_to_point ? walk_be32(w->at + key_at) : 0;
    w->ethertype = walk_be16(w->at + 2);
    walk_enter_tunnel(w, key);
    walk_over(w, bytes);
    if (w->ethertype == GRE_ERSPAN)
        return walk_erspan(w, flags & GRE_SEQUENCE);
    if (w->ethertype == GRE_ERSPAN_3)
        return walk_erspan_3(w);
    return w->ethertype >= 0x600 ? STEP_ETHERTYPE : STEP_OTHER;
}

static enum frame_step step_of_next(uint8_t next)
{
    switch (next) {
    case NEXT_IPV4:
        return STEP_IPV4;
    case NEXT_IPV6:
        return STEP_IPV6;
    case NEXT_ETHERNET:
        return STEP_ETHERNET;
    case NEXT_NSH:
        return STEP_NSH;
    case NEXT_MPLS:
        return STEP_MPLS;
    default:
        return STEP_OTHER;
    }
}

enum frame_step frame_walk_nsh(struct frame_walk *w)
{
    if (w->have < NSH_BASE_BYTES || w->at[0] >> 6 != 0)
        return STEP_OTHER;
    size_t bytes = (w->at[1] & 0x3fU) * 4;
    if (bytes < NSH_BASE_BYTES || w->have <= bytes)
        return STEP_OTHER;
    uint8_t next = w->at[3];
    walk_over(w, bytes);
    return step_of_next(next);
}

/* draft-ietf-nvo3-vxlan-gpe: the last reserved octet may say what follows. */
static enum frame_step walk_vxlan_gpe(struct frame_walk *w)
{
    bool has_id = w->have > VXLAN_BYTES && w->at[0] & VXLAN_HAS_ID;
    if (!has_id)
        return STEP_DONE;
    uint8_t next = w->at[0] & VXLAN_HAS_NEXT ? w->at[3] : NEXT_ETHERNET;
    walk_enter_tunnel(w, walk_be32(w->at + 4) >> 8);
    w->frame->vlan = 0;
    walk_over(w, VXLAN_BYTES);
    return step_of_next(next);
}

static enum frame_step walk_vxlan(struct frame_walk *w)
{
    bool has_id = w->have > VXLAN_BYTES && w->at[0] & VXLAN_HAS_ID;
    if (!has_id)
        return STEP_DONE;
    walk_enter_tunnel(w, walk_be32(w->at + 4) >> 8);
    w->frame->vlan = 0;
    walk_over(w, VXLAN_BYTES);
    return STEP_ETHERNET;
}

static enum frame_step walk_geneve(struct frame_walk *w)
{
    if (w->have < GENEVE_BYTES || w->at[0] >> 6 != 0)
        return STEP_DONE;
    size_t bytes = GENEVE_BYTES + (w->at[0] & 0x3fU) * 4;
    if (w->have <= bytes)
        return STEP_DONE;
    w->ethertype = walk_be16(w->at + 2);
    walk_enter_tunnel(w, walk_be32(w->at + 4) >> 8);
    if (w->ethertype == TYPE_BRIDGED_ETHERNET)
        w->frame->vlan = 0;
    walk_over(w, bytes);
    return w->ethertype >= 0x600 ? STEP_ETHERTYPE : STEP_OTHER;
}

static enum frame_step walk_gtp(struct frame_walk *w)
{
    bool user_data = w->have > GTP_BYTES && w->at[0] >> 4 == 3 && w->at[1] == 0xff;
    if (!user_data)
        return STEP_DONE;
    size_t bytes = GTP_BYTES;
    bool optional = w->at[0] & 7;
    bool extended = w->at[0] & 4;
    if (optional)
        bytes += 4;
    for (int i = 0; extended && i < GTP_EXTENSIONS_MAX; i++) {
        if (w->have <= bytes)
            return STEP_DONE;
        if (w->at[bytes - 1] == 0)
            break;
        if (w->at[bytes] == 0)
            return STEP_DONE;
        bytes += w->at[bytes] * 4U;
    }
    if (w->have <= bytes)
        return STEP_DONE;
    walk_enter_tunnel(w, walk_be32(w->at + 4));
    walk_over(w, bytes);
    return STEP_IP;
}

enum frame_step frame_walk_udp_tunnel(struct frame_walk *w)
{
    switch (w->frame->dst_port) {
    case PORT_VXLAN:
    case PORT_VXLAN_LINUX:
        return walk_vxlan(w);
    case PORT_VXLAN_GPE:
        return walk_vxlan_gpe(w);
    case PORT_GENEVE:
        return walk_geneve(w);
    case PORT_GRE:
        return STEP_GRE;
    case PORT_GTP_USER:
        return walk_gtp(w);
    case PORT_MPLS:
        walk_enter_tunnel(w, 0);
        return STEP_MPLS;
    default:
        return STEP_DONE;
    }
}
