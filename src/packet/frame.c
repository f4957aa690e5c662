#include "packet/frame.h"

#include "packet/frame_walk.h"

enum {
    STEPS_MAX = 32,

    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    IPV6_EXTENSIONS_MAX = 16,
    TCP_BYTES = 20,
    UDP_BYTES = 8,
    ICMP_BYTES = 4,
    SCTP_BYTES = 12,
    /* An IPv6 packet without payload is padded to 60 bytes on Ethernet: more than that is data
     * whose length was left out. */
    IPV6_PADDING_MAX = 19,

    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_IPV6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_GRE = 47,
    PROTOCOL_AUTHENTICATION = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_NONE = 59,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_SCTP = 132,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_MPLS = 137,
    PROTOCOL_HIP = 139,
    PROTOCOL_SHIM6 = 140
};

static void set_payload(struct frame_walk *w)
{
    w->frame->payload = slice_of(w->at, w->have);
    w->frame->payload_bytes = w->wire < UINT32_MAX ? (uint32_t)w->wire : UINT32_MAX;
}

static enum frame_step finish(struct frame_walk *w, enum frame_kind kind)
{
    w->frame->kind = kind;
    set_payload(w);
    return STEP_DONE;
}

static enum frame_step walk_ipv4(struct frame_walk *w)
{
    const uint8_t *p = w->at;
    if (w->have < IPV4_BYTES || p[0] >> 4 != 4)
        return STEP_BAD;
    size_t header = (p[0] & 0xfU) * 4;
    size_t total = walk_be16(p + 2);
    if (total == 0)
        total = w->wire;
    if (header < IPV4_BYTES || total < header || w->have < header)
        return STEP_BAD;
    struct frame *f = w->frame;
    f->ip_version = 4;
    f->ip_id = walk_be16(p + 4);
    f->ttl = p[8];
    memcpy(f->src_ip, p + 12, 4);
    memcpy(f->dst_ip, p + 16, 4);
    f->ip_protocol = w->protocol = p[9];
    uint16_t fragment = walk_be16(p + 6);
    walk_trim(w, total);
    walk_over(w, header);
    if (!(fragment & 0x3fff))
        return STEP_L4;
    f->fragment_id = f->ip_id;
    f->fragment_offset = (fragment & 0x1fffU) * 8;
    f->more_fragments = fragment & 0x2000;
    return finish(w, FRAME_FRAGMENT);
}

/* RFC 2675: the length of what follows the fixed header, 0 when there is no such option. */
static uint32_t jumbo_length(const uint8_t *options, size_t n)
{
    for (size_t i = 0; i + 1 < n;) {
        if (options[i] == 0) {
            i++;
            continue;
        }
        if (options[i] == 0xc2 && options[i + 1] == 4 && i + 6 <= n)
            return walk_be32(options + i + 2);
        i += 2U + options[i + 1];
    }
    return 0;
}

/* The fragment header: 8 bytes are there. An atomic fragment (RFC 6946) is none. */
static bool walk_fragment_header(struct frame_walk *w)
{
    struct frame *f = w->frame;
    uint16_t field = walk_be16(w->at + 2);
    w->protocol = w->at[0];
    f->fragment_id = walk_be32(w->at + 4);
    f->fragment_offset = field & 0xfff8U;
    f->more_fragments = field & 1;
    walk_over(w, 8);
    return f->fragment_offset || f->more_fragments;
}

static size_t extension_bytes(uint8_t protocol, const uint8_t *p)
{
    switch (protocol) {
    case PROTOCOL_FRAGMENT:
        return 8;
    case PROTOCOL_AUTHENTICATION:
        return (p[1] + 2U) * 4;
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_DESTINATION:
    case PROTOCOL_MOBILITY:
    case PROTOCOL_HIP:
    case PROTOCOL_SHIM6:
        return (p[1] + 1U) * 8;
    default:
        return 0;
    }
}

