/* GraphQL over HTTP/1: documents of the GraphQL specification, requests and responses of "GraphQL
 * over HTTP", batches, persisted queries, multipart requests, and what only looks like it. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define OK_JSON "{\"data\":{\"a\":1}}"

/* A POST of `body` to `path` and the response, cut in every way. */
static struct proto_run *post(const char *path, const char *type, const char *body,
                              const char *response)
{
    char request[16384], answer[8192];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: api\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
             path, type, strlen(body), body);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(response), response);
    struct proto_run *run =
        PROTO_RUN("http", CB(request, strlen(request)), SB(answer, strlen(answer)));
    proto_count(run, 1);
    return run;
}

static void expect(const char *body, const char *const *parts)
{
    struct proto_run *run = post("/api", "application/json", body, OK_JSON);
    proto_has(run, 0, "\"protocol\":\"gql\"");
    for (; *parts; parts++)
        proto_has(run, 0, *parts);
    proto_run_free(run);
}

#define EXPECT(body, ...) expect(body, (const char *const[]){__VA_ARGS__, NULL})

static void operations(void **state)
{
    (void)state;
    EXPECT("{\"query\":\"{ user(id: 4) { name } }\"}", "\"gql_operation\":\"query\"",
           "\"gql_query\":\"{ user(id: 4) { name } }\"",
           "\"summary\":\"query { user(id: 4) { name } } → 200\"", "\"status\":\"ok\"");
    EXPECT("{\"query\":\"mutation { likeStory(storyID: 12345) { story { likeCount } } }\"}",
           "\"gql_operation\":\"mutation\"");
    EXPECT("{\"operationName\":null,\"variables\":{\"devicePicSize\":1},\"query\":"
           "\"query getZuckProfile($devicePicSize: Int = 5 @x) { user(id: 4) { id profilePic(size: "
           "$devicePicSize) } }\"}",
           "\"gql_operation\":\"query\"", "\"gql_operation_name\":\"getZuckProfile\"",
           "\"summary\":\"query getZuckProfile → 200\"");
    /* cut short: what came of it is a whole member */
    EXPECT("{\"query\":\"{ a }\"", "\"gql_operation\":\"query\"");
    EXPECT("{\"query\":\"subscription Ticks{tick}\"}", "\"gql_operation\":\"subscription\"",
           "\"gql_operation_name\":\"Ticks\"");
    /* of several operations the one that is named */
    EXPECT("{\"query\":\"query A { a } mutation B { b } query C { c }\",\"operationName\":\"B\"}",
           "\"gql_operation\":\"mutation\"", "\"gql_operation_name\":\"B\"");
}

/* GetOperation() of the specification, section 6.1. */
static void operation_that_is_run(void **state)
{
    (void)state;
    struct proto_run *run =
        post("/api", "application/json", "{\"query\":\"query A { a } query B { b }\"}", OK_JSON);
    proto_has(run, 0, "\"protocol\":\"gql\"");
    proto_lacks(run, 0, "gql_operation");
    proto_run_free(run);
    run = post("/api", "application/json",
               "{\"query\":\"query A { a }\",\"operationName\":\"Other\"}", OK_JSON);
    proto_lacks(run, 0, "gql_operation\"");
    proto_has(run, 0, "\"gql_operation_name\":\"Other\"");
    proto_run_free(run);
    run = post("/graphql", "application/graphql", "", OK_JSON);
    proto_has(run, 0, "\"protocol\":\"gql\"");
    proto_lacks(run, 0, "gql_query");
    proto_run_free(run);
}

static void documents(void **state)
{
    (void)state;
    EXPECT("{\"query\":\"\\ufeff# a comment with { and \\\"\\n, query Q { a }\"}",
           "\"gql_operation_name\":\"Q\"");
    EXPECT("{\"query\":\"fragment f on User @d(x: 1) { id ...g } query Q { ...f ... on A { a } "
           "... @include(if: $x) { b } alias: c(x: [1, -2.5e3], y: {z: \\\"}\\\"}) }\"}",
           "\"gql_operation\":\"query\"", "\"gql_operation_name\":\"Q\"");
    EXPECT(
        "{\"query\":\"mutation M { send(text: \\\"\\\"\\\"\\n  Hello \\\"World\\\" }\\n \\\\\\\"\\\"\\\" "
        "\\\"\\\"\\\") { id } }\"}",
        "\"gql_operation\":\"mutation\"", "\"gql_operation_name\":\"M\"");
    EXPECT("{\"query\":\"query Q($a: [Int!]! = [1,2], $b: In = {c: [{d: ENUM}]}) { x(a: $a) }\"}",
           "\"gql_operation_name\":\"Q\"");
    EXPECT("{\"query\":\"query \\u00dcber { a }\",\"extensions\":{\"persistedQuery\":{}},"
           "\"query\":\"query T { tw\\u006f(s: \\\"\\ud834\\udd1e\\\") }\"}",
           "\"gql_operation_name\":\"T\"", "query T { two(s: \\\"𝄞\\\") }");
}

