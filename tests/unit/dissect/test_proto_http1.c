/* HTTP/1 (RFC 9110, RFC 9112): the specification's examples, bad peers, losses, hostile input.
 * Every script is also run cut in pieces and must give the same entries. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("http", __VA_ARGS__)

static void get_and_answer(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET /hello.txt?x=1&y=a%20b&x=2 HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: "
              "www.example.com\r\nAccept-Language: en, mi\r\nCookie: sid=42; theme=dark\r\n"
              "X-Request-ID: r-7\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nContent-Type: "
              "Text/Plain; charset=utf-8\r\nContent-Length: 14\r\nVary: A\r\nvary: B\r\n"
              "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\r\nHello World!\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"method\":\"GET\"");
    proto_has(run, 0, "\"path\":\"/hello.txt\"");
    proto_has(run, 0, "\"url\":\"http://www.example.com/hello.txt?x=1&y=a%20b&x=2\"");
    proto_has(run, 0, "\"query_string\":{\"x\":\"1, 2\",\"y\":\"a b\"}");
    proto_has(run, 0, "\"host\":\"www.example.com\"");
    proto_has(run, 0, "\"status_code\":200");
    proto_has(run, 0, "\"http_version\":\"1.1\"");
    proto_has(run, 0, "\"cookies\":{\"sid\":\"42\",\"theme\":\"dark\"}");
    proto_has(run, 0, "\"cookies\":{\"a\":\"1\",\"b\":\"2\"}");
    proto_has(run, 0, "\"vary\":\"A, B\"");
    proto_has(run, 0, "\"set-cookie\":\"a=1; Path=/\\nb=2\"");
    proto_has(run, 0, "\"content_type\":\"text/plain\"");
    proto_has(run, 0, "\"request_id\":\"r-7\"");
    proto_has(run, 0, "\"body\":\"Hello World!\\r\\n\"");
    proto_has(run, 0, "\"body_size\":14");
    proto_has(run, 0, "\"summary\":\"GET /hello.txt → 200\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 0, "\"elapsed_time\":1000");
    proto_run_free(run);
}

static void keep_alive_and_pipelining(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nPOST /3 "
              "HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcDELETE /carts/57a9 "
              "HTTP/1.1\r\nHost: a\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: "
              "99\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: "
              "0\r\n\r\n"));
    proto_count(run, 4);
    proto_has(run, 0, "\"summary\":\"GET /1 → 200\"");
    proto_has(run, 1, "\"summary\":\"HEAD /2 → 200\"");
    proto_has(run, 2, "\"summary\":\"POST /3 → 204\"");
    proto_has(run, 2, "\"body\":\"abc\"");
    proto_has(run, 3, "\"summary\":\"DELETE /carts/57a9 → 500\"");
    proto_has(run, 3, "\"status\":\"error\"");
    proto_has(run, 3, "\"path_template\":\"/carts/{id}\"");
    proto_run_free(run);
}

static void chunked_with_extensions_and_trailers(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n"
              "5;name=\"v;1\"\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nExpires: now\r\n"
              "Host: evil\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 5\r\n\r\n"
              "000a \r\n0123456789\r\n00\r\n\r\n"),
            C("GET /next HTTP/1.1\r\n\r\n"), S("HTTP/1.1 304 Not Modified\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"body\":\"Wikipedia in\\r\\n\\r\\nchunks.\"");
    proto_has(run, 0, "\"body_size\":23");
    proto_has(run, 0, "\"expires\":\"now\"");
    proto_has(run, 0, "\"host\":\"a\"");
    proto_lacks(run, 0, "evil");
    proto_has(run, 0, "\"body_size\":10");
    proto_has(run, 1, "\"summary\":\"GET /next → 304\"");
    proto_run_free(run);
}

static void interim_responses(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
            S("HTTP/1.1 100 Continue\r\n\r\n"), C("hi"),
            S("HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 201 Created\r\n"
              "Content-Length: 0\r\n\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status_code\":201");
    proto_has(run, 0, "\"body\":\"hi\"");
    proto_lacks(run, 0, "s.css");
    proto_run_free(run);
    /* Refused: the body never comes, the next request does. */
    run =
        RUN(C("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\nExpect: 100-continue\r\n\r\n"),
            S("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"),
            C("GET /y HTTP/1.1\r\nHost: a\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nContent-Length: "
              "0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"PUT /x → 417\"");
    proto_has(run, 1, "\"summary\":\"GET /y → 200\"");
    proto_run_free(run);
}

