/* TCP reassembly by tables: segments in, a transcript of what the handler was told out.
 * Transcript: "c:abc" bytes of the client, "s:x" of the server, "c!5" five bytes missing, "c." end
 * of that side, "<window>" it came into the window, "<closed>", "<reset>", "<timeout>", "<reused>",
 * "<data>". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"
#include "unit/unit_test.h"

enum {
    S = FRAME_TCP_SYN,
    A = FRAME_TCP_ACK,
    F = FRAME_TCP_FIN,
    R = FRAME_TCP_RST
};

struct segment {
    char from; /* 'c', 's', or 't' for a tick */
    int ms;
    unsigned flags;
    uint32_t seq, ack;
    const char *text;
    uint32_t cut; /* bytes on the wire that were not kept */
    uint32_t vantage;
    uint16_t ip_id;
    bool translated; /* seen there with other addresses */
    enum flow_place place;
};

struct transcript {
    char text[65536];
    size_t len;
    char last;
    struct flow forgotten;
    int forgotten_count;
};

static void put(struct transcript *t, const char *text)
{
    size_t n = strlen(text);
    assert_true(t->len + n + 1 < sizeof t->text);
    memcpy(t->text + t->len, text, n + 1);
    t->len += n;
}

static char name_of(const struct flow *flow, uint8_t side)
{
    return side == flow->client_side ? 'c' : 's';
}

static void on_bytes(void *ctx, struct flow *flow, uint8_t side, const struct flow_ref *ref,
                     struct slice bytes)
{
    struct transcript *t = ctx;
    (void)ref;
    char head[8];
    char who = name_of(flow, side);
    if (t->last != who) {
        snprintf(head, sizeof head, " %c:", who);
        put(t, head + (t->len == 0));
    }
    t->last = who;
    char text[4096];
    assert_true(bytes.len < sizeof text);
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = 0;
    put(t, text);
}

static void on_datagram(void *ctx, struct flow *flow, uint8_t side,
                        const struct flow_packet *packet)
{
    on_bytes(ctx, flow, side, &packet->ref, packet->frame->payload);
}

static void note(struct transcript *t, const char *text)
{
    if (t->len)
        put(t, " ");
    put(t, text);
    t->last = 0;
}

static void on_gap(void *ctx, struct flow *flow, uint8_t side, uint64_t bytes)
{
    char text[40];
    snprintf(text, sizeof text, "%c!%llu", name_of(flow, side), (unsigned long long)bytes);
    note(ctx, text);
}

static void on_end(void *ctx, struct flow *flow, uint8_t side)
{
    char text[4] = {name_of(flow, side), '.', 0};
    note(ctx, text);
}

static void on_close(void *ctx, struct flow *flow, enum flow_end end)
{
    static const char *const names[] = {
        [FLOW_END_CLOSED] = "<closed>",   [FLOW_END_RESET] = "<reset>",
        [FLOW_END_TIMEOUT] = "<timeout>", [FLOW_END_EVICTED] = "<evicted>",
        [FLOW_END_REUSED] = "<reused>",   [FLOW_END_OF_DATA] = "<data>"};
    (void)flow;
    note(ctx, names[end]);
}

static void on_window(void *ctx, struct flow *flow)
{
    (void)flow;
    note(ctx, "<window>");
}

static void on_forget(void *ctx, struct flow *flow)
{
    struct transcript *t = ctx;
    t->forgotten = *flow;
    t->forgotten_count++;
}

