/* The walk from header to header that frame.c, frame_link.c and frame_tunnel.c share. Internal to
 * src/packet. Every step looks at the bytes at `at`, moves over its own header and names the next.
 */
#ifndef TRAWL_PACKET_FRAME_WALK_H
#define TRAWL_PACKET_FRAME_WALK_H

#include "packet/frame.h"

enum frame_step {
    STEP_ETHERNET,
    STEP_ETHERTYPE, /* `ethertype` says what stands at `at` */
    STEP_LLC,
    STEP_MPLS,
    STEP_PPPOE,
    STEP_PPP,
    STEP_IP, /* version by the first nibble */
    STEP_IPV4,
    STEP_IPV6,
    STEP_L4, /* `protocol` says what stands at `at` */
    STEP_GRE,
    STEP_NSH,
    STEP_DONE, /* frame->kind is set */
    STEP_OTHER,
    STEP_BAD
};

struct frame_walk {
    const uint8_t *at;
    size_t have; /* bytes captured from `at` on */
    size_t wire; /* bytes there were on the wire, by the lengths so far; ≥ have */
    struct frame *frame;
    uint16_t ethertype;
    uint8_t protocol;
    bool has_outer;
    struct frame outer; /* the packet around the tunnel we are in; unset without has_outer */
};

static inline uint16_t walk_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t walk_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* n ≤ have. */
static inline void walk_over(struct frame_walk *w, size_t n)
{
    w->at += n;
    w->have -= n;
    w->wire -= n;
}

/* A header says that `n` bytes follow: what is beyond is padding. */
static inline void walk_trim(struct frame_walk *w, size_t n)
{
    w->wire = n;
    if (w->have > n)
        w->have = n;
}

/* Remembers the packet decoded so far (its kind is set) and starts a new one inside it. */
static inline void walk_enter_tunnel(struct frame_walk *w, uint32_t tunnel_id)
{
    uint16_t vlan = w->frame->vlan;
    uint32_t id = tunnel_id ? tunnel_id : w->frame->tunnel_id;
    w->outer = *w->frame;
    w->has_outer = true;
    *w->frame = (struct frame){.vlan = vlan, .tunnel_id = id};
}

enum frame_step frame_walk_ethernet(struct frame_walk *w);
enum frame_step frame_walk_ethertype(struct frame_walk *w);
enum frame_step frame_walk_llc(struct frame_walk *w);
enum frame_step frame_walk_mpls(struct frame_walk *w);
enum frame_step frame_walk_pppoe(struct frame_walk *w);
enum frame_step frame_walk_ppp(struct frame_walk *w);
/* Moves over the link layer's own header. */
enum frame_step frame_walk_link(struct frame_walk *w, uint16_t link_type);

enum frame_step frame_walk_gre(struct frame_walk *w);
/* The Network Service Header (RFC 8300 section 2.2). */
enum frame_step frame_walk_nsh(struct frame_walk *w);
/* After a UDP header (frame->kind is FRAME_UDP): STEP_DONE when it is no tunnel of ours. */
enum frame_step frame_walk_udp_tunnel(struct frame_walk *w);

#endif
