#include "packet/defrag.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
    DEFAULT_DATAGRAMS = 1024,
    DEFAULT_BYTES = 16 << 20,
    DATA_BYTES_MAX = 65535,
    PIECES_MAX = 256, /* separate runs of bytes; 65,535 bytes in ordinary fragments are below 50 */
    FIRST_DATA_BYTES = 8192,
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    HEADER_ROOM = IPV6_BYTES /* kept free before the data */
};

#define DEFAULT_TIMEOUT_NS (30 * NS_PER_S)

struct key {
    uint8_t src_ip[16], dst_ip[16];
    uint32_t id, interface;
    uint32_t tunnel_id;
    uint16_t vlan;
    uint8_t ip_version;
    uint8_t ip_protocol; /* IPv4 only */
};

_Static_assert(sizeof(struct key) == 48, "keys are hashed and compared as bytes: no padding");

struct piece {
    uint32_t start, end;
};

struct datagram {
    struct key key;
    struct datagram *next;            /* in its bucket, or in the free list */
    struct datagram *older, *younger; /* by first fragment */
    int64_t first_ns;
    uint8_t ip_protocol; /* of the fragment at offset 0 */
    bool refused;        /* drops everything until its time is over */
    uint32_t total;      /* bytes of data, 0 = the last fragment is missing */
    uint32_t piece_count;
    struct piece pieces[PIECES_MAX]; /* in order, never touching */
    uint8_t *buffer;                 /* HEADER_ROOM, then data */
    size_t buffer_bytes;
};

struct defrag {
    struct defrag_options options;
    struct hash_key hash_key;
    struct datagram **buckets; /* a power of two */
    size_t bucket_count;
    struct datagram *oldest, *youngest;
    struct datagram *unused; /* their buffers are kept for the next */
    struct datagram
        *delivered; /* out of the table; its buffer is the caller's until the next call */
    size_t count;
    size_t bytes; /* datagrams and buffers, used or not */
    struct defrag_counters counters;
};

int defrag_new(const struct defrag_options *options, struct defrag **ret_defrag)
{
    struct defrag *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    if (options)
        d->options = *options;
    if (!d->options.max_datagrams)
        d->options.max_datagrams = DEFAULT_DATAGRAMS;
    if (!d->options.max_bytes)
        d->options.max_bytes = DEFAULT_BYTES;
    if (!d->options.timeout_ns)
        d->options.timeout_ns = DEFAULT_TIMEOUT_NS;
    d->hash_key = hash_random_key();
    d->bucket_count = 64;
    while (d->bucket_count < d->options.max_datagrams)
        d->bucket_count *= 2;
    d->buckets = calloc(d->bucket_count, sizeof(struct datagram *));
    if (!d->buckets) {
        free(d);
        return -ENOMEM;
    }
    *ret_defrag = d;
    return 0;
}

static void destroy(struct defrag *d, struct datagram *g)
{
    d->bytes -= sizeof *g + g->buffer_bytes;
    free(g->buffer);
    free(g);
}

void defrag_free(struct defrag *d)
{
    if (!d)
        return;
    for (struct datagram *g = d->oldest, *next; g; g = next) {
        next = g->younger;
        destroy(d, g);
    }
    for (struct datagram *g = d->unused, *next; g; g = next) {
        next = g->next;
        destroy(d, g);
    }
    if (d->delivered)
        destroy(d, d->delivered);
    free(d->buckets);
    free(d);
}

static struct datagram **bucket_of(const struct defrag *d, const struct key *key)
{
    return &d->buckets[hash_bytes(d->hash_key, key, sizeof *key) & (d->bucket_count - 1)];
}

static void take_out(struct defrag *d, struct datagram *g)
{
    struct datagram **link = bucket_of(d, &g->key);
    while (*link != g)
        link = &(*link)->next;
    *link = g->next;
    *(g->older ? &g->older->younger : &d->oldest) = g->younger;
    *(g->younger ? &g->younger->older : &d->youngest) = g->older;
    d->count--;
}

static void discard(struct defrag *d, struct datagram *g)
{
    take_out(d, g);
    g->next = d->unused;
    d->unused = g;
}

static void expire(struct defrag *d, int64_t now_ns)
{
    while (d->oldest && now_ns - d->oldest->first_ns > d->options.timeout_ns) {
        if (!d->oldest->refused)
            d->counters.timed_out++;
        discard(d, d->oldest);
    }
}

/* Frees unused datagrams, then the oldest ones but `keep`, until `bytes` more fit. */
static bool make_room(struct defrag *d, size_t bytes, const struct datagram *keep)
{
    while (d->bytes + bytes > d->options.max_bytes) {
        if (!d->unused) {
            struct datagram *victim = d->oldest == keep && keep ? keep->younger : d->oldest;
            if (!victim)
                return false;
            d->counters.evicted++;
            discard(d, victim);
        }
        struct datagram *g = d->unused;
        d->unused = g->next;
        destroy(d, g);
    }
    return true;
}

