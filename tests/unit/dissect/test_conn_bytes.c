/* What a connection holds of its packets until somebody takes it: bytes, and the TCP counters as
 * they stood when the bytes came. */
#include <stdio.h>

#include "dissect/conn.h"
#include "flow/flow.h"
#include "unit/unit_test.h"

struct fixture {
    struct dissect_host host;
    struct dissect_conn *conn;
    struct flow_health_counts health;
    size_t entries;
    int64_t first_rtt_us, second_rtt_us; /* −1: the call has none */
};

static void on_entry(void *ctx, const struct entry *entry)
{
    struct fixture *f = ctx;
    assert_string_equal(entry->protocol, "memcached");
    const struct entry_value *value = entry_find(entry, FIELD_TCP_RTT_AVG_US_ID);
    *(f->entries++ == 0 ? &f->first_rtt_us : &f->second_rtt_us) = value ? value->integer : -1;
}

static void begin(struct fixture *f, uint16_t server_port)
{
    *f = (struct fixture){0};
    f->host = (struct dissect_host){.emit = on_entry, .ctx = f, .mask = UINT64_MAX};
    struct conn_spec spec = {.transport = DISSECT_TCP,
                             .ip_version = 4,
                             .ip = {{10, 0, 0, 1}, {10, 0, 0, 2}},
                             .port = {40000, server_port},
                             .base_seq = {1000, 2000},
                             .first_ns = 1};
    f->conn = dissect_conn_new(&f->host, &spec);
    assert_non_null(f->conn);
    f->conn->health = &f->health;
}

static void end(struct fixture *f)
{
    dissect_conn_close(f->conn, END_CLOSED);
    dissect_conn_free(f->conn);
    assert_int_equal(f->host.memory_bytes, 0);
    dissect_host_done(&f->host);
}

/* A packet that completes a round trip. */
static void bring(struct fixture *f, uint8_t side, uint32_t rtt_us, const char *text)
{
    f->health.rtt_count++;
    f->health.rtt_sum_us += rtt_us;
    struct conn_packet packet = {.ref = {.ts_ns = f->conn->now_ns + NS_PER_MS}, .side = side};
    dissect_conn_bytes(f->conn, &packet, slice_str(text));
}

/* By its port the protocol is known at once, without it only behind the server's first answer: the
 * calls have the same share of the counters. */
static void a_calls_share_does_not_depend_on_when_it_was_recognised(void **state)
{
    (void)state;
    static const uint16_t ports[] = {11211, 50000};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        begin(&f, ports[i]);
        bring(&f, 0, 1000, "set a");
        bring(&f, 0, 100, "bc 0 0 1\r\nx\r\n");
        assert_int_equal(f.conn->mode, ports[i] == 11211 ? CONN_DISSECTING : CONN_DETECTING);
        bring(&f, 1, 300, "STO");
        bring(&f, 1, 500, "RED\r\n");
        bring(&f, 0, 40, "get d\r\n");
        bring(&f, 1, 60, "END\r\n");
        assert_int_equal(f.conn->mode, CONN_DISSECTING);
        end(&f);
        assert_int_equal(f.entries, 2);
        /* From the packet behind the one that completed the request's line on. */
        assert_int_equal(f.first_rtt_us, (300 + 500) / 2);
        assert_int_equal(f.second_rtt_us, 60);
    }
}

/* More packets than counters are kept for: bounded, and still a call. */
static void a_request_in_a_thousand_packets(void **state)
{
    (void)state;
    enum {
        PACKETS = 1000,
        KEPT = 512
    };
    struct fixture f;
    begin(&f, 50000);
    bring(&f, 0, 10, "get ");
    for (int i = 0; i < PACKETS; i++)
        bring(&f, 0, 10, i % 200 ? "k" : " ");
    assert_int_equal(f.conn->mode, CONN_DETECTING);
    assert_int_equal(f.conn->health_note_count, KEPT);
    bring(&f, 0, 10, "\r\n");
    bring(&f, 1, 10, "END\r\n");
    assert_int_equal(f.conn->health_note_count, 0);
    end(&f);
    assert_int_equal(f.entries, 1);
}

static void taking_nothing_where_nothing_waits(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 50000);
    struct dissect_span span = {0};
    struct dissect_stream stream = {.dir = DIR_SERVER, .data = (const uint8_t *)""};
    dissect_take(f.conn, &stream, NULL, &span, 0);
    assert_int_equal(stream.len, 0);
    assert_int_equal(stream.offset, 0);
    assert_int_equal(span.bytes, 0);
    assert_int_equal(span.first_ns, 0);
    assert_null(f.conn->side[1].borrowed.data);
    end(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calls_share_does_not_depend_on_when_it_was_recognised),
        cmocka_unit_test(a_request_in_a_thousand_packets),
        cmocka_unit_test(taking_nothing_where_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