static void body_until_close(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET / HTTP/1.0\r\n\r\n"), S("HTTP/1.0 200 OK\r\n\r\nall of "), S("it"), SFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"body\":\"all of it\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 0, "\"url\":\"http://10.0.0.2:9999/\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "http", .end = END_OF_DATA),
                         C("GET / HTTP/1.0\r\n\r\n"), S("HTTP/1.0 200 OK\r\n\r\nall of "));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"open\",\"status_reason\":\"window_end\",\"incomplete\":true");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "http", .end = END_OF_DATA),
                         C("GET / HTTP/1.0\r\n\r\n"), S("HTTP/1.0 200 OK\r\n\r\nall"), SFIN);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void simple_requests(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET /old\r\n"), S("<html>hi</html>"), SFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"http_version\":\"0.9\"");
    proto_has(run, 0, "\"summary\":\"GET /old\"");
    proto_has(run, 0, "\"body\":\"<html>hi</html>\"");
    proto_run_free(run);
    /* A redis command looks the same. */
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "http"), C("GET /old\r\n"), S("$-1\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void tunnels_and_upgrades(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
            S("HTTP/1.1 200 Connection established\r\n\r\n"), C("\x16\x03\x01"), S("\x16\x03\x03"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"CONNECT a.example:443 → 200\"");
    proto_has(run, 0, "\"host\":\"a.example:443\"");
    proto_run_free(run);
    run = RUN(C("CONNECT a.example:443 HTTP/1.1\r\n\r\n"),
              S("HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n"),
              C("GET http://b.example HTTP/1.1\r\n\r\n"),
              S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"url\":\"http://b.example\"");
    proto_has(run, 1, "\"path\":\"/\"");
    proto_has(run, 1, "\"host\":\"b.example\"");
    proto_run_free(run);
    run = RUN(C("GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "\r\n\x81\x05hello"),
              S("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "\r\n\x81\x05hello"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status_code\":101");
    proto_run_free(run);
    /* Refused: plain HTTP goes on. */
    run = RUN(C("GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, "
                "HTTP2-Settings\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
              S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: "
                "0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"GET /b → 404\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void obsolete_line_folding_and_bare_lf(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\r\n\nGET /  HTTP/1.1\nHost: a\nX-Fold: one\n  two\r\n\tthree\nNo colon here\n"
              "Transfer-Encoding:\r\n chunked\n\n1\nx\n0\n\n"),
            S("HTTP/1.1 200\nContent-Length : 2\n\nok"));
    proto_count(run, 1);
    proto_has(run, 0, "\"x-fold\":\"one   two  \\tthree\"");
    proto_has(run, 0, "\"body\":\"x\"");
    proto_has(run, 0, "\"body\":\"ok\"");
    proto_run_free(run);
}

static void framing_conflicts(void **state)
{
    (void)state;
    /* RFC 9112 section 6.3: Transfer-Encoding wins over Content-Length. */
    struct proto_run *run = RUN(C("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
                                  "GET /n HTTP/1.1\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nfive!"
                                  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"body\":\"hi\"");
    proto_has(run, 0, "\"body\":\"five!\"");
    proto_has(run, 1, "\"path\":\"/n\"");
    proto_run_free(run);
    /* Differing lengths, 2^64, a sign: not a length, an unrecoverable error; what follows is no
     * request. */
    static const char *const lengths[] = {"3, 4", "18446744073709551616", "-1", "+3", "0x3"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char text[256];
        int n = snprintf(text, sizeof text,
                         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\nabc"
                         "GET /after HTTP/1.1\r\nHost: a\r\n\r\n",
                         lengths[i]);
        run = RUN(CB(text, (size_t)n), S("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"));
        proto_count(run, 1);
        proto_has(run, 0, "\"summary\":\"POST / → 400\"");
        proto_run_free(run);
    }
    /* A chunk of 2^64 bytes. */
    run = RUN(C("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc\r\n"
                "0\r\n\r\nGET /n HTTP/1.1\r\nHost: a\r\n\r\n"),
              S("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 1);
    proto_run_free(run);
}

static void error_before_the_request_ended(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab"),
                                S("HTTP/1.1 413 Too Large\r\nConnection: close\r\n"
                                  "Content-Length: 0\r\n\r\n"),
                                SFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"POST /big → 413\"");
    proto_has(run, 0, "\"body_size\":2");
    proto_run_free(run);
    /* The rest still comes and is no new request. */
    run = RUN(C("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab"),
              S("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), C("cdefghij"),
              C("GET /next HTTP/1.1\r\n\r\n"), S("HTTP/1.1 204 OK\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"body\":\"abcdefghij\"");
    proto_has(run, 1, "\"summary\":\"GET /next → 204\"");
    proto_run_free(run);
}

static void without_answer(void **state)
{
    (void)state;
    static const struct {
        enum dissect_end end;
        const char *status;
    } ends[] = {
        {END_CLOSED,
         "\"status\":\"no_response\",\"status_reason\":\"closed\",\"incomplete\":false"},
        {END_RESET_BY_CLIENT, "\"status\":\"no_response\",\"status_reason\":\"client_cancel\""},
        {END_RESET_BY_SERVER, "\"status\":\"no_response\",\"status_reason\":\"server_reset\""},
        {END_TIMEOUT, "\"status\":\"no_response\",\"status_reason\":\"timeout\""},
        {END_OF_DATA, "\"status\":\"open\",\"incomplete\":false"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "http", .end = ends[i].end),
                                               C("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
        proto_count(run, 1);
        proto_has(run, 0, ends[i].status);
        proto_has(run, 0, "\"summary\":\"GET /slow\"");
        proto_run_free(run);
    }
    struct proto_run *run = RUN(C("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), SFIN);
    proto_has(run, 0, "\"status\":\"error\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void responses_without_request(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                                  "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"→ 408\"");
    proto_lacks(run, 1, "\"method\"");
    proto_has(run, 1, "\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
    /* Nobody answers unasked: the request is lost, even where its own direction shows no hole yet.
     */
    run = RUN(S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void late_join(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.dissector = "http", .late_join = true, .skip_probe = true),
        S("tail of a body\r\n<p>HTTP/1.1 rules</p>\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        C("\"x\":1}GET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
        S("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"→ 200\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"summary\":\"GET /a → 404\"");
    proto_run_free(run);
    /* What the flow stage took for the client is the server. */
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "http", .late_join = true),
                         C("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                         S("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
                         C("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"GET /a → 404\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void gaps(void **state)
{
    (void)state;
    /* Inside a body of known length: reading goes on behind it. */
    struct proto_run *run = RUN(C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                                S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), SGAP(4),
                                S("hijHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"gap_bytes\":4");
    proto_has(run, 0, "\"body_size\":10");
    proto_has(run, 0, "\"body\":\"abc\"");
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_run_free(run);
    /* In the header block: found again at the next status line, nothing is glued. */
    run = RUN(C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), S("HTTP/1.1 200 OK\r\nX: y\r\nContent-Le"),
              SGAP(40), C("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
              S("rest\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"GET /1 → 200\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"summary\":\"GET /2 → 201\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
    /* An answer and the next request are lost: the third answer belongs to the third request. */
    run = RUN(C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), SGAP(100), CGAP(50),
              C("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"),
              S("HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"GET /1\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"summary\":\"GET /3 → 203\"");
    proto_run_free(run);
    /* A lost request: its answer stands alone. */
    run = RUN(
        C("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"), S("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n"),
        CGAP(50), S("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"),
        C("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"), S("HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"→ 202\"");
    proto_has(run, 1, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"summary\":\"GET /3 → 203\"");
    proto_run_free(run);
}

static void gaps_in_pipelines_glue_nothing(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"), SGAP(60),
            S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 4);
    for (size_t i = 0; i < 4; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_lacks(run, 0, "→");
    proto_lacks(run, 1, "→");
    proto_lacks(run, 2, "→");
    proto_has(run, 3, "\"summary\":\"→ 200\"");
    proto_run_free(run);
}

static void trace_ids(void **state)
{
    (void)state;
    static const struct {
        const char *header, *id;
    } cases[] = {
        {"traceparent: 00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         "4bf92f3577b34da6a3ce929d0e0e4736"},
        {"b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1",
         "80f198ee56343ba864fe8b2a57d3eff7"},
        {"X-B3-TraceId: 463ac35c9f6413ad", "463ac35c9f6413ad"},
        {"uber-trace-id: 3ad5a9c8e7b1%3A1%3A0%3A1", "3ad5a9c8e7b1"},
        {"traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01", NULL},
        {"b3: 0", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        char expected[80];
        int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n\r\n", cases[i].header);
        struct proto_run *run = RUN(CB(text, (size_t)n));
        proto_count(run, 1);
        snprintf(expected, sizeof expected, "\"trace_id\":\"%s\"", cases[i].id ? cases[i].id : "");
        if (cases[i].id)
            proto_has(run, 0, expected);
        else
            proto_lacks(run, 0, "\"trace_id\"");
        proto_run_free(run);
    }
}

static void path_templates(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/carts/57a9/items/12", "/carts/{id}/items/{id}"},
        {"/v1/users/123e4567-e89b-12d3-a456-426614174000", "/v1/users/{id}"},
        {"/api/v2/cafe/index.html", "/api/v2/cafe/index.html"},
        {"/s/dQw4w9WgXcQdQw4w9WgXcQ/", "/s/{id}/"},
        {"/", "/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        char expected[160];
        int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n\r\n", cases[i][0]);
        struct proto_run *run = RUN(CB(text, (size_t)n));
        snprintf(expected, sizeof expected, "\"path_template\":\"%s\"", cases[i][1]);
        proto_has(run, 0, expected);
        proto_run_free(run);
    }
}

static void gzip_body(void **state)
{
    (void)state;
    static const uint8_t hello[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0, 0x02,
                                    0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0x86,
                                    0xa6, 0x10, 0x36, 0x05, 0,    0,    0};
    struct proto_run *run =
        RUN(C("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            S("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"),
            SB(hello, sizeof hello));
    proto_count(run, 1);
    proto_has(run, 0, "\"body\":\"hello\"");
    proto_has(run, 0, "\"body_size\":25");
    proto_run_free(run);
}

/* 1,200 headers, a header of 300 KiB, a request line of 100 KiB: bounded, flagged, in sync. */
static void hostile_sizes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4 * 1024 * 1024);
    buf_append_str(&b, "GET /many HTTP/1.1\r\n");
    for (int i = 0; i < 1200; i++)
        buf_printf(&b, "x%d: %d\r\n", i, i);
    buf_append_str(&b, "\r\nGET /long HTTP/1.1\r\nlong: ");
    buf_append_fill(&b, 'a', 300 * 1024);
    buf_append_str(&b, "\r\n\r\nGET /");
    buf_append_fill(&b, 'b', 100 * 1024);
    buf_append_str(&b, " HTTP/1.1\r\n\r\n");
    assert_int_equal(buf_failed(&b), 0);
    struct proto_run *run = RUN(CB(b.data, b.len));
    proto_count(run, 3);
    proto_has(run, 0, "\"x999\":\"999\"");
    proto_lacks(run, 0, "\"x1000\"");
    proto_has(run, 0, "\"truncated\":true");
    proto_has(run, 1, "\"path\":\"/long\"");
    proto_has(run, 1, "\"truncated\":true");
    proto_lacks(run, 2, "\"truncated\":true");
    proto_run_free(run);
    buf_done(&b);
}

static void body_cap(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4 * 1024 * 1024);
    buf_append_str(&b, "POST /b HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n");
    buf_append_fill(&b, 'a', 3000000);
    buf_append_str(&b, "GET /n HTTP/1.1\r\n\r\n");
    struct proto_run *run = RUN(CB(b.data, b.len));
    proto_count(run, 2);
    proto_has(run, 0, "\"body_size\":3000000");
    proto_has(run, 0, "\"truncated\":true");
    assert_in_range(strlen(run->lines[0]), DISSECT_BODY_CAP, DISSECT_BODY_CAP + 4096);
    proto_run_free(run);
    buf_done(&b);
}

static void endless_pipeline(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024 * 1024);
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "GET /%d HTTP/1.1\r\n\r\n", i);
    struct proto_run *run = RUN(CB(b.data, b.len));
    proto_count(run, 2000);
    proto_run_free(run);
    buf_done(&b);
}

/* More requests than calls can be open, then all the answers: each gets its own. */
static void a_long_pipeline_is_answered(void **state)
{
    (void)state;
    enum {
        CALLS = 2500
    };
    struct buf requests, answers;
    buf_init(&requests, 1024 * 1024);
    buf_init(&answers, 1024 * 1024);
    for (int i = 0; i < CALLS; i++) {
        buf_printf(&requests, "GET /%d HTTP/1.1\r\n\r\n", i);
        buf_printf(&answers, "HTTP/1.1 204 No\r\nn: %d\r\n\r\n", i);
    }
    struct proto_run *run =
        RUN(CB(requests.data, requests.len), SB(answers.data, answers.len),
            C("GET /last HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    proto_count(run, CALLS + 1);
    for (int i = 0; i < CALLS; i++) {
        char path[40], n[40];
        snprintf(path, sizeof path, "\"path\":\"/%d\"", i);
        snprintf(n, sizeof n, "\"n\":\"%d\"", i);
        proto_has(run, (size_t)i, path);
        proto_has(run, (size_t)i, n);
        proto_has(run, (size_t)i, "\"status\":\"ok\"");
    }
    proto_has(run, CALLS, "\"path\":\"/last\"");
    proto_has(run, CALLS, "\"status_code\":200");
    proto_run_free(run);
    buf_done(&requests);
    buf_done(&answers);
}

static void not_http(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33\r\n\r\n",
        "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "EHLO mail.example\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "GET key\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "HELP\r\n",
        "USER anonymous\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct proto_run *run = RUN(CB(texts[i], strlen(texts[i])), S("x"));
        proto_count(run, 0);
        proto_run_free(run);
    }
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "http", .transport = DISSECT_UDP, .server_port = 1900),
                       C("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

/* The line for people is text whatever the peer sent. */
static void bytes_that_are_no_text(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET /\xff\xfe\x80 HTTP/1.1\r\nHost: h\r\n\r\n"),
                                S("HTTP/1.1 204 No Content\r\n\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET /\\\\xff\\\\xfe\\\\x80 ");
    proto_has(run, 0, "\"path\":{\"base64\":\"L//+gA==\"}");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_and_answer),
        cmocka_unit_test(keep_alive_and_pipelining),
        cmocka_unit_test(chunked_with_extensions_and_trailers),
        cmocka_unit_test(interim_responses),
        cmocka_unit_test(body_until_close),
        cmocka_unit_test(simple_requests),
        cmocka_unit_test(tunnels_and_upgrades),
        cmocka_unit_test(obsolete_line_folding_and_bare_lf),
        cmocka_unit_test(framing_conflicts),
        cmocka_unit_test(error_before_the_request_ended),
        cmocka_unit_test(without_answer),
        cmocka_unit_test(responses_without_request),
        cmocka_unit_test(late_join),
        cmocka_unit_test(gaps),
        cmocka_unit_test(gaps_in_pipelines_glue_nothing),
        cmocka_unit_test(trace_ids),
        cmocka_unit_test(path_templates),
        cmocka_unit_test(gzip_body),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(body_cap),
        cmocka_unit_test(endless_pipeline),
        cmocka_unit_test(a_long_pipeline_is_answered),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(not_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