static void errors(void **state)
{
    (void)state;
    struct proto_run *run = post(
        "/graphql", "application/json", "{\"query\":\"query Q { broken }\"}",
        "{\"errors\":[{\"message\":\"Cannot query field \\\"broken\\\"\",\"locations\":[{\"line\":"
        "1}],\"path\":[\"a\",1]},{\"extensions\":{\"message\":\"not this\"},\"message\":"
        "\"second\"}],\"data\":null}");
    proto_has(run, 0, "\"status_code\":200");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"gql_errors\":[\"Cannot query field \\\"broken\\\"\",\"second\"]");
    proto_has(run, 0, "\"summary\":\"query Q → 200: Cannot query field \\\"broken\\\"\"");
    proto_run_free(run);
    /* data of that name is none */
    run = post("/graphql", "application/json", "{\"query\":\"query Q { errors }\"}",
               "{\"data\":{\"errors\":[{\"message\":\"of the application\"}]},\"errors\":[]}");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_lacks(run, 0, "gql_errors");
    proto_run_free(run);
}

static void faulty_documents(void **state)
{
    (void)state;
    struct proto_run *run =
        post("/v1/graphql/?x=1", "application/json", "{\"query\":\"query Q { a(\"}",
             "{\"errors\":[{\"message\":\"Syntax Error: Expected Name, found <EOF>.\"}]}");
    proto_has(run, 0, "\"protocol\":\"gql\"");
    proto_has(run, 0, "\"gql_query\":\"query Q { a(\"");
    proto_lacks(run, 0, "gql_operation\"");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"summary\":\"query Q { a( → 200: Syntax Error");
    proto_run_free(run);
}

static void batches(void **state)
{
    (void)state;
    struct proto_run *run =
        post("/api", "application/json",
             "[{\"query\":\"query A { a }\"},{\"query\":\"mutation B { b }\"},{\"query\":\"query C "
             "{ c }\"}]",
             "[{\"data\":{}},{\"errors\":[{\"message\":\"no b\"}]},{\"data\":{}}]");
    proto_has(run, 0, "\"gql_operation\":\"query, mutation\"");
    proto_has(run, 0, "\"gql_operation_name\":\"A, B, C\"");
    proto_has(run, 0, "query A { a }\\n\\nmutation B { b }\\n\\nquery C { c }");
    proto_has(run, 0, "\"gql_errors\":[\"no b\"]");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
}

