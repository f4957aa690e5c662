/* Entries: order and nesting of the JSON, binary round trip, derived values, the field table. */
#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "dissect/conn_fields.h"
#include "dissect/entry.h"
#include "unit/unit_test.h"

static const struct entry_pair headers[] = {
    {SLICE_LITERAL("host"), SLICE_LITERAL("carts")},
    {SLICE_LITERAL("x-a"), SLICE_LITERAL("\"q\"")},
};
static const struct slice seen[] = {SLICE_LITERAL("n1:eth0"), SLICE_LITERAL("n2:eth0")};
static const struct packet_ref refs[] = {{0, 4096, 1700000000123456789},
                                         {1, 512, 1700000000123450000}};

static struct entry_value values[] = {
    {.field = FIELD_ELAPSED_TIME_ID, .type = FIELD_INT, .integer = 7750},
    {.field = FIELD_SRC_IP_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("10.0.12.7")},
    {.field = FIELD_SRC_PORT_ID, .type = FIELD_INT, .integer = 54050},
    {.field = FIELD_SRC_POD_NAME_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("front")},
    {.field = FIELD_SRC_POD_NAMESPACE_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("shop")},
    {.field = FIELD_SRC_SERVICE_NAME_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("svc")},
    {.field = FIELD_DST_IP_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("10.0.6.161")},
    {.field = FIELD_INCOMPLETE_ID, .type = FIELD_BOOL, .boolean = false},
    {.field = FIELD_SEEN_AT_ID, .type = FIELD_LIST, .count = 2, .items = seen},
    {.field = FIELD_REQUEST_HEADERS_ID, .type = FIELD_MAP, .count = 2, .pairs = headers},
    {.field = FIELD_REQUEST_BODY_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("\xff\x00z")},
    {.field = FIELD_CONN_LOCAL_PKTS_ID, .type = FIELD_INT, .integer = -3},
};

static struct entry sample(void)
{
    return (struct entry){.timestamp_ns = 1700000000123456789,
                          .id_hash = 0x0123456789abcdef,
                          .index = 42,
                          .protocol = "tcp_conn",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .request = {refs, 2, false},
                          .response = {refs, 1, true},
                          .values = values,
                          .value_count = sizeof values / sizeof values[0]};
}

static const struct entry_file files_list[] = {{"n1", 7}, {"n2", 9}};
static const struct entry_files files = {files_list, 2};

static void json_is_nested_in_field_order(void **state)
{
    (void)state;
    struct entry entry = sample();
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w;
    json_init(&w, &out);
    entry_write_json(&entry, &files, &w);
    buf_append_u8(&out, 0);
    char expected[2048], id[ENTRY_ID_TEXT_SIZE];
    snprintf(
        expected, sizeof expected,
        "{\"id\":\"%s\",\"index\":42,\"protocol\":\"tcp_conn\","
        "\"timestamp\":\"2023-11-14T22:13:20.123456789Z\",\"elapsed_time\":7750,"
        "\"src\":{\"ip\":\"10.0.12.7\",\"port\":54050,\"pod\":{\"name\":\"front\",\"namespace\":"
        "\"shop\"},\"service\":{\"name\":\"svc\"}},\"dst\":{\"ip\":\"10.0.6.161\"},"
        "\"incomplete\":false,\"seen_at\":[\"n1:eth0\",\"n2:eth0\"],"
        "\"request\":{\"headers\":{\"host\":\"carts\",\"x-a\":\"\\\"q\\\"\"},\"body\":{\"base64\":"
        "\"/wB6\"},\"packets\":[{\"node\":\"n1\",\"seq\":7,\"offset\":4096},{\"node\":\"n2\","
        "\"seq\":9,\"offset\":512}]},\"response\":{\"packets\":[{\"node\":\"n1\",\"seq\":7,"
        "\"offset\":4096}],\"packets_truncated\":true},\"conn_local_pkts\":-3}",
        entry_id_text(&entry, id));
    assert_string_equal((char *)out.data, expected);
    buf_done(&out);
}

static void ids_sort_like_time(void **state)
{
    (void)state;
    struct entry a = {.timestamp_ns = 1, .id_hash = UINT64_MAX}, b = {.timestamp_ns = 2};
    char x[ENTRY_ID_TEXT_SIZE], y[ENTRY_ID_TEXT_SIZE];
    assert_int_equal(strlen(entry_id_text(&a, x)), 26);
    assert_true(strcmp(x, entry_id_text(&b, y)) < 0);
}

