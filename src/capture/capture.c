#include "capture/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"
#include "capture/capture_internal.h"
#include "packet/bpf.h"

#define DRAIN_LAG_NS                                                            \
    (50 * NS_PER_MS) /* twice the retire time of a block, and the timer's slack \
                      */

enum {
    SLL2_BYTES = 20,
    TAG_BYTES = 4,
    MAC_BYTES = 12,
    ADDRESSES_MAX = 64
};

struct capture {
    struct capture_links links;
    struct capture_socket sockets[CAPTURE_MAX_INTERFACES];
    size_t socket_count;
    size_t turn;      /* socket to ask next */
    int64_t until_ns; /* packets from here on are held back */
    bool any, promiscuous, stopped;
    uint32_t snaplen_bytes;
    char *filter;                                        /* owned */
    struct bpf *after_ethernet, *after_raw, *after_sll2; /* run here instead of in the kernel */
    bool tags;                                           /* the whole expression runs here */
    struct capture_exclude excludes[CAPTURE_MAX_EXCLUDES];
    size_t exclude_count;
    uint64_t excluded;
    struct capture_program program;
    char missing[CAPTURE_MAX_INTERFACES * (CAPTURE_NAME_SIZE + 2)];
};

/* ── the filter ── */

static void add_exclude(struct capture_exclude *list, size_t *count, size_t max,
                        const struct capture_exclude *exclude)
{
    for (size_t i = 0; i < *count; i++)
        if (memcmp(&list[i], exclude, sizeof *exclude) == 0)
            return;
    if (*count < max)
        list[(*count)++] = *exclude;
}

static bool is_wildcard(const struct capture_exclude *exclude)
{
    static const uint8_t zeros[16];
    return memcmp(exclude->ip, zeros, sizeof zeros) == 0;
}

/* Every address of this host with that port; "::" stands for IPv4 too. */
static void expand(const struct capture_exclude *wildcard, struct capture_exclude *list,
                   size_t *count, size_t max)
{
    struct ifaddrs *addresses = NULL;
    if (getifaddrs(&addresses) < 0)
        return;
    for (const struct ifaddrs *a = addresses; a; a = a->ifa_next) {
        struct capture_exclude exclude = {.port = wildcard->port};
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a->ifa_addr;
            exclude.ip_version = 4;
            memcpy(exclude.ip, &in->sin_addr, 4);
        } else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6 && wildcard->ip_version == 6) {
            const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)a->ifa_addr;
            exclude.ip_version = 6;
            memcpy(exclude.ip, &in->sin6_addr, 16);
        } else {
            continue;
        }
        add_exclude(list, count, max, &exclude);
    }
    freeifaddrs(addresses);
}

static int build_program(struct capture *capture, struct error *reterr)
{
    struct capture_exclude list[ADDRESSES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < capture->exclude_count; i++) {
        const struct capture_exclude *exclude = &capture->excludes[i];
        if (is_wildcard(exclude))
            expand(exclude, list, &count, ADDRESSES_MAX);
        else
            add_exclude(list, &count, ADDRESSES_MAX, exclude);
    }
    struct capture_filter_spec spec = {.expression = capture->filter,
                                       .snaplen_bytes = capture->snaplen_bytes,
                                       .in_kernel = !capture->tags,
                                       .excludes = list,
                                       .exclude_count = count};
    return capture_filter_build(&spec, &capture->program, reterr);
}

static int attach_all(struct capture *capture)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < capture->socket_count; i++)
        r = capture_socket_attach(&capture->sockets[i], &capture->program);
    return r;
}

/* The program for Ethernet has been compiled: what fails here does not apply (capture_filter.h). */
static int compile_one(uint16_t link_type, const char *expression, struct bpf **ret_bpf)
{
    int r = bpf_compile(link_type, 0, expression, ret_bpf, NULL);
    return r == -EINVAL ? 0 : r;
}

