/* The filter language: lexer, parser, checker, planner and evaluator. The first byte chooses
 * between a filter over an entry and an expression with bindings (text, NUL, JSON). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter/filter.h"
#include "filter/program.h"
#include "fuzz/alloc_faults.h"

enum {
    BUDGET = 50000,
    MAX_OUTPUT = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static struct entry_value text_value(field_id field, const char *text)
{
    return (struct entry_value){.field = field, .type = FIELD_TEXT, .text = slice_str(text)};
}

/* One of each type; sorted by field. */
static struct entry sample_entry(void)
{
    static const struct slice places[] = {{(const uint8_t *)"n1:eth0", 7}};
    static const struct entry_pair headers[] = {
        {{(const uint8_t *)"accept", 6}, {(const uint8_t *)"application/json", 16}},
        {{(const uint8_t *)"x\xff", 2}, {(const uint8_t *)"\xff\xfe", 2}},
    };
    static struct entry_value values[16];
    size_t n = 0;
    values[n++] =
        (struct entry_value){.field = FIELD_ELAPSED_TIME_ID, .type = FIELD_INT, .integer = 1500000};
    values[n++] = text_value(FIELD_SRC_IP_ID, "10.0.12.7");
    values[n++] =
        (struct entry_value){.field = FIELD_SRC_PORT_ID, .type = FIELD_INT, .integer = 40000};
    values[n++] = (struct entry_value){
        .field = FIELD_SEEN_AT_ID, .type = FIELD_LIST, .count = 1, .items = places};
    values[n++] = text_value(FIELD_METHOD_ID, "POST");
    values[n++] = text_value(FIELD_PATH_ID, "/carts/\xff\xc3\xa9/items");
    values[n++] =
        (struct entry_value){.field = FIELD_STATUS_CODE_ID, .type = FIELD_INT, .integer = 503};
    values[n++] = (struct entry_value){
        .field = FIELD_REQUEST_HEADERS_ID, .type = FIELD_MAP, .count = 2, .pairs = headers};
    values[n++] = text_value(FIELD_REQUEST_BODY_ID, "{\"a\":[1,2,{\"b\":\"x\"}],\"n\":1e3}");
    return (struct entry){.timestamp_ns = 1790000000123456789,
                          .id_hash = 42,
                          .protocol = "http",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .values = values,
                          .value_count = (uint32_t)n};
}

static void walk(const struct filter_node *node, size_t text_len)
{
    check(node->depth <= FILTER_MAX_DEPTH, "a tree is at most as deep as the limit");
    check(node->begin <= node->end && node->end <= text_len, "a node stands in the text");
    check(node->type, "every node has a type");
    for (uint32_t i = 0; i < node->arg_count; i++)
        walk(node->args[i], text_len);
}

static void run_filter(struct slice text)
{
    struct filter_options options = {.now_ns = 1790000000000000000, .budget_steps = BUDGET};
    struct filter_diagnostic diagnostic = {0};
    struct filter *filter = NULL;
    if (filter_compile(text, &options, &filter, &diagnostic) < 0) {
        struct error error;
        check(diagnostic.text[0], "an error has a sentence");
        check(diagnostic.offset <= text.len, "an error stands in the text");
        filter_diagnostic_error(&diagnostic, &error);
        return;
    }
    size_t count;
    struct entry entry = sample_entry();
    struct entry empty = {.protocol = "dns"};
    struct filter_scratch *scratch = filter_scratch_new();
    enum filter_result first = filter_match(filter, &entry, scratch);
    check(filter_match(filter, &empty, scratch) <= FILTER_DOUBT, "a result is one of four");
    check(filter_match(filter, &entry, scratch) == first, "the same entry is judged the same");
    if (first == FILTER_ERROR)
        filter_scratch_error(filter, scratch, &diagnostic);
    if (filter_root(filter))
        walk(filter_root(filter), text.len);
    (void)filter_fields(filter, &count);
    (void)filter_warnings(filter, &count);
    const struct filter_clause *clauses = filter_clauses(filter, &count);
    for (size_t i = 0; i < count; i++)
        check(clauses[i].text.len > 0, "a clause has a text");
    filter_scratch_free(scratch);
    filter_free(filter);
}