static struct datagram *unused_or_new(struct defrag *d)
{
    struct datagram *g = d->unused;
    if (g) {
        d->unused = g->next;
        return g;
    }
    if (!make_room(d, sizeof *g, NULL))
        return NULL;
    g = malloc(sizeof *g);
    if (!g)
        return NULL;
    g->buffer = NULL;
    g->buffer_bytes = 0;
    d->bytes += sizeof *g;
    return g;
}

static struct datagram *add_datagram(struct defrag *d, const struct key *key, int64_t now_ns)
{
    if (d->count >= d->options.max_datagrams) {
        d->counters.evicted++;
        discard(d, d->oldest);
    }
    struct datagram *g = unused_or_new(d);
    if (!g)
        return NULL;
    g->key = *key;
    g->first_ns = now_ns;
    g->ip_protocol = key->ip_protocol;
    g->refused = false;
    g->total = g->piece_count = 0;
    struct datagram **bucket = bucket_of(d, key);
    g->next = *bucket;
    *bucket = g;
    g->younger = NULL;
    g->older = d->youngest;
    *(d->youngest ? &d->youngest->younger : &d->oldest) = g;
    d->youngest = g;
    d->count++;
    return g;
}

static struct datagram *find(const struct defrag *d, const struct key *key)
{
    struct datagram *g = *bucket_of(d, key);
    while (g && memcmp(&g->key, key, sizeof *key) != 0)
        g = g->next;
    return g;
}

static bool reserve(struct defrag *d, struct datagram *g, size_t data_bytes)
{
    size_t needed = HEADER_ROOM + data_bytes;
    if (needed <= g->buffer_bytes)
        return true;
    size_t bytes = g->buffer_bytes ? g->buffer_bytes : FIRST_DATA_BYTES;
    while (bytes < needed)
        bytes *= 2;
    if (!make_room(d, bytes - g->buffer_bytes, g))
        return false;
    uint8_t *buffer = realloc(g->buffer, bytes);
    if (!buffer)
        return false;
    d->bytes += bytes - g->buffer_bytes;
    g->buffer = buffer;
    g->buffer_bytes = bytes;
    return true;
}

/* Copies what of [start, end) is not there yet. Returns the new bytes. */
static uint32_t copy_missing(struct datagram *g, struct piece range, const uint8_t *data)
{
    uint32_t at = range.start;
    uint32_t copied = 0;
    for (uint32_t i = 0; i <= g->piece_count && at < range.end; i++) {
        uint32_t hole_end = i < g->piece_count ? g->pieces[i].start : range.end;
        if (hole_end > range.end)
            hole_end = range.end;
        if (hole_end > at) {
            memcpy(g->buffer + HEADER_ROOM + at, data + (at - range.start), hole_end - at);
            copied += hole_end - at;
        }
        if (i < g->piece_count && g->pieces[i].end > at)
            at = g->pieces[i].end;
    }
    return copied;
}

/* Adds [start, end) to the pieces, joining those it touches. False when there are too many. */
static bool join(struct datagram *g, struct piece range)
{
    uint32_t first = 0;
    while (first < g->piece_count && g->pieces[first].end < range.start)
        first++;
    uint32_t last = first;
    while (last < g->piece_count && g->pieces[last].start <= range.end) {
        if (g->pieces[last].start < range.start)
            range.start = g->pieces[last].start;
        if (g->pieces[last].end > range.end)
            range.end = g->pieces[last].end;
        last++;
    }
    if (first == last && g->piece_count == PIECES_MAX)
        return false;
    memmove(&g->pieces[first + 1], &g->pieces[last], (g->piece_count - last) * sizeof g->pieces[0]);
    g->piece_count = g->piece_count - (last - first) + 1;
    g->pieces[first] = range;
    return true;
}

static bool overlaps(const struct datagram *g, struct piece range)
{
    for (uint32_t i = 0; i < g->piece_count; i++)
        if (g->pieces[i].start < range.end && range.start < g->pieces[i].end)
            return true;
    return false;
}

static bool is_held(const struct datagram *g, struct piece range, const uint8_t *data)
{
    for (uint32_t i = 0; i < g->piece_count; i++)
        if (g->pieces[i].start <= range.start && range.end <= g->pieces[i].end)
            return memcmp(g->buffer + HEADER_ROOM + range.start, data, range.end - range.start) ==
                   0;
    return false;
}

