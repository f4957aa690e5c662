/* dissect/owner_table.h: an owner counts for the connection it was seen with, and for no other. */
#include "base/clock.h"
#include "dissect/owner_table.h"
#include "unit/unit_test.h"

#define T0 INT64_C(1764000000000000000)

struct call {
    char conn_id[ENTRY_ID_TEXT_SIZE];
    struct slice seen_at[2];
    struct entry_value values[6];
    struct entry entry;
};

/* 10.0.0.1:4000 asks 10.0.0.2:80, `after_ns` behind the connection's first packet at first_ns. */
static void make_call(struct call *c, int64_t first_ns, int64_t after_ns, const char *node)
{
    struct entry conn = {.timestamp_ns = first_ns, .id_hash = 7};
    *c = (struct call){.seen_at = {slice_str("n1:eth0"), slice_str("n2:eth1")}};
    entry_id_text(&conn, c->conn_id);
    const struct entry_value values[] = {
        {.field = FIELD_SRC_IP_ID, .type = FIELD_TEXT, .text = slice_str("10.0.0.1")},
        {.field = FIELD_SRC_PORT_ID, .type = FIELD_INT, .integer = 4000},
        {.field = FIELD_DST_IP_ID, .type = FIELD_TEXT, .text = slice_str("10.0.0.2")},
        {.field = FIELD_DST_PORT_ID, .type = FIELD_INT, .integer = 80},
        {.field = FIELD_NODE_NAME_ID, .type = FIELD_TEXT, .text = slice_str(node)},
        {.field = FIELD_CONN_ID_ID, .type = FIELD_TEXT, .text = slice_str(c->conn_id)}};
    memcpy(c->values, values, sizeof values);
    c->entry = (struct entry){.timestamp_ns = first_ns + after_ns,
                              .transport = ENTRY_TRANSPORT_TCP,
                              .values = c->values,
                              .value_count = sizeof values / sizeof *values};
}

static void add(struct owner_table *table, const char *node, bool client, uint32_t pid,
                int64_t seen_ns)
{
    struct owner_end end = {.local_ip = {10, 0, 0, 1},
                            .remote_ip = {10, 0, 0, 2},
                            .local_port = 4000,
                            .remote_port = 80,
                            .ip_version = 4,
                            .ip_protocol = 6};
    if (!client) {
        end.local_ip[3] = 2;
        end.remote_ip[3] = 1;
        end.local_port = 80;
        end.remote_port = 4000;
    }
    struct owner_note note = {.seen_ns = seen_ns,
                              .process = {.pid = pid,
                                          .name = slice_str(client ? "curl" : "nginx"),
                                          .exe = slice_str("/bin/x"),
                                          .container = slice_str(client ? "" : "4f2a")},
                              .ends = (const uint8_t *)&end,
                              .end_count = 1};
    struct buf out;
    buf_init(&out, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(&out, &note), 0);
    assert_int_equal(owner_table_add(table, slice_str(node), buf_slice(&out)), 0);
    buf_done(&out);
}

static int64_t pid_of(struct owner_table *table, const struct call *c, field_id field)
{
    const struct entry *filled;
    assert_int_equal(owner_table_fill(table, &c->entry, &filled), 0);
    for (uint32_t i = 1; i < filled->value_count; i++)
        assert_true(filled->values[i - 1].field < filled->values[i].field);
    const struct entry_value *value = entry_find(filled, field);
    return value ? value->integer : -1;
}

