/* Pairs of 5-tuples by tables of packets: who is taken for whose translation, and who never is. */
#include <stdio.h>
#include <string.h>

#include "flow/flow_nat.h"
#include "unit/unit_test.h"

enum {
    S = FRAME_TCP_SYN,
    A = FRAME_TCP_ACK
};

struct sight {
    int us;
    const char *from, *to; /* "1:4000": last byte of the address and port */
    unsigned flags;        /* 0: a datagram */
    uint32_t seq, ack;
    const char *text;
    uint32_t vantage;
    uint8_t ttl;
    uint16_t ip_id;
    const char *becomes; /* "from>to" that it stands for; "+" in front: from now on; "!": the first
                            half of what follows; NULL: itself */
};

static void read_end(const char *text, uint8_t ip[16], uint16_t *port)
{
    unsigned host, number;
    assert_int_equal(sscanf(text, "%u:%u", &host, &number), 2);
    memset(ip, 0, 16);
    ip[0] = 10;
    ip[3] = (uint8_t)host;
    *port = (uint16_t)number;
}

static struct frame frame_of(const struct sight *s)
{
    struct frame f = {.kind = s->flags ? FRAME_TCP : FRAME_UDP,
                      .ip_version = 4,
                      .ttl = s->ttl,
                      .ip_id = s->ip_id,
                      .tcp_flags = (uint8_t)s->flags,
                      .tcp_seq = s->seq,
                      .tcp_ack = s->ack,
                      .payload = slice_str(s->text),
                      .payload_bytes = s->text ? (uint32_t)strlen(s->text) : 0};
    read_end(s->from, f.src_ip, &f.src_port);
    read_end(s->to, f.dst_ip, &f.dst_port);
    return f;
}

static const char *shown(const struct frame *f, char out[64])
{
    snprintf(out, 64, "%u:%u>%u:%u", f->src_ip[3], f->src_port, f->dst_ip[3], f->dst_port);
    return out;
}

static uint64_t play(const struct sight *sights, size_t count)
{
    struct flow_nat *nat = flow_nat_new();
    assert_non_null(nat);
    for (size_t i = 0; i < count; i++) {
        const struct sight *s = &sights[i];
        struct frame frame = frame_of(s);
        struct flow_packet packet = {.frame = &frame,
                                     .ref = {.ts_ns = NS_PER_S + s->us * NS_PER_US},
                                     .vantage = s->vantage,
                                     .tuple_hash = flow_shard_hash(&frame),
                                     .print = flow_packet_print(&frame)};
        struct flow_nat_verdict verdict;
        char text[64] = "", what[66] = "";
        switch (flow_nat_packet(nat, &packet, &verdict)) {
        case FLOW_NAT_AS_IT_IS:
            break;
        case FLOW_NAT_TRANSLATED:
            snprintf(what, sizeof what, "%s", shown(&verdict.frame, text));
            break;
        case FLOW_NAT_NEWLY_TRANSLATED:
            snprintf(what, sizeof what, "+%s", shown(&verdict.frame, text));
            break;
        case FLOW_NAT_FIRST_HALF:
            snprintf(what, sizeof what, "!%s", shown(&verdict.absorbed, text));
            break;
        }
        if (strcmp(what, s->becomes ? s->becomes : "") != 0)
            fail_msg("packet %zu: %s, not %s", i, what, s->becomes ? s->becomes : "itself");
    }
    uint64_t pairs = flow_nat_pairs(nat);
    flow_nat_free(nat);
    return pairs;
}
#define PLAY(sights) play(sights, sizeof(sights) / sizeof(sights)[0])

