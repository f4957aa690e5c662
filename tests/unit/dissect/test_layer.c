/* Layers without packets: what is fed comes out as entries of the inner protocol, charged to the
 * packets that carried it; parameters of a switch; secrets. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "dissect/conn.h"
#include "dissect/key_store.h"
#include "dissect/registry.h"
#include "unit/unit_test.h"

enum {
    MAX_SEEN = 64
};

struct seen {
    char protocol[16], id[ENTRY_ID_TEXT_SIZE], conn_id[ENTRY_ID_TEXT_SIZE], status[16];
    bool tls;
    int64_t timestamp_ns;
    uint32_t request_packets, response_packets;
    uint64_t first_packet, last_packet;
};

struct fixture {
    struct dissect_host host;
    struct dissect_conn *conn;
    struct seen seen[MAX_SEEN];
    size_t count;
};

static void on_entry(void *ctx, const struct entry *entry)
{
    struct fixture *f = ctx;
    assert_true(f->count < MAX_SEEN);
    struct seen *seen = &f->seen[f->count++];
    *seen = (struct seen){.timestamp_ns = entry->timestamp_ns,
                          .request_packets = entry->request.count,
                          .response_packets = entry->response.count};
    snprintf(seen->protocol, sizeof seen->protocol, "%s", entry->protocol);
    entry_id_text(entry, seen->id);
    const struct entry_value *value = entry_find(entry, FIELD_CONN_ID_ID);
    snprintf(seen->conn_id, sizeof seen->conn_id, "%.*s", (int)value->text.len,
             (const char *)value->text.data);
    value = entry_find(entry, FIELD_STATUS_ID);
    snprintf(seen->status, sizeof seen->status, "%.*s", (int)value->text.len,
             (const char *)value->text.data);
    seen->tls = entry_find(entry, FIELD_TLS_ID) != NULL;
    if (entry->request.count) {
        seen->first_packet = entry->request.refs[0].offset;
        seen->last_packet = entry->request.refs[entry->request.count - 1].offset;
    }
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->host = (struct dissect_host){.emit = on_entry, .ctx = f, .mask = UINT64_MAX};
    struct conn_spec spec = {.transport = DISSECT_TCP,
                             .ip_version = 4,
                             .ip = {{10, 0, 0, 1}, {10, 0, 0, 2}},
                             .port = {40000, 9999},
                             .base_seq = {1000, 2000},
                             .first_ns = 1};
    f->conn = dissect_conn_new(&f->host, &spec);
    assert_non_null(f->conn);
}

static void end(struct fixture *f)
{
    dissect_conn_close(f->conn, END_CLOSED);
    dissect_conn_free(f->conn);
    assert_int_equal(f->host.memory_bytes, 0);
    dissect_host_done(&f->host);
}

/* As the span of an outer record in packets [first, last]; `at` is its place in the outer stream.
 */
static void feed(struct fixture *f, struct dissect_layer *layer, enum dissect_dir dir, uint64_t at,
                 uint64_t first, uint64_t last, struct slice bytes)
{
    struct packet_ref refs[16];
    struct dissect_span origin = {.refs = refs,
                                  .first_sequence = 1000 + (uint32_t)at,
                                  .bytes = bytes.len,
                                  .first_ns = (int64_t)first * 100,
                                  .last_ns = (int64_t)last * 100};
    for (uint64_t i = first; i <= last; i++)
        refs[origin.ref_count++] = (struct packet_ref){.offset = i, .ts_ns = (int64_t)i * 100};
    f->conn->now_ns = (int64_t)last * 100;
    /* A copy that is gone afterwards. */
    uint8_t *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    dissect_layer_data(layer, dir, &origin, slice_of(copy, bytes.len));
    free(copy);
}

static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

static void inner_calls_come_out_with_the_packets_of_their_records(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct dissect_layer *layer =
        dissect_layer_open(f.conn, &(struct dissect_layer_spec){.tls = true});
    assert_non_null(layer);
    feed(&f, layer, DIR_CLIENT, 0, 10, 12, slice_str(request));
    /* Two requests in one record, cut in the middle of the second. */
    char both[sizeof request * 2];
    snprintf(both, sizeof both, "%s%s", request, request);
    size_t half = sizeof request - 1 + 7;
    feed(&f, layer, DIR_CLIENT, 100, 20, 21, slice_of((const uint8_t *)both, half));
    feed(&f, layer, DIR_CLIENT, 200, 22, 24,
         slice_of((const uint8_t *)both + half, strlen(both) - half));
    for (int i = 0; i < 3; i++)
        feed(&f, layer, DIR_SERVER, 300 + 100 * (uint64_t)i, 30, 31, slice_str(response));
    assert_int_equal(f.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(f.seen[i].protocol, "http");
        assert_string_equal(f.seen[i].conn_id, f.conn->conn_id);
        assert_string_equal(f.seen[i].status, "ok");
        assert_true(f.seen[i].tls);
        assert_int_equal(f.seen[i].response_packets, 2);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f.seen[i].id, f.seen[k].id);
    }
    assert_int_equal(f.seen[0].request_packets, 3);
    assert_int_equal(f.seen[0].timestamp_ns, 1000);
    assert_int_equal(f.seen[1].request_packets, 2);
    assert_int_equal(f.seen[2].request_packets, 5);
    assert_int_equal(f.seen[2].first_packet, 20);
    assert_int_equal(f.seen[2].last_packet, 24);
    end(&f);
    assert_int_equal(f.count, 3);
}

