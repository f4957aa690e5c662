/* What the HTTP server refuses before any handler sees it: requests whose head or whose body's end
 * is not certain (RFC 9112 sections 3.2, 5.1 and 6.3). Each gets one answer, and the connection
 * ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_server.h"
#include "unit/net/support_raw.h"
#include "unit/unit_test.h"

struct fixture {
    struct http_server *server;
};

static const char *const test_defaults[] = {"X-Default", "yes", NULL};

static void handle(void *ctx, struct http_request *r)
{
    char body[100];
    struct buf in;
    (void)ctx;
    buf_init(&in, 1000);
    int e = http_request_read_body(r, &in);
    snprintf(body, sizeof body, "%d %zu", e, in.len);
    buf_done(&in);
    http_response_send(r, 200, "text/plain", slice_str(body));
}

static int setup(void **state)
{
    static struct fixture f;
    struct error err = {0};
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .handler = handle, .defaults = test_defaults};
    assert_int_equal(http_server_start(&options, &f.server, &err), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_stop(f->server);
    return 0;
}

static unsigned count_heads(const char *answer)
{
    unsigned n = 0;
    for (const char *p = answer; (p = strstr(p, "HTTP/1.1 ")) != NULL; p++)
        n++;
    return n;
}

/* One head, a body of the length it says, and the connection is closed. */
static void assert_one_refusal(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
    assert_int_equal(count_heads(answer), 1);
    assert_non_null(body);
    assert_true(length && length < body);
    assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body + 4));
    assert_non_null(strstr(answer, "Content-Type: application/problem+json"));
    assert_non_null(strstr(answer, "X-Default: yes"));
    assert_non_null(strstr(answer, "Date: "));
    assert_non_null(strstr(answer, "Connection: close"));
    assert_non_null(strstr(body, "\"status\":"));
}

/* RFC 9112 section 6.3: where a body ends is never guessed, else one request hides in another. */
static void malformed_framing_gets_one_answer(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"Content-Length: +2",
                                      "Content-Length: -1",
                                      "Content-Length: -0",
                                      "Content-Length: 0x2",
                                      "Content-Length: 2, 2",
                                      "Content-Length: 2 2",
                                      "Content-Length: 2.0",
                                      "Content-Length:",
                                      "Content-Length: \"2\"",
                                      "Content-Length : 2",
                                      "Content-Length: 9223372036854775808",
                                      "Content-Length: 2\r\nContent-Length: 2",
                                      "Content-Length: 2\r\nContent-Length: +2",
                                      "Content-Length: +2\r\nContent-Length: 2",
                                      "Content-Length: 2\r\nTransfer-Encoding: chunked",
                                      "Content-Length: +2\r\nTransfer-Encoding: chunked",
                                      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                      "Transfer-Encoding: gzip, chunked",
                                      "Transfer-Encoding: chunked, gzip",
                                      "Transfer-Encoding: xchunked",
                                      "Transfer-Encoding: identity",
                                      "Transfer-Encoding:",
                                      "Transfer-Encoding : chunked",
                                      NULL};
    char request[400], out[4096];
    for (size_t i = 0; bad[i]; i++) {
        snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: h\r\n%s\r\n\r\nab", bad[i]);
        int status = raw_exchange(http_server_port(f->server), request, out, sizeof out);
        if (status != 400 || count_heads(out) != 1)
            print_message("%s → %s\n", bad[i], out);
        assert_int_equal(status, 400);
        assert_one_refusal(out);
    }
    /* HTTP/1.0 has no transfer codings; a length beyond all numbers is too large, not malformed */
    assert_int_equal(
        raw_exchange(http_server_port(f->server),
                     "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", out,
                     sizeof out),
        400);
    assert_int_equal(raw_exchange(http_server_port(f->server),
                                  "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: "
                                  "99999999999999999999999\r\n\r\n",
                                  out, sizeof out),
                     413);
    assert_one_refusal(out);
}

/* One answer each, with one head, in our form. */
static void requests_that_are_none_are_refused_once(void **state)
{
    const struct fixture *f = *state;
    const char *const requests[] = {
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nX-Other: 1\r\nConnection: close\r\n\r\n",
        "GET /hello HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /hel lo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /hello\tx HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    };
    char out[4096];
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        assert_int_equal(raw_exchange(http_server_port(f->server), requests[i], out, sizeof out),
                         400);
        assert_int_equal(count_heads(out), 1);
        assert_non_null(strstr(out, "application/problem+json"));
        assert_non_null(strstr(out, "X-Default: yes"));
    }
    assert_int_equal(raw_exchange(http_server_port(f->server), requests[0], out, sizeof out), 400);
    assert_non_null(strstr(out, "The request has no Host header."));
}

/* What only looks odd is served. */
static void what_is_allowed_is_served(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {"Content-Length: 002", "content-length:2",
                                       "Transfer-Encoding: CHUNKED", NULL};
    char request[400], out[4096];
    for (size_t i = 0; good[i]; i++) {
        snprintf(request, sizeof request,
                 "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n\r\n%s", good[i],
                 good[i][0] == 'T' ? "2\r\nab\r\n0\r\n\r\n" : "ab");
        assert_int_equal(raw_exchange(http_server_port(f->server), request, out, sizeof out), 200);
        assert_non_null(strstr(out, "\r\n\r\n"));
        assert_non_null(strstr(out, "0 2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_framing_gets_one_answer),
        cmocka_unit_test(requests_that_are_none_are_refused_once),
        cmocka_unit_test(what_is_allowed_is_served),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