static int compile_after(struct capture *capture, struct error *reterr)
{
    if (!capture->filter[0])
        return 0;
    int r = 0;
    if (capture->tags)
        r = bpf_compile(CAPTURE_LINK_ETHERNET, 0, capture->filter, &capture->after_ethernet,
                        reterr);
    if (r == 0 && capture->tags)
        r = compile_one(CAPTURE_LINK_RAW, capture->filter, &capture->after_raw);
    if (r == 0)
        r = compile_one(CAPTURE_LINK_SLL2, capture->filter, &capture->after_sll2);
    return r == -ENOMEM ? error_set(reterr, r, "no memory for the filter") : r;
}

int capture_set_excludes(struct capture *capture, const struct capture_exclude *excludes,
                         size_t count, struct error *reterr)
{
    if (count > CAPTURE_MAX_EXCLUDES)
        return error_set(reterr, -E2BIG, "at most %d sockets can be left out of the capture",
                         CAPTURE_MAX_EXCLUDES);
    memcpy(capture->excludes, excludes, count * sizeof *excludes);
    capture->exclude_count = count;
    int r = build_program(capture, reterr);
    if (r == 0 && !capture->stopped && (r = attach_all(capture)) < 0)
        error_set(reterr, r, "the capture filter cannot be set: %s", strerror(-r));
    return r;
}

int capture_parse_exclude(const char *text, struct capture_exclude *ret_exclude)
{
    struct capture_exclude exclude = {.ip_version = 4};
    char address[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || text_parse_int(colon + 1, 1, 65535, &port) < 0)
        return -EINVAL;
    const char *begin = text, *end = colon;
    if (*begin == '[' && end > begin && end[-1] == ']') {
        begin++;
        end--;
        exclude.ip_version = 6;
    }
    if ((size_t)(end - begin) >= sizeof address)
        return -EINVAL;
    memcpy(address, begin, (size_t)(end - begin));
    address[end - begin] = '\0';
    if (inet_pton(exclude.ip_version == 6 ? AF_INET6 : AF_INET, address, exclude.ip) != 1)
        return -EINVAL;
    exclude.port = (uint16_t)port;
    *ret_exclude = exclude;
    return 0;
}

/* ── interfaces ── */

/* Binds named sockets to interfaces that came, forgets those that went. */
static void follow_links(struct capture *capture)
{
    capture->missing[0] = '\0';
    for (size_t i = 0; !capture->any && i < capture->socket_count; i++) {
        struct capture_socket *s = &capture->sockets[i];
        uint32_t slot = capture_links_find(&capture->links, s->name);
        int ifindex = slot < CAPTURE_MAX_SLOTS ? capture->links.slots[slot].ifindex : 0;
        if (ifindex && (!s->bound || s->ifindex != ifindex))
            (void)capture_socket_bind(s, ifindex, capture->promiscuous);
        if (!ifindex) {
            s->bound = false;
            size_t n = strlen(capture->missing);
            snprintf(capture->missing + n, sizeof capture->missing - n, "%s%s", n ? ", " : "",
                     s->name);
        }
    }
}