static struct transcript *run_with_cap(const struct segment *segments, size_t count, bool finish,
                                       size_t waiting_cap)
{
    struct transcript *t = calloc(1, sizeof *t);
    assert_non_null(t);
    struct flow_handler handler = {.bytes = on_bytes,
                                   .datagram = on_datagram,
                                   .gap = on_gap,
                                   .end_side = on_end,
                                   .close = on_close,
                                   .forget = on_forget,
                                   .enter_window = on_window,
                                   .ctx = t};
    struct flow_table table;
    assert_int_equal(flow_table_init(&table, &handler, waiting_cap), 0);
    for (size_t i = 0; i < count; i++) {
        const struct segment *seg = &segments[i];
        if (seg->from == 't') {
            flow_table_tick(&table, seg->ms * NS_PER_MS);
            continue;
        }
        bool client = seg->from == 'c';
        /* Each text in a block of its own size, so that overreads are seen. */
        size_t len = seg->text ? strlen(seg->text) : 0;
        uint8_t *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, seg->text ? seg->text : "", len);
        struct frame frame = {.kind = FRAME_TCP,
                              .ip_version = 4,
                              .ip_id = seg->ip_id,
                              .src_ip = {10, 0, 0, client ? 9 : 2},
                              .dst_ip = {10, 0, 0, client ? 2 : 9},
                              .src_port = client ? 40000 : 80,
                              .dst_port = client ? 80 : 40000,
                              .tcp_flags = (uint8_t)seg->flags,
                              .tcp_seq = seg->seq,
                              .tcp_ack = seg->ack,
                              .tcp_window = 1000,
                              .payload = slice_of(copy, len),
                              .payload_bytes = (uint32_t)len + seg->cut};
        struct flow_packet packet = {.frame = &frame,
                                     .ref = {.ts_ns = seg->ms * NS_PER_MS, .offset = i},
                                     .vantage = seg->vantage,
                                     .place = seg->place,
                                     .is_translated = seg->translated};
        assert_int_equal(flow_table_packet(&table, &packet), 0);
        free(copy);
    }
    if (finish) {
        flow_table_finish(&table);
        assert_int_equal(table.count, 0);
        assert_int_equal(table.memory_bytes, 0);
        assert_int_equal(table.waiting_bytes, 0);
    }
    flow_table_done(&table);
    return t;
}

#define RUN(t, segments)   \
    struct transcript *t = \
        run_with_cap(segments, sizeof segments / sizeof segments[0], true, 1 << 20)
#define EXPECT(segments, expected)               \
    do {                                         \
        RUN(t_, segments);                       \
        assert_string_equal(t_->text, expected); \
        free(t_);                                \
    } while (0)

#define SEG(who, at_ms, bits, seq_, ack_, text_, ...)                                \
    {                                                                                \
        .from = (who), .ms = (at_ms), .flags = (bits), .seq = (seq_), .ack = (ack_), \
        .text = (text_)__VA_OPT__(, ) __VA_ARGS__                                    \
    }
#define TICK(at_ms)                \
    {                              \
        .from = 't', .ms = (at_ms) \
    }

/* client isn 99 → its bytes begin at 100; server isn 499 → 500 */
#define HANDSHAKE \
    SEG('c', 0, S, 99, 0, NULL), SEG('s', 1, S | A, 499, 100, NULL), SEG('c', 2, A, 100, 500, NULL)

static void whole_life_of_a_connection(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE,
                                 SEG('c', 3, A, 100, 500, "get"),
                                 SEG('s', 4, A, 500, 103, "body"),
                                 SEG('c', 5, A | F, 103, 504, NULL),
                                 SEG('s', 6, A | F, 504, 104, NULL),
                                 SEG('c', 7, A, 104, 505, NULL)};
    RUN(t, in);
    assert_string_equal(t->text, "c:get s:body c. s. <closed>");
    assert_int_equal(t->forgotten.state, FLOW_CLOSED);
    assert_int_equal(t->forgotten.side[t->forgotten.client_side].packets, 5);
    assert_false(t->forgotten.late_join);
    assert_int_equal(t->forgotten.handshake_ns - t->forgotten.syn_ns, 2 * NS_PER_MS);
    free(t);
}