static void codec_round_trip_gives_the_same_bytes(void **state)
{
    (void)state;
    struct entry entry = sample(), back;
    struct buf out, again;
    buf_init(&out, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_int_equal(entry_encode(&entry, &out), 0);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_int_equal(entry_decode(buf_slice(&out), &arena, &back), 0);
    assert_int_equal(back.index, 42);
    assert_int_equal(back.request.refs[1].offset, 512);
    assert_true(back.request.refs[1].ts_ns == refs[1].ts_ns);
    assert_int_equal(back.value_count, entry.value_count);
    assert_int_equal(entry_encode(&back, &again), 0);
    assert_int_equal(out.len, again.len);
    assert_memory_equal(out.data, again.data, out.len);
    arena_done(&arena);
    buf_done(&out);
    buf_done(&again);
}

/* Every cut and every changed byte must be refused or give an entry that can be used. */
static void damaged_encodings_are_survived(void **state)
{
    (void)state;
    struct entry entry = sample(), back;
    struct buf out, json;
    buf_init(&out, 1 << 20);
    buf_init(&json, 1 << 20);
    entry_encode(&entry, &out);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t n = 0; n < out.len; n++) {
        assert_int_equal(entry_decode(slice_of(out.data, n), &arena, &back), -EBADMSG);
        arena_reset(&arena);
    }
    for (size_t i = 0; i < out.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            out.data[i] = (uint8_t)(out.data[i] ^ (1 << bit));
            if (entry_decode(buf_slice(&out), &arena, &back) == 0) {
                struct json_writer w;
                json_init(&w, &json);
                entry_write_json(&back, &files, &w);
                buf_reset(&json);
            }
            arena_reset(&arena);
            out.data[i] = (uint8_t)(out.data[i] ^ (1 << bit));
        }
    }
    arena_done(&arena);
    buf_done(&json);
    buf_done(&out);
}

static void derived_values(void **state)
{
    (void)state;
    struct entry entry = sample();
    struct entry_value v;
    char scratch[ENTRY_ID_TEXT_SIZE];
    assert_true(entry_get(&entry, FIELD_LATENCY_ID, scratch, &v));
    assert_int_equal(v.integer, 7750000);
    assert_true(entry_get(&entry, field_find(slice_str("conn")), scratch, &v));
    assert_true(entry_get(&entry, field_find(slice_str("tcp")), scratch, &v));
    assert_false(entry_get(&entry, field_find(slice_str("http")), scratch, &v));
    assert_false(entry_get(&entry, field_find(slice_str("udp")), scratch, &v));
    assert_true(entry_get(&entry, FIELD_HAS_PCAP_ID, scratch, &v) && v.boolean);
    assert_false(entry_get(&entry, FIELD_STATUS_CODE_ID, scratch, &v));
    assert_int_equal(v.integer, 0);
    assert_true(entry_get(&entry, FIELD_PROTOCOL_ID, scratch, &v));
    assert_true(slice_eq_str(v.text, "tcp_conn"));
}

static void field_table_is_consistent(void **state)
{
    (void)state;
    for (size_t i = 0; i < field_count(); i++) {
        const struct field_def *def = field_at((field_id)i);
        assert_non_null(def->doc);
        assert_non_null(def->example);
        /* A duplicate name would find the other row. */
        assert_true(field_find(slice_str(def->name)) == i);
        assert_non_null(field_protocol((field_id)i));
    }
    assert_int_equal(field_find(slice_str("src.ns")), FIELD_SRC_NAMESPACE_ID);
    assert_int_equal(field_find(slice_str("request.method")), FIELD_METHOD_ID);
    assert_int_equal(field_find(slice_str("response.status")), FIELD_STATUS_CODE_ID);
    assert_int_equal(field_find(slice_str("nonsense")), FIELD_NONE);
    assert_string_equal(field_protocol(field_find(slice_str("conn_state"))), "conn");
    size_t columns = 0;
    for (size_t i = 0; i < field_count(); i++)
        columns += (field_at((field_id)i)->flags & FIELD_COLUMN) != 0;
    assert_true(columns <= 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_nested_in_field_order),
        cmocka_unit_test(ids_sort_like_time),
        cmocka_unit_test(codec_round_trip_gives_the_same_bytes),
        cmocka_unit_test(damaged_encodings_are_survived),
        cmocka_unit_test(derived_values),
        cmocka_unit_test(field_table_is_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