void capture_update_links(struct capture *capture)
{
    capture_links_read(&capture->links);
    for (size_t i = 0; i < capture->socket_count; i++) {
        int error; /* "network is down": reading takes it off, else poll would not sleep again */
        socklen_t len = sizeof error;
        (void)getsockopt(capture->sockets[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
    }
    follow_links(capture);
    if (!capture->links.addresses_changed)
        return;
    capture->links.addresses_changed = false;
    for (size_t i = 0; i < capture->exclude_count; i++)
        if (is_wildcard(&capture->excludes[i])) {
            if (build_program(capture, NULL) == 0 && !capture->stopped)
                (void)attach_all(capture);
            return;
        }
}

static bool is_wanted(const struct capture *capture, const char *name)
{
    for (size_t i = 0; i < capture->socket_count; i++)
        if (capture->any || strcmp(capture->sockets[i].name, name) == 0)
            return true;
    return false;
}

bool capture_take_change(struct capture *capture, struct capture_interface *ret_interface)
{
    struct capture_links *links = &capture->links;
    for (uint32_t i = 0; links->any_changed && i < links->slot_count; i++) {
        struct capture_link *link = &links->slots[i];
        if (!link->changed)
            continue;
        link->changed = false;
        if (!is_wanted(capture, link->name))
            continue;
        *ret_interface =
            (struct capture_interface){.slot = i,
                                       .link_type = capture_link_type(link->hardware_type),
                                       .up = link->up,
                                       .drops_known = !capture->any};
        memcpy(ret_interface->name, link->name, sizeof ret_interface->name);
        return true;
    }
    links->any_changed = false;
    return false;
}

const char *capture_missing(const struct capture *capture)
{
    return capture->missing;
}

bool capture_is_waiting(const struct capture *capture)
{
    for (size_t i = 0; i < capture->socket_count; i++)
        if (capture->any || capture->sockets[i].bound)
            return false;
    return true;
}

void capture_list_interfaces(const struct capture *capture, char *out, size_t size)
{
    static const char more[] = ", …";
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < capture->links.slot_count; i++) {
        const struct capture_link *link = &capture->links.slots[i];
        char name[4 * CAPTURE_NAME_SIZE];
        if (link->gone)
            continue;
        text_escape(slice_str(link->name), name, sizeof name);
        if (n + strlen(name) + sizeof ", " + sizeof more > size) {
            snprintf(out + n, size - n, "%s", more);
            return;
        }
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", name);
    }
}

/* ── opening ── */

static int check_names(const struct capture_options *options, struct error *reterr)
{
    if (options->interface_count > CAPTURE_MAX_INTERFACES)
        return error_set(reterr, -EINVAL, "at most %d interfaces can be named; `any` takes all",
                         CAPTURE_MAX_INTERFACES);
    for (size_t i = 0; i < options->interface_count; i++) {
        const char *name = options->interfaces[i];
        char shown[64];
        if (!name[0] || strlen(name) >= CAPTURE_NAME_SIZE || strpbrk(name, "/ \t\n"))
            return error_set(reterr, -EINVAL, "\"%s\" is no name of an interface",
                             text_escape(slice_str(name), shown, sizeof shown));
        if (strcmp(name, "any") == 0 && options->interface_count > 1)
            return error_set(reterr, -EINVAL, "`any` stands alone: it is all interfaces");
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, options->interfaces[k]) == 0)
                return error_set(reterr, -EINVAL, "the interface %s is named twice", name);
    }
    return 0;
}

static int open_sockets(struct capture *capture, const struct capture_options *options,
                        struct error *reterr)
{
    uint64_t bytes = options->buffer_bytes ? options->buffer_bytes : UINT64_C(64) << 20;
    size_t count = capture->any ? 1 : options->interface_count;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *name = capture->any ? "" : options->interfaces[i];
        r = capture_socket_open(&capture->sockets[i], name, bytes / count, &capture->program,
                                reterr);
        if (r == 0)
            capture->socket_count++;
    }
    if (r == 0 && capture->any && (r = capture_socket_bind(&capture->sockets[0], 0, false)) < 0)
        error_set(reterr, r, "packets cannot be captured: %s", strerror(-r));
    return r;
}

int capture_open(const struct capture_options *options, struct capture **ret_capture,
                 struct error *reterr)
{
    int r = check_names(options, reterr);
    if (r < 0)
        return r;
    struct capture *capture = calloc(1, sizeof *capture);
    if (!capture)
        return error_set(reterr, -ENOMEM, "no memory");
    capture->links.fd = -1;
    capture->until_ns = INT64_MAX;
    capture->any = options->interface_count == 0 || strcmp(options->interfaces[0], "any") == 0;
    capture->promiscuous = options->promiscuous;
    capture->snaplen_bytes = options->snaplen_bytes ? options->snaplen_bytes : CAPTURE_MAX_SNAPLEN;
    if (capture->snaplen_bytes < CAPTURE_MIN_SNAPLEN)
        capture->snaplen_bytes = CAPTURE_MIN_SNAPLEN;
    capture->filter = strdup(options->filter ? options->filter : "");
    if (!capture->filter)
        r = error_set(reterr, -ENOMEM, "no memory");
    capture->tags = capture_filter_needs_tags(options->filter);
    if (r == 0)
        r = capture_set_excludes(capture, options->excludes, options->exclude_count, reterr);
    if (r == 0)
        r = compile_after(capture, reterr);
    if (r == 0)
        r = open_sockets(capture, options, reterr);
    if (r == 0)
        r = capture_links_open(&capture->links, reterr);
    if (r < 0) {
        capture_free(capture);
        return r;
    }
    follow_links(capture);
    *ret_capture = capture;
    return 0;
}