static void segments_out_of_order_wait(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE, SEG('c', 3, A, 106, 500, "ghi"),
                                 SEG('c', 3, A, 103, 500, "def"), SEG('c', 4, A, 100, 500, "abc")};
    RUN(t, in);
    assert_string_equal(t->text, "c:abcdefghi <data>");
    /* Twice before what had come already: both fill the hole. */
    assert_int_equal(t->forgotten.health.counts.out_of_order, 2);
    free(t);
}

static void first_copy_of_a_byte_wins(void **state)
{
    (void)state;
    const struct segment behind[] = {HANDSHAKE, SEG('c', 3, A, 100, 500, "abcd"),
                                     SEG('c', 4, A, 102, 500, "XXef"),
                                     SEG('c', 5, A, 100, 500, "YYYYYYg")};
    EXPECT(behind, "c:abcdefg <data>");
    const struct segment waiting[] = {
        HANDSHAKE, SEG('c', 3, A, 102, 500, "CD"), SEG('c', 4, A, 106, 500, "GH"),
        SEG('c', 5, A, 101, 500, "bxxefxx"), SEG('c', 6, A, 100, 500, "ayyyyyyyij")};
    EXPECT(waiting, "c:abCDefGHij <data>");
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    const struct segment in[] = {
        SEG('c', 0, S, 0xfffffffd, 0, NULL),   SEG('s', 1, S | A, 0xffffffff, 0xfffffffe, NULL),
        SEG('c', 2, A, 0xfffffffe, 0, "abcd"), SEG('c', 2, A, 5, 0, "hi"),
        SEG('c', 3, A, 2, 0, "efg"),           SEG('s', 3, A, 0, 7, "ok")};
    EXPECT(in, "c:abcdefghi s:ok <data>");
}

static void a_hole_that_was_acknowledged_is_given_up(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE,
                                 TICK(3),
                                 SEG('c', 3, A, 100, 500, "abc"),
                                 SEG('c', 4, A, 108, 500, "ijk"),
                                 SEG('s', 5, A, 500, 111, NULL),
                                 TICK(60),
                                 TICK(200),
                                 SEG('c', 201, A, 111, 500, "l")};
    EXPECT(in, "c:abc c!5 c:ijkl <data>");
}

static void a_hole_without_acknowledgement_waits_longer(void **state)
{
    (void)state;
    const struct segment late[] = {HANDSHAKE, TICK(3), SEG('c', 4, A, 108, 500, "ijk"), TICK(3000),
                                   SEG('c', 3001, A, 100, 500, "abcdefgh")};
    EXPECT(late, "c:abcdefghijk <data>");
    const struct segment never[] = {HANDSHAKE, TICK(3), SEG('c', 4, A, 108, 500, "ijk"),
                                    TICK(40000), SEG('c', 40001, A, 111, 500, "l")};
    EXPECT(never, "c!8 c:ijkl <data>");
}

static void only_what_was_acknowledged_is_given_up(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE,
                                 TICK(3),
                                 SEG('c', 4, A, 110, 500, "k"),
                                 SEG('s', 5, A, 500, 104, NULL),
                                 TICK(300),
                                 SEG('c', 301, A, 104, 500, "efghij")};
    EXPECT(in, "c!4 c:efghijk <data>");
}

static void an_answer_waits_for_its_question(void **state)
{
    (void)state;
    /* The response was recorded before the request it acknowledges. */
    const struct segment in[] = {HANDSHAKE, SEG('s', 3, A, 500, 103, "body"),
                                 SEG('c', 4, A, 100, 500, "get"), SEG('c', 5, A, 103, 504, "get")};
    EXPECT(in, "c:get s:body c:get <data>");
    /* It never comes: the hole goes before the answer. */
    const struct segment lost[] = {HANDSHAKE, TICK(3), SEG('s', 3, A, 500, 103, "body"), TICK(200),
                                   SEG('s', 201, A, 504, 103, "more")};
    EXPECT(lost, "c!3 s:bodymore <data>");
}