/* The outer dissector's way: it consumes a record and hands on what it carried. */
static void taking_hands_bytes_on_however_they_were_cut(void **state)
{
    (void)state;
    struct seen expected = {0};
    char text[200];
    snprintf(text, sizeof text, "#%s", request);
    for (size_t cut = 1; cut <= strlen(text); cut++) {
        struct fixture f;
        begin(&f);
        struct dissect_layer *layer = dissect_layer_open(f.conn, &(struct dissect_layer_spec){0});
        for (size_t at = 0; at < strlen(text); at += cut) {
            size_t n = strlen(text) - at < cut ? strlen(text) - at : cut;
            struct conn_packet packet = {.ref = {.offset = 7, .ts_ns = 500}};
            struct slice bytes = slice_of((const uint8_t *)text + at, n);
            conn_mark_add(f.conn, &packet, n);
            assert_true(conn_join(f.conn, 0, bytes));
            struct dissect_stream stream = {
                .data = bytes.data, .len = n, .offset = f.conn->side[0].offset};
            size_t skip = at == 0; /* a header of one byte */
            dissect_layer_take(layer, &stream, skip, SLICE_NONE);
            dissect_layer_take(layer, &stream, n - skip, slice_sub(bytes, skip, n));
            assert_int_equal(stream.len, 0);
        }
        feed(&f, layer, DIR_SERVER, 300, 30, 31, slice_str(response));
        assert_int_equal(f.count, 1);
        if (cut == 1)
            expected = f.seen[0];
        assert_string_equal(f.seen[0].id, expected.id);
        assert_int_equal(f.seen[0].timestamp_ns, 500);
        assert_int_equal(f.seen[0].request_packets, 1);
        end(&f);
    }
}

