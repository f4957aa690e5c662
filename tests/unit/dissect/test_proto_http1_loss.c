/* HTTP/1 with packets missing: what calls itself whole is what was said. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"
#define RUN(...) PROTO_RUN("http", __VA_ARGS__)

/* An answer and the next request are lost: the answer to that one is not the first one's. */
static void answer_and_next_request_lost(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), SGAP(100), CGAP(60),
                                S("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nbb"),
                                C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"path\":\"/a\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_lacks(run, 0, "status_code");
    proto_has(run, 1, "\"summary\":\"→ 201\"");
    proto_has(run, 1, "\"incomplete\":true");
    proto_has(run, 2, "\"summary\":\"GET /c → 200\"");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
}

/* The loss came before anybody knew which protocol it is. */
static void loss_before_detection(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CGAP(40), S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            C("GET /next HTTP/1.1\r\nHost: a\r\n\r\n"), S("HTTP/1.1 204 No Content\r\n\r\n"));
    proto_count(run, 2);
    proto_lacks(run, 0, "\"path\"");
    proto_has(run, 0, "\"incomplete\":true");
    proto_has(run, 1, "\"summary\":\"GET /next → 204\"");
    proto_run_free(run);
}

/* The answer to a HEAD that was lost names a length that nothing follows: the next answer is not
 * its body, and is the next request's. */
static void lost_head_request(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa"), CGAP(40),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"),
                                C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
                                S("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\ncc"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"→ 200\"");
    proto_has(run, 1, "\"incomplete\":true");
    proto_has(run, 2, "\"summary\":\"GET /c → 404\"");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    run = RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
              S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa"), CGAP(40),
              S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
              C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"), S("HTTP/1.1 204 No Content\r\n\r\n"));
    proto_count(run, 3);
    proto_has(run, 2, "\"summary\":\"GET /c → 204\"");
    proto_run_free(run);
}

/* An answer without its request took the beginning of the next one for its body: what is found
 * behind it may be the answer to a request that is lost as well. */
static void an_answer_taken_for_a_body(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CGAP(40), S("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n<x>"),
            C("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"),
            S("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nbb"), CGAP(40),
            S("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\ncc"),
            C("GET /d HTTP/1.1\r\nHost: h\r\n\r\n"), S("HTTP/1.1 204 No Content\r\n\r\n"));
    proto_count(run, 4);
    proto_lacks(run, 1, "500");
    proto_has(run, 1, "\"incomplete\":true");
    proto_has(run, 3, "\"summary\":\"GET /d → 204\"");
    proto_has(run, 3, "\"incomplete\":false");
    proto_run_free(run);
}

/* Nobody waits for an answer to a request that is lost but a client that pipelines: what comes is
 * the answer to that one. */
static void first_of_a_pipeline_lost(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa"), CGAP(40),
            C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"), C("GET /d HTTP/1.1\r\nHost: h\r\n\r\n"),
            S("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n"),
            S("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 5);
    proto_has(run, 0, "\"summary\":\"GET /a → 200\"");
    for (size_t i = 1; i < 5; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* That it pipelines shows later. */
    run = RUN(CGAP(40), C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
              S("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"incomplete\":true");
    proto_run_free(run);
}

/* What was lost before they were sent is the answer to none of them: that they are many shows that
 * the client pipelines, not that their answers are lost. */
static void an_answer_lost_before_a_pipeline(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), S("HTTP/1.1 200 OK\r\nContent-"), SGAP(12),
            C("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"), C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
            S("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n"),
            S("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 5);
    proto_lacks(run, 1, "→");
    proto_lacks(run, 2, "→");
    proto_run_free(run);
}

/* The same before the recording began. */
static void joined_in_a_pipeline(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.dissector = "http", .late_join = true), C("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
        C("GET /d HTTP/1.1\r\nHost: h\r\n\r\n"), S("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n"),
        S("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 4);
    for (size_t i = 0; i < 4; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
}

/* Only its answer is lost, and nothing comes behind it. */
static void last_answer_lost(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), SGAP(38), S("ab"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* What was lost before it was asked was not its answer. */
    run = RUN(C("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), SGAP(38),
              C("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status_reason\":\"capture_gap\"");
    proto_lacks(run, 1, "capture_gap");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_and_next_request_lost),
        cmocka_unit_test(loss_before_detection),
        cmocka_unit_test(lost_head_request),
        cmocka_unit_test(an_answer_taken_for_a_body),
        cmocka_unit_test(first_of_a_pipeline_lost),
        cmocka_unit_test(an_answer_lost_before_a_pipeline),
        cmocka_unit_test(joined_in_a_pipeline),
        cmocka_unit_test(last_answer_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