void capture_free(struct capture *capture)
{
    if (!capture)
        return;
    for (size_t i = 0; i < capture->socket_count; i++)
        capture_socket_close(&capture->sockets[i]);
    capture_links_close(&capture->links);
    bpf_free(capture->after_ethernet);
    bpf_free(capture->after_raw);
    bpf_free(capture->after_sll2);
    free(capture->filter);
    free(capture);
}

size_t capture_poll_fds(const struct capture *capture, struct pollfd fds[CAPTURE_MAX_FDS])
{
    size_t n = 0;
    fds[n++] = (struct pollfd){.fd = capture->links.fd, .events = POLLIN};
    for (size_t i = 0; i < capture->socket_count; i++)
        if (capture->sockets[i].bound)
            fds[n++] = (struct pollfd){.fd = capture->sockets[i].fd, .events = POLLIN};
    return n;
}

/* ── packets ── */

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The kernel took the tag off; the room before the packet is ours (PACKET_RESERVE). */
static void restore_tag(const struct tpacket3_hdr *header, struct packet *packet, uint8_t *data)
{
    if (packet->captured_bytes < MAC_BYTES + 2)
        return;
    data -= TAG_BYTES;
    memmove(data, data + TAG_BYTES, MAC_BYTES);
    put_be16(data + MAC_BYTES,
             header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid : 0x8100u);
    put_be16(data + MAC_BYTES + 2, header->hv1.tp_vlan_tci);
    packet->data = data;
    packet->captured_bytes += TAG_BYTES;
    packet->original_bytes += TAG_BYTES;
}

/* LINKTYPE_LINUX_SLL2 before the network layer, in place of a link layer we do not know. */
static void make_cooked(const struct tpacket3_hdr *header, const struct sockaddr_ll *from,
                        struct packet *packet, uint8_t *frame)
{
    uint32_t link_bytes = (uint32_t)header->tp_net - header->tp_mac;
    if (header->tp_net < header->tp_mac || link_bytes > packet->captured_bytes)
        link_bytes = 0;
    uint8_t *data = frame + header->tp_mac + link_bytes - SLL2_BYTES;
    uint8_t sll2[SLL2_BYTES] = {0};
    memcpy(sll2, &from->sll_protocol, 2);
    put_be16(sll2 + 4, (unsigned)from->sll_ifindex >> 16);
    put_be16(sll2 + 6, (unsigned)from->sll_ifindex & 0xffff);
    put_be16(sll2 + 8, from->sll_hatype);
    sll2[10] = from->sll_pkttype;
    sll2[11] = from->sll_halen;
    memcpy(sll2 + 12, from->sll_addr, 8);
    memcpy(data, sll2, SLL2_BYTES);
    packet->data = data;
    packet->captured_bytes = packet->captured_bytes - link_bytes + SLL2_BYTES;
    packet->original_bytes = packet->original_bytes - link_bytes + SLL2_BYTES;
}

static bool passes_here(const struct capture *capture, const struct packet *packet)
{
    const struct bpf *bpf = packet->link_type == CAPTURE_LINK_SLL2       ? capture->after_sll2
                            : packet->link_type == CAPTURE_LINK_ETHERNET ? capture->after_ethernet
                                                                         : capture->after_raw;
    return !bpf || bpf_match(bpf, packet);
}