static void both_sides_waiting_for_each_other_go_on(void **state)
{
    (void)state;
    /* The client's first bytes were lost and sent again with a later acknowledgement. */
    const struct segment in[] = {HANDSHAKE, SEG('s', 3, A, 500, 103, "one"),
                                 SEG('s', 4, A, 503, 103, "two"), SEG('c', 5, A, 100, 506, "get")};
    EXPECT(in, "c:get s:onetwo <data>");
    const struct segment deadlock[] = {HANDSHAKE, SEG('s', 3, A, 500, 103, "one"),
                                       SEG('c', 4, A, 101, 503, "et"),
                                       SEG('c', 5, A, 100, 509, "g")};
    EXPECT(deadlock, "c:get s:one s!6 <data>");
}

static void duplicates_and_keep_alives_change_nothing(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE,
                                 SEG('c', 3, A, 100, 500, "get", .ip_id = 7),
                                 SEG('c', 3, A, 100, 500, "get", .ip_id = 8),
                                 SEG('s', 4, A, 500, 103, "ok"),
                                 SEG('c', 50, A, 102, 502, "\1"),
                                 SEG('s', 51, A, 502, 103, NULL),
                                 SEG('c', 52, A, 102, 502, NULL),
                                 SEG('c', 90, A, 103, 502, "go")};
    RUN(t, in);
    assert_string_equal(t->text, "c:get s:ok c:go <data>");
    assert_int_equal(t->forgotten.health.counts.retransmissions, 1);
    free(t);
}

static void a_connection_joined_late(void **state)
{
    (void)state;
    const struct segment in[] = {SEG('s', 0, A, 7000, 900, "tail"),
                                 SEG('c', 1, A, 900, 7004, "get"),
                                 SEG('s', 2, A, 7004, 903, "body")};
    RUN(t, in);
    assert_string_equal(t->text, "s:tail c:get s:body <data>");
    assert_true(t->forgotten.late_join);
    assert_int_equal(t->forgotten.key.port[t->forgotten.client_side], 40000);
    free(t);
}

static void refused_unanswered_reset(void **state)
{
    (void)state;
    const struct segment refused[] = {SEG('c', 0, S, 99, 0, NULL),
                                      SEG('s', 1, R | A, 0, 100, NULL)};
    RUN(a, refused);
    assert_string_equal(a->text, "<reset>");
    assert_int_equal(a->forgotten.state, FLOW_REFUSED);
    free(a);
    const struct segment unanswered[] = {SEG('c', 0, S, 99, 0, NULL),
                                         SEG('c', 1000, S, 99, 0, NULL), TICK(1), TICK(100000)};
    RUN(b, unanswered);
    assert_string_equal(b->text, "<timeout>");
    assert_int_equal(b->forgotten.state, FLOW_ATTEMPTED);
    assert_int_equal(b->forgotten.side[b->forgotten.client_side].packets, 2);
    free(b);
    const struct segment reset[] = {HANDSHAKE, SEG('c', 3, A, 103, 500, "late"),
                                    SEG('s', 4, R | A, 500, 107, NULL),
                                    SEG('c', 5, A, 100, 500, "too")};
    RUN(c, reset);
    assert_string_equal(c->text, "c!3 c:late <reset>");
    assert_int_equal(c->forgotten.state, FLOW_RESET);
    assert_int_equal(c->forgotten.reset_side, c->forgotten.client_side ^ 1);
    free(c);
    const struct segment blind[] = {HANDSHAKE, SEG('s', 3, R, 900000000, 0, NULL),
                                    SEG('c', 4, A, 100, 500, "get")};
    EXPECT(blind, "c:get <data>");
}

