/* Flow stage and connections under hostile packets: any segments of a few flows, any ticks, tight
 * memory. Each record of the data: a byte of kind, then for a packet flags, sequence,
 * acknowledgement, length. The bytes of a flow are position-dependent, so that what comes out can
 * be checked: in order, never twice, and what is missing was declared. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "dissect/shard.h"
#include "flow/flow.h"
#include "fuzz/alloc_faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also in builds without assertions. */
#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum {
    MAX_RECORDS = 2000
};

static volatile uint8_t read_bytes;

struct seen {
    uint64_t next[2]; /* bytes and gaps handed on */
    bool ended[2];
    bool closed;
};

static struct seen *seen_of(struct flow *flow)
{
    if (!flow->user)
        flow->user = memset(alloc_faults_malloc(sizeof(struct seen)), 0, sizeof(struct seen));
    return flow->user;
}

static void on_bytes(void *ctx, struct flow *flow, uint8_t side, const struct flow_ref *ref,
                     struct slice bytes)
{
    (void)ctx;
    (void)ref;
    struct seen *seen = seen_of(flow);
    CHECK(!seen->closed && !seen->ended[side]);
    /* Reads every byte, so that the sanitizer sees a wrong slice. */
    for (size_t i = 0; i < bytes.len; i++)
        read_bytes ^= bytes.data[i];
    seen->next[side] += bytes.len;
    CHECK(flow->key.ip_protocol != 6 || seen->next[side] == (uint64_t)flow->side[side].next);
}

static void on_datagram(void *ctx, struct flow *flow, uint8_t side,
                        const struct flow_packet *packet)
{
    on_bytes(ctx, flow, side, &packet->ref, packet->frame->payload);
}

static void on_gap(void *ctx, struct flow *flow, uint8_t side, uint64_t bytes)
{
    (void)ctx;
    struct seen *seen = seen_of(flow);
    CHECK(!seen->closed && bytes > 0);
    seen->next[side] += bytes;
    CHECK(seen->next[side] == (uint64_t)flow->side[side].next);
}

static void on_end_side(void *ctx, struct flow *flow, uint8_t side)
{
    (void)ctx;
    struct seen *seen = seen_of(flow);
    CHECK(!seen->closed && !seen->ended[side]);
    seen->ended[side] = true;
}

static void on_close(void *ctx, struct flow *flow, enum flow_end end)
{
    (void)ctx;
    (void)end;
    struct seen *seen = seen_of(flow);
    CHECK(!seen->closed);
    seen->closed = true;
}

static void on_forget(void *ctx, struct flow *flow)
{
    (void)ctx;
    CHECK(seen_of(flow)->closed);
    free(flow->user);
    flow->user = NULL;
}

static void on_entry(void *ctx, const struct entry *entry)
{
    /* What was emitted must survive the sorter. */
    struct buf *bytes = ctx;
    buf_reset(bytes);
    int encoded = entry_encode(entry, bytes);
    struct arena arena;
    struct entry back;
    arena_init(&arena, 256u << 20);
    int decoded = encoded == 0 ? entry_decode(buf_slice(bytes), &arena, &back) : encoded;
    arena_done(&arena);
    CHECK(decoded == 0 || (decoded == -ENOMEM && alloc_faults_failed()));
}

static struct slice no_name(void *ctx, uint32_t number)
{
    (void)ctx;
    (void)number;
    return SLICE_NONE;
}

struct target {
    struct flow_table table;
    struct shard shard;
    int64_t now_ns;
};

static void give(struct target *t, const struct frame *frame, uint32_t vantage, uint64_t offset)
{
    struct flow_packet packet = {.frame = frame,
                                 .ref = {.ts_ns = t->now_ns, .offset = offset},
                                 .vantage = vantage & 3,
                                 .vantage_uncertain = vantage & 4};
    while (flow_table_packet(&t->table, &packet) != 0)
        CHECK(flow_table_evict(&t->table));
    CHECK(shard_packet(&t->shard, &packet) == 0);
}

static void one_record(struct target *t, struct cursor *c, uint64_t offset)
{
    uint8_t kind = cursor_u8(c);
    if ((kind & 0xf0) == 0xf0) {
        t->now_ns += (int64_t)cursor_u8(c) * (kind & 1 ? NS_PER_MS : NS_PER_S);
        flow_table_tick(&t->table, t->now_ns);
        shard_tick(&t->shard, t->now_ns);
        return;
    }
    if (kind == 0xef) {
        flow_table_evict(&t->table);
        return;
    }
    bool forward = kind & 1, tcp = !(kind & 2);
    uint8_t flags = cursor_u8(c);
    uint8_t sequence_kind = cursor_u8(c);
    uint32_t sequence = sequence_kind & 0x80 ? cursor_be32(c) : 1000u + sequence_kind * 3u;
    uint8_t ack_kind = cursor_u8(c);
    uint32_t ack = ack_kind & 0x80 ? cursor_be32(c) : 1000u + ack_kind * 3u;
    uint16_t len = cursor_be16(c);
    size_t left = cursor_left(c);
    struct slice bytes = cursor_slice(c, len < left ? len : left);
    uint8_t *copy = alloc_faults_malloc(bytes.len);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    uint8_t host = (uint8_t)(kind >> 2 & 3);
    struct frame frame = {.kind = tcp ? FRAME_TCP : FRAME_UDP,
                          .ip_version = kind & 0x10 ? 6 : 4,
                          .src_ip = {10, 0, 0, forward ? host : 200},
                          .dst_ip = {10, 0, 0, forward ? 200 : host},
                          .src_port = forward ? 40000 : 80,
                          .dst_port = forward ? 80 : 40000,
                          .ip_id = kind,
                          .tcp_flags = flags,
                          .tcp_seq = sequence,
                          .tcp_ack = ack,
                          .tcp_window = flags,
                          .payload = slice_of(copy, bytes.len),
                          .payload_bytes = (uint32_t)bytes.len + (kind & 0x20 ? 7 : 0)};
    give(t, &frame, kind >> 5, offset);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct target t = {.now_ns = 1700000000 * NS_PER_S};
    struct buf scratch;
    buf_init(&scratch, 256u << 20);
    struct flow_handler handler = {.bytes = on_bytes,
                                   .datagram = on_datagram,
                                   .gap = on_gap,
                                   .end_side = on_end_side,
                                   .close = on_close,
                                   .forget = on_forget};
    struct shard_context context = {.emit = on_entry,
                                    .ctx = &scratch,
                                    .memory_cap_bytes = 128 * 1024,
                                    .node_of = no_name,
                                    .vantage_of = no_name};
    if (flow_table_init(&t.table, &handler, 64 * 1024) < 0 || shard_init(&t.shard, &context) < 0)
        abort();
    uint64_t failures = memory_failures();
    bool faulty = alloc_faults_begin(data, size);
    struct cursor c = cursor_of(data, size);
    for (uint64_t i = 0; i < MAX_RECORDS && !c.bad && cursor_left(&c); i++)
        one_record(&t, &c, i);
    flow_table_finish(&t.table);
    CHECK(t.table.count == 0 && t.table.memory_bytes == 0 && t.table.waiting_bytes == 0);
    shard_finish(&t.shard);
    alloc_faults_pause();
    CHECK(t.shard.host.memory_bytes == 0);
    CHECK(!faulty || alloc_faults_failed() <= memory_failures() - failures);
    flow_table_done(&t.table);
    shard_done(&t.shard);
    buf_done(&scratch);
    return 0;
}
