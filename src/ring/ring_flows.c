#include "ring/ring_flows.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "packet/frame.h"

enum {
    SLOTS = 2 * (RING_MAX_FLOWS + 1),
    LINK_ETHERNET = 1,
    PORT_VXLAN = 4789,
    PROTO_TCP = 6,
    PROTO_UDP = 17
};

int ring_flows_init(struct ring_flows *flows)
{
    size_t records = sizeof(struct ring_flow_record) * RING_MAX_FLOWS;
    *flows = (struct ring_flows){0};
    void *map = mmap(NULL, records + SLOTS * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(map, records + SLOTS * sizeof(uint32_t), MADV_HUGEPAGE);
    flows->slots = map;
    flows->records = (struct ring_flow_record *)((char *)map + SLOTS * sizeof(uint32_t));
    return 0;
}

void ring_flows_done(struct ring_flows *flows)
{
    if (flows->slots)
        munmap(flows->slots,
               sizeof(struct ring_flow_record) * RING_MAX_FLOWS + SLOTS * sizeof(uint32_t));
    *flows = (struct ring_flows){0};
}

void ring_flows_reset(struct ring_flows *flows)
{
    memset(flows->slots, 0, SLOTS * sizeof(uint32_t));
    flows->count = 0;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t key_hash(const uint64_t secret[2], const struct ring_flow_key *key)
{
    uint64_t rest = (uint64_t)key->port_a << 32 | (uint64_t)key->port_b << 16 |
                    (uint64_t)key->ip_version << 8 | key->ip_protocol;
    uint64_t h = mix(key->words[0] ^ secret[0], key->words[1] ^ secret[1]);
    h = mix(h ^ key->words[2] ^ secret[1], key->words[3] ^ secret[0]);
    return mix(h ^ rest, secret[0]);
}

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* As memcmp would, of 16 bytes each. */
static inline int compare_ips(const uint64_t a[2], const uint64_t b[2])
{
    uint64_t x = be64toh(a[0]), y = be64toh(b[0]);
    if (x == y) {
        x = be64toh(a[1]);
        y = be64toh(b[1]);
    }
    return (x > y) - (x < y);
}

/* Puts the lower end first. */
static inline void order_ends(struct ring_flow_key *key, uint16_t src_port, uint16_t dst_port)
{
    int c = compare_ips(&key->words[0], &key->words[2]);
    key->port_a = src_port;
    key->port_b = dst_port;
    key->side = 0;
    if (c > 0 || (c == 0 && src_port > dst_port)) {
        uint64_t w0 = key->words[0], w1 = key->words[1];
        key->words[0] = key->words[2];
        key->words[1] = key->words[3];
        key->words[2] = w0;
        key->words[3] = w1;
        key->port_a = dst_port;
        key->port_b = src_port;
        key->side = 1;
    }
}

/* Ethernet, IPv4 without options' surprises or IPv6 without extension headers, TCP or UDP, whole
 * and not tunnelled: nearly all packets. Everything else takes the long way. */
static inline bool quick_key(const struct packet *packet, struct ring_flow_key *key)
{
    const uint8_t *p = packet->data;
    if (packet->link_type != LINK_ETHERNET || packet->captured_bytes < 14 + 20 + 8)
        return false;
    const uint8_t *ip = p + 14;
    const uint8_t *l4;
    uint16_t type = be16(p + 12);
    memset(key->words, 0, sizeof key->words);
    if (type == 0x0800) {
        unsigned header = (unsigned)(ip[0] & 15) * 4;
        if (ip[0] >> 4 != 4 || header < 20 || packet->captured_bytes < 14 + header + 8 ||
            (be16(ip + 6) & 0x3fff) != 0 || be16(ip + 2) < header + 8)
            return false;
        memcpy(&key->words[0], ip + 12, 4);
        memcpy(&key->words[2], ip + 16, 4);
        key->ip_version = 4;
        key->ip_protocol = ip[9];
        l4 = ip + header;
    } else if (type == 0x86dd) {
        if (ip[0] >> 4 != 6 || packet->captured_bytes < 14 + 40 + 8 || be16(ip + 4) < 8)
            return false;
        memcpy(&key->words[0], ip + 8, 16);
        memcpy(&key->words[2], ip + 24, 16);
        key->ip_version = 6;
        key->ip_protocol = ip[6];
        l4 = ip + 40;
    } else {
        return false;
    }
    uint16_t dst_port = be16(l4 + 2);
    if (key->ip_protocol != PROTO_TCP && (key->ip_protocol != PROTO_UDP || dst_port == PORT_VXLAN))
        return false;
    key->l4_offset = (uint8_t)(l4 - p);
    key->tcp_flags = 0;
    if (key->ip_protocol == PROTO_TCP)
        key->tcp_flags = packet->captured_bytes > key->l4_offset + 13u ? l4[13] : 255;
    order_ends(key, be16(l4), dst_port);
    return true;
}

__attribute__((noinline)) static void long_key(const struct packet *packet,
                                               struct ring_flow_key *key)
{
    struct frame frame;
    frame_decode(packet, &frame);
    key->l4_offset = 0;
    key->tcp_flags = frame.kind == FRAME_TCP ? frame.tcp_flags : 0;
    key->is_flow = frame.ip_version != 0 && frame.kind != FRAME_OTHER && frame.kind != FRAME_BAD;
    if (!key->is_flow)
        return;
    bool ports = frame.kind == FRAME_TCP || frame.kind == FRAME_UDP || frame.kind == FRAME_SCTP;
    memcpy(&key->words[0], frame.src_ip, 16);
    memcpy(&key->words[2], frame.dst_ip, 16);
    key->ip_version = frame.ip_version;
    key->ip_protocol = frame.ip_protocol;
    order_ends(key, ports ? frame.src_port : 0, ports ? frame.dst_port : 0);
}

void ring_flow_key_of(const uint64_t secret[2], const struct packet *packet,
                      struct ring_flow_key *ret_key)
{
    if (quick_key(packet, ret_key))
        ret_key->is_flow = true;
    else
        long_key(packet, ret_key);
    ret_key->hash = ret_key->is_flow ? key_hash(secret, ret_key) : 0;
}

static inline bool same_flow(const struct ring_flow_record *record, const struct ring_flow_key *key)
{
    return memcmp(record->ip_a, key->words, 32) == 0 && record->port_a == key->port_a &&
           record->port_b == key->port_b && record->ip_protocol == key->ip_protocol &&
           record->ip_version == key->ip_version;
}

bool ring_flow_key_of_end(const uint64_t secret[2], const struct owner_end *end,
                          struct ring_flow_key *ret_key)
{
    *ret_key = (struct ring_flow_key){
        .ip_version = end->ip_version, .ip_protocol = end->ip_protocol, .is_flow = true};
    memcpy(&ret_key->words[0], end->local_ip, 16);
    memcpy(&ret_key->words[2], end->remote_ip, 16);
    order_ends(ret_key, end->local_port, end->remote_port);
    ret_key->hash = key_hash(secret, ret_key);
    return memcmp(&ret_key->words[0], end->local_ip, 16) == 0 && ret_key->port_a == end->local_port;
}

/* The record, or NULL and the free slot it would take. */
static inline struct ring_flow_record *find(const struct ring_flows *flows,
                                            const struct ring_flow_key *key, uint32_t *ret_at)
{
    uint32_t tag = (uint32_t)(key->hash >> 48) << 16;
    uint32_t at = ring_flows_slot_of(key->hash);
    for (; flows->slots[at]; at = (at + 1) & (SLOTS - 1)) {
        uint32_t slot = flows->slots[at];
        if ((slot & 0xffff0000u) != tag)
            continue;
        struct ring_flow_record *record = &flows->records[(slot & 0xffff) - 1];
        if (same_flow(record, key))
            return record;
    }
    *ret_at = at;
    return NULL;
}

struct ring_flow_record *ring_flows_find(const struct ring_flows *flows,
                                         const struct ring_flow_key *key)
{
    uint32_t at;
    return find(flows, key, &at);
}

static void start_record(struct ring_flow_record *record, const struct ring_flow_key *key,
                         const struct packet *packet, uint64_t offset)
{
    memset(record, 0, sizeof *record);
    memcpy(record->ip_a, &key->words[0], 16);
    memcpy(record->ip_b, &key->words[2], 16);
    record->port_a = key->port_a;
    record->port_b = key->port_b;
    record->ip_version = key->ip_version;
    record->ip_protocol = key->ip_protocol;
    record->first_ns = packet->ts_ns;
    record->last_ns = packet->ts_ns;
    record->first_offset = offset;
}

bool ring_flows_add(struct ring_flows *flows, const struct ring_flow_key *key,
                    const struct packet *packet, uint64_t offset,
                    struct ring_flow_record **ret_record)
{
    *ret_record = NULL;
    if (!key->is_flow)
        return true;
    uint32_t at;
    struct ring_flow_record *record = find(flows, key, &at);
    if (!record) {
        if (flows->count == RING_MAX_FLOWS)
            return false;
        record = &flows->records[flows->count++];
        flows->slots[at] = (uint32_t)(key->hash >> 48) << 16 | flows->count;
        start_record(record, key, packet, offset);
    }
    *ret_record = record;
    record->packets++;
    record->bytes += packet->captured_bytes;
    if (packet->ts_ns > record->last_ns)
        record->last_ns = packet->ts_ns;
    else if (packet->ts_ns < record->first_ns)
        record->first_ns = packet->ts_ns;
    return true;
}

static int compare_records(const void *a, const void *b)
{
    return ring_flow_record_cmp(a, b);
}

void ring_flows_sort(struct ring_flows *flows)
{
    for (uint32_t i = 0; i < flows->count; i++)
        memset(flows->records[i].openings_mark, 0, sizeof flows->records[i].openings_mark);
    qsort(flows->records, flows->count, sizeof *flows->records, compare_records);
}