static void ports_used_again(void **state)
{
    (void)state;
    const struct segment in[] = {
        HANDSHAKE, SEG('c', 3, A, 100, 500, "old"), SEG('c', 9, S, 7099, 0, NULL),
        SEG('s', 10, S | A, 8099, 7100, NULL), SEG('c', 11, A, 7100, 8100, "new")};
    RUN(t, in);
    assert_string_equal(t->text, "c:old <reused> c:new <data>");
    assert_int_equal(t->forgotten_count, 2);
    free(t);
    /* A SYN sent again is no new connection. */
    const struct segment again[] = {SEG('c', 0, S, 99, 0, NULL), SEG('c', 1000, S, 99, 0, NULL),
                                    SEG('s', 1001, S | A, 499, 100, NULL),
                                    SEG('c', 1002, A, 100, 500, "get")};
    RUN(u, again);
    assert_int_equal(u->forgotten_count, 1);
    free(u);
}

static void a_fin_in_front_of_missing_bytes_waits(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE, SEG('s', 3, A | F, 503, 100, NULL),
                                 SEG('s', 4, A, 500, 100, "abc"),
                                 SEG('c', 5, A | F, 100, 504, NULL)};
    EXPECT(in, "s:abc s. c. <closed>");
    /* A FIN that was not recorded is no missing byte. */
    const struct segment unseen[] = {HANDSHAKE,
                                     TICK(3),
                                     SEG('s', 3, A, 500, 100, "abc"),
                                     SEG('c', 4, A, 100, 504, NULL),
                                     TICK(500),
                                     SEG('c', 501, A | F, 100, 504, NULL)};
    EXPECT(unseen, "s:abc c. <data>");
    /* The recording ends before the hole is given up: both had closed all the same. */
    const struct segment hole[] = {HANDSHAKE, SEG('s', 3, A | F, 503, 100, NULL),
                                   SEG('c', 4, A | F, 100, 504, NULL)};
    RUN(t, hole);
    assert_string_equal(t->text, "s!3 s. c. <closed>");
    assert_int_equal(t->forgotten.state, FLOW_CLOSED);
    free(t);
}

/* Where the recording ends before holes were given up, answers still come behind what they answer.
 */
static void the_end_keeps_the_order_of_directions(void **state)
{
    (void)state;
    /* The answer to "one" and the request "two" are missing. */
    const struct segment in[] = {HANDSHAKE, SEG('c', 3, A, 100, 500, "one"),
                                 SEG('s', 4, A, 505, 106, "B"), SEG('c', 5, A, 106, 506, "three"),
                                 SEG('s', 6, A, 506, 111, "C")};
    EXPECT(in, "c:one s!5 c!3 s:B c:three s:C <data>");
    /* Each waits for the other, and the second has a hole of its own. */
    const struct segment both[] = {HANDSHAKE, SEG('c', 3, A, 100, 502, "one"),
                                   SEG('s', 4, A, 502, 105, "B"), SEG('c', 5, A, 105, 503, "two")};
    EXPECT(both, "s!2 c:one c!2 s:B c:two <data>");
}

static void a_fin_that_was_acknowledged_is_no_byte(void **state)
{
    (void)state;
    /* The request is lost, its FIN is there, and the answer acknowledges both. */
    const struct segment in[] = {HANDSHAKE, SEG('c', 3, A | F, 103, 500, NULL),
                                 SEG('s', 4, A, 500, 104, "B")};
    RUN(t, in);
    assert_string_equal(t->text, "c!3 s:B c. <data>");
    assert_int_equal(t->forgotten.side[t->forgotten.client_side].gap_bytes, 3);
    free(t);
}

#define OPENING                                                       \
    SEG('c', 0, S, 99, 0, NULL, .place = FLOW_IN_OPENING),            \
        SEG('s', 1, S | A, 499, 100, NULL, .place = FLOW_IN_OPENING), \
        SEG('c', 2, A, 100, 500, "get", .place = FLOW_IN_OPENING),    \
        SEG('s', 3, A, 500, 103, "body", .place = FLOW_IN_OPENING)

