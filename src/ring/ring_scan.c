#include "ring/ring_scan.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "base/io.h"
#include "ring/ring_blocks.h"

enum {
    WINDOW_BYTES = 2 * RING_BUFFER_BYTES
};

struct reading {
    int fd;
    uint64_t limit, offset; /* of the window's begin in the file */
    uint8_t *window;
    size_t have, at;
    uint32_t idb_count;
    EVP_MD_CTX *sha;
    uint64_t secret[2];
    uint32_t chunk_cap;
    bool unsorted;
    struct ring_scan *scan;
};

/* At least `want` bytes at the reading position, or as many as there are. */
static int fill(struct reading *r, size_t want)
{
    if (r->have - r->at >= want)
        return 0;
    memmove(r->window, r->window + r->at, r->have - r->at);
    r->offset += r->at;
    r->have -= r->at;
    r->at = 0;
    uint64_t left = r->limit - (r->offset + r->have);
    size_t room = WINDOW_BYTES - r->have;
    ssize_t n = io_pread_full(r->fd, r->window + r->have, left < room ? (size_t)left : room,
                              (off_t)(r->offset + r->have));
    if (n < 0)
        return (int)n;
    r->have += (size_t)n;
    return 0;
}

static int damage(struct reading *r, const char *what)
{
    struct ring_scan *scan = r->scan;
    scan->damaged = true;
    snprintf(scan->damage, sizeof scan->damage, "%s at offset %llu", what,
             (unsigned long long)(r->offset + r->at));
    return -EBADMSG;
}

static bool grow_chunks(struct reading *r)
{
    struct ring_index_parts *parts = &r->scan->parts;
    if (parts->header.chunk_count < r->chunk_cap)
        return true;
    uint32_t cap = r->chunk_cap ? r->chunk_cap * 2 : 64;
    struct ring_chunk_record *chunks = realloc(parts->chunks, cap * sizeof *chunks);
    if (!chunks)
        return false;
    parts->chunks = chunks;
    r->chunk_cap = cap;
    return true;
}

static inline void count_times(int64_t *first_ns, int64_t *last_ns, int64_t ts_ns, bool first)
{
    if (first || ts_ns < *first_ns)
        *first_ns = ts_ns;
    if (first || ts_ns > *last_ns)
        *last_ns = ts_ns;
}

static int count_packet(struct reading *r, const struct packet *packet)
{
    struct ring_index_parts *parts = &r->scan->parts;
    struct ring_index_header *header = &parts->header;
    struct ring_flow_key key;
    ring_flow_key_of(r->secret, packet, &key);
    struct ring_flow_record *record;
    (void)ring_flows_add(&r->scan->flows, &key, packet, packet->offset, &record);
    if (header->chunk_count == 0 ||
        packet->offset - parts->chunks[header->chunk_count - 1].offset >= RING_CHUNK_BYTES) {
        if (!grow_chunks(r))
            return -ENOMEM;
        parts->chunks[header->chunk_count++] = (struct ring_chunk_record){.offset = packet->offset};
    }
    struct ring_chunk_record *chunk = &parts->chunks[header->chunk_count - 1];
    count_times(&chunk->min_ns, &chunk->max_ns, packet->ts_ns, chunk->packets == 0);
    chunk->packets++;
    r->unsorted |= header->packets && packet->ts_ns < header->last_ns;
    count_times(&header->first_ns, &header->last_ns, packet->ts_ns, header->packets == 0);
    header->packets++;
    header->captured_bytes += packet->captured_bytes;
    return 0;
}

static int read_packet(struct reading *r, const uint8_t *block, uint32_t total)
{
    struct cursor c = cursor_of(block + 8, total - 12);
    struct packet packet = {.interface = cursor_le32(&c)};
    uint64_t ts = (uint64_t)cursor_le32(&c) << 32;
    ts |= cursor_le32(&c);
    packet.ts_ns = (int64_t)ts;
    packet.captured_bytes = cursor_le32(&c);
    packet.original_bytes = cursor_le32(&c);
    packet.data = cursor_take(&c, packet.captured_bytes);
    if (c.bad || packet.interface >= r->idb_count || packet.captured_bytes > RING_MAX_SNAPLEN)
        return damage(r, "a packet block contradicts itself");
    packet.link_type = r->scan->parts.header.link_type;
    packet.offset = r->offset + r->at;
    return count_packet(r, &packet);
}

static void add_event(struct ring_scan *scan, const struct ring_note *note)
{
    struct ring_index_header *header = &scan->parts.header;
    header->drops_kernel += note->kernel;
    header->drops_ring += note->ring;
    header->drops_disk += note->disk;
    if (header->event_count < RING_MAX_EVENTS)
        scan->parts.events[header->event_count++] = (struct ring_event_record){
            note->from_ns, note->to_ns, note->kernel, note->ring, note->disk};
}

static void read_statistics(struct reading *r, const uint8_t *block, uint32_t total)
{
    struct ring_index_header *header = &r->scan->parts.header;
    struct ring_note note;
    struct slice bytes;
    struct owner_note owner;
    if (total < 28 || !ring_find_note(slice_of(block + 20, total - 24), &note, &bytes))
        return;
    if (note.kind == RING_NOTE_BEGIN) {
        header->covered_from_ns = note.from_ns;
        header->previous_covered_to_ns = note.to_ns;
        header->gap_reason = note.gap_reason <= RING_GAP_CORRUPT ? (uint8_t)note.gap_reason : 0;
        if (header->covered_to_ns == 0)
            header->covered_to_ns = note.from_ns;
        r->scan->has_begin = true;
    } else if (note.kind == RING_NOTE_PROGRESS) {
        header->covered_to_ns = note.to_ns;
    } else if (note.kind == RING_NOTE_DROPS) {
        add_event(r->scan, &note);
    } else if (owner_note_read(bytes, &owner, NULL) == 0) {
        (void)ring_owners_apply(&r->scan->owners, &r->scan->flows, r->secret, &owner);
    }
}

