/* Push-down and what is left to the evaluator give exactly what the evaluator gives alone: drawn
 * filters over drawn entries, with everything that could tell the two apart: absent values, texts
 * that are no UTF-8, "<unknown>", bodies that were cut, zeros that are not zero, errors and doubts
 * in front of and behind what the columns answer.
 *
 * tests/differential.sh draws more of both (TRAWL_DRAW_FILTERS, TRAWL_DRAW_SEED). */
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

static uint64_t seed = 1, random_state;
static unsigned filter_count = FILTERS;

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
enum {
    NUMBERS = sizeof numbers / sizeof *numbers
};
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
                                     /* microseconds that fit as nanoseconds: no extremes */
                                     .integer = numbers[draw(f ? NUMBERS : NUMBERS - 2)]};
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
    struct entry_pair headers[3];
    uint32_t header_count = 0;
    for (uint32_t h = 0; h < 3; h++)
        if (draw(2))
            headers[header_count++] =
                (struct entry_pair){slice_str((const char *[]){"x-0", "x-1", "x-2"}[h]),
                                    slice_str(draw(2) ? "1" : "<unknown>")};
    if (header_count)
        values[n++] = (struct entry_value){.field = FIELD_REQUEST_HEADERS_ID,
                                           .type = FIELD_MAP,
                                           .count = header_count,
                                           .pairs = headers};
    qsort(values, n, sizeof *values, by_field);
    struct entry entry = {.timestamp_ns = start_ns + (int64_t)i * 1000 + draw(2) * 500,
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

/* What no column answers: doubts and errors among it. */
static void put_residual(struct buf *out, const char *number, const char *text)
{
    switch (draw(9)) {
    case 0:
        buf_append_str(out, "response.body.contains(\"needle\")");
        break;
    case 1:
        buf_append_str(out, "!response.body.contains(\"needle\")");
        break;
    case 2:
        buf_append_str(out, "1000 / (status_code - 200) > 3");
        break;
    case 3:
        buf_printf(out, "request.headers[\"x-%u\"] == \"1\"", draw(3)); /* an error without it */
        break;
    case 4:
        buf_printf(out, "map_get(request.headers, \"x-%u\", \"\") == \"1\"", draw(3));
        break;
    case 5:
        buf_printf(out, "(%s > 100 ? %s == \"GET\" : http)", number, text);
        break;
    case 6:
        buf_printf(out, "size(%s) %% 2 == 0", text);
        break;
    case 7:
        buf_printf(out, "[%s, \"GET\"].exists(t, t == %s)", text, text);
        break;
    default:
        buf_printf(out, "%s + 1 > %s", number, number); /* overflows at the largest */
        break;
    }
}

static void put_term(struct buf *out)
{
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
    static const char *const calls[] = {"contains", "startsWith", "endsWith", "matches"};
    static const char *const flags[] = {"http", "grpc",       "gql",  "gqlv1", "dns", "redis",
                                        "conn", "incomplete", "true", "false", "tcp", "tls"};
    const char *text = field_at(text_fields[draw(6)])->name,
               *number = field_at(int_fields[draw(5)])->name;
    switch (draw(15)) {
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
    case 9:
        buf_printf(out, "%s %s %s", number, ops[draw(6)], field_at(int_fields[draw(5)])->name);
        break;
    case 10:
        buf_printf(out, "timestamp %s timestamp(\"2026-01-01T00:00:00.000%03u%sZ\")", ops[draw(6)],
                   draw(ENTRIES), draw(2) ? "" : "5");
        break;
    case 11:
        buf_printf(out, "latency %s duration(\"%d%s\")", ops[draw(6)], (int)draw(600) - 100,
                   draw(2) ? "us" : "ns");
        break;
    default:
        put_residual(out, number, text);
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
        fail_msg("seed %" PRIu64 ": %s: %zu rows and %llu unjudged instead of %zu and %llu", seed,
                 filter, a.rows.count, (unsigned long long)a.unjudged, b.rows.count,
                 (unsigned long long)b.unjudged);
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
    for (unsigned i = 0; i < filter_count; i++) {
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
    print_message("seed %" PRIu64
                  ": %u of %u filters over %d entries (%u pairs) tell entries apart; "
                  "%u wholly by columns, %u in part\n",
                  seed, telling, filter_count, ENTRIES, filter_count * ENTRIES, whole, part);
    assert_true(telling > filter_count / 3);
    assert_true(whole > filter_count / 20 && part > filter_count / 4);
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
        "response.body.contains(\"needle\") && path == \"<unknown>\" && method == \"GET\"",
        "(http && response.body.contains(\"needle\")) || dns",
        "!(http || response.body.contains(\"needle\"))",
        "!(http && response.body.contains(\"needle\"))",
        "!(!(http && response.body.contains(\"needle\")) && status_code != 200)",
        "request.headers[\"x-1\"] == \"1\" && !has(method)",
        "timestamp < timestamp(\"2026-01-01T00:00:00.0003Z\") && 1000 / status_code > 1",
        "latency > duration(\"199us\") && latency < duration(\"200001ns\")",
        "latency == duration(\"200001ns\") || latency >= duration(\"499999ns\")",
        "latency <= duration(\"-1ns\")",
        "latency >= duration(\"-1ns\")",
        "timestamp >= timestamp(\"0001-01-01T00:00:00Z\")",
        "src.port == response.size && size(path) > 1",
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
}

static void expect_answers(const char *text, const char *condition,
                           const enum filter_answer *answers, size_t count)
{
    struct filter *filter;
    struct filter_push_down p = push(text, &filter);
    assert_string_equal((const char *)p.condition.data, condition);
    assert_int_equal(p.clause_count, count);
    bool whole = true;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(p.clauses[i].answer, answers[i]);
        whole &= answers[i] == FILTER_BY_COLUMNS;
    }
    assert_int_equal(p.is_whole, whole);
    filter_push_down_done(&p);
    filter_free(filter);
}

#define ANSWERS(...)                           \
    (const enum filter_answer[]){__VA_ARGS__}, \
        sizeof((const enum filter_answer[]){__VA_ARGS__}) / sizeof(enum filter_answer)

/* Wherever a clause stands, the columns say of it what they know. */
static void every_clause_is_asked_of_the_columns(void **state)
{
    (void)state;
    expect_answers("url == \"x\" && status_code == 1 && has(method)",
                   "(coalesce(r.\"status_code\",0)=$1) AND (r.\"method\" IS NOT NULL)",
                   ANSWERS(FILTER_BY_ENTRIES, FILTER_BY_COLUMNS, FILTER_BY_COLUMNS));
    expect_answers("(has(path) && url == \"x\") || incomplete",
                   "(((r.\"path\" IS NOT NULL) OR coalesce(r.\"incomplete\",false)))",
                   ANSWERS(FILTER_NARROWED));
    expect_answers("latency >= duration(\"1500ns\")", "(coalesce(r.\"elapsed_time\",0)>=$1)",
                   ANSWERS(FILTER_BY_COLUMNS));
    expect_answers("latency == duration(\"1500ns\")", "", ANSWERS(FILTER_BY_ENTRIES));
    expect_answers("timestamp > now() - duration(\"15m\")", "(r.\"timestamp\">$1)",
                   ANSWERS(FILTER_BY_COLUMNS));
    expect_answers("!(incomplete || url == \"x\")", "(NOT ((coalesce(r.\"incomplete\",false))))",
                   ANSWERS(FILTER_NARROWED));
    expect_answers("!(incomplete && url == \"x\")", "", ANSWERS(FILTER_BY_ENTRIES));
    expect_answers("url == \"x\" || incomplete", "", ANSWERS(FILTER_BY_ENTRIES));
}

/* What does not fit is left to the evaluator, the rest is not lost with it. */
static void what_is_too_long_is_left_out(void **state)
{
    (void)state;
    struct filter *filter;
    struct buf text;
    buf_init(&text, 16 * 1024);
    buf_append_str(&text, "(path == \"a\"");
    for (int i = 0; i < 200; i++)
        buf_append_str(&text, " || path == \"a\"");
    buf_append_str(&text, ") && status_code == 7");
    buf_append_u8(&text, 0);
    struct filter_push_down p = push((const char *)text.data, &filter);
    assert_string_equal((const char *)p.condition.data, "(coalesce(r.\"status_code\",0)=$1)");
    assert_int_equal(p.parameter_count, 1);
    assert_int_equal(p.parameters[0].integer, 7);
    filter_push_down_done(&p);
    filter_free(filter);
    buf_done(&text);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void)
{
    seed = number_of("TRAWL_DRAW_SEED", seed);
    filter_count = (unsigned)number_of("TRAWL_DRAW_FILTERS", filter_count);
    random_state = 88172645463325252ULL ^ seed * 0x9e3779b97f4a7c15ULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_filters_over_drawn_entries),
        cmocka_unit_test(chosen_filters),
        cmocka_unit_test(values_are_parameters),
        cmocka_unit_test(every_clause_is_asked_of_the_columns),
        cmocka_unit_test(what_is_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