static void one_record_that_grew_gives_different_ids(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct dissect_layer *layer = dissect_layer_open(f.conn, &(struct dissect_layer_spec){0});
    struct packet_ref ref = {.offset = 1, .ts_ns = 100};
    char many[sizeof request * 20] = "";
    for (int i = 0; i < 20; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s", request);
    for (uint32_t i = 0; i < 2; i++) {
        struct dissect_span origin = {.refs = &ref,
                                      .ref_count = 1,
                                      .first_sequence = 1000 + i * (uint32_t)strlen(request),
                                      .bytes = strlen(request),
                                      .first_ns = 100,
                                      .last_ns = 100};
        dissect_layer_data(layer, DIR_CLIENT, &origin, slice_str(many));
    }
    dissect_layer_close(layer, END_CLOSED);
    assert_int_equal(f.count, 40);
    for (size_t i = 0; i < f.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f.seen[i].id, f.seen[k].id);
    end(&f);
}

static void a_gap_and_an_end_reach_the_layer(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct dissect_layer *layer = dissect_layer_open(f.conn, &(struct dissect_layer_spec){0});
    feed(&f, layer, DIR_CLIENT, 0, 1, 1, slice_str(request));
    feed(&f, layer, DIR_SERVER, 0, 2, 2,
         slice_str("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"));
    dissect_layer_gap(layer, DIR_SERVER, 7);
    assert_int_equal(f.count, 1);
    feed(&f, layer, DIR_CLIENT, 50, 3, 3, slice_str(request));
    feed(&f, layer, DIR_SERVER, 50, 4, 4, slice_str("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    assert_int_equal(f.count, 1);
    /* The outer side's end is the layer's, without a word of the dissector: so this body is whole
     * though the recording goes no further. Later bytes of an ended direction are nobody's. */
    dissect_conn_end_side(f.conn, 1);
    feed(&f, layer, DIR_SERVER, 90, 5, 5, slice_str(response));
    dissect_conn_close(f.conn, END_OF_DATA);
    assert_int_equal(f.count, 2);
    assert_string_equal(f.seen[1].status, "ok");
    end(&f);
}

static void layers_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct dissect_layer_spec spec = {0};
    for (int i = 0; i < CONN_MAX_LAYERS; i++)
        assert_non_null(dissect_layer_open(f.conn, &spec));
    assert_null(dissect_layer_open(f.conn, &spec));
    f.conn->depth = CONN_MAX_DEPTH;
    conn_close_layers(f.conn, END_CLOSED);
    assert_null(dissect_layer_open(f.conn, &spec));
    f.conn->depth = 0;
    /* Records of one byte in many packets: references run out, not memory. */
    struct dissect_layer *layer = dissect_layer_open(f.conn, &spec);
    static struct packet_ref refs[ENTRY_MAX_PACKETS];
    for (uint64_t i = 0; i < ENTRY_MAX_PACKETS; i++)
        refs[i].offset = i;
    struct dissect_span origin = {.refs = refs, .ref_count = ENTRY_MAX_PACKETS, .bytes = 1};
    for (int i = 0; i < 5000; i++)
        dissect_layer_data(layer, DIR_CLIENT, &origin, slice_str(i ? "a" : "G"));
    assert_true(f.host.memory_bytes < 8 * 1024 * 1024);
    end(&f);
}

static void want_of_memory_is_of_the_layer_that_had_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct conn_spec spec = {.transport = DISSECT_TCP, .ip_version = 4};
    struct dissect_conn *chain[3] = {f.conn};
    for (int i = 1; i < 3; i++) {
        chain[i] = dissect_conn_new(&f.host, &spec);
        assert_non_null(chain[i]);
        chain[i]->outer = chain[i - 1];
    }
    for (int i = 0; i < 3; i++)
        conn_begin_work(chain[i]);
    memory_failed();
    for (int i = 2; i >= 0; i--) {
        conn_end_work(chain[i]);
        assert_int_equal(chain[i]->lacks_memory, i == 2);
    }
    assert_int_equal(f.host.given_up, 1);
    for (int i = 2; i > 0; i--) {
        chain[i]->outer = NULL;
        dissect_conn_free(chain[i]);
    }
    end(&f);
}

static void messages_of_sctp_are_datagrams_of_their_own(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct dissect_layer *layer =
        dissect_layer_open(f.conn, &(struct dissect_layer_spec){.transport = DISSECT_SCTP});
    struct dissect_message message = {.ppid = 46, .stream = 3};
    struct dissect_span origin = {.first_ns = 5, .last_ns = 5, .bytes = 4};
    dissect_layer_message(layer, DIR_CLIENT, &origin, &message, slice_str("????"));
    end(&f);
    assert_int_equal(f.count, 0);
}

static void a_switch_carries_parameters(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    char text[] = "deflate";
    dissect_switch_with(f.conn, "http", slice_str(text));
    memset(text, 'x', sizeof text - 1); /* it was copied */
    f.conn->late_join = f.conn->had_gap = true;
    conn_open(f.conn, registry_find(slice_str("redis")));
    assert_int_equal(dissect_params(f.conn).len, 0);
    conn_do_switch(f.conn);
    assert_string_equal(conn_dissector(f.conn)->name, "http");
    assert_true(slice_eq_str(dissect_params(f.conn), "deflate"));
    assert_false(dissect_is_late_join(f.conn));
    /* To nobody in particular: found anew by content, without parameters. */
    dissect_switch(f.conn, NULL);
    conn_do_switch(f.conn);
    assert_int_equal(f.conn->mode, CONN_DETECTING);
    struct conn_packet packet = {.ref = {.offset = 7, .ts_ns = 500}};
    dissect_conn_bytes(f.conn, &packet, slice_str(request));
    assert_string_equal(conn_dissector(f.conn)->name, "http");
    assert_int_equal(dissect_params(f.conn).len, 0);
    end(&f);
    assert_int_equal(f.count, 1);
}

static void secrets_exist_from_their_packet_on(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct slice secret, random = slice_of((const uint8_t *)"\x01\x02\x03\x04", 4);
    assert_false(dissect_secret(f.conn, "CLIENT_RANDOM", random, &secret));
    assert_int_equal(key_store_new(&f.host.keys), 0);
    assert_int_equal(key_store_add_log(f.host.keys, slice_str("CLIENT_RANDOM 01020304 aabb\n")), 0);
    assert_false(dissect_secret(f.conn, "CLIENT_RANDOM", random, &secret));
    f.host.keys_visible = 1;
    assert_true(dissect_secret(f.conn, "CLIENT_RANDOM", random, &secret));
    assert_int_equal(secret.len, 2);
    assert_false(dissect_secret(f.conn, "SERVER_TRAFFIC_SECRET_0", random, &secret));
    key_store_free(f.host.keys);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner_calls_come_out_with_the_packets_of_their_records),
        cmocka_unit_test(taking_hands_bytes_on_however_they_were_cut),
        cmocka_unit_test(one_record_that_grew_gives_different_ids),
        cmocka_unit_test(a_gap_and_an_end_reach_the_layer),
        cmocka_unit_test(layers_are_bounded),
        cmocka_unit_test(want_of_memory_is_of_the_layer_that_had_it),
        cmocka_unit_test(messages_of_sctp_are_datagrams_of_their_own),
        cmocka_unit_test(a_switch_carries_parameters),
        cmocka_unit_test(secrets_exist_from_their_packet_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
