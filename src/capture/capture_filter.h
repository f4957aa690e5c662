/* The one program each socket runs in the kernel: sorts by hardware type, drops loopback's outgoing
 * copies, marks our own connections, then runs the user's expression compiled for that link type.
 * Marked packets are cut to CAPTURE_MARK_BYTES, which no other packet is: so they can be counted.
 * Thread: any. */
#ifndef TRAWL_CAPTURE_CAPTURE_FILTER_H
#define TRAWL_CAPTURE_CAPTURE_FILTER_H

#include <linux/filter.h>

#include "capture/capture.h"

enum {
    CAPTURE_MARK_BYTES = 4,
    CAPTURE_MIN_SNAPLEN = 64,
    CAPTURE_LINK_ETHERNET = 1,
    CAPTURE_LINK_RAW = 101,
    CAPTURE_LINK_SLL2 = 276
};

struct capture_filter_spec {
    const char *expression; /* or NULL */
    uint32_t snaplen_bytes;
    bool in_kernel;                         /* the expression too, not only the rest */
    const struct capture_exclude *excludes; /* none with an address of zeros */
    size_t exclude_count;
};

struct capture_program {
    struct sock_filter code[BPF_MAXINSNS];
    size_t count;
};

/* An expression that is good for Ethernet but speaks of what another link layer does not have
 * ("vlan" on raw IP) does not apply there: such packets are recorded, because what is not recorded
 * is gone. -EINVAL (expression), -E2BIG (more than the kernel takes), -ENOMEM. */
int capture_filter_build(const struct capture_filter_spec *spec,
                         struct capture_program *ret_program, struct error *reterr);

/* LINKTYPE_ that packets of a device with this ARPHRD_ type are recorded as. */
uint16_t capture_link_type(uint16_t hardware_type);

/* The expression speaks of VLANs: the kernel has taken the tags off when its filter runs, so it has
 * to run here, after they are put back. */
bool capture_filter_needs_tags(const char *expression);

#endif
