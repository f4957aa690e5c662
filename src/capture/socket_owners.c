#include "capture/socket_owners.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "capture/socket_tables.h"

#define WALK_GAP_NS      (NS_PER_S / 2)
#define ADDRESSES_GAP_NS NS_PER_S

enum {
    WALK_SHARE = 20, /* at most a twentieth of one processor */
    MAX_ADDRESSES = 1024,
    BATCH = 2 * OWNER_NOTE_MAX_ENDS,
    TEXT_BYTES = OWNER_NOTE_MAX_TEXT,
    PROTO_TCP = 6,
    STATE_LISTEN = 10,
    ONE_END = 1 /* in `reserved` of what is asked again: the remote end is settled */
};

struct owned { /* an end whose socket is known */
    struct owner_end end;
    uint64_t inode;
    int32_t pid, fd;
};

struct socket_owners {
    int netlink_fd;
    uint32_t sequence;
    struct socket_tables tables;
    struct socket_owners_counters counters;
    int64_t walked_mono_ns, next_walk_mono_ns; /* 0: never, at once */
    int64_t boot_ns;                           /* wall clock at boot */
    uint8_t addresses[MAX_ADDRESSES][17];      /* version, address */
    size_t address_count;
    int64_t addresses_mono_ns;
    struct owned owned[BATCH];
    size_t owned_count;
    struct buf note;
    char name[TEXT_BYTES], exe[TEXT_BYTES], cgroup[4 * TEXT_BYTES];
};

int socket_owners_new(struct socket_owners **ret_owners, struct error *reterr)
{
    struct socket_owners *owners = calloc(1, sizeof *owners);
    if (!owners)
        return error_set(reterr, -ENOMEM, "no memory");
    buf_init(&owners->note, OWNER_NOTE_MAX_BYTES);
    owners->netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    /* the kernel answers at once; should it not, nothing may hang */
    struct timeval patience = {.tv_usec = 100 * 1000};
    if (owners->netlink_fd >= 0)
        (void)setsockopt(owners->netlink_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int r = owners->netlink_fd < 0 ? -errno : socket_tables_init(&owners->tables);
    if (r < 0) {
        socket_owners_free(owners);
        return error_set(reterr, r, "the kernel cannot be asked for its sockets: %s", strerror(-r));
    }
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    owners->boot_ns = clock_now_ns() - ((int64_t)boot.tv_sec * NS_PER_S + boot.tv_nsec);
    *ret_owners = owners;
    return 0;
}

void socket_owners_free(struct socket_owners *owners)
{
    if (!owners)
        return;
    if (owners->netlink_fd >= 0)
        close(owners->netlink_fd);
    socket_tables_done(&owners->tables);
    buf_done(&owners->note);
    free(owners);
}

struct socket_owners_counters socket_owners_counters(const struct socket_owners *owners)
{
    return owners->counters;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

bool socket_owners_walk(struct socket_owners *owners)
{
    if (clock_mono_ns() < owners->next_walk_mono_ns)
        return false;
    int64_t begin_ns = cpu_ns();
    socket_tables_walk(&owners->tables);
    int64_t end_ns = clock_mono_ns(), took_ns = cpu_ns() - begin_ns;
    owners->counters.walks++;
    owners->counters.walk_ns += took_ns;
    owners->walked_mono_ns = end_ns;
    owners->next_walk_mono_ns =
        end_ns + (took_ns * WALK_SHARE > WALK_GAP_NS ? took_ns * WALK_SHARE : WALK_GAP_NS);
    return true;
}

/* ── the kernel's answer for one end ── */

struct diag_request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

static bool is_wildcard(const uint8_t *ip, size_t bytes)
{
    static const uint8_t zeros[16];
    return memcmp(ip, zeros, bytes) == 0;
}

static void read_addresses(struct socket_owners *owners)
{
    int64_t now_ns = clock_mono_ns();
    struct ifaddrs *all = NULL;
    if (owners->addresses_mono_ns && now_ns - owners->addresses_mono_ns < ADDRESSES_GAP_NS)
        return;
    owners->addresses_mono_ns = now_ns;
    owners->address_count = 0;
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *a = all; a && owners->address_count < MAX_ADDRESSES;
         a = a->ifa_next) {
        uint8_t *out = owners->addresses[owners->address_count];
        memset(out, 0, sizeof owners->addresses[0]);
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET) {
            out[0] = 4;
            memcpy(out + 1, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, 4);
        } else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6) {
            out[0] = 6;
            memcpy(out + 1, &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr,
                   16);
        }
        owners->address_count += out[0] != 0;
    }
    freeifaddrs(all);
}