/* Without memory a filter does not compile, or does not judge; it never judges otherwise. */
static void judge_without_memory(struct slice text, enum filter_result whole)
{
    struct filter_options options = {.now_ns = 1790000000000000000, .budget_steps = BUDGET};
    struct filter_diagnostic diagnostic = {0};
    struct filter *filter = NULL;
    struct entry entry = sample_entry();
    int r = filter_compile(text, &options, &filter, &diagnostic);
    if (r < 0) {
        check(r == -ENOMEM && diagnostic.text[0], "want of memory is said as such");
        return;
    }
    struct filter_scratch *scratch = filter_scratch_new();
    for (int i = 0; scratch && i < 2; i++) {
        enum filter_result result = filter_match(filter, &entry, scratch);
        check(result == whole || result == FILTER_ERROR, "want of memory is an error");
        if (result == FILTER_ERROR) {
            filter_scratch_error(filter, scratch, &diagnostic);
            check(diagnostic.text[0], "an error has a sentence");
        }
    }
    filter_scratch_free(scratch);
    filter_free(filter);
}

static void run_filter_without_memory(struct slice text, const uint8_t *data, size_t size)
{
    struct filter_options options = {.now_ns = 1790000000000000000, .budget_steps = BUDGET};
    struct filter *filter = NULL;
    struct entry entry = sample_entry();
    if (filter_compile(text, &options, &filter, NULL) < 0)
        return;
    struct filter_scratch *scratch = filter_scratch_new();
    enum filter_result whole = filter_match(filter, &entry, scratch);
    filter_scratch_free(scratch);
    filter_free(filter);
    if (alloc_faults_begin(data, size))
        judge_without_memory(text, whole);
    alloc_faults_pause();
}

static int evaluate(struct slice text, struct slice bindings, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    return filter_eval_expression(text, bindings, &w);
}

/* The same value, or an error. */
static void run_expression_without_memory(struct slice text, struct slice bindings,
                                          const uint8_t *data, size_t size)
{
    struct buf whole, out;
    buf_init(&whole, MAX_OUTPUT);
    buf_init(&out, MAX_OUTPUT);
    int expected = evaluate(text, bindings, &whole);
    (void)buf_reserve(&out, MAX_OUTPUT);
    if (expected == 0 && !buf_failed(&whole) && alloc_faults_begin(data, size)) {
        int r = evaluate(text, bindings, &out);
        alloc_faults_pause();
        check(r == -ENOMEM || r == -EINVAL || slice_eq(buf_slice(&whole), buf_slice(&out)),
              "want of memory is an error");
    }
    buf_done(&whole);
    buf_done(&out);
}

static void run_expression(struct slice text, const uint8_t *data, size_t size)
{
    const uint8_t *nul = text.len ? memchr(text.data, 0, text.len) : NULL;
    struct slice bindings = SLICE_NONE;
    struct buf out;
    if (nul) {
        size_t at = (size_t)(nul - text.data);
        bindings = slice_sub(text, at + 1, text.len);
        text = slice_sub(text, 0, at);
    }
    buf_init(&out, MAX_OUTPUT);
    if (evaluate(text, bindings, &out) == 0)
        check(out.len > 0 || buf_failed(&out), "a value is written");
    buf_done(&out);
    run_expression_without_memory(text, bindings, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* In a block of its own, so that reading behind it is seen. */
    uint8_t *copy = alloc_faults_malloc(size);
    memcpy(copy, data, size);
    struct slice text = slice_of(copy + 1, size - 1);
    if (copy[0] & 1)
        run_expression(text, data, size);
    else {
        run_filter(text);
        run_filter_without_memory(text, data, size);
    }
    free(copy);
    return 0;
}
