/* The host's interfaces as the kernel tells of them (rtnetlink), and the slots packets carry: a
 * slot is given when an interface first shows, and given again a while after it went. Internal to
 * src/capture. Thread: owner. Source: rtnetlink(7). */
#ifndef TRAWL_CAPTURE_CAPTURE_LINKS_H
#define TRAWL_CAPTURE_CAPTURE_LINKS_H

#include "capture/capture.h"

struct capture_link {
    int ifindex;
    char name[CAPTURE_NAME_SIZE];
    uint16_t hardware_type;
    bool up;
    bool gone;
    bool changed;
    int64_t since_ns, gone_ns; /* by the node's clock: whose a packet is that was still waiting in
                                  the kernel's ring when the news came */
    int64_t gone_mono_ns;
};

struct capture_links {
    int fd; /* netlink */
    struct capture_link slots[CAPTURE_MAX_SLOTS];
    uint32_t slot_count;       /* used so far */
    uint32_t by_ifindex[4096]; /* living ones: ifindex % 4096 → slot + 1 */
    bool any_changed;
    bool addresses_changed;
};

int capture_links_open(struct capture_links *links, struct error *reterr);
void capture_links_close(struct capture_links *links);
/* Reads what there is to read. */
void capture_links_read(struct capture_links *links);
/* The slot of a packet's interface; a packet may be the first that is heard of it.
 * CAPTURE_MAX_SLOTS when there is none left. */
uint32_t capture_links_slot(struct capture_links *links, int ifindex, uint16_t hardware_type,
                            int64_t ts_ns);
/* The slot of a living interface of that name, or CAPTURE_MAX_SLOTS. */
uint32_t capture_links_find(const struct capture_links *links, const char *name);

#endif
