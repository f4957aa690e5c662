#include "capture/capture_links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define SLOT_REST_NS (60 * NS_PER_S) /* before a slot is given to another interface */

enum {
    INDEX_CACHE = 4096,
    MESSAGE_BYTES = 64 * 1024,
    MAX_READS = 64 /* of one call: a storm of news must not stop capturing */
};

static int ask_for_links(struct capture_links *links)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {.header = {.nlmsg_len = sizeof request,
                            .nlmsg_type = RTM_GETLINK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .info = {.ifi_family = AF_UNSPEC}};
    return send(links->fd, &request, sizeof request, 0) < 0 ? -errno : 0;
}

int capture_links_open(struct capture_links *links, struct error *reterr)
{
    *links = (struct capture_links){.fd = -1};
    links->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups =
                                      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    int bytes = 1 << 20;
    int r = links->fd < 0 ? -errno : 0;
    if (r == 0)
        (void)setsockopt(links->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (r == 0 && bind(links->fd, (struct sockaddr *)&address, sizeof address) < 0)
        r = -errno;
    if (r == 0)
        r = ask_for_links(links);
    if (r < 0) {
        capture_links_close(links);
        return error_set(reterr, r, "the list of interfaces cannot be had: %s", strerror(-r));
    }
    capture_links_read(links);
    return 0;
}

void capture_links_close(struct capture_links *links)
{
    if (links->fd >= 0)
        close(links->fd);
    links->fd = -1;
}

/* The living interface of that index. */
static uint32_t lookup(const struct capture_links *links, int ifindex)
{
    uint32_t cached = links->by_ifindex[(unsigned)ifindex % INDEX_CACHE];
    if (cached && links->slots[cached - 1].ifindex == ifindex && !links->slots[cached - 1].gone)
        return cached - 1;
    for (uint32_t i = 0; i < links->slot_count; i++)
        if (links->slots[i].ifindex == ifindex && !links->slots[i].gone)
            return i;
    return CAPTURE_MAX_SLOTS;
}

/* What stood behind that index at that time and is gone or renamed since. */
static uint32_t lookup_gone(const struct capture_links *links, int ifindex, int64_t ts_ns)
{
    uint32_t best = CAPTURE_MAX_SLOTS;
    for (uint32_t i = 0; i < links->slot_count; i++) {
        const struct capture_link *link = &links->slots[i];
        if (link->ifindex == ifindex && link->gone && link->gone_ns >= ts_ns &&
            (best == CAPTURE_MAX_SLOTS || link->gone_ns < links->slots[best].gone_ns))
            best = i;
    }
    return best;
}

static uint32_t new_slot(struct capture_links *links)
{
    if (links->slot_count < CAPTURE_MAX_SLOTS)
        return links->slot_count++;
    uint32_t oldest = CAPTURE_MAX_SLOTS;
    for (uint32_t i = 0; i < CAPTURE_MAX_SLOTS; i++) {
        const struct capture_link *link = &links->slots[i];
        if (link->gone &&
            (oldest == CAPTURE_MAX_SLOTS || link->gone_mono_ns < links->slots[oldest].gone_mono_ns))
            oldest = i;
    }
    if (oldest < CAPTURE_MAX_SLOTS &&
        clock_mono_ns() - links->slots[oldest].gone_mono_ns < SLOT_REST_NS)
        oldest = CAPTURE_MAX_SLOTS;
    return oldest;
}

static void mark_changed(struct capture_links *links, struct capture_link *link)
{
    link->changed = true;
    links->any_changed = true;
}

/* A new slot for an interface: another name or type is another interface to those who read. */
static uint32_t place(struct capture_links *links, int ifindex, const char *name,
                      uint16_t hardware_type)
{
    uint32_t slot = new_slot(links);
    if (slot == CAPTURE_MAX_SLOTS)
        return slot;
    struct capture_link *link = &links->slots[slot];
    *link = (struct capture_link){
        .ifindex = ifindex, .hardware_type = hardware_type, .up = true, .since_ns = INT64_MIN};
    if (name)
        snprintf(link->name, sizeof link->name, "%.15s", name);
    else
        snprintf(link->name, sizeof link->name, "if%d", ifindex);
    links->by_ifindex[(unsigned)ifindex % INDEX_CACHE] = slot + 1;
    mark_changed(links, link);
    return slot;
}

static void retire(struct capture_links *links, struct capture_link *link)
{
    link->gone = true;
    link->up = false;
    link->gone_ns = clock_now_ns();
    link->gone_mono_ns = clock_mono_ns();
    mark_changed(links, link);
}

static void on_link(struct capture_links *links, const struct ifinfomsg *info, const char *name,
                    bool removed)
{
    uint32_t slot = lookup(links, info->ifi_index);
    struct capture_link *link = slot < CAPTURE_MAX_SLOTS ? &links->slots[slot] : NULL;
    int64_t since_ns = INT64_MIN;
    if (link && (removed || link->hardware_type != info->ifi_type ||
                 strncmp(link->name, name, sizeof link->name - 1) != 0)) {
        retire(links, link);
        since_ns = link->gone_ns;
        link = NULL;
    }
    if (removed)
        return;
    if (!link) {
        slot = place(links, info->ifi_index, name, info->ifi_type);
        if (slot == CAPTURE_MAX_SLOTS)
            return;
        link = &links->slots[slot];
        link->since_ns = since_ns;
    }
    bool up = info->ifi_flags & IFF_UP;
    if (link->up != up)
        mark_changed(links, link);
    link->up = up;
}

static void read_link(struct capture_links *links, struct nlmsghdr *header)
{
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return;
    struct ifinfomsg *info = NLMSG_DATA(header);
    struct rtattr *attribute = IFLA_RTA(info);
    int left = (int)IFLA_PAYLOAD(header);
    char name[CAPTURE_NAME_SIZE] = "";
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == IFLA_IFNAME)
            snprintf(name, sizeof name, "%.*s", (int)RTA_PAYLOAD(attribute),
                     (const char *)RTA_DATA(attribute));
    if (info->ifi_index > 0 && info->ifi_family == AF_UNSPEC)
        on_link(links, info, name, header->nlmsg_type == RTM_DELLINK);
}