static enum frame_step walk_extensions(struct frame_walk *w)
{
    for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        static const uint8_t none[2];
        size_t bytes = extension_bytes(w->protocol, w->have >= 2 ? w->at : none);
        if (bytes == 0) {
            w->frame->ip_protocol = w->protocol;
            return STEP_L4;
        }
        if (w->have < bytes)
            return STEP_BAD;
        if (w->protocol == PROTOCOL_FRAGMENT) {
            if (walk_fragment_header(w)) {
                w->frame->ip_protocol = w->protocol;
                return finish(w, FRAME_FRAGMENT);
            }
            continue;
        }
        w->protocol = w->at[0];
        walk_over(w, bytes);
    }
    return STEP_BAD;
}

static enum frame_step walk_ipv6(struct frame_walk *w)
{
    const uint8_t *p = w->at;
    if (w->have < IPV6_BYTES || p[0] >> 4 != 6)
        return STEP_BAD;
    struct frame *f = w->frame;
    f->ip_version = 6;
    memcpy(f->src_ip, p + 8, 16);
    memcpy(f->dst_ip, p + 24, 16);
    size_t length = walk_be16(p + 4);
    w->protocol = p[6];
    f->ttl = p[7];
    walk_over(w, IPV6_BYTES);
    if (length == 0 && w->wire > IPV6_PADDING_MAX && w->protocol != PROTOCOL_NONE) {
        length = w->wire;
        if (w->protocol == PROTOCOL_HOP_BY_HOP && w->have >= 8) {
            size_t options = extension_bytes(PROTOCOL_HOP_BY_HOP, w->at);
            uint32_t jumbo = jumbo_length(w->at + 2, (options < w->have ? options : w->have) - 2);
            if (jumbo)
                length = jumbo;
        }
    }
    walk_trim(w, length);
    return walk_extensions(w);
}

static enum frame_step walk_tcp(struct frame_walk *w)
{
    const uint8_t *p = w->at;
    if (w->have < TCP_BYTES)
        return STEP_BAD;
    size_t header = (size_t)(p[12] >> 4) * 4;
    if (header < TCP_BYTES || header > w->wire)
        return STEP_BAD;
    struct frame *f = w->frame;
    f->src_port = walk_be16(p);
    f->dst_port = walk_be16(p + 2);
    f->tcp_seq = walk_be32(p + 4);
    f->tcp_ack = walk_be32(p + 8);
    f->tcp_flags = p[13];
    f->tcp_window = walk_be16(p + 14);
    size_t there = header < w->have ? header : w->have;
    f->tcp_options = slice_of(p + TCP_BYTES, there - TCP_BYTES);
    w->at += there;
    w->have -= there;
    w->wire -= header;
    return finish(w, FRAME_TCP);
}

static enum frame_step walk_udp(struct frame_walk *w)
{
    const uint8_t *p = w->at;
    if (w->have < UDP_BYTES)
        return STEP_BAD;
    size_t length = walk_be16(p + 4);
    if (length == 0)
        length = w->wire; /* jumbograms and segmentation offload */
    if (length < UDP_BYTES)
        return STEP_BAD;
    w->frame->src_port = walk_be16(p);
    w->frame->dst_port = walk_be16(p + 2);
    w->frame->l4_length = walk_be16(p + 4);
    w->frame->l4_checksum = walk_be16(p + 6);
    if (length < w->wire)
        walk_trim(w, length);
    walk_over(w, UDP_BYTES);
    finish(w, FRAME_UDP);
    return frame_walk_udp_tunnel(w);
}

static enum frame_step walk_sctp(struct frame_walk *w)
{
    if (w->have < SCTP_BYTES)
        return STEP_BAD;
    w->frame->src_port = walk_be16(w->at);
    w->frame->dst_port = walk_be16(w->at + 2);
    w->frame->l4_length = w->wire < UINT32_MAX ? (uint32_t)w->wire : UINT32_MAX;
    w->frame->sctp_tag = walk_be32(w->at + 4);
    w->frame->l4_checksum = walk_be32(w->at + 8);
    walk_over(w, SCTP_BYTES);
    return finish(w, FRAME_SCTP);
}

