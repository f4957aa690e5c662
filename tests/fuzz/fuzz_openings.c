/* The openings store: blocks of any content in a file, read by the recorder that starts on it
 * (ring_openings_load) and as chains (what a window's openings are made of); then packets of
 * connections that may be in it. Each block of the data: flags, serial, place in the chain, bytes
 * used, content; its sum is made right unless the flags say otherwise. Packets: flags, ends, TCP
 * flags, sequence, length. What is gathered for the disk must read back as the same connections. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "fuzz/alloc_faults.h"
#include "packet/frame.h"
#include "ring/ring_openings.h"
#include "ring/ring_openings_chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also in builds without assertions. */
#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum {
    BLOCKS = 32,
    MAX_PACKETS = 400,
    FILE_BYTES = RING_OPENINGS_HEADER_BYTES + BLOCKS * RING_OPENING_BLOCK_BYTES,
    WRONG_SUM = 1,
    NO_MORE_BLOCKS = 0x80
};

static const uint64_t secret[2] = {1, 2};
static volatile uint8_t read_bytes;

static uint64_t sum_of(const struct ring_opening_block *block)
{
    return hash_bytes(hash_fixed_key, &block->serial, sizeof *block - sizeof block->sum);
}

static void read_blocks(struct cursor *c, struct ring_opening_block *blocks)
{
    for (unsigned i = 0; i < BLOCKS && cursor_left(c) && !c->bad; i++) {
        uint8_t flags = cursor_u8(c);
        if (flags & NO_MORE_BLOCKS)
            return;
        struct ring_opening_block *block = &blocks[i];
        block->serial = flags & 2 ? UINT64_MAX - cursor_u8(c) : cursor_u8(c);
        block->index = cursor_u8(c);
        block->used = cursor_le16(c);
        size_t n = flags & 4 ? cursor_le16(c) : block->used;
        n = n < sizeof block->content ? n : sizeof block->content;
        n = n < cursor_left(c) ? n : cursor_left(c);
        struct slice bytes = cursor_slice(c, n);
        if (bytes.len)
            memcpy(block->content, bytes.data, bytes.len);
        block->sum = sum_of(block) ^ (flags & WRONG_SUM);
    }
}

struct chains {
    const struct ring_opening_block *blocks;
    unsigned count;
    uint64_t last_serial;
};

static int on_chain(void *ctx, const struct opening_chain *chain)
{
    struct chains *chains = ctx;
    CHECK(chain->count >= 1 && chain->count <= RING_OPENING_MAX_BLOCKS);
    CHECK(chain->serial > chains->last_serial); /* each once */
    chains->last_serial = chain->serial;
    chains->count++;
    uint8_t *stream = alloc_faults_malloc(RING_OPENING_STREAM_BYTES);
    size_t n = ring_opening_stream(chains->blocks, chain, stream);
    CHECK(n <= RING_OPENING_STREAM_BYTES);
    uint8_t *exact = alloc_faults_malloc(n ? n : 1); /* the first byte beyond it is seen */
    memcpy(exact, stream, n);
    free(stream);
    struct ring_opening_head head;
    struct ring_opening_record record;
    struct slice bytes;
    size_t offset = sizeof head;
    if (ring_opening_head_read(slice_of(exact, n), &head))
        while (ring_opening_next(slice_of(exact, n), &offset, &record, &bytes))
            for (size_t i = 0; i < bytes.len; i++)
                read_bytes ^= bytes.data[i];
    free(exact);
    return 0;
}

