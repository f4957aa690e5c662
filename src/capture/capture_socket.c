#include <errno.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/capture_internal.h"

enum {
    RETIRE_MS = 20,     /* a packet waits at most twice this in a block that is not full */
    RESERVE_BYTES = 32, /* before each packet: room for a VLAN tag or a cooked header */
    FRAME_BYTES = 2048,
    BLOCK_BYTES_MAX = 256 * 1024,
    BLOCK_BYTES_MIN = 32 * 1024
};

static int refuse(int code, struct error *reterr)
{
    if (code != -EPERM && code != -EACCES)
        return error_set(reterr, code, "packets cannot be captured: %s", strerror(-code));
    char sentence[CAPTURE_SENTENCE_SIZE];
    capture_capability_sentence(sentence);
    return error_set(reterr, -EPERM, "%s", sentence);
}

void capture_capability_sentence(char ret_sentence[CAPTURE_SENTENCE_SIZE])
{
    char path[256];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    bool whole = n > 0 && (size_t)n < sizeof path;
    snprintf(ret_sentence, CAPTURE_SENTENCE_SIZE,
             "Recording needs the capability CAP_NET_RAW: start trawl as root, or run `sudo setcap "
             "cap_net_raw+ep %.*s` once.",
             whole ? (int)n : 5, whole ? path : "trawl");
}

static int set_int(int fd, int option, int value)
{
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* Large blocks for large rings; never fewer than two. A block is as good as full after RETIRE_MS,
 * whatever is in it: a quiet node's ring lasts that long for each of its blocks (64 MiB: 5 s).
 */
static size_t block_size(uint64_t buffer_bytes)
{
    size_t bytes = BLOCK_BYTES_MAX;
    while (bytes > BLOCK_BYTES_MIN && bytes * 8 > buffer_bytes)
        bytes /= 2;
    return bytes;
}

static int make_ring(struct capture_socket *s, uint64_t buffer_bytes)
{
    s->block_bytes = block_size(buffer_bytes);
    s->block_count = (unsigned)(buffer_bytes / s->block_bytes);
    if (s->block_count < 2)
        s->block_count = 2;
    struct tpacket_req3 request = {.tp_block_size = (unsigned)s->block_bytes,
                                   .tp_block_nr = s->block_count,
                                   .tp_frame_size = FRAME_BYTES,
                                   .tp_frame_nr =
                                       (unsigned)(s->block_bytes / FRAME_BYTES * s->block_count),
                                   .tp_retire_blk_tov = RETIRE_MS};
    if (setsockopt(s->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0)
        return -errno;
    s->ring_bytes = s->block_bytes * s->block_count;
    s->ring = mmap(NULL, s->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (s->ring == MAP_FAILED) {
        s->ring = NULL;
        return -errno;
    }
    return 0;
}

int capture_socket_attach(struct capture_socket *s, const struct capture_program *program)
{
    struct sock_filter *code = malloc(program->count * sizeof *code);
    if (!code)
        return -ENOMEM;
    memcpy(code, program->code, program->count * sizeof *code);
    struct sock_fprog fprog = {.len = (unsigned short)program->count, .filter = code};
    int r = setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof fprog) < 0 ? -errno : 0;
    free(code);
    return r;
}

int capture_socket_open(struct capture_socket *s, const char *name, uint64_t buffer_bytes,
                        const struct capture_program *program, struct error *reterr)
{
    *s = (struct capture_socket){.fd = -1};
    snprintf(s->name, sizeof s->name, "%s", name);
    /* protocol 0: nothing is received before ring, filter and interface are set */
    s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = s->fd < 0 ? -errno : set_int(s->fd, PACKET_VERSION, TPACKET_V3);
    if (r == 0)
        r = set_int(s->fd, PACKET_RESERVE, RESERVE_BYTES);
    if (r == 0)
        r = make_ring(s, buffer_bytes);
    if (r == 0)
        r = capture_socket_attach(s, program);
    if (r == 0 && strcmp(name, "lo") == 0)
        r = set_int(s->fd, PACKET_IGNORE_OUTGOING, 1);
    if (r < 0) {
        capture_socket_close(s);
        return refuse(r, reterr);
    }
    return 0;
}

void capture_socket_close(struct capture_socket *s)
{
    if (s->ring)
        munmap(s->ring, s->ring_bytes);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct capture_socket){.fd = -1};
}

int capture_socket_bind(struct capture_socket *s, int ifindex, bool promiscuous)
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htobe16(ETH_P_ALL), .sll_ifindex = ifindex};
    if (bind(s->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    s->bound = true;
    s->ifindex = ifindex;
    struct packet_mreq request = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
    if (promiscuous && ifindex &&
        setsockopt(s->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) < 0)
        return -errno;
    return 0;
}

static struct tpacket_block_desc *block_at(const struct capture_socket *s)
{
    return (struct tpacket_block_desc *)(void *)(s->ring + s->block_at * s->block_bytes);
}

static void give_back(struct capture_socket *s)
{
    __atomic_store_n(&s->block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    s->block = NULL;
    s->block_at = (s->block_at + 1) % s->block_count;
}

struct tpacket3_hdr *capture_socket_next(struct capture_socket *s, bool hold, int64_t until_ns)
{
    while (s->packets_left == 0) {
        if (hold)
            return NULL;
        if (s->block)
            give_back(s);
        struct tpacket_block_desc *block = block_at(s);
        uint32_t status = __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
        if (!(status & TP_STATUS_USER))
            return NULL;
        s->block = block;
        s->packets_left = block->hdr.bh1.num_pkts;
        s->next_packet = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
        if (s->packets_left)
            s->read_until_ns = (int64_t)block->hdr.bh1.ts_last_pkt.ts_sec * NS_PER_S +
                               block->hdr.bh1.ts_last_pkt.ts_nsec;
    }
    struct tpacket3_hdr *header = (struct tpacket3_hdr *)(void *)s->next_packet;
    if ((int64_t)header->tp_sec * NS_PER_S + header->tp_nsec >= until_ns)
        return NULL;
    s->next_packet += header->tp_next_offset;
    s->packets_left--;
    return header;
}

uint64_t capture_socket_drops(struct capture_socket *s)
{
    struct tpacket_stats_v3 statistics = {0};
    socklen_t len = sizeof statistics;
    if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &len) < 0)
        return 0;
    return statistics.tp_drops;
}