static int read_interface(struct reading *r, const uint8_t *block, uint32_t total)
{
    struct ring_index_header *header = &r->scan->parts.header;
    if (total < 20)
        return damage(r, "an interface block is too short");
    uint16_t link_type = (uint16_t)(block[8] | block[9] << 8);
    if (r->idb_count++ == 0)
        header->link_type = link_type;
    else if (header->link_type != link_type)
        return damage(r, "an interface block has another link type");
    return 0;
}

static int read_block(struct reading *r, uint32_t type, uint32_t total)
{
    const uint8_t *block = r->window + r->at;
    switch (type) {
    case RING_BLOCK_EPB:
        return read_packet(r, block, total);
    case RING_BLOCK_IDB:
        return read_interface(r, block, total);
    case RING_BLOCK_ISB:
        read_statistics(r, block, total);
        return 0;
    case RING_BLOCK_SHB: {
        static const uint8_t order[4] = {0x4d, 0x3c, 0x2b, 0x1a};
        return r->offset + r->at == 0 && total >= 28 && memcmp(block + 8, order, 4) == 0
                   ? 0
                   : damage(r, "a section header that does not belong there");
    }
    default:
        return 0;
    }
}

/* 1 = a block was read, 0 = the end, negative = the rest is not usable or an error. */
static int next_block(struct reading *r)
{
    int e = fill(r, 12);
    if (e < 0)
        return e;
    size_t left = r->have - r->at;
    if (left == 0)
        return 0;
    struct cursor c = cursor_of(r->window + r->at, left);
    uint32_t type = cursor_le32(&c);
    uint32_t total = cursor_le32(&c);
    if (c.bad || total < 12 || total % 4 != 0 || total > RING_BUFFER_BYTES)
        return damage(r, "no whole block");
    e = fill(r, total);
    if (e < 0)
        return e;
    if (r->have - r->at < total)
        return damage(r, "a block is cut off");
    uint32_t trailer;
    memcpy(&trailer, r->window + r->at + total - 4, 4);
    if (trailer != total || (r->offset + r->at == 0 && type != RING_BLOCK_SHB))
        return damage(r, "a block's two lengths differ");
    e = read_block(r, type, total);
    if (e < 0)
        return e;
    EVP_DigestUpdate(r->sha, r->window + r->at, total);
    r->at += total;
    r->scan->parts.header.size_bytes = r->offset + r->at;
    return 1;
}

static void finish(struct reading *r)
{
    struct ring_index_parts *parts = &r->scan->parts;
    struct ring_index_header *header = &parts->header;
    unsigned n = 0;
    EVP_DigestFinal_ex(r->sha, header->sha256, &n);
    if (header->packets && header->last_ns > header->covered_to_ns)
        header->covered_to_ns = header->last_ns;
    if (!r->scan->has_begin && header->packets)
        header->covered_from_ns = header->first_ns;
    ring_flows_sort(&r->scan->flows);
    parts->flows = r->scan->flows.records;
    header->flow_count = r->scan->flows.count;
    parts->owners = r->scan->owners.processes.data;
    header->owner_count = r->scan->owners.count;
    header->owner_bytes = (uint32_t)r->scan->owners.processes.len;
    header->flags = r->unsorted ? 0 : RING_INDEX_SORTED;
    memcpy(header->magic, RING_INDEX_MAGIC, 8);
    header->version = RING_INDEX_VERSION;
    header->header_bytes = sizeof *header;
}

static int scan_blocks(struct reading *r, struct error *reterr)
{
    int e;
    while ((e = next_block(r)) > 0) {
    }
    if (e == -EBADMSG && r->scan->parts.header.size_bytes > 0)
        e = 0;
    if (e == -EBADMSG)
        return error_set(reterr, e, "no pcapng section header");
    if (e < 0)
        return error_set(reterr, e, "cannot be read: %s", strerror(-e));
    finish(r);
    return 0;
}

int ring_scan_file(int fd, uint64_t limit_bytes, struct ring_scan *ret_scan, struct error *reterr)
{
    *ret_scan = (struct ring_scan){0};
    ring_owners_init(&ret_scan->owners);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(reterr, -errno, "cannot be examined: %s", strerror(errno));
    uint64_t size = (uint64_t)st.st_size;
    struct hash_key key = hash_random_key();
    struct reading r = {.fd = fd,
                        .limit = limit_bytes && limit_bytes < size ? limit_bytes : size,
                        .window = malloc(WINDOW_BYTES),
                        .sha = EVP_MD_CTX_new(),
                        .secret = {key.k0 | 1, key.k1 | 1},
                        .scan = ret_scan};
    ret_scan->parts.events = calloc(RING_MAX_EVENTS, sizeof *ret_scan->parts.events);
    int e = -ENOMEM;
    if (r.window && r.sha && ret_scan->parts.events && ring_flows_init(&ret_scan->flows) == 0 &&
        EVP_DigestInit_ex(r.sha, EVP_sha256(), NULL) == 1)
        e = r.limit ? scan_blocks(&r, reterr) : error_set(reterr, -EBADMSG, "the file is empty");
    free(r.window);
    EVP_MD_CTX_free(r.sha);
    if (e < 0)
        ring_scan_done(ret_scan);
    return e;
}

void ring_scan_done(struct ring_scan *scan)
{
    free(scan->parts.events);
    free(scan->parts.chunks);
    ring_flows_done(&scan->flows);
    ring_owners_done(&scan->owners);
    *scan = (struct ring_scan){0};
}
