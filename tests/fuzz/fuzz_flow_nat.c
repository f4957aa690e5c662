/* Address translation under hostile packets: copies of packets with other addresses, ports, times
 * to live and places, in any order and at any distance, forged ones among them. Each record of the
 * data: a byte of kind, then what differs. What comes out is checked: an untranslated packet leaves
 * the verdict alone, a translated one has somebody's addresses that were seen before and its own
 * payload, and the same packets again give the same verdicts. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "flow/flow_nat.h"
#include "fuzz/alloc_faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also in builds without assertions. */
#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum {
    MAX_RECORDS = 3000,
    UDP = 1,
    V6 = 2,
    SYN = 4,
    REPEAT = 8, /* the bytes of the packet before, at other addresses */
    LATER = 16
};

struct run {
    struct flow_nat *nat;
    int64_t now_ns;
    uint64_t verdicts, translated, pairs;
    uint32_t seq, ack;
    uint16_t id;
    uint8_t payload[64];
    size_t payload_len;
    bool seen[256]; /* first addresses */
};

static void check_verdict(struct run *run, const struct frame *frame, enum flow_nat_result result,
                          const struct flow_nat_verdict *v)
{
    run->verdicts = run->verdicts * 31 + (uint64_t)result;
    if (result == FLOW_NAT_TRANSLATED || result == FLOW_NAT_NEWLY_TRANSLATED) {
        CHECK(v->frame.kind == frame->kind && v->frame.ip_version == frame->ip_version);
        CHECK(v->frame.payload.data == frame->payload.data &&
              v->frame.payload.len == frame->payload.len);
        CHECK(run->seen[v->frame.src_ip[3]] && run->seen[v->frame.dst_ip[3]]);
        run->translated++;
    } else if (result == FLOW_NAT_FIRST_HALF) {
        CHECK(v->absorbed.payload.len == 0 && v->absorbed.kind == frame->kind);
        CHECK(v->since_ns <= run->now_ns);
        CHECK(run->seen[v->absorbed.src_ip[3]] && run->seen[v->absorbed.dst_ip[3]]);
    } else {
        CHECK(result == FLOW_NAT_AS_IT_IS);
    }
}

static void one_record(struct run *run, struct cursor *c, uint64_t number)
{
    uint8_t kind = cursor_u8(c), hosts = cursor_u8(c), ports = cursor_u8(c);
    uint8_t ttl = cursor_u8(c), place = cursor_u8(c);
    if (kind & LATER)
        run->now_ns += (int64_t)cursor_be16(c) * NS_PER_MS;
    if (!(kind & REPEAT)) {
        run->seq = cursor_be16(c);
        run->ack = cursor_be16(c);
        run->id = cursor_u8(c);
        run->payload_len = cursor_u8(c) % sizeof run->payload;
        memset(run->payload, cursor_u8(c), sizeof run->payload);
    }
    uint8_t *payload = alloc_faults_malloc(run->payload_len ? run->payload_len : 1);
    memcpy(payload, run->payload, run->payload_len);
    struct frame frame = {.kind = kind & UDP ? FRAME_UDP : FRAME_TCP,
                          .ip_version = kind & V6 ? 6 : 4,
                          .src_ip = {10, 0, 0, hosts & 15},
                          .dst_ip = {10, 0, 0, 16 + (hosts >> 4)},
                          .src_port = 1000 + (ports & 15),
                          .dst_port = 80 + (ports >> 4),
                          .ttl = ttl,
                          .ip_id = run->id,
                          .tcp_flags = kind & SYN ? FRAME_TCP_SYN : FRAME_TCP_ACK,
                          .tcp_seq = run->seq,
                          .tcp_ack = kind & SYN ? 0 : run->ack,
                          .tcp_window = 100,
                          .payload = slice_of(payload, run->payload_len),
                          .payload_bytes = (uint32_t)run->payload_len};
    run->seen[frame.src_ip[3]] = run->seen[frame.dst_ip[3]] = true;
    struct flow_packet packet = {.frame = &frame,
                                 .ref = {.ts_ns = run->now_ns, .offset = number},
                                 .vantage = place & 3,
                                 .vantage_uncertain = place & 4,
                                 .tuple_hash = flow_shard_hash(&frame),
                                 .number = number,
                                 .print = flow_packet_print(&frame)};
    struct flow_nat_verdict verdict;
    check_verdict(run, &frame, flow_nat_packet(run->nat, &packet, &verdict), &verdict);
    free(payload);
}

static struct run run_all(const uint8_t *data, size_t size)
{
    struct run run = {.nat = flow_nat_new(), .now_ns = 1700000000 * NS_PER_S};
    if (!run.nat)
        return run;
    struct cursor c = cursor_of(data, size);
    for (uint64_t i = 0; i < MAX_RECORDS && cursor_left(&c) && !c.bad; i++)
        one_record(&run, &c, i);
    run.pairs = flow_nat_pairs(run.nat);
    CHECK(run.translated == 0 || run.pairs > 0);
    flow_nat_free(run.nat);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    alloc_faults_begin(data, size);
    struct run first = run_all(data, size);
    alloc_faults_pause();
    struct run second = run_all(data, size);
    CHECK(!first.nat || (first.verdicts == second.verdicts && first.pairs == second.pairs));
    return 0;
}