static bool is_own_address(struct socket_owners *owners, const struct owner_end *end)
{
    if (end->ip_version == 4 && end->local_ip[0] == 127)
        return true;
    read_addresses(owners);
    for (size_t i = 0; i < owners->address_count; i++)
        if (owners->addresses[i][0] == end->ip_version &&
            memcmp(owners->addresses[i] + 1, end->local_ip, 16) == 0)
            return true;
    return false;
}

/* A socket that listens, or whose addresses are not all its own, is no proof for TCP; for UDP it is
 * the receiver, if the address is this host's. */
static bool belongs(struct socket_owners *owners, const struct owner_end *end,
                    const struct inet_diag_msg *found)
{
    if (found->id.idiag_sport != htons(end->local_port) || found->idiag_inode == 0)
        return false;
    if (end->ip_protocol == PROTO_TCP)
        return found->idiag_state != STATE_LISTEN &&
               found->id.idiag_dport == htons(end->remote_port);
    bool bound =
        !is_wildcard((const uint8_t *)found->id.idiag_src, found->idiag_family == AF_INET ? 4 : 16);
    return bound || is_own_address(owners, end);
}

static void fill_request(const struct owner_end *end, uint32_t sequence,
                         struct diag_request *request)
{
    *request =
        (struct diag_request){.header = {.nlmsg_len = sizeof *request,
                                         .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                         .nlmsg_flags = NLM_F_REQUEST,
                                         .nlmsg_seq = sequence},
                              .body = {.sdiag_family = end->ip_version == 4 ? AF_INET : AF_INET6,
                                       .sdiag_protocol = end->ip_protocol,
                                       .idiag_states = UINT32_MAX}};
    struct inet_diag_sockid *id = &request->body.id;
    id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    /* the kernel takes the ends of UDP the other way round (net/ipv4/udp_diag.c) */
    bool swap = end->ip_protocol != PROTO_TCP;
    memcpy(id->idiag_src, swap ? end->remote_ip : end->local_ip, 16);
    memcpy(id->idiag_dst, swap ? end->local_ip : end->remote_ip, 16);
    id->idiag_sport = htons(swap ? end->remote_port : end->local_port);
    id->idiag_dport = htons(swap ? end->local_port : end->remote_port);
}

/* The inode of its socket in this namespace; 0 = there is none. */
static uint64_t ask_kernel(struct socket_owners *owners, const struct owner_end *end)
{
    struct diag_request request;
    uint8_t answer[8192] __attribute__((aligned(8)));
    fill_request(end, ++owners->sequence, &request);
    if (send(owners->netlink_fd, &request, sizeof request, 0) < 0)
        return 0;
    for (int tries = 0; tries < 4; tries++) {
        ssize_t n = recv(owners->netlink_fd, answer, sizeof answer, 0);
        struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;
        if (n < (ssize_t)sizeof *header)
            return 0;
        if (header->nlmsg_seq != owners->sequence)
            continue;
        const struct inet_diag_msg *found = NLMSG_DATA(header);
        return header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
                       n >= (ssize_t)NLMSG_LENGTH(sizeof *found) && belongs(owners, end, found)
                   ? found->idiag_inode
                   : 0;
    }
    return 0;
}

/* ── the process ── */

static bool still_holds(const struct owned *owned)
{
    char path[64], link[64], wanted[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", owned->pid, owned->fd);
    snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)owned->inode);
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n < 0)
        return false;
    link[n] = '\0';
    return strcmp(link, wanted) == 0;
}

static struct slice read_text(int pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read_full(fd, (uint8_t *)out, size - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return slice_of(out, n > 0 ? (size_t)n : 0);
}

/* Field 22 of /proc/PID/stat, counted behind the name, which may hold anything. */
static int64_t started_ns(struct socket_owners *owners, int pid)
{
    char text[1024];
    (void)read_text(pid, "stat", text, sizeof text);
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    unsigned long long ticks = at ? strtoull(at, NULL, 10) : 0;
    if (!ticks || ticks_per_s <= 0 || ticks > (1ull << 50))
        return 0;
    return owners->boot_ns + (int64_t)(ticks * (uint64_t)(NS_PER_S / ticks_per_s));
}

/* The path of the unified hierarchy, else of systemd's, else the first. */
static struct slice find_cgroup(struct slice lines)
{
    struct slice best = SLICE_NONE;
    while (lines.len) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t n = end ? (size_t)(end - lines.data) : lines.len;
        struct slice line = slice_of(lines.data, n);
        lines = slice_of(lines.data + n + (end != NULL), lines.len - n - (end != NULL));
        const uint8_t *path = memchr(line.data, '/', line.len);
        if (!path)
            continue;
        struct slice found = slice_of(path, line.len - (size_t)(path - line.data));
        bool unified = slice_starts_with(line, slice_str("0::"));
        if (found.len > 1 && (unified || best.len <= 1))
            best = found;
        else if (best.len == 0)
            best = found;
    }
    return best;
}

