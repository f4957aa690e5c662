/* Which calls are hops of one another, and which only look so. */
#include <stdlib.h>
#include <string.h>

#include "dissect/hops.h"
#include "unit/unit_test.h"

struct call {
    const char *id, *method, *path, *parent; /* parent: traceparent */
    int src, dst;                            /* ports */
    int64_t from, to;
    bool incomplete;
    /* expected; 0: no hop */
    int number, count;
    int first; /* place of the first in the list */
};

enum {
    MAX_VALUES = 16
};

struct made {
    struct entry entry;
    struct entry_value values[MAX_VALUES];
    struct entry_pair header;
    struct packet_ref last;
};

static void put(struct made *m, field_id field, enum field_type type, int64_t integer,
                const char *text)
{
    struct entry_value *v = &m->values[m->entry.value_count++];
    *v = (struct entry_value){.field = field, .type = (uint8_t)type};
    if (type == FIELD_TEXT)
        v->text = slice_str(text);
    else if (type == FIELD_BOOL)
        v->boolean = integer;
    else
        v->integer = integer;
}

static int by_field(const void *a, const void *b)
{
    const struct entry_value *x = a, *y = b;
    return (x->field > y->field) - (x->field < y->field);
}

static void make(struct made *m, const struct call *c, uint64_t number)
{
    *m = (struct made){.entry = {.timestamp_ns = c->from * 1000, .id_hash = number + 100}};
    m->entry.values = m->values;
    put(m, FIELD_STREAM_ID, FIELD_INT, (int64_t)number, NULL);
    put(m, FIELD_ELAPSED_TIME_ID, FIELD_INT, c->to - c->from, NULL);
    put(m, FIELD_SRC_IP_ID, FIELD_TEXT, 0, "10.0.0.1");
    put(m, FIELD_DST_IP_ID, FIELD_TEXT, 0, "10.0.0.1");
    put(m, FIELD_SRC_PORT_ID, FIELD_INT, c->src, NULL);
    put(m, FIELD_DST_PORT_ID, FIELD_INT, c->dst, NULL);
    put(m, FIELD_INCOMPLETE_ID, FIELD_BOOL, c->incomplete, NULL);
    put(m, FIELD_METHOD_ID, FIELD_TEXT, 0, c->method);
    put(m, FIELD_PATH_ID, FIELD_TEXT, 0, c->path);
    put(m, FIELD_STATUS_CODE_ID, FIELD_INT, 200, NULL);
    if (c->id)
        put(m, FIELD_REQUEST_ID_ID, FIELD_TEXT, 0, c->id);
    if (c->parent) {
        m->header = (struct entry_pair){slice_str("traceparent"), slice_str(c->parent)};
        m->values[m->entry.value_count++] = (struct entry_value){
            .field = FIELD_REQUEST_HEADERS_ID, .type = FIELD_MAP, .count = 1, .pairs = &m->header};
    }
    qsort(m->values, m->entry.value_count, sizeof *m->values, by_field);
}

static int64_t int_of(const struct entry *entry, field_id field)
{
    const struct entry_value *v = entry_find(entry, field);
    return v ? v->integer : 0;
}

static bool is_left_out(void *ctx, uint64_t stream, int64_t last_ns)
{
    (void)last_ns;
    return stream == *(uint64_t *)ctx;
}

/* In every order over two lists the calls say what is expected. */
static void expect_without(const struct call *calls, size_t count, uint64_t without)
{
    for (size_t turn = 0; turn < count; turn++) {
        struct hop_list a = {0}, b = {0};
        struct hop_list *lists[] = {&a, &b};
        struct hash_key key = {1, 2};
        struct made made;
        for (size_t i = 0; i < count; i++) {
            size_t at = (turn & 1 ? count - i + turn : i + turn) % count;
            make(&made, &calls[at], at);
            hop_list_add(at % 3 ? &a : &b, key, &made.entry);
        }
        struct hops *hops = NULL;
        assert_int_equal(hops_link(lists, 2, is_left_out, &without, &hops), 0);
        for (size_t i = 0; i < count; i++) {
            const struct entry *said;
            make(&made, &calls[i], i);
            assert_int_equal(hops_fill(hops, &made.entry, &said), 0);
            assert_int_equal(int_of(said, FIELD_HOP_ID), calls[i].number);
            assert_int_equal(int_of(said, FIELD_HOP_COUNT_ID), calls[i].count);
            if (!calls[i].number) {
                assert_ptr_equal(said, &made.entry);
                continue;
            }
            struct made first;
            char id[ENTRY_ID_TEXT_SIZE];
            make(&first, &calls[calls[i].first], (uint64_t)calls[i].first);
            assert_true(slice_eq_str(entry_find(said, FIELD_HOP_OF_ID)->text,
                                     entry_id_text(&first.entry, id)));
            for (uint32_t v = 1; v < said->value_count; v++)
                assert_true(said->values[v - 1].field < said->values[v].field);
        }
        hops_free(hops);
    }
}

#define EXPECT(calls) expect_without(calls, sizeof(calls) / sizeof *(calls), UINT64_MAX)

