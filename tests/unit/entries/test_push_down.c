/* Push-down and what is left to the evaluator give exactly what the evaluator gives alone: drawn
 * filters over drawn entries, with everything that could tell the two apart: absent values, texts
 * that are no UTF-8, "<unknown>", bodies that were cut, zeros that are not zero. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "entries/question_rows.h"
#include "entries/writer.h"
#include "unit/unit_test.h"

enum {
    ENTRIES = 600,
    FILTERS = 200, /* × ENTRIES: 120,000 pairs */
    PART_ROWS = 120
};
static const int64_t start_ns = INT64_C(1767225600000000000);

struct world {
    char dir[64];
    struct query_session pushed, judged;
};

static uint64_t random_state = 88172645463325252ULL;

static uint32_t draw(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

/* ── the entries ── */

static const char *const protocols[] = {"http", "grpc", "gql", "dns", "redis", "tcp_conn"};
static const char *const texts[] = {
    "",          "GET",        "POST",    "/a",           "/a/b",
    "<unknown>", "it's \"x\"", "a\xff/b", "\xef\xbf\xbd", "/prüfung",
    "ok",        "error",      "%_\\",    "10.0.0.1",     "$1"};
static const int64_t numbers[] = {0, -1, 1, 53, 200, 404, 500, 8080, INT64_MAX, INT64_MIN};
static const field_id text_fields[] = {FIELD_SRC_IP_ID, FIELD_STATUS_ID, FIELD_METHOD_ID,
                                       FIELD_PATH_ID,   FIELD_HOST_ID,   FIELD_URL_ID};
static const field_id int_fields[] = {FIELD_ELAPSED_TIME_ID, FIELD_SRC_PORT_ID, FIELD_GAP_BYTES_ID,
                                      FIELD_STATUS_CODE_ID, FIELD_RESPONSE_SIZE_ID};

static int by_field(const void *a, const void *b)
{
    const struct entry_value *x = a, *y = b;
    return (x->field > y->field) - (x->field < y->field);
}

static int append_drawn(struct entries_writer *writer, uint64_t i, struct error *error)
{
    struct entry_value values[20];
    uint32_t n = 0;
    for (size_t f = 0; f < sizeof text_fields / sizeof *text_fields; f++)
        if (draw(4))
            values[n++] =
                (struct entry_value){.field = text_fields[f],
                                     .type = FIELD_TEXT,
                                     .text = slice_str(texts[draw(sizeof texts / sizeof *texts)])};
    for (size_t f = 0; f < sizeof int_fields / sizeof *int_fields; f++)
        if (draw(4))
            values[n++] =
                (struct entry_value){.field = int_fields[f],
                                     .type = FIELD_INT,
                                     .integer = numbers[draw(sizeof numbers / sizeof *numbers)]};
    if (draw(2))
        values[n++] = (struct entry_value){
            .field = FIELD_INCOMPLETE_ID, .type = FIELD_BOOL, .boolean = draw(2)};
    if (draw(2)) {
        values[n++] = (struct entry_value){.field = FIELD_RESPONSE_BODY_ID,
                                           .type = FIELD_TEXT,
                                           .text = slice_str(draw(2) ? "needle here" : "{}")};
        values[n++] = (struct entry_value){
            .field = FIELD_RESPONSE_TRUNCATED_ID, .type = FIELD_BOOL, .boolean = draw(2)};
    }
    qsort(values, n, sizeof *values, by_field);
    struct entry entry = {.timestamp_ns = start_ns + (int64_t)i * 1000,
                          .id_hash = i * 1000003,
                          .index = i,
                          .protocol = protocols[draw(sizeof protocols / sizeof *protocols)],
                          .transport = ENTRY_TRANSPORT_TCP,
                          .values = values,
                          .value_count = n};
    return entries_writer_append(writer, &entry, error);
}

static int set_up(void **state)
{
    static struct world world;
    static const struct entry_file file = {"n1", 1};
    struct error error = {.text = ""};
    struct entries_writer *writer;
    snprintf(world.dir, sizeof world.dir, "/tmp/trawl_push_XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    struct entries_writer_options options = {
        .dir = world.dir, .files = {.files = &file, .count = 1}, .part_rows = PART_ROWS};
    if (entries_writer_open(&options, &writer, &error) < 0)
        fail_msg("%s", error.text);
    for (uint64_t i = 0; i < ENTRIES; i++)
        if (append_drawn(writer, i, &error) < 0)
            fail_msg("%s", error.text);
    if (entries_writer_close(writer, &error) < 0)
        fail_msg("%s", error.text);
    entries_writer_free(writer);
    world.pushed = world.judged = (struct query_session){.source = "s/d"};
    world.judged.judge_all = true;
    const char *const dirs[] = {world.dir, NULL};
    if (query_session_open(&world.pushed, dirs, &error) < 0 ||
        query_session_open(&world.judged, dirs, &error) < 0)
        fail_msg("%s", error.text);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    query_session_done(&world->pushed);
    query_session_done(&world->judged);
    return io_remove_tree("test", AT_FDCWD, world->dir);
}

/* ── the filters ── */

static void put_drawn_text(struct buf *out)
{
    buf_append_str(out, "\"");
    for (const char *c = texts[draw(sizeof texts / sizeof *texts)]; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_append_u8(out, '\\');
        if ((uint8_t)*c == 0xff) /* a filter is UTF-8 */
            buf_append_str(out, "\\uFFFD");
        else
            buf_append_u8(out, (uint8_t)*c);
    }
    buf_append_str(out, "\"");
}

static void put_drawn_number(struct buf *out)
{
    buf_printf(out, "%" PRId64, numbers[draw(9)]); /* the smallest has no literal */
    if (draw(12) == 0)
        buf_append_str(out, ".0");
}

static void put_term(struct buf *out)
{
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
    static const char *const calls[] = {"contains", "startsWith", "endsWith", "matches"};
    static const char *const flags[] = {"http", "grpc",       "gql",  "gqlv1", "dns", "redis",
                                        "conn", "incomplete", "true", "false", "tcp", "tls"};
    const char *text = field_at(text_fields[draw(6)])->name,
               *number = field_at(int_fields[draw(5)])->name;
    switch (draw(10)) {
    case 0:
    case 1:
        buf_append_str(out, flags[draw(12)]);
        break;
    case 2:
    case 3:
        buf_printf(out, "%s %s ", number, ops[draw(6)]);
        put_drawn_number(out);
        break;
    case 4:
        put_drawn_number(out);
        buf_printf(out, " %s %s", ops[draw(6)], number);
        break;
    case 5:
        buf_printf(out, "%s %s ", text, ops[draw(draw(3) ? 2 : 6)]);
        put_drawn_text(out);
        break;
    case 6:
        buf_printf(out, "%s.%s(", text, calls[draw(3)]);
        put_drawn_text(out);
        buf_append_str(out, ")");
        break;
    case 7:
        buf_printf(out, "%s in [", draw(2) ? text : "protocol");
        put_drawn_text(out);
        buf_append_str(out, ", \"http\"]");
        break;
    case 8:
        buf_printf(out, "has(%s)", draw(2) ? text : number);
        break;
    default: /* what no column answers: doubt and errors among it */
        buf_append_str(out, draw(2) ? "response.body.contains(\"needle\")"
                                    : "1000 / (status_code - 200) > 3");
        break;
    }
}

static void put_filter(struct buf *out, unsigned depth)
{
    uint32_t kind = depth ? draw(6) : 5;
    if (kind == 4)
        buf_append_str(out, "!(");
    if (kind >= 4) {
        put_term(out);
        buf_append_str(out, kind == 4 ? ")" : "");
        return;
    }
    for (uint32_t i = 0, n = 2 + draw(2); i < n; i++) {
        buf_append_str(out, i ? kind < 3 ? " && " : " || " : "(");
        // NOLINTNEXTLINE(misc-no-recursion): depth
        put_filter(out, depth - 1);
    }
    buf_append_str(out, ")");
}

struct outcome {
    struct row_list rows;
    uint64_t unjudged;
};

static struct outcome ask(struct query_session *session, const char *filter)
{
    struct outcome outcome = {0};
    struct question q = {.session = session,
                         .json = json_pack("{s:s}", "filter", filter),
                         .from_ns = INT64_MIN,
                         .to_ns = INT64_MAX};
    struct page_request page = {.order = &row_orders[0], .limit = -1};
    buf_init(&q.warnings, 64 * 1024);
    if (question_apply_filter(&q) < 0 || question_select_rows(&q, &page, &outcome.rows) < 0)
        fail_msg("%s: %s", filter, q.problem.error.text);
    outcome.unjudged = q.matches ? q.matches->unjudged : 0;
    question_filter_done(&q);
    buf_done(&q.warnings);
    json_decref((json_t *)(uintptr_t)q.json);
    return outcome;
}

/* True when some entries match, and some do not. */
static bool compare(struct world *world, const char *filter)
{
    struct outcome a = ask(&world->pushed, filter), b = ask(&world->judged, filter);
    bool same = a.rows.count == b.rows.count && a.unjudged == b.unjudged;
    for (size_t i = 0; same && i < a.rows.count; i++)
        same = a.rows.items[i][0] == b.rows.items[i][0];
    if (!same)
        fail_msg("%s: %zu rows and %llu unjudged instead of %zu and %llu", filter, a.rows.count,
                 (unsigned long long)a.unjudged, b.rows.count, (unsigned long long)b.unjudged);
    free(a.rows.items);
    free(b.rows.items);
    return a.rows.count > 0 && a.rows.count < ENTRIES;
}

static void drawn_filters_over_drawn_entries(void **state)
{
    struct world *world = *state;
    struct buf filter;
    unsigned telling = 0, whole = 0, part = 0;
    buf_init(&filter, 16 * 1024);
    for (unsigned i = 0; i < FILTERS; i++) {
        buf_reset(&filter);
        put_filter(&filter, draw(4));
        buf_append_u8(&filter, 0);
        struct filter *compiled = NULL;
        struct filter_diagnostic d;
        if (filter_compile(slice_str((const char *)filter.data), NULL, &compiled, &d) < 0)
            continue; /* 1 / 0 and the like, known when it is compiled */
        struct filter_push_down p;
        filter_push_down(compiled, &p);
        whole += p.is_whole;
        part += !p.is_whole && p.condition.len > 0;
        filter_push_down_done(&p);
        filter_free(compiled);
        telling += compare(world, (const char *)filter.data);
    }
    buf_done(&filter);
    print_message("%u of %u filters tell entries apart; %u wholly by columns, %u in part\n",
                  telling, FILTERS, whole, part);
    assert_true(telling > FILTERS / 3);
    assert_true(whole > FILTERS / 10 && part > FILTERS / 20);
}

/* Cases that are easily got wrong, by name. */
static void chosen_filters(void **state)
{
    static const char *const filters[] = {
        "status_code >= 0",
        "status_code != 200",
        "!(status_code == 200)",
        "!incomplete",
        "method != \"GET\"",
        "method == \"\"",
        "path == \"<unknown>\"",
        "path != \"<unknown>\"",
        "path == \"a\\uFFFD/b\"",
        "path.contains(\"\\uFFFD\")",
        "path.contains(\"\")",
        "path == \"it's \\\"x\\\"\"",
        "path == \"$1\" || method == \"$2\"",
        "path.contains(\"%_\")",
        "http && status_code >= 500",
        "status_code in [200, 404]",
        "status_code in [200, 404.0]",
        "200 <= status_code",
        "status_code == 404.0",
        "gqlv1 || http",
        "has(method) && !has(path)",
        "response.body.contains(\"needle\") && status_code == 200",
        "status_code == 200 && response.body.contains(\"needle\")",
        "1000 / (status_code - 200) > 3 && http",
        "http && 1000 / (status_code - 200) > 3",
        "status_code == 9223372036854775807",
        "index < 10",
        "id == \"x\"",
        NULL};
    struct world *world = *state;
    for (size_t i = 0; filters[i]; i++)
        (void)compare(world, filters[i]);
}

static struct filter_push_down push(const char *text, struct filter **ret_filter)
{
    struct filter_diagnostic d;
    struct filter_push_down p;
    if (filter_compile(slice_str(text), NULL, ret_filter, &d) < 0)
        fail_msg("%s: %s", text, d.text);
    filter_push_down(*ret_filter, &p);
    return p;
}

/* What a filter says never becomes a part of the statement. */
static void values_are_parameters(void **state)
{
    (void)state;
    struct filter *filter;
    struct filter_push_down p =
        push("path == \"x' OR 1=1 --\" && status_code in [4711, 4712]", &filter);
    assert_true(p.is_whole);
    assert_int_equal(p.parameter_count, 3);
    assert_string_equal((const char *)p.condition.data,
                        "(coalesce(r.\"path\",'')=$1) AND (coalesce(r.\"status_code\",0) IN "
                        "($2,$3))");
    assert_string_equal((const char *)p.unknown.data, "coalesce(r.\"path\",'')='<unknown>'");
    filter_push_down_done(&p);
    filter_free(filter);
    /* only the clauses before the first that the columns cannot answer */
    p = push("http && url == \"x\" && status_code == 1", &filter);
    assert_false(p.is_whole);
    assert_null(strstr((const char *)p.condition.data, "status_code"));
    assert_non_null(strstr((const char *)p.condition.data, "protocol"));
    filter_push_down_done(&p);
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_filters_over_drawn_entries),
        cmocka_unit_test(chosen_filters),
        cmocka_unit_test(values_are_parameters),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