static enum frame_step walk_icmp(struct frame_walk *w)
{
    if (w->have < ICMP_BYTES)
        return STEP_BAD;
    finish(w, FRAME_ICMP);
    w->frame->l4_length = w->frame->payload_bytes;
    w->frame->l4_checksum = walk_be16(w->at + 2);
    return STEP_DONE;
}

static enum frame_step enter(struct frame_walk *w, enum frame_step inside)
{
    finish(w, FRAME_IP);
    if (inside != STEP_GRE) /* it enters by itself, it knows the key */
        walk_enter_tunnel(w, 0);
    return inside;
}

static enum frame_step walk_l4(struct frame_walk *w)
{
    switch (w->protocol) {
    case PROTOCOL_TCP:
        return walk_tcp(w);
    case PROTOCOL_UDP:
        return walk_udp(w);
    case PROTOCOL_SCTP:
        return walk_sctp(w);
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        if ((w->protocol == PROTOCOL_ICMP) != (w->frame->ip_version == 4))
            return finish(w, FRAME_IP);
        return walk_icmp(w);
    case PROTOCOL_IPV4:
        return enter(w, STEP_IPV4);
    case PROTOCOL_IPV6:
        return enter(w, STEP_IPV6);
    case PROTOCOL_GRE:
        return enter(w, STEP_GRE);
    case PROTOCOL_MPLS:
        return enter(w, STEP_MPLS);
    case PROTOCOL_AUTHENTICATION:
        return w->frame->ip_version == 4 ? walk_extensions(w) : finish(w, FRAME_IP);
    default:
        return finish(w, FRAME_IP);
    }
}

static enum frame_step take_step(struct frame_walk *w, enum frame_step step)
{
    switch (step) {
    case STEP_ETHERNET:
        return frame_walk_ethernet(w);
    case STEP_ETHERTYPE:
        return frame_walk_ethertype(w);
    case STEP_LLC:
        return frame_walk_llc(w);
    case STEP_MPLS:
        return frame_walk_mpls(w);
    case STEP_PPPOE:
        return frame_walk_pppoe(w);
    case STEP_PPP:
        return frame_walk_ppp(w);
    case STEP_IP:
        if (w->have == 0)
            return STEP_BAD;
        return w->at[0] >> 4 == 6 ? walk_ipv6(w) : walk_ipv4(w);
    case STEP_IPV4:
        return walk_ipv4(w);
    case STEP_IPV6:
        return walk_ipv6(w);
    case STEP_L4:
        return walk_l4(w);
    case STEP_GRE:
        return frame_walk_gre(w);
    case STEP_NSH:
        return frame_walk_nsh(w);
    case STEP_DONE:
    case STEP_OTHER:
    case STEP_BAD:
        break;
    }
    return step;
}

static void walk(struct frame_walk *w, enum frame_step step)
{
    for (int i = 0; i < STEPS_MAX && step < STEP_DONE; i++)
        step = take_step(w, step);
    if (step == STEP_DONE)
        return;
    if (w->has_outer)
        *w->frame = w->outer;
    else
        w->frame->kind = step == STEP_BAD ? FRAME_BAD : FRAME_OTHER;
}

static inline struct frame_walk walk_of(const uint8_t *data, size_t have, size_t wire,
                                        struct frame *frame)
{
    struct frame_walk w;
    w.at = data;
    w.have = have;
    w.wire = wire > have ? wire : have;
    w.frame = frame;
    w.ethertype = 0;
    w.protocol = 0;
    w.has_outer =
        false; /* outer stays unset: clearing it for every packet costs more than the walk */
    return w;
}

void frame_decode(const struct packet *packet, struct frame *ret_frame)
{
    *ret_frame = (struct frame){0};
    struct frame_walk w =
        walk_of(packet->data, packet->captured_bytes, packet->original_bytes, ret_frame);
    walk(&w, frame_walk_link(&w, packet->link_type));
}

void frame_decode_ip(struct slice ip, struct frame *ret_frame)
{
    *ret_frame = (struct frame){0};
    struct frame_walk w = walk_of(ip.data, ip.len, ip.len, ret_frame);
    walk(&w, STEP_IP);
}