/* 64 hexadecimal digits in the cgroup's path: the id that Docker, containerd and CRI-O put there.
 */
static struct slice find_container(struct slice cgroup)
{
    size_t run = 0;
    for (size_t i = 0; i <= cgroup.len; i++) {
        bool hex = i < cgroup.len && ((cgroup.data[i] >= '0' && cgroup.data[i] <= '9') ||
                                      (cgroup.data[i] >= 'a' && cgroup.data[i] <= 'f'));
        if (!hex && run == 64)
            return slice_of(cgroup.data + i - 64, 64);
        run = hex ? run + 1 : 0;
    }
    return SLICE_NONE;
}

static void describe(struct socket_owners *owners, int pid, struct owner_process *process)
{
    char path[64];
    *process = (struct owner_process){.pid = (uint32_t)pid, .started_ns = started_ns(owners, pid)};
    process->name = read_text(pid, "comm", owners->name, sizeof owners->name);
    if (process->name.len && process->name.data[process->name.len - 1] == '\n')
        process->name.len--;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t n = readlink(path, owners->exe, sizeof owners->exe);
    process->exe = slice_of(owners->exe, n > 0 ? (size_t)n : 0);
    process->cgroup = find_cgroup(read_text(pid, "cgroup", owners->cgroup, sizeof owners->cgroup));
    process->container = find_container(process->cgroup);
}

/* ── asking ── */

static int by_pid(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

/* What is described still holds the first of its sockets before and after: it is that process. */
static void give(struct socket_owners *owners, size_t from, size_t to,
                 void (*found)(void *ctx, struct slice note), void *ctx)
{
    static _Thread_local struct owner_end ends[OWNER_NOTE_MAX_ENDS];
    struct owner_note note = {.seen_ns = clock_now_ns(), .ends = (const uint8_t *)ends};
    describe(owners, owners->owned[from].pid, &note.process);
    for (size_t i = from; i < to && note.end_count < OWNER_NOTE_MAX_ENDS; i++)
        if (still_holds(&owners->owned[i]))
            ends[note.end_count++] = owners->owned[i].end;
    buf_reset(&owners->note);
    if (note.end_count == 0 || owner_note_put(&owners->note, &note) < 0)
        return;
    owners->counters.found += note.end_count;
    found(ctx, buf_slice(&owners->note));
}

static void give_all(struct socket_owners *owners, void (*found)(void *ctx, struct slice note),
                     void *ctx)
{
    if (owners->owned_count)
        qsort(owners->owned, owners->owned_count, sizeof owners->owned[0], by_pid);
    for (size_t i = 0, next; i < owners->owned_count; i = next) {
        for (next = i + 1; next < owners->owned_count && next - i < OWNER_NOTE_MAX_ENDS &&
                           owners->owned[next].pid == owners->owned[i].pid;)
            next++;
        give(owners, i, next, found, ctx);
    }
    owners->owned_count = 0;
}

/* True when another walk may know more. */
static bool ask_end(struct socket_owners *owners, const struct owner_end *end)
{
    uint64_t inode = ask_kernel(owners, end);
    if (!inode)
        inode = socket_tables_elsewhere(&owners->tables, end);
    if (!inode)
        return owners->tables.namespace_count > 0 || owners->walked_mono_ns == 0;
    const struct socket_holder *holder = socket_tables_holder(&owners->tables, inode);
    if (!holder)
        return true;
    struct owned *owned = &owners->owned[owners->owned_count];
    *owned = (struct owned){*end, inode, holder->pid, holder->fd};
    bool holds = still_holds(owned);
    owners->owned_count += holds;
    return !holds;
}

static struct owner_end turned(const struct owner_end *end)
{
    struct owner_end other = {.local_port = end->remote_port,
                              .remote_port = end->local_port,
                              .ip_version = end->ip_version,
                              .ip_protocol = end->ip_protocol};
    memcpy(other.local_ip, end->remote_ip, sizeof other.local_ip);
    memcpy(other.remote_ip, end->local_ip, sizeof other.remote_ip);
    return other;
}

size_t socket_owners_ask(struct socket_owners *owners, struct owner_end *ends, size_t count,
                         void (*found)(void *ctx, struct slice note), void *ctx)
{
    size_t again = 0;
    for (size_t i = 0; i < count; i++) {
        struct owner_end end = ends[i], other = turned(&end);
        bool both = end.reserved != ONE_END;
        end.reserved = 0;
        owners->counters.asked++;
        bool more = ask_end(owners, &end);
        bool other_more = both && ask_end(owners, &other);
        if (more || other_more) {
            ends[again] = more ? end : other;
            ends[again++].reserved = more && other_more ? 0 : ONE_END;
        }
        if (owners->owned_count + 2 > BATCH)
            give_all(owners, found, ctx);
    }
    give_all(owners, found, ctx);
    return again;
}
