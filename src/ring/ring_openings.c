#include "ring/ring_openings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "packet/frame.h"
#include "ring/ring_openings_internal.h"

enum {
    PROTO_TCP = 6,
    ETHERNET_BYTES = 14,
    SECOND_CHANCES = 32 /* connections looked at to find a silent one */
};

#define SHORT_LIFE_NS (10 * NS_PER_S)

/* What is needed of a TCP header. */
struct segment_view {
    uint32_t seq;
    uint32_t payload_bytes;
    uint32_t header_bytes; /* of the packet, in front of the payload */
    uint8_t flags, side;   /* side 0: sent by a */
};

uint64_t ring_openings_file_bytes(uint64_t budget_bytes)
{
    uint64_t bytes = budget_bytes / RING_OPENINGS_SHARE & ~(uint64_t)(RING_SECTOR_BYTES - 1);
    return bytes < RING_OPENINGS_MAX_BYTES ? bytes : RING_OPENINGS_MAX_BYTES;
}

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int ring_openings_new(uint64_t file_bytes, struct ring_openings **ret_openings)
{
    struct ring_openings *o = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    o->block_count =
        (uint32_t)((file_bytes - RING_OPENINGS_HEADER_BYTES) / RING_OPENING_BLOCK_BYTES);
    o->slot_count = 4;
    while (o->slot_count < 2 * o->block_count)
        o->slot_count *= 2;
    size_t words = o->block_count / 64 + 1;
    o->blocks_bytes = (size_t)o->block_count * RING_OPENING_BLOCK_BYTES;
    o->blocks = map(o->blocks_bytes);
    o->entries = calloc(o->block_count, sizeof *o->entries);
    o->next_block = calloc(o->block_count, sizeof *o->next_block);
    o->free_blocks = calloc(o->block_count, sizeof *o->free_blocks);
    o->slots = calloc(o->slot_count, sizeof *o->slots);
    o->dirty = calloc(words, sizeof *o->dirty);
    o->stored = calloc(words, sizeof *o->stored);
    if (!o->blocks || !o->entries || !o->next_block || !o->free_blocks || !o->slots || !o->dirty ||
        !o->stored) {
        ring_openings_free(o);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < o->block_count; i++) {
        o->free_blocks[i] = o->block_count - 1 - i;
        o->entries[i].next = i + 1 < o->block_count ? i + 1 : OPENING_NONE;
    }
    o->free_block_count = o->block_count;
    o->free_entry = o->block_count ? 0 : OPENING_NONE;
    for (int list = 0; list < OPENING_LISTS; list++)
        o->lists[list].oldest = o->lists[list].newest = OPENING_NONE;
    o->next_serial = 1;
    o->mark = 1;
    *ret_openings = o;
    return 0;
}

void ring_openings_free(struct ring_openings *o)
{
    if (!o)
        return;
    if (o->blocks)
        munmap(o->blocks, o->blocks_bytes);
    free(o->entries);
    free(o->next_block);
    free(o->free_blocks);
    free(o->slots);
    free(o->dirty);
    free(o->stored);
    free(o);
}

/* ── table ── */

static inline uint32_t slot_of(const struct ring_openings *o, uint64_t hash)
{
    return (uint32_t)(hash >> 16) & (o->slot_count - 1);
}

static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 48) | 1u; /* never 0: an empty slot has none */
}

static inline bool same_key(const struct ring_flow_key *a, const struct ring_flow_key *b)
{
    return memcmp(a->words, b->words, sizeof a->words) == 0 && a->port_a == b->port_a &&
           a->port_b == b->port_b && a->ip_version == b->ip_version;
}

struct opening *ring_openings_find(const struct ring_openings *o, const struct ring_flow_key *key)
{
    uint32_t tag = tag_of(key->hash);
    for (uint32_t at = slot_of(o, key->hash); o->slots[at].tag; at = (at + 1) & (o->slot_count - 1))
        if (o->slots[at].tag == tag && same_key(&o->entries[o->slots[at].entry].key, key))
            return &o->entries[o->slots[at].entry];
    return NULL;
}

static void insert_slot(struct ring_openings *o, uint32_t entry)
{
    uint64_t hash = o->entries[entry].key.hash;
    uint32_t at = slot_of(o, hash);
    while (o->slots[at].tag)
        at = (at + 1) & (o->slot_count - 1);
    o->slots[at] = (struct opening_slot){.tag = tag_of(hash), .entry = entry};
}