static void a_connection_comes_into_the_window(void **state)
{
    (void)state;
    const struct segment at_once[] = {OPENING, SEG('s', 4, A, 504, 103, "more")};
    EXPECT(at_once, "c:get s:body <window> s:more <data>");
    /* What is acknowledged late, or sent again, was sent before. */
    const struct segment late_ack[] = {OPENING, SEG('c', 4, A, 103, 502, NULL),
                                       SEG('s', 5, A, 504, 103, "more")};
    EXPECT(late_ack, "c:get s:body <window> s:more <data>");
    const struct segment again[] = {OPENING, SEG('s', 4, A, 502, 103, "dy"),
                                    SEG('s', 5, A, 504, 103, "more")};
    EXPECT(again, "c:get s:body <window> s:more <data>");
    const struct segment hole[] = {OPENING, SEG('c', 4, A, 110, 504, "put")};
    EXPECT(hole, "c:get s:body c!7 <window> c:put <data>");
    /* After an hour nobody knows how often the numbers went round. */
    const struct segment long_ago[] = {OPENING, SEG('c', 3600 * 1000, A, 110, 504, "put")};
    EXPECT(long_ago, "c:get s:body c!4294967303 <window> c:put <data>");
    const struct segment keep_alive[] = {OPENING, SEG('c', 3600 * 1000, A, 102, 504, NULL),
                                         SEG('c', 3600 * 1000 + 1, A, 103, 504, "put")};
    EXPECT(keep_alive, "c:get s:body <window> c:put <data>");
}

/* Behind an opening is a hole, behind the lead-in none; what waits for its turn there comes in it.
 */
static void a_lead_in_goes_on_into_the_window(void **state)
{
    (void)state;
    const struct segment opening_then_lead_in[] = {
        OPENING, SEG('c', 4, A, 110, 507, "put", .place = FLOW_IN_LEAD_IN),
        SEG('c', 5, A, 113, 507, "more")};
    EXPECT(opening_then_lead_in, "c:get s:body s!3 c!7 c:put <window> c:more <data>");
    const struct segment out_of_order[] = {
        SEG('c', 0, A, 100, 500, "get", .place = FLOW_IN_LEAD_IN),
        SEG('c', 1, A, 106, 500, "two", .place = FLOW_IN_LEAD_IN), SEG('c', 2, A, 103, 500, "one")};
    EXPECT(out_of_order, "c:get <window> c:onetwo <data>");
    const struct segment late_again[] = {SEG('c', 0, A, 100, 500, "get", .place = FLOW_IN_LEAD_IN),
                                         SEG('c', 1, A, 103, 500, "one"),
                                         SEG('c', 1, A, 106, 500, "no", .place = FLOW_IN_LEAD_IN)};
    EXPECT(late_again, "c:get <window> c:one <data>");
    const struct segment refused[] = {SEG('c', 0, S, 99, 0, NULL, .place = FLOW_IN_LEAD_IN),
                                      SEG('s', 1, R | A, 0, 100, NULL)};
    RUN(t, refused);
    assert_int_equal(t->forgotten.state, FLOW_REFUSED);
    free(t);
}

/* "two" acknowledges a part of what is missing: that part was before it, the rest behind it. */
static void a_hole_is_divided_by_what_was_said_between(void **state)
{
    (void)state;
    const struct segment in[] = {HANDSHAKE,
                                 SEG('c', 3, A, 100, 500, "one"),
                                 SEG('c', 5, A, 103, 505, "two"),
                                 SEG('s', 8, A, 520, 106, "C"),
                                 SEG('c', 9, A, 106, 521, "end"),
                                 TICK(9),
                                 TICK(200)};
    EXPECT(in, "c:one s!5 c:two s!15 s:C c:end <data>");
    const struct segment at_the_end[] = {HANDSHAKE, SEG('c', 3, A, 100, 500, "one"),
                                         SEG('s', 8, A, 520, 106, "C"),
                                         SEG('c', 9, A, 103, 505, "two")};
    EXPECT(at_the_end, "c:one s!5 c:two s!15 s:C <data>");
}