static void put_packet(struct ring_openings *o, struct cursor *c, int64_t ts_ns)
{
    struct ring_flow_record record = {0};
    uint8_t kind = cursor_u8(c), ends = cursor_u8(c), flags = cursor_u8(c);
    uint32_t sequence = cursor_u8(c);
    uint16_t length = cursor_be16(c);
    uint16_t header = 54, total = length % 1500;
    uint8_t *p = alloc_faults_malloc(header + total);
    memset(p, 0, header + total);
    p[12] = 8;
    p[14] = 0x45;
    p[16] = (uint8_t)((40u + total) >> 8);
    p[17] = (uint8_t)(40u + total);
    p[23] = kind & 4 ? 17 : 6;
    p[26] = p[30] = 10;
    p[29] = ends & 1 ? 1 : 2;
    p[33] = ends & 1 ? 2 : 1;
    p[35] = ends & 1 ? ends >> 4 : 80;
    p[37] = ends & 1 ? 80 : ends >> 4;
    p[41] = (uint8_t)sequence;
    p[46] = (uint8_t)(kind & 0xf0);
    p[47] = flags;
    uint32_t captured = kind & 8 ? length % (header + 1u) : header + total;
    uint8_t *exact = alloc_faults_malloc(captured ? captured : 1);
    memcpy(exact, p, captured);
    free(p);
    struct packet packet = {.ts_ns = ts_ns,
                            .data = exact,
                            .captured_bytes = captured,
                            .original_bytes = header + total,
                            .interface = kind & 1,
                            .link_type = 1};
    struct ring_flow_key key;
    ring_flow_key_of(secret, &packet, &key);
    if (key.is_flow && !ring_openings_passes(&key, &record, &packet, ring_openings_mark(o)))
        ring_openings_packet(o, &packet, &key, kind & 1 ? "eth1" : "eth0", &record);
    free(exact);
}

/* What goes to the disk is what a start finds there. */
static void check_gathered(struct ring_openings *o, struct ring_opening_block *file)
{
    uint8_t *out = alloc_faults_malloc(RING_BUFFER_BYTES);
    uint32_t n = ring_openings_gather(o, out);
    CHECK(n <= BLOCKS);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at;
        memcpy(&at, out + (i + 1) * sizeof at, sizeof at);
        CHECK(at < BLOCKS);
        memcpy(&file[at], out + RING_SECTOR_BYTES + (size_t)i * RING_OPENING_BLOCK_BYTES,
               RING_OPENING_BLOCK_BYTES);
        file[at].sum = sum_of(&file[at]);
    }
    free(out);
    CHECK(!ring_openings_changed(o));
    struct chains chains = {.blocks = file};
    CHECK(ring_openings_chains(file, BLOCKS, on_chain, &chains) == 0);
    CHECK(chains.count == ring_openings_figures(o).connections);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ring_opening_block *blocks = alloc_faults_malloc(BLOCKS * sizeof *blocks);
    memset(blocks, 0, BLOCKS * sizeof *blocks);
    struct cursor c = cursor_of(data, size);
    read_blocks(&c, blocks);
    int fd = memfd_create("openings", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(pwrite(fd, blocks, BLOCKS * sizeof *blocks, RING_OPENINGS_HEADER_BYTES) ==
          (ssize_t)(BLOCKS * sizeof *blocks));
    bool faulty = alloc_faults_begin(data, size);
    struct chains chains = {.blocks = blocks};
    int r = ring_openings_chains(blocks, BLOCKS, on_chain, &chains);
    CHECK(r == 0 || faulty);
    struct ring_openings *o = NULL;
    if (r == 0 && ring_openings_new(FILE_BYTES, &o) == 0 &&
        ring_openings_load(o, fd, secret) >= 0) {
        CHECK(ring_openings_figures(o).connections <= chains.count);
        alloc_faults_pause();
        for (unsigned i = 0; i < MAX_PACKETS && cursor_left(&c) && !c.bad; i++)
            put_packet(o, &c, PACKET_TIME_MIN_NS + (int64_t)i * INT64_C(1000000000));
        check_gathered(o, blocks);
        ring_openings_missed(o, 0, INT64_MAX);
        CHECK(ring_openings_figures(o).connections == 0 &&
              ring_openings_figures(o).free_blocks == BLOCKS);
    }
    alloc_faults_pause();
    ring_openings_free(o);
    close(fd);
    free(blocks);
    return 0;
}