/* Linear probing without tombstones (Knuth 6.4, algorithm R). */
static void remove_slot(struct ring_openings *o, uint32_t entry)
{
    uint32_t mask = o->slot_count - 1;
    uint32_t hole = slot_of(o, o->entries[entry].key.hash);
    while (o->slots[hole].entry != entry || !o->slots[hole].tag)
        hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; o->slots[at].tag; at = (at + 1) & mask) {
        uint32_t home = slot_of(o, o->entries[o->slots[at].entry].key.hash);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            o->slots[hole] = o->slots[at];
            hole = at;
        }
    }
    o->slots[hole] = (struct opening_slot){0};
}

/* ── lists: the oldest first ── */

static void leave_list(struct ring_openings *o, uint32_t at)
{
    struct opening *e = &o->entries[at];
    struct opening_list *list = &o->lists[e->list];
    if (e->prev != OPENING_NONE)
        o->entries[e->prev].next = e->next;
    else
        list->oldest = e->next;
    if (e->next != OPENING_NONE)
        o->entries[e->next].prev = e->prev;
    else
        list->newest = e->prev;
    list->count--;
}

static void join_list(struct ring_openings *o, uint32_t at, enum opening_state state)
{
    struct opening *e = &o->entries[at];
    struct opening_list *list = &o->lists[state];
    e->list = (uint8_t)state;
    e->prev = list->newest;
    e->next = OPENING_NONE;
    if (e->prev != OPENING_NONE)
        o->entries[e->prev].next = at;
    else
        list->oldest = at;
    list->newest = at;
    list->count++;
}

void ring_openings_move(struct ring_openings *o, struct opening *e, enum opening_state state)
{
    uint32_t at = (uint32_t)(e - o->entries);
    leave_list(o, at);
    join_list(o, at, state);
}

/* ── blocks ── */

static void mark(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= UINT64_C(1) << at % 64;
}

static bool is_marked(const uint64_t *bits, uint32_t at)
{
    return bits[at / 64] >> at % 64 & 1;
}

static void free_block(struct ring_openings *o, uint32_t at)
{
    struct ring_opening_block *block = &o->blocks[at];
    block->serial = 0;
    block->index = block->used = 0;
    o->free_blocks[o->free_block_count++] = at;
    if (is_marked(o->stored, at))
        mark(o->dirty, at);
    else
        o->dirty[at / 64] &= ~(UINT64_C(1) << at % 64);
}

void ring_openings_drop(struct ring_openings *o, struct opening *e)
{
    uint32_t at = (uint32_t)(e - o->entries);
    remove_slot(o, at);
    leave_list(o, at);
    for (uint32_t block = e->first_block, left = e->block_count; left > 0; left--) {
        uint32_t next = o->next_block[block];
        free_block(o, block);
        block = next;
    }
    e->serial = 0;
    e->next = o->free_entry;
    o->free_entry = at;
    o->count--;
}

/* Never `keep`. False when there is nothing else. */
static bool evict_one(struct ring_openings *o, const struct opening *keep)
{
    for (int list = 0; list < OPENING_LISTS; list++) {
        for (int chance = 0; o->lists[list].oldest != OPENING_NONE; chance++) {
            struct opening *e = &o->entries[o->lists[list].oldest];
            bool used = list == OPENING_LIVE && e->referenced && chance < SECOND_CHANCES;
            if (e == keep && o->lists[list].count == 1)
                break;
            if (e == keep || used) {
                e->referenced = false;
                o->forgot_use = true;
                ring_openings_move(o, e, (enum opening_state)list);
                continue;
            }
            ring_openings_drop(o, e);
            o->evicted++;
            return true;
        }
    }
    return false;
}

/* One more block at the end of the chain. */
void ring_openings_grow(struct ring_openings *o, struct opening *e, uint32_t at)
{
    if (e->block_count == 0)
        e->first_block = at;
    else
        o->next_block[e->last_block] = at;
    e->last_block = at;
    struct ring_opening_block *block = &o->blocks[at];
    block->serial = e->serial;
    block->index = e->block_count++;
    block->used = 0;
    block->reserved = 0;
}