/* False: not for the ring. */
static bool read_packet(struct capture *capture, struct tpacket3_hdr *header,
                        struct packet *ret_packet)
{
    uint8_t *frame = (uint8_t *)header;
    const struct sockaddr_ll *from =
        (const struct sockaddr_ll *)(const void *)(frame + TPACKET_ALIGN(sizeof *header));
    if (header->tp_snaplen == CAPTURE_MARK_BYTES && header->tp_len > CAPTURE_MARK_BYTES) {
        capture->excluded++;
        return false;
    }
    uint8_t *data = frame + header->tp_mac;
    int64_t ts_ns = (int64_t)header->tp_sec * NS_PER_S + header->tp_nsec;
    *ret_packet = (struct packet){
        .ts_ns = ts_ns,
        .data = data,
        .captured_bytes = header->tp_snaplen,
        .original_bytes = header->tp_len,
        .interface =
            capture_links_slot(&capture->links, from->sll_ifindex, from->sll_hatype, ts_ns),
        .link_type = capture_link_type(from->sll_hatype),
        .direction = from->sll_pkttype == PACKET_OUTGOING ? PACKET_OUTBOUND : PACKET_INBOUND};
    if (ret_packet->link_type == CAPTURE_LINK_ETHERNET && header->tp_status & TP_STATUS_VLAN_VALID)
        restore_tag(header, ret_packet, data);
    else if (ret_packet->link_type == CAPTURE_LINK_SLL2)
        make_cooked(header, from, ret_packet, frame);
    if (ret_packet->captured_bytes > CAPTURE_MAX_SNAPLEN)
        ret_packet->captured_bytes = CAPTURE_MAX_SNAPLEN;
    return ret_packet->interface < CAPTURE_MAX_SLOTS && passes_here(capture, ret_packet);
}

/* A block of one socket after the other. */
size_t capture_next(struct capture *capture, struct packet *packets, size_t max)
{
    for (size_t tried = 0; tried < capture->socket_count;) {
        struct capture_socket *s = &capture->sockets[capture->turn];
        size_t n = 0;
        bool hold = false;
        struct tpacket3_hdr *header;
        while (n < max && (header = capture_socket_next(s, hold, capture->until_ns))) {
            bool keep = read_packet(capture, header, &packets[n]);
            n += keep;
            hold = n > 0; /* what was handed out stays where it is */
        }
        /* the next socket's turn comes with the next block: none starves another */
        if (s->packets_left == 0 || n == 0)
            capture->turn = (capture->turn + 1) % capture->socket_count;
        if (n > 0)
            return n;
        tried++;
    }
    return 0;
}

void capture_hold_back(struct capture *capture, int64_t from_ns)
{
    capture->until_ns = from_ns;
}

int64_t capture_drained_until(const struct capture *capture, int64_t now_ns)
{
    (void)capture;
    return now_ns - DRAIN_LAG_NS;
}

bool capture_take_loss(struct capture *capture, size_t *at, struct capture_loss *ret_loss)
{
    if (*at >= capture->socket_count)
        return false;
    struct capture_socket *s = &capture->sockets[(*at)++];
    uint32_t slot = capture->any ? CAPTURE_MAX_SLOTS : capture_links_find(&capture->links, s->name);
    ret_loss->drops = capture_socket_drops(s);
    ret_loss->slot = slot < CAPTURE_MAX_SLOTS ? slot : UINT32_MAX;
    return true;
}

uint64_t capture_take_excluded(struct capture *capture)
{
    uint64_t n = capture->excluded;
    capture->excluded = 0;
    return n;
}

/* ── stopping ── */

int capture_stop(struct capture *capture)
{
    static const struct capture_program nothing = {.code = {{.code = BPF_RET | BPF_K, .k = 0}},
                                                   .count = 1};
    capture->stopped = true;
    int r = 0;
    for (size_t i = 0; r == 0 && i < capture->socket_count; i++)
        r = capture_socket_attach(&capture->sockets[i], &nothing);
    return r;
}

int capture_resume(struct capture *capture, struct error *reterr)
{
    int r = attach_all(capture);
    if (r < 0)
        return error_set(reterr, r, "the capture filter cannot be set: %s", strerror(-r));
    capture->stopped = false;
    return 0;
}