static void a_chain_of_proxies(void **state)
{
    (void)state;
    static const struct call calls[] = {
        {"a", "GET", "/x", NULL, 1, 80, 100, 900, false, 1, 3, 0},
        {"a", "GET", "/x", NULL, 2, 81, 200, 800, false, 2, 3, 0},
        {"a", "GET", "/x", NULL, 3, 82, 300, 700, false, 3, 3, 0},
        /* another call at the same time, and the same one once more later */
        {"b", "GET", "/x", NULL, 4, 80, 150, 850, false, 1, 2, 3},
        {"b", "GET", "/x", NULL, 2, 81, 250, 750, false, 2, 2, 3},
        {"a", "GET", "/x", NULL, 1, 80, 1000, 1900, false, 1, 2, 5},
        {"a", "GET", "/x", NULL, 2, 81, 1200, 1800, false, 2, 2, 5},
        /* alone */
        {"c", "GET", "/x", NULL, 5, 80, 100, 900, false, 0, 0, 0},
    };
    EXPECT(calls);
}

static void what_only_looks_so(void **state)
{
    (void)state;
    static const struct call calls[] = {
        /* two calls within one: an application asks under the id it was asked with */
        {"fan", "GET", "/x", NULL, 1, 80, 100, 900, false, 0, 0, 0},
        {"fan", "GET", "/x", NULL, 2, 81, 200, 400, false, 0, 0, 0},
        {"fan", "GET", "/x", NULL, 3, 82, 300, 800, false, 0, 0, 0},
        /* not within one another */
        {"over", "GET", "/x", NULL, 1, 80, 100, 500, false, 0, 0, 0},
        {"over", "GET", "/x", NULL, 2, 81, 200, 600, false, 0, 0, 0},
        /* another call of the same request */
        {"other", "GET", "/x", NULL, 1, 80, 100, 900, false, 0, 0, 0},
        {"other", "GET", "/y", NULL, 2, 81, 200, 800, false, 0, 0, 0},
        {"other", "POST", "/x", NULL, 2, 81, 200, 800, false, 0, 0, 0},
        /* over the same connection: no proxy is its own client */
        {"same", "GET", "/x", NULL, 7, 80, 100, 900, false, 0, 0, 0},
        {"same", "GET", "/x", NULL, 7, 80, 200, 800, false, 0, 0, 0},
        /* half of it is missing */
        {"half", "GET", "/x", NULL, 1, 80, 100, 900, false, 0, 0, 0},
        {"half", "GET", "/x", NULL, 2, 81, 200, 800, true, 0, 0, 0},
        /* nobody says which call it is */
        {NULL, "GET", "/x", NULL, 1, 80, 100, 900, false, 0, 0, 0},
        {NULL, "GET", "/x", NULL, 2, 81, 200, 800, false, 0, 0, 0},
    };
    EXPECT(calls);
}

/* Whoever makes another call gives it another parent id. */
static void traceparent_names_a_call(void **state)
{
    (void)state;
    static const struct call calls[] = {
        {NULL, "GET", "/x", "00-t-1-01", 1, 80, 100, 900, false, 1, 2, 0},
        {NULL, "GET", "/x", "00-t-1-01", 2, 81, 200, 800, false, 2, 2, 0},
        {NULL, "GET", "/x", "00-t-2-01", 3, 82, 300, 700, false, 0, 0, 0},
    };
    EXPECT(calls);
}

/* What turned out to be a second sight of something is no hop. */
static void withdrawn_calls_are_none(void **state)
{
    (void)state;
    static const struct call calls[] = {
        {"a", "GET", "/x", NULL, 1, 80, 100, 900, false, 1, 2, 0},
        {"a", "GET", "/x", NULL, 2, 81, 200, 800, false, 0, 0, 0},
        {"a", "GET", "/x", NULL, 3, 82, 300, 700, false, 2, 2, 0},
    };
    expect_without(calls, 3, 1);
}

/* Of too many none is linked: which ones came first would depend on the threads. */
static void too_many_are_not_linked(void **state)
{
    (void)state;
    struct hop_list list = {0}, *lists[] = {&list};
    struct hash_key key = {1, 2};
    struct call call = {"a", "GET", "/x", NULL, 1, 80, 0, 0, false, 0, 0, 0};
    struct made made;
    for (int64_t i = 0; i < HOPS_MAX_CALLS + 1; i++) {
        call.from = i;
        call.to = 3 * (int64_t)HOPS_MAX_CALLS - i; /* each within the one before it */
        call.src = (int)(i % 60000);
        make(&made, &call, (uint64_t)i);
        hop_list_add(&list, key, &made.entry);
    }
    struct hops *hops = NULL;
    const struct entry *said;
    assert_int_equal(hops_link(lists, 1, NULL, NULL, &hops), 0);
    assert_int_equal(hops_fill(hops, &made.entry, &said), 0);
    assert_ptr_equal(said, &made.entry);
    hops_free(hops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_proxies),       cmocka_unit_test(what_only_looks_so),
        cmocka_unit_test(traceparent_names_a_call), cmocka_unit_test(withdrawn_calls_are_none),
        cmocka_unit_test(too_many_are_not_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