static void packets_kept_in_part_leave_a_gap(void **state)
{
    (void)state;
    const struct segment in[] = {
        HANDSHAKE, SEG('c', 3, A, 100, 500, "abc", .cut = 7), SEG('c', 4, A, 110, 500, "klm"),
        SEG('c', 5, A, 116, 500, "qr", .cut = 2), SEG('c', 6, A, 113, 500, "nop")};
    EXPECT(in, "c:abc c!7 c:klmnopqr c!2 <data>");
}

static void copies_from_other_places_count_once(void **state)
{
    (void)state;
    const struct segment in[] = {SEG('c', 0, S, 99, 0, NULL, .ip_id = 11),
                                 SEG('c', 0, S, 99, 0, NULL, .vantage = 1, .ip_id = 11),
                                 SEG('s', 1, S | A, 499, 100, NULL),
                                 SEG('s', 1, S | A, 499, 100, NULL, .vantage = 1),
                                 SEG('c', 2, A, 100, 500, "get", .ip_id = 12),
                                 SEG('c', 2, A, 100, 500, "get", .vantage = 1, .ip_id = 12),
                                 /* only the second place saw this one */
                                 SEG('c', 3, A, 103, 500, "more", .vantage = 1, .ip_id = 13)};
    RUN(t, in);
    assert_string_equal(t->text, "c:getmore <data>");
    const struct flow_side *client = &t->forgotten.side[t->forgotten.client_side];
    assert_int_equal(client->packets, 3);
    assert_int_equal(t->forgotten.health.counts.retransmissions, 0);
    assert_int_equal(t->forgotten.vantage_count, 2);
    assert_int_equal(t->forgotten.copies, 3);
    free(t);
}

static void a_place_of_translations_is_no_other_place(void **state)
{
    (void)state;
    const struct segment in[] = {SEG('c', 0, S, 99, 0, NULL, .vantage = 16, .ip_id = 11),
                                 SEG('c', 0, S, 99, 0, NULL, .ip_id = 11, .translated = true)};
    RUN(t, in);
    assert_int_equal(t->forgotten.copies, 1);
    assert_int_equal(t->forgotten.side[t->forgotten.client_side].packets, 1);
    free(t);
}

static void caps_give_up_the_hole(void **state)
{
    (void)state;
    enum {
        PIECE = 1000,
        COUNT = 60
    };
    static char text[PIECE + 1];
    memset(text, 'x', PIECE);
    struct segment *in = calloc(COUNT + 3, sizeof *in);
    assert_non_null(in);
    const struct segment start[] = {HANDSHAKE};
    memcpy(in, start, sizeof start);
    for (uint32_t i = 0; i < COUNT; i++)
        in[3 + i] = (struct segment)SEG('c', 3, A, 101 + i * PIECE, 500, text);
    struct transcript *t = run_with_cap(in, 60, true, 50 * PIECE);
    assert_memory_equal(t->text, "c!1 c:xxx", 9);
    free(t);
    free(in);
}

static void a_long_hole_in_the_recording_is_bridged(void **state)
{
    (void)state;
    /* 3 GB later: the numbers lie behind the present ones. */
    const struct segment in[] = {HANDSHAKE,
                                 SEG('c', 3, A, 100, 500, "abc"),
                                 SEG('c', 9000, A, 3000000000u, 500, "one"),
                                 SEG('c', 9001, A, 3000000003u, 500, "two"),
                                 SEG('c', 9002, A, 3000000006u, 500, "three"),
                                 SEG('c', 9003, A, 3000000011u, 500, "four")};
    EXPECT(in, "c:abc c!2999999903 c:threefour <data>");
}

/* The clock follows by one packet: after a long silence the first packet of a connection must not
 * be taken for an old one. */
static void silence_does_not_cut_off_the_next_connection(void **state)
{
    (void)state;
    const struct segment in[] = {TICK(1), SEG('c', 500000, S, 99, 0, NULL), TICK(500000),
                                 SEG('s', 500001, S | A, 499, 100, NULL),
                                 SEG('c', 500002, A, 100, 500, "get")};
    RUN(t, in);
    assert_string_equal(t->text, "c:get <data>");
    assert_int_equal(t->forgotten_count, 1);
    free(t);
}