static bool need_block(struct ring_openings *o, struct opening *e)
{
    if (e->block_count == RING_OPENING_MAX_BLOCKS)
        return false;
    while (o->free_block_count == 0)
        if (!evict_one(o, e))
            return false;
    ring_openings_grow(o, e, o->free_blocks[--o->free_block_count]);
    return true;
}

static bool has_room(const struct ring_openings *o, const struct opening *e, size_t n)
{
    size_t room = (size_t)(RING_OPENING_MAX_BLOCKS - e->block_count) * sizeof o->blocks[0].content;
    if (e->block_count)
        room += sizeof o->blocks[0].content - o->blocks[e->last_block].used;
    return n <= room;
}

static bool put(struct ring_openings *o, struct opening *e, const void *data, size_t n)
{
    const uint8_t *from = data;
    while (n > 0) {
        struct ring_opening_block *block = e->block_count ? &o->blocks[e->last_block] : NULL;
        if (!block || block->used == sizeof block->content) {
            if (!need_block(o, e))
                return false;
            continue;
        }
        size_t room = sizeof block->content - block->used;
        size_t part = n < room ? n : room;
        memcpy(block->content + block->used, from, part);
        block->used = (uint16_t)(block->used + part);
        mark(o->dirty, e->last_block);
        from += part;
        n -= part;
    }
    return true;
}

/* ── packets ── */

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* The usual packet, whose TCP header the key has found. */
static bool view_quickly(const struct packet *packet, const struct ring_flow_key *key,
                         struct segment_view *v)
{
    const uint8_t *ip = packet->data + ETHERNET_BYTES, *tcp = packet->data + key->l4_offset;
    if (packet->captured_bytes < key->l4_offset + 20u)
        return false;
    bool v4 = key->ip_version == 4;
    uint32_t end = ETHERNET_BYTES + (v4 ? be16(ip + 2) : 40u + be16(ip + 4));
    v->header_bytes = key->l4_offset + (uint32_t)(tcp[12] >> 4) * 4;
    v->payload_bytes = end > v->header_bytes ? end - v->header_bytes : 0;
    v->seq = be32(tcp + 4);
    return true;
}

static bool view_slowly(const struct packet *packet, struct segment_view *v)
{
    struct frame f;
    frame_decode(packet, &f);
    if (f.kind != FRAME_TCP)
        return false;
    v->payload_bytes = f.payload_bytes;
    v->header_bytes =
        f.payload.len ? (uint32_t)(f.payload.data - packet->data) : packet->captured_bytes;
    v->seq = f.tcp_seq;
    return true;
}

static void keep_packet(struct ring_openings *o, struct opening *e, const struct packet *packet,
                        const struct segment_view *v)
{
    uint32_t left = RING_OPENING_SIDE_BYTES - e->side_bytes[v->side];
    uint32_t most = v->header_bytes + (v->payload_bytes < left ? v->payload_bytes : left);
    uint32_t n = packet->captured_bytes < most ? packet->captured_bytes : most;
    struct ring_opening_record record = {.ts_ns = packet->ts_ns,
                                         .captured_bytes = n,
                                         .original_bytes = packet->original_bytes,
                                         .direction = packet->direction};
    static const uint8_t zeros[8];
    if (!has_room(o, e, sizeof record + ring_opening_padded(n))) {
        e->side_bytes[0] = e->side_bytes[1] = RING_OPENING_SIDE_BYTES; /* its chain is full */
        return;
    }
    if (!put(o, e, &record, sizeof record) || !put(o, e, packet->data, n) ||
        !put(o, e, zeros, ring_opening_padded(n) - n)) {
        ring_openings_drop(o, e); /* a store too small for one connection */
        return;
    }
    e->side_bytes[v->side] += v->payload_bytes < left ? v->payload_bytes : left;
    if (v->payload_bytes && e->list == OPENING_EMBRYONIC)
        ring_openings_move(o, e, OPENING_LIVE);
}