static void both_ends_are_named(void **state)
{
    (void)state;
    struct owner_table *table = owner_table_new();
    struct call c;
    const struct entry *filled;
    make_call(&c, T0, NS_PER_S, "n1");
    add(table, "n1", true, 41, T0 + NS_PER_S / 4);
    add(table, "n1", false, 42, T0 + NS_PER_S / 4);
    assert_int_equal(pid_of(table, &c, FIELD_SRC_PROCESS_PID_ID), 41);
    assert_int_equal(pid_of(table, &c, FIELD_DST_PROCESS_PID_ID), 42);
    assert_int_equal(owner_table_fill(table, &c.entry, &filled), 0);
    assert_true(slice_eq_str(entry_find(filled, FIELD_DST_CONTAINER_ID)->text, "4f2a"));
    assert_null(entry_find(filled, FIELD_SRC_CONTAINER_ID));
    assert_true(slice_eq_str(entry_find(filled, FIELD_SRC_PROCESS_NAME_ID)->text, "curl"));
    owner_table_free(table);
}

static void another_time_is_another_connection(void **state)
{
    (void)state;
    struct owner_table *table = owner_table_new();
    struct call first, second, third;
    make_call(&first, T0, 0, "n1");
    make_call(&second, T0 + 60 * NS_PER_S, 0, "n1");
    make_call(&third, T0 + 120 * NS_PER_S, 30 * NS_PER_S, "n1");
    add(table, "n1", true, 2, T0 + 61 * NS_PER_S); /* of the second */
    assert_int_equal(pid_of(table, &first, FIELD_SRC_PROCESS_PID_ID), -1);
    assert_int_equal(pid_of(table, &second, FIELD_SRC_PROCESS_PID_ID), 2);
    assert_int_equal(pid_of(table, &third, FIELD_SRC_PROCESS_PID_ID), -1);
    add(table, "n1", true, 3, T0 + 121 * NS_PER_S);
    add(table, "n1", true, 4, T0 + 149 * NS_PER_S); /* handed on meanwhile */
    assert_int_equal(pid_of(table, &third, FIELD_SRC_PROCESS_PID_ID), 4);
    owner_table_free(table);
}

static void another_node_is_another_machine(void **state)
{
    (void)state;
    struct owner_table *table = owner_table_new();
    struct call c;
    make_call(&c, T0, 0, "n1");
    add(table, "n2", false, 9, T0 + 1);
    assert_int_equal(pid_of(table, &c, FIELD_DST_PROCESS_PID_ID), -1);
    /* n2 recorded it too */
    struct entry_value values[7];
    memcpy(values, c.values, sizeof c.values);
    values[6] = (struct entry_value){
        .field = FIELD_SEEN_AT_ID, .type = FIELD_LIST, .count = 2, .items = c.seen_at};
    c.entry.values = values;
    c.entry.value_count = 7;
    add(table, "n1", true, 8, T0 + 1); /* makes n1 a known node, as its recording does */
    assert_int_equal(pid_of(table, &c, FIELD_DST_PROCESS_PID_ID), 9);
    owner_table_free(table);
}

static void many_ends_are_found_again(void **state)
{
    (void)state;
    struct owner_table *table = owner_table_new();
    struct call c;
    make_call(&c, T0, 0, "n1");
    add(table, "n1", true, 77, T0 + 1);
    for (uint32_t i = 0; i < 20000; i++) {
        struct owner_end end = {.local_ip = {10, 1}, .local_port = 5, .ip_version = 4};
        memcpy(end.remote_ip, &i, sizeof i);
        struct owner_note note = {.seen_ns = T0,
                                  .process = {.pid = i % 50},
                                  .ends = (const uint8_t *)&end,
                                  .end_count = 1};
        struct buf out;
        buf_init(&out, OWNER_NOTE_MAX_BYTES);
        assert_int_equal(owner_note_put(&out, &note), 0);
        assert_int_equal(owner_table_add(table, slice_str("n1"), buf_slice(&out)), 0);
        buf_done(&out);
    }
    assert_int_equal(pid_of(table, &c, FIELD_SRC_PROCESS_PID_ID), 77);
    assert_int_equal(owner_table_add(table, SLICE_NONE, slice_str("no note at all")), 0);
    owner_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_are_named),
        cmocka_unit_test(another_time_is_another_connection),
        cmocka_unit_test(another_node_is_another_machine),
        cmocka_unit_test(many_ends_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