/* A client (1) calls a service (9:80) that is server 2:8080, behind a masquerading node 3. */
static void a_translated_connection_is_its_first_half(void **state)
{
    (void)state;
    static const struct sight sights[] = {
        {0, "1:4000", "9:80", S, 100, 0, NULL, 0, 64, 7, NULL},
        {20, "3:5000", "2:8080", S, 100, 0, NULL, 1, 63, 7, "+1:4000>9:80"},
        {40, "2:8080", "3:5000", S | A, 900, 101, NULL, 1, 64, 0, "9:80>1:4000"},
        {60, "9:80", "1:4000", S | A, 900, 101, NULL, 0, 63, 0, NULL},
        {80, "1:4000", "9:80", A, 101, 901, "GET /", 0, 64, 8, NULL},
        {90, "3:5000", "2:8080", A, 101, 901, "GET /", 1, 63, 8, "1:4000>9:80"},
        {99, "2:8080", "3:5000", A, 901, 106, NULL, 1, 64, 9, "9:80>1:4000"},
        /* The translated port serves the next connection: that is another one's. */
        {5000000, "1:4001", "9:80", S, 7777, 0, NULL, 0, 64, 12, NULL},
        {5000020, "3:5000", "2:8080", S, 7777, 0, NULL, 1, 63, 12, "+1:4001>9:80"},
        /* … or nobody's but its own. */
        {9000000, "3:5000", "2:8080", S, 31, 0, NULL, 1, 64, 13, NULL},
        {9000020, "2:8080", "3:5000", S | A, 55, 32, NULL, 1, 64, 0, NULL},
    };
    assert_int_equal(PLAY(sights), 2);
}

static void without_the_handshake_bytes_are_enough(void **state)
{
    (void)state;
    static const struct sight sights[] = {
        {0, "1:4000", "9:80", A, 101, 901, "GET /", 0, 64, 8, NULL},
        {9, "3:5000", "2:8080", A, 101, 901, "GET /", 1, 63, 8, "+1:4000>9:80"},
        /* One interface that sees both: it was routed on. */
        {50, "1:4001", "9:80", A, 7101, 5901, "GET /", 4, 64, 8, NULL},
        {59, "3:5001", "2:8080", A, 7101, 5901, "GET /", 4, 63, 8, "+1:4001>9:80"},
        /* An answer is seen at the server first; the half that was there before is the first. */
        {100, "1:4002", "9:80", A, 501, 1901, "GET /a", 0, 64, 9, NULL},
        {120, "2:8080", "3:5002", A, 1901, 507, "200 OK", 1, 64, 4, NULL},
        {130, "9:80", "1:4002", A, 1901, 507, "200 OK", 0, 63, 4, "!2:8080>3:5002"},
        {150, "3:5002", "2:8080", A, 507, 1907, "GET /b", 1, 63, 9, "1:4002>9:80"},
    };
    assert_int_equal(PLAY(sights), 3);
}

static void datagrams_are_paired_when_they_were_routed_on(void **state)
{
    (void)state;
    static const struct sight sights[] = {
        {0, "1:4000", "9:53", 0, 0, 0, "a question of some length", 0, 64, 0, NULL},
        {9, "1:4000", "2:5300", 0, 0, 0, "a question of some length", 1, 63, 0, "+1:4000>9:53"},
        {20, "2:5300", "1:4000", 0, 0, 0, "an answer of some length", 1, 64, 0, "9:53>1:4000"},
        /* Both addresses are others: the IP id says that it is the same. */
        {50, "1:4001", "9:53", 0, 0, 0, "another question", 0, 64, 77, NULL},
        {59, "3:6001", "2:5300", 0, 0, 0, "another question", 1, 63, 77, "+1:4001>9:53"},
        /* Long after, without an agreement: nobody's. */
        {40000000, "1:4000", "2:5300", 0, 0, 0, "a question asked directly", 1, 63, 0, NULL},
    };
    assert_int_equal(PLAY(sights), 2);
}