/* A new connection that needs room is not the one that goes, whatever the others are. */
static void the_longest_silent_is_evicted(void **state)
{
    (void)state;
    struct transcript *t = calloc(1, sizeof *t);
    assert_non_null(t);
    struct flow_handler handler = {
        .end_side = on_end, .close = on_close, .forget = on_forget, .ctx = t};
    struct flow_table table;
    assert_int_equal(flow_table_init(&table, &handler, 1 << 20), 0);
    static const struct {
        uint16_t port, flags;
        bool from_client;
        int64_t ms;
    } packets[] = {{1000, S, true, 0}, {1000, S | A, false, 1}, {1000, A, true, 2},
                   {1001, S, true, 3}, {1002, S, true, 4},      {1002, S | A, false, 5},
                   {1002, A, true, 6}, {1000, A, true, 7},      {1003, S, true, 8}};
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        bool client = packets[i].from_client;
        struct frame frame = {.kind = FRAME_TCP,
                              .ip_version = 4,
                              .src_ip = {10, 0, 0, client ? 9 : 2},
                              .dst_ip = {10, 0, 0, client ? 2 : 9},
                              .src_port = client ? packets[i].port : 80,
                              .dst_port = client ? 80 : packets[i].port,
                              .tcp_flags = (uint8_t)packets[i].flags,
                              .tcp_seq = client ? 100 : 500,
                              .tcp_ack = client ? 501 : 101};
        struct flow_packet packet = {.frame = &frame,
                                     .ref = {.ts_ns = packets[i].ms * NS_PER_MS, .offset = i}};
        assert_int_equal(flow_table_packet(&table, &packet), 0);
    }
    static const int64_t order_ms[] = {3, 6, 7, 8};
    for (size_t i = 0; i < 4; i++) {
        assert_true(flow_table_evict(&table));
        assert_int_equal(t->forgotten.last_ns, order_ms[i] * NS_PER_MS);
        assert_int_not_equal(t->forgotten.state, FLOW_TIMED_OUT);
    }
    assert_false(flow_table_evict(&table));
    flow_table_done(&table);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_life_of_a_connection),
        cmocka_unit_test(segments_out_of_order_wait),
        cmocka_unit_test(first_copy_of_a_byte_wins),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(a_hole_that_was_acknowledged_is_given_up),
        cmocka_unit_test(a_hole_without_acknowledgement_waits_longer),
        cmocka_unit_test(only_what_was_acknowledged_is_given_up),
        cmocka_unit_test(an_answer_waits_for_its_question),
        cmocka_unit_test(both_sides_waiting_for_each_other_go_on),
        cmocka_unit_test(duplicates_and_keep_alives_change_nothing),
        cmocka_unit_test(a_connection_joined_late),
        cmocka_unit_test(refused_unanswered_reset),
        cmocka_unit_test(ports_used_again),
        cmocka_unit_test(a_fin_in_front_of_missing_bytes_waits),
        cmocka_unit_test(the_end_keeps_the_order_of_directions),
        cmocka_unit_test(a_fin_that_was_acknowledged_is_no_byte),
        cmocka_unit_test(a_connection_comes_into_the_window),
        cmocka_unit_test(a_lead_in_goes_on_into_the_window),
        cmocka_unit_test(a_hole_is_divided_by_what_was_said_between),
        cmocka_unit_test(packets_kept_in_part_leave_a_gap),
        cmocka_unit_test(copies_from_other_places_count_once),
        cmocka_unit_test(a_place_of_translations_is_no_other_place),
        cmocka_unit_test(caps_give_up_the_hole),
        cmocka_unit_test(silence_does_not_cut_off_the_next_connection),
        cmocka_unit_test(the_longest_silent_is_evicted),
        cmocka_unit_test(a_long_hole_in_the_recording_is_bridged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