static uint16_t header_checksum(const uint8_t *p)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < IPV4_BYTES; i += 2)
        sum += (uint32_t)(p[i] << 8 | p[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static struct slice put_header(const struct datagram *g)
{
    size_t header = g->key.ip_version == 4 ? IPV4_BYTES : IPV6_BYTES;
    uint8_t *p = g->buffer + HEADER_ROOM - header;
    memset(p, 0, header);
    if (g->key.ip_version == 4) {
        p[0] = 0x45;
        /* 65,535 bytes of data have no room for a header in the length: 0 is "as long as it is". */
        put_be16(p + 2, g->total + header <= UINT16_MAX ? g->total + (uint32_t)header : 0);
        put_be16(p + 4, g->key.id);
        p[8] = 64;
        p[9] = g->ip_protocol;
        memcpy(p + 12, g->key.src_ip, 4);
        memcpy(p + 16, g->key.dst_ip, 4);
        put_be16(p + 10, header_checksum(p));
    } else {
        p[0] = 0x60;
        put_be16(p + 4, g->total);
        p[6] = g->ip_protocol;
        p[7] = 64;
        memcpy(p + 8, g->key.src_ip, 16);
        memcpy(p + 24, g->key.dst_ip, 16);
    }
    return slice_of(p, header + g->total);
}

static enum defrag_result refuse(struct defrag *d, struct datagram *g)
{
    d->counters.refused++;
    g->refused = true;
    g->piece_count = 0;
    return DEFRAG_DROPPED;
}

/* The last fragment states the whole length; one that states another, or goes beyond it,
 * contradicts it. */
static bool agrees_on_length(struct datagram *g, const struct frame *frame, struct piece range)
{
    uint32_t held = g->piece_count ? g->pieces[g->piece_count - 1].end : 0;
    if (frame->more_fragments)
        return !g->total || range.end <= g->total;
    if (g->total ? g->total != range.end : held > range.end)
        return false;
    g->total = range.end;
    return true;
}

static enum defrag_result deliver(struct defrag *d, struct datagram *g, struct slice *ret_ip)
{
    take_out(d, g);
    d->delivered = g;
    d->counters.completed++;
    *ret_ip = put_header(g);
    return DEFRAG_COMPLETE;
}

static enum defrag_result add_fragment(struct defrag *d, struct datagram *g,
                                       const struct frame *frame, struct slice *ret_ip)
{
    struct piece range = {frame->fragment_offset,
                          frame->fragment_offset + (uint32_t)frame->payload.len};
    if (g->refused)
        return DEFRAG_DROPPED;
    if (is_held(g, range, frame->payload.data)) {
        d->counters.repeated++;
        return DEFRAG_DROPPED;
    }
    if (!agrees_on_length(g, frame, range) || (g->key.ip_version == 6 && overlaps(g, range)))
        return refuse(d, g);
    if (!reserve(d, g, range.end))
        return DEFRAG_DROPPED;
    if (range.start == 0)
        g->ip_protocol = frame->ip_protocol;
    if (copy_missing(g, range, frame->payload.data) == 0) {
        d->counters.repeated++;
        return DEFRAG_DROPPED;
    }
    if (!join(g, range))
        return refuse(d, g);
    bool whole =
        g->total && g->piece_count == 1 && g->pieces[0].start == 0 && g->pieces[0].end == g->total;
    return whole ? deliver(d, g, ret_ip) : DEFRAG_PENDING;
}

static bool is_usable(const struct frame *frame)
{
    return frame->payload.len > 0 && frame->payload.len == frame->payload_bytes &&
           frame->fragment_offset + frame->payload.len <= DATA_BYTES_MAX &&
           (!frame->more_fragments || frame->payload.len % 8 == 0);
}

enum defrag_result defrag_add(struct defrag *d, const struct packet *packet,
                              const struct frame *frame, struct slice *ret_ip)
{
    if (d->delivered) {
        d->delivered->next = d->unused;
        d->unused = d->delivered;
        d->delivered = NULL;
    }
    expire(d, packet->ts_ns);
    if (!is_usable(frame)) {
        d->counters.unusable++;
        return DEFRAG_DROPPED;
    }
    struct key key = {
        .id = frame->fragment_id,
        .interface = packet->interface,
        .tunnel_id = frame->tunnel_id,
        .vlan = frame->vlan,
        .ip_version = frame->ip_version,
        .ip_protocol = frame->ip_version == 4 ? frame->ip_protocol : 0,
    };
    memcpy(key.src_ip, frame->src_ip, 16);
    memcpy(key.dst_ip, frame->dst_ip, 16);
    struct datagram *g = find(d, &key);
    if (!g)
        g = add_datagram(d, &key, packet->ts_ns);
    return g ? add_fragment(d, g, frame, ret_ip) : DEFRAG_DROPPED;
}

const struct defrag_counters *defrag_counters(const struct defrag *d)
{
    return &d->counters;
}

size_t defrag_bytes(const struct defrag *d)
{
    return d->bytes;
}

size_t defrag_datagrams(const struct defrag *d)
{
    return d->count;
}