static void what_is_no_translation(void **state)
{
    (void)state;
    /* One socket asks two servers at once; each question is seen at two places. */
    static const struct sight two_servers[] = {
        {0, "1:4000", "2:53", 0, 0, 0, "a question of some length", 0, 64, 0, NULL},
        {5, "1:4000", "2:53", 0, 0, 0, "a question of some length", 1, 63, 0, NULL},
        {9, "1:4000", "3:53", 0, 0, 0, "a question of some length", 0, 64, 0, NULL},
        {14, "1:4000", "3:53", 0, 0, 0, "a question of some length", 1, 63, 0, NULL},
    };
    assert_int_equal(PLAY(two_servers), 0);
    /* The same, the second question before the first was seen again. */
    static const struct sight crossed[] = {
        {0, "1:4000", "2:53", 0, 0, 0, "a question of some length", 0, 64, 0, NULL},
        {5, "1:4000", "3:53", 0, 0, 0, "a question of some length", 0, 64, 0, NULL},
        {9, "1:4000", "2:53", 0, 0, 0, "a question of some length", 1, 63, 0, NULL},
        {14, "1:4000", "3:53", 0, 0, 0, "a question of some length", 1, 63, 0, NULL},
    };
    assert_int_equal(PLAY(crossed), 0);
    /* A resolver passes the question on as it is: a call of its own, sent with a fresh hop limit.
     */
    static const struct sight passed_on[] = {
        {0, "1:4000", "2:53", 0, 0, 0, "a question of some length", 0, 63, 5, NULL},
        {900, "2:6000", "8:53", 0, 0, 0, "a question of some length", 1, 64, 5, NULL},
    };
    assert_int_equal(PLAY(passed_on), 0);
    /* A scan with one sequence number: one interface, the same hop limit. */
    static const struct sight scan[] = {
        {0, "1:4000", "2:80", S, 100, 0, NULL, 0, 64, 7, NULL},
        {5, "1:4000", "2:81", S, 100, 0, NULL, 0, 64, 7, NULL},
        {9, "1:4000", "3:80", S, 100, 0, NULL, 1, 63, 7, NULL},
    };
    assert_int_equal(PLAY(scan), 0);
    /* Another version, other bytes, too late, too short. */
    static const struct sight others[] = {
        {0, "1:4000", "9:80", A, 101, 901, "GET /a", 0, 64, 8, NULL},
        {9, "3:5000", "2:8080", A, 101, 901, "GET /b", 1, 63, 8, NULL},
        {200000, "3:5001", "2:8080", A, 101, 901, "GET /a", 1, 63, 8, NULL},
        {300000, "1:4000", "9:53", 0, 0, 0, "short", 0, 64, 3, NULL},
        {300009, "3:4000", "2:53", 0, 0, 0, "short", 1, 63, 3, NULL},
    };
    assert_int_equal(PLAY(others), 0);
}

/* However many there are: nothing is searched for, and the latest are still found. */
static void many_pairs_are_bounded(void **state)
{
    (void)state;
    struct flow_nat *nat = flow_nat_new();
    assert_non_null(nat);
    struct flow_nat_verdict verdict;
    unsigned found = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        for (uint8_t half = 0; half < 2; half++) {
            struct frame f = {.kind = FRAME_TCP,
                              .ip_version = 4,
                              .ttl = (uint8_t)(64 - half),
                              .ip_id = (uint16_t)(i | 1), /* 0 says nothing */
                              .tcp_flags = S,
                              .tcp_seq = i * 2654435761U,
                              .src_port = (uint16_t)(1024 + half),
                              .dst_port = 80};
            memcpy(f.src_ip, &i, sizeof i);
            f.dst_ip[0] = half;
            struct flow_packet packet = {.frame = &f,
                                         .ref = {.ts_ns = NS_PER_S + i * NS_PER_US + half},
                                         .vantage = half,
                                         .tuple_hash = flow_shard_hash(&f),
                                         .print = flow_packet_print(&f)};
            found += flow_nat_packet(nat, &packet, &verdict) == FLOW_NAT_NEWLY_TRANSLATED;
        }
    }
    assert_int_equal(found, 200000);
    flow_nat_free(nat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_translated_connection_is_its_first_half),
        cmocka_unit_test(without_the_handshake_bytes_are_enough),
        cmocka_unit_test(datagrams_are_paired_when_they_were_routed_on),
        cmocka_unit_test(what_is_no_translation),
        cmocka_unit_test(many_pairs_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