static void begin(struct ring_openings *o, const struct packet *packet,
                  const struct ring_flow_key *key, const struct segment_view *v,
                  const char *interface)
{
    while (o->free_entry == OPENING_NONE || o->free_block_count == 0 ||
           o->lists[OPENING_EMBRYONIC].count > o->block_count / 8) {
        if (o->lists[OPENING_EMBRYONIC].count > o->block_count / 8)
            ring_openings_drop(o, &o->entries[o->lists[OPENING_EMBRYONIC].oldest]);
        else if (!evict_one(o, NULL))
            return;
    }
    struct opening *e = ring_openings_add(o, key, o->next_serial++);
    e->interface = packet->interface;
    e->isn = v->seq;
    e->first_ns = packet->ts_ns;
    struct ring_opening_head head = {.port_a = key->port_a,
                                     .port_b = key->port_b,
                                     .ip_version = key->ip_version,
                                     .client = v->side,
                                     .link_type = packet->link_type,
                                     .isn = v->seq,
                                     .first_ns = packet->ts_ns};
    memcpy(head.ip_a, &key->words[0], sizeof head.ip_a);
    memcpy(head.ip_b, &key->words[2], sizeof head.ip_b);
    memccpy(head.interface, interface, '\0', sizeof head.interface - 1);
    if (!put(o, e, &head, sizeof head)) {
        ring_openings_drop(o, e);
        return;
    }
    keep_packet(o, e, packet, v);
}

struct opening *ring_openings_add(struct ring_openings *o, const struct ring_flow_key *key,
                                  uint64_t serial)
{
    uint32_t at = o->free_entry;
    struct opening *e = &o->entries[at];
    o->free_entry = e->next;
    *e = (struct opening){.key = *key, .serial = serial, .interface = UINT32_MAX};
    insert_slot(o, at);
    join_list(o, at, OPENING_EMBRYONIC);
    o->count++;
    return e;
}

static void end(struct ring_openings *o, struct opening *e, int64_t ts_ns)
{
    if (ts_ns - e->first_ns < SHORT_LIFE_NS) {
        ring_openings_drop(o, e);
        return;
    }
    struct ring_opening_head head;
    memcpy(&head, o->blocks[e->first_block].content, sizeof head);
    head.closed_ns = ts_ns;
    memcpy(o->blocks[e->first_block].content, &head, sizeof head);
    mark(o->dirty, e->first_block);
    ring_openings_move(o, e, OPENING_CLOSED);
}

/* Loaded from the file: the interface is known by its name only. */
static void meet_interface(struct ring_openings *o, struct opening *e, const struct packet *packet,
                           const char *interface)
{
    struct ring_opening_head head;
    memcpy(&head, o->blocks[e->first_block].content, sizeof head);
    if (strncmp(head.interface, interface, sizeof head.interface - 1) == 0)
        e->interface = packet->interface;
}

static void known(struct ring_openings *o, struct opening *e, const struct packet *packet,
                  const struct segment_view *v)
{
    if (e->list == OPENING_CLOSED || packet->interface != e->interface)
        return;
    e->referenced = true;
    bool syn = v->flags & FRAME_TCP_SYN;
    if ((v->payload_bytes || syn) && e->side_bytes[v->side] < RING_OPENING_SIDE_BYTES) {
        uint64_t serial = e->serial;
        keep_packet(o, e, packet, v);
        if (e->serial != serial)
            return;
    }
    if (v->flags & FRAME_TCP_FIN)
        e->ended |= (uint8_t)(1u << v->side);
    if (v->flags & FRAME_TCP_RST || e->ended == 3)
        end(o, e, packet->ts_ns);
}

/* Nothing that this side sends will be kept, but for what begins or ends a connection. */
static bool is_settled(const struct opening *e, uint8_t side)
{
    return !e || e->list == OPENING_CLOSED || e->side_bytes[side] >= RING_OPENING_SIDE_BYTES;
}