static void get_and_other_media_types(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN(
        "http",
        C("GET /api?query=query%20Q(%24id%3AID!)%7Bme%7Bname%7D%7D&variables=%7B%7D HTTP/1.1\r\n"
          "Host: a\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Type: application/graphql-response+json\r\n"
          "Content-Length: 14\r\n\r\n{\"data\":{}}    "),
        C("GET /graphql?extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%7D%7D&"
          "operationName=P HTTP/1.1\r\nHost: a\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        C("GET /search?query=shoes HTTP/1.1\r\nHost: a\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
    proto_count(run, 3);
    proto_has(run, 0, "\"protocol\":\"gql\"");
    proto_has(run, 0, "\"gql_operation_name\":\"Q\"");
    proto_has(run, 0, "\"gql_query\":\"query Q($id:ID!){me{name}}\"");
    proto_has(run, 1, "\"protocol\":\"gql\"");
    proto_has(run, 2, "\"protocol\":\"http\"");
    proto_run_free(run);
    run = post("/x", "application/graphql", "mutation M { m }", OK_JSON);
    proto_has(run, 0, "\"gql_operation_name\":\"M\"");
    proto_run_free(run);
    run = post("/x", "multipart/form-data; boundary=b",
               "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":"
               "\"mutation Up($f: Upload!) { up(f: $f) }\",\"variables\":{\"f\":null}}\r\n--b\r\n"
               "Content-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\nfile\r\n--b--",
               OK_JSON);
    proto_has(run, 0, "\"gql_operation_name\":\"Up\"");
    proto_run_free(run);
    run = post("/x", "application/json",
               "{\"operationName\":\"Stored\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
               "\"sha256Hash\":\"ab\"}}}",
               "{\"errors\":[{\"message\":\"PersistedQueryNotFound\"}]}");
    proto_has(run, 0, "\"gql_operation_name\":\"Stored\"");
    proto_has(run, 0, "\"gql_errors\":[\"PersistedQueryNotFound\"]");
    proto_run_free(run);
}

static void not_graphql(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"query\":\"SELECT 1\"}",
        "{\"query\":{\"match_all\":{}}}",
        "{\"query\":\"{app=\\\"nginx\\\"} |= \\\"error\\\"\"}",
        "{\"query\":\"{}\"}",
        "{\"query\":\"{ }\"}",
        "{\"query\":\"query\"}",
        "{\"query\":\"query { a\"}",
        "{\"query\":\"query { a }}\"}",
        "{\"query\":\"query { a } trailing\"}",
        "{\"query\":\"{ 'a' }\"}",
        "{\"query\":\"{ a: 1 }\"}",
        "{\"query\":\"fragment f on T { a }\"}",
        "{\"query\":\"type T { a: Int }\"}",
        "{\"query\":\"query Q($a: [Int) { a }\"}",
        "{\"nested\":{\"query\":\"{ a }\"}}",
        "[{\"query\":\"{ a }\"},{\"other\":1}]",
        "\"query\"",
        "{\"query\":\"{ a(x: \\\"no end) }\"}",
        "{\"query\":\"{ a(x: \\\"\\\\q\\\") }\"}",
        "{\"query\":\"{ a(x: \\\"\\\\uD83D\\\") }\"}",
        "{\"query\":\"{ a(x: 01) }\"}",
        "{\"query\":\"{ a(x: 1.) }\"}",
        "{\"query\":\"{ a() }\"}",
        "{\"query\":\"{ a(x 1) }\"}",
        "{\"query\":\"{ a(x: {b}) }\"}",
        "{\"query\":\"{ ...f { a } }\"}",
        "{\"query\":\"{ ... @skip(if: true) }\"}",
        "{\"query\":\"fragment on on T { a } { b }\"}",
        "{\"query\":\"query Q($a: Int = $b) { a }\"}",
        "{\"query\":\"{ a } type T { a: Int }\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct proto_run *run = post("/api", "application/json", bodies[i], OK_JSON);
        proto_has(run, 0, "\"protocol\":\"http\"");
        proto_run_free(run);
    }
}

/* Nesting of every kind beyond what is read. */
static void hostile(void **state)
{
    (void)state;
    static const struct {
        const char *before, *again, *after;
    } deep[] = {
        {"{\"query\":\"", "{a", "\"}"},
        {"{\"query\":\"{a(x:", "[", ")}\"}"},
        {"{\"variables\":", "[", ",\"query\":\"{ a }\"}"},
        {"", "{\"a\":", "1"},
        {"{\"query\":\"query ", "\\ud800", "\"}"},
        {"{\"query\":\"{a ", "@d", "}\"}"},
    };
    for (size_t i = 0; i < sizeof deep / sizeof deep[0]; i++) {
        struct buf body;
        buf_init(&body, 16384);
        buf_append_str(&body, deep[i].before);
        for (int n = 0; n < 1500; n++)
            buf_append_str(&body, deep[i].again);
        buf_append_str(&body, deep[i].after);
        buf_append_u8(&body, 0);
        struct proto_run *run = post("/api", "application/json", (const char *)body.data, OK_JSON);
        proto_has(run, 0, i == 5 ? "\"protocol\":\"gql\"" : "\"protocol\":\"http\"");
        proto_run_free(run);
        buf_done(&body);
    }
}

static void look_at_flags(void *ctx, const struct entry *entry)
{
    static const char *const names[] = {"http", "gql", "gqlv1", "gqlv2"};
    unsigned *flags = ctx;
    for (unsigned i = 0; i < 4; i++) {
        struct entry_value v;
        char scratch[ENTRY_ID_TEXT_SIZE];
        if (entry_get(entry, field_find(slice_str(names[i])), scratch, &v) && v.boolean)
            *flags |= 1u << i;
    }
}

static void flags(void **state)
{
    (void)state;
    struct drive_step steps[] = {C("GET /graphql?query={a} HTTP/1.1\r\nHost: a\r\n\r\n"),
                                 S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")};
    unsigned seen = 0;
    assert_int_equal(dissect_drive_entries(&(struct drive_options){.dissector = "http"}, steps, 2,
                                           look_at_flags, &seen),
                     0);
    assert_int_equal(seen, 7); /* http, gql, gqlv1 */
    struct entry_value version = {
        .field = FIELD_HTTP_VERSION_ID, .type = FIELD_TEXT, .text = SLICE_LITERAL("2")};
    struct entry two = {.protocol = "gql", .values = &version, .value_count = 1};
    seen = 0;
    look_at_flags(&seen, &two);
    assert_int_equal(seen, 11); /* http, gql, gqlv2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),
        cmocka_unit_test(operation_that_is_run),
        cmocka_unit_test(documents),
        cmocka_unit_test(errors),
        cmocka_unit_test(faulty_documents),
        cmocka_unit_test(batches),
        cmocka_unit_test(get_and_other_media_types),
        cmocka_unit_test(not_graphql),
        cmocka_unit_test(hostile),
        cmocka_unit_test(flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