static void read_message(struct capture_links *links, struct nlmsghdr *header)
{
    switch (header->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        read_link(links, header);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        links->addresses_changed = true;
        break;
    default:
        break;
    }
}

void capture_links_read(struct capture_links *links)
{
    static _Thread_local uint8_t bytes[MESSAGE_BYTES] __attribute__((aligned(8)));
    for (int reads = 0; reads < MAX_READS; reads++) {
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(links->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from,
                             &from_len);
        if (n < 0 && errno == ENOBUFS) { /* news were lost: ask for all of it */
            links->addresses_changed = true;
            (void)ask_for_links(links);
            continue;
        }
        if (n <= 0)
            return;
        if (from.nl_pid != 0) /* not the kernel */
            continue;
        unsigned left = (unsigned)n;
        for (struct nlmsghdr *header = (struct nlmsghdr *)(void *)bytes; NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left))
            read_message(links, header);
    }
}

uint32_t capture_links_slot(struct capture_links *links, int ifindex, uint16_t hardware_type,
                            int64_t ts_ns)
{
    uint32_t slot = lookup(links, ifindex);
    if (slot == CAPTURE_MAX_SLOTS) { /* the news of it may be on its way */
        capture_links_read(links);
        slot = lookup(links, ifindex);
    }
    if (slot == CAPTURE_MAX_SLOTS || links->slots[slot].since_ns > ts_ns) {
        uint32_t gone = lookup_gone(links, ifindex, ts_ns);
        if (gone < CAPTURE_MAX_SLOTS)
            return gone;
    }
    if (slot == CAPTURE_MAX_SLOTS)
        return place(links, ifindex, NULL, hardware_type);
    links->by_ifindex[(unsigned)ifindex % INDEX_CACHE] = slot + 1;
    return slot;
}

uint32_t capture_links_find(const struct capture_links *links, const char *name)
{
    for (uint32_t i = 0; i < links->slot_count; i++)
        if (!links->slots[i].gone && strcmp(links->slots[i].name, name) == 0)
            return i;
    return CAPTURE_MAX_SLOTS;
}