void ring_openings_packet(struct ring_openings *o, const struct packet *packet,
                          const struct ring_flow_key *key, const char *interface,
                          struct ring_flow_record *record)
{
    uint8_t *marks = record->openings_mark;
    uint8_t flags = key->tcp_flags;
    if (key->ip_protocol != PROTO_TCP) {
        marks[0] = marks[1] = o->mark;
        return;
    }
    struct opening *e = ring_openings_find(o, key);
    bool asks = (flags & (FRAME_TCP_SYN | FRAME_TCP_ACK)) == FRAME_TCP_SYN;
    if (is_settled(e, key->side) && !asks &&
        !(e && flags & (FRAME_TCP_SYN | FRAME_TCP_FIN | FRAME_TCP_RST))) {
        if (e)
            e->referenced = true;
        marks[key->side] = o->mark;
        return;
    }
    struct segment_view v = {.flags = flags, .side = key->side};
    if (!(key->l4_offset ? view_quickly(packet, key, &v) : view_slowly(packet, &v)))
        return;
    if (asks)
        marks[0] = marks[1] = 0;
    if (e && asks && v.seq != e->isn) {
        ring_openings_drop(o, e);
        e = NULL;
    }
    if (e && e->interface == UINT32_MAX)
        meet_interface(o, e, packet, interface);
    if (e)
        known(o, e, packet, &v);
    else if (asks)
        begin(o, packet, key, &v, interface);
}

uint8_t ring_openings_mark(struct ring_openings *o)
{
    if (o->forgot_use && ++o->mark == 0)
        o->mark = 1;
    o->forgot_use = false;
    return o->mark;
}

void ring_openings_missed(struct ring_openings *o, int64_t from_ns, int64_t to_ns)
{
    if (to_ns >= from_ns && to_ns - from_ns <= RING_OPENINGS_MAX_GAP_NS)
        return;
    for (int list = 0; list < OPENING_LISTS; list++)
        while (o->lists[list].oldest != OPENING_NONE)
            ring_openings_drop(o, &o->entries[o->lists[list].oldest]);
}

/* ── to the disk ── */

bool ring_openings_changed(const struct ring_openings *o)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < o->block_count / 64 + 1; i++)
        any |= o->dirty[i];
    return any != 0;
}

uint32_t ring_openings_gather(struct ring_openings *o, uint8_t *out)
{
    uint32_t n = 0;
    uint32_t words = o->block_count / 64 + 1;
    for (uint32_t looked = 0; looked < words; looked++) {
        uint64_t bits = o->dirty[o->cursor];
        for (; bits && n < RING_OPENINGS_GATHER_BLOCKS; bits &= bits - 1) {
            uint32_t at = o->cursor * 64 + (uint32_t)__builtin_ctzll(bits);
            memcpy(out + (n + 1) * sizeof at, &at, sizeof at);
            memcpy(out + RING_SECTOR_BYTES + (size_t)n * RING_OPENING_BLOCK_BYTES, &o->blocks[at],
                   RING_OPENING_BLOCK_BYTES);
            mark(o->stored, at);
            n++;
        }
        o->dirty[o->cursor] = bits;
        if (bits)
            break;
        o->cursor = (o->cursor + 1) % words;
    }
    memcpy(out, &n, sizeof n);
    return n;
}

void ring_openings_unwritten(struct ring_openings *o)
{
    memcpy(o->dirty, o->stored, (o->block_count / 64 + 1) * sizeof *o->dirty);
}

int ring_openings_store(int fd, uint8_t *gathered)
{
    uint32_t n;
    memcpy(&n, gathered, sizeof n);
    uint8_t *blocks = gathered + RING_SECTOR_BYTES;
    for (uint32_t i = 0; i < n;) {
        uint32_t first, at, run = 0;
        memcpy(&first, gathered + (i + 1) * sizeof first, sizeof first);
        for (; i + run < n; run++) {
            memcpy(&at, gathered + (i + run + 1) * sizeof at, sizeof at);
            if (at != first + run)
                break;
            uint8_t *block = blocks + (size_t)(i + run) * RING_OPENING_BLOCK_BYTES;
            uint64_t sum = hash_bytes(hash_fixed_key, block + 8, RING_OPENING_BLOCK_BYTES - 8);
            memcpy(block, &sum, sizeof sum);
        }
        int r = io_pwrite("ring-openings", fd, blocks + (size_t)i * RING_OPENING_BLOCK_BYTES,
                          (size_t)run * RING_OPENING_BLOCK_BYTES,
                          RING_OPENINGS_HEADER_BYTES + (off_t)first * RING_OPENING_BLOCK_BYTES);
        if (r < 0)
            return r;
        i += run;
    }
    return 0;
}

struct ring_openings_figures ring_openings_figures(const struct ring_openings *o)
{
    return (struct ring_openings_figures){o->count, o->block_count, o->free_block_count,
                                          o->evicted};
}
