#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "unit/net/support_raw.h"
#include "unit/unit_test.h"

enum {
    FILE_BYTES = 300 * 1000,
    STREAM_BYTES = 5 * 1000 * 1000
};

struct fixture {
    struct http_server *server;
    struct http_client *client;
    struct buf response;
};

static atomic_int events_ended, streams_cut;
static const char *const test_defaults[] = {"X-Default", "yes", NULL};

static void serve_file(struct http_request *r)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    for (int i = 0; i < FILE_BYTES / 10; i++)
        assert_int_equal(dprintf(fd, "%09d\n", i), 10);
    http_response_send_file_part(r, fd, FILE_BYTES, "text/plain", "\"tag\"");
}

static void serve_stream(struct http_request *r)
{
    static char piece[50000];
    memset(piece, 's', sizeof piece);
    http_response_begin(r, 200, "application/octet-stream", -1);
    for (int i = 0; i < STREAM_BYTES / (int)sizeof piece; i++)
        if (http_response_write(r, piece, sizeof piece) < 0) {
            atomic_fetch_add(&streams_cut, 1);
            return;
        }
}

static void serve_events(struct http_request *r)
{
    http_response_begin(r, 200, "text/event-stream", -1);
    http_response_write(r, ": hello\n\n", 9);
    while (!http_response_client_gone(r))
        usleep(5000);
    atomic_fetch_add(&events_ended, 1);
}

static void serve_echo(struct http_request *r, size_t max)
{
    struct buf body;
    buf_init(&body, max);
    int e = http_request_read_body(r, &body);
    if (e == -EFBIG)
        http_response_send(r, 413, "text/plain", SLICE_LITERAL("too large"));
    else if (e == 0)
        http_response_send(r, 200, "text/plain", buf_slice(&body));
    buf_done(&body);
}

static void serve_count(struct http_request *r)
{
    char piece[1000], text[40];
    uint64_t total = 0;
    ssize_t n;
    while ((n = http_request_read(r, piece, sizeof piece)) > 0)
        total += (uint64_t)n;
    snprintf(text, sizeof text, "%llu", (unsigned long long)total);
    http_response_send(r, 200, "text/plain", slice_str(text));
}

static void handle(void *ctx, struct http_request *r)
{
    (void)ctx;
    const char *path = http_request_path(r);
    if (strcmp(path, "/file") == 0) {
        serve_file(r);
    } else if (strcmp(path, "/stream") == 0) {
        serve_stream(r);
    } else if (strcmp(path, "/events") == 0) {
        serve_events(r);
    } else if (strcmp(path, "/echo") == 0) {
        serve_echo(r, 1000);
    } else if (strcmp(path, "/count") == 0) {
        serve_count(r);
    } else if (strcmp(path, "/slow") == 0) {
        usleep(2300 * 1000);
        http_response_send(r, 200, "text/plain", SLICE_LITERAL("slow"));
    } else if (strcmp(path, "/short") == 0) {
        http_response_begin(r, 200, "text/plain", 100);
        http_response_write(r, "too little", 10);
    } else if (strcmp(path, "/abort") == 0) {
        http_response_begin(r, 200, "text/plain", -1);
        http_response_write(r, "half", 4);
        http_response_abort(r);
    } else if (strncmp(path, "/segments", 9) == 0) {
        const char *segments[4];
        char text[200];
        size_t n = http_request_segments(r, segments, 4);
        int len = snprintf(text, sizeof text, "%zu", n);
        for (size_t i = 0; i < n && i < 4; i++)
            len += snprintf(text + len, sizeof text - (size_t)len, "|%s", segments[i]);
        http_response_send(r, 200, "text/plain", slice_str(text));
    } else if (strcmp(path, "/nothing") == 0) {
        return;
    } else if (strcmp(path, "/inject") == 0) {
        http_response_header(r, "X-Bad", "a\r\nX-Injected: yes");
        http_response_send(r, 200, "text/plain", SLICE_LITERAL("ok"));
    } else {
        char text[600];
        const char *q = http_request_query(r, "q"), *cookie = http_request_cookie(r, "c");
        snprintf(text, sizeof text, "%s|%s|%s|%s|%s", http_request_method(r), path, q ? q : "-",
                 cookie ? cookie : "-", http_request_peer(r));
        http_response_send(r, 200, "text/plain", slice_str(text));
    }
}

static int setup(void **state)
{
    static struct fixture f;
    struct error err = {0};
    struct http_server_options options = {.listen = "127.0.0.1:0",
                                          .handler = handle,
                                          .header_timeout_ns = 700 * NS_PER_MS,
                                          .idle_timeout_s = 2,
                                          .max_connections = 40,
                                          .max_per_address = 40,
                                          .defaults = test_defaults};
    assert_int_equal(http_server_start(&options, &f.server, &err), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(f.server));
    struct http_client_options client = {.base_url = url};
    assert_int_equal(http_client_new(&client, &f.client, &err), 0);
    buf_init(&f.response, 16 * 1024 * 1024);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_free(f->client);
    http_server_stop(f->server);
    buf_done(&f->response);
    return 0;
}

static int fetch(struct fixture *f, struct http_exchange *x)
{
    struct error err = {0};
    buf_reset(&f->response);
    x->response = &f->response;
    if (!x->method)
        x->method = "GET";
    int e = http_client_do(f->client, x, &err);
    if (e)
        print_message("%s\n", err.text);
    return e ? e : x->ret_status;
}

static void assert_body(struct fixture *f, const char *text)
{
    buf_append_u8(&f->response, 0);
    assert_string_equal((char *)f->response.data, text);
}

static void decodes_path_query_and_cookies(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    uint16_t port = http_server_port(f->server);
    assert_int_equal(raw_exchange(port,
                                  "GET /a%2Fb%25?x=1&q=a+b%26c&q=2 HTTP/1.1\r\nHost: h\r\n"
                                  "Cookie: a=1; c=two; d\r\nConnection: close\r\n\r\n",
                                  out, sizeof out),
                     200);
    assert_non_null(strstr(out, "GET|/a/b%|a b&c|two|127.0.0.1:"));
    assert_non_null(strstr(out, "X-Default: yes"));
}

static void cuts_the_path_before_decoding(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = {.path_and_query = "/segments/a%2Fb/?q=/x"};
    assert_int_equal(fetch(f, &x), 200);
    assert_body(f, "3|segments|a/b|");
    struct http_exchange many = {.path_and_query = "/segments/1/2/3/4"};
    assert_int_equal(fetch(f, &many), 200);
    assert_body(f, "5|segments|1|2|3");
}

static void refuses_broken_requests(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "GET /%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /%2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /?q=%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET http://other/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        NULL};
    char out[4096];
    for (size_t i = 0; bad[i]; i++) {
        int status = raw_exchange(http_server_port(f->server), bad[i], out, sizeof out);
        if (status != 400)
            print_message("%s → %s\n", bad[i], out);
        assert_int_equal(status, 400);
    }
}

static void refuses_large_headers(void **state)
{
    struct fixture *f = *state;
    static char request[70 * 1024], out[4096];
    int n = snprintf(request, sizeof request,
                     "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Large: ");
    memset(request + n, 'x', 33 * 1024);
    memcpy(request + n + 33 * 1024, "\r\n\r\n", 5);
    int status = raw_exchange(http_server_port(f->server), request, out, sizeof out);
    assert_true(status == 431 || status == 413);
    n = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    for (int i = 0; i < 150; i++)
        n += snprintf(request + n, sizeof request - (size_t)n, "X-%d: y\r\n", i);
    snprintf(request + n, sizeof request - (size_t)n, "\r\n");
    assert_int_equal(raw_exchange(http_server_port(f->server), request, out, sizeof out), 431);
}

static void serves_ranges(void **state)
{
    struct fixture *f = *state;
    struct http_exchange whole = {.path_and_query = "/file"};
    assert_int_equal(fetch(f, &whole), 200);
    assert_int_equal(f->response.len, FILE_BYTES);
    struct http_exchange part = {.path_and_query = "/file", .range = "10-19"};
    assert_int_equal(fetch(f, &part), 206);
    assert_body(f, "000000001\n");
    struct http_exchange tail = {.path_and_query = "/file", .range = "-10"};
    assert_int_equal(fetch(f, &tail), 206);
    assert_body(f, "000029999\n");
    struct http_exchange open = {.path_and_query = "/file", .range = "299990-"};
    assert_int_equal(fetch(f, &open), 206);
    assert_body(f, "000029999\n");
    struct http_exchange beyond = {.path_and_query = "/file", .range = "300000-"};
    assert_int_equal(fetch(f, &beyond), 416);
    struct http_exchange head = {.method = "HEAD", .path_and_query = "/file", .range = "0-9"};
    assert_int_equal(fetch(f, &head), 200); /* ranges are of GET */
    struct http_exchange several = {.path_and_query = "/file", .range = "0-1,5-6"};
    assert_int_equal(fetch(f, &several), 200);
    assert_int_equal(f->response.len, FILE_BYTES);
    char out[4096];
    assert_int_equal(raw_exchange(http_server_port(f->server),
                                  "GET /file HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"tag\"\r\n"
                                  "Connection: close\r\n\r\n",
                                  out, sizeof out),
                     304);
    assert_null(strstr(out, "000000001"));
}

static void streams_chunked(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = {.path_and_query = "/stream"};
    assert_int_equal(fetch(f, &x), 200);
    assert_int_equal(f->response.len, STREAM_BYTES);
    struct http_exchange head = {.method = "HEAD", .path_and_query = "/stream"};
    assert_int_equal(fetch(f, &head), 200);
    assert_int_equal(f->response.len, 0);
}

static void limits_bodies(void **state)
{
    struct fixture *f = *state;
    char body[3000];
    memset(body, 'b', sizeof body);
    struct http_exchange fits = {
        .method = "POST", .path_and_query = "/echo", .body = slice_of(body, 1000)};
    assert_int_equal(fetch(f, &fits), 200);
    assert_int_equal(f->response.len, 1000);
    struct http_exchange large = {
        .method = "POST", .path_and_query = "/echo", .body = slice_of(body, sizeof body)};
    assert_int_equal(fetch(f, &large), 413);
    char out[4096];
    assert_int_equal(raw_exchange(http_server_port(f->server),
                                  "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                                  "Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                                  out, sizeof out),
                     200);
    assert_non_null(strstr(out, "abcde"));
}

static void streams_bodies_from_a_descriptor(void **state)
{
    struct fixture *f = *state;
    int fd = memfd_create("body", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 20 * 1000 * 1000), 0);
    struct http_exchange x = {.method = "POST", .path_and_query = "/count", .body_fd = fd};
    assert_int_equal(fetch(f, &x), 200);
    assert_body(f, "20000000");
    close(fd);
    struct http_exchange empty = {.method = "POST", .path_and_query = "/count"};
    assert_int_equal(fetch(f, &empty), 200);
    assert_body(f, "0");
}

static void a_short_or_aborted_answer_is_seen_as_broken(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = {.path_and_query = "/short"};
    assert_true(fetch(f, &x) < 0);
    struct http_exchange y = {.path_and_query = "/abort"};
    assert_true(fetch(f, &y) < 0);
    struct http_exchange z = {.path_and_query = "/nothing"};
    assert_int_equal(fetch(f, &z), 500);
}

static void headers_cannot_be_injected(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    assert_int_equal(raw_exchange(http_server_port(f->server),
                                  "GET /inject HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                  out, sizeof out),
                     200);
    assert_null(strstr(out, "Injected"));
}

static void a_client_that_trickles_headers_is_cut(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(http_server_port(f->server));
    char out[2048];
    raw_send(fd, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 30; i++) {
        usleep(100 * 1000);
        raw_send(fd, "X: y\r\n");
    }
    raw_send(fd, "\r\n"); /* the request would be whole only now */
    size_t n = raw_read_all(fd, out, sizeof out);
    close(fd);
    assert_int_equal(n, 0);
}

static void a_slow_handler_outlives_the_idle_timeout(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = {.path_and_query = "/slow"};
    assert_int_equal(fetch(f, &x), 200);
    assert_body(f, "slow");
}

static void a_client_that_does_not_read_is_cut(void **state)
{
    struct fixture *f = *state;
    int before = atomic_load(&streams_cut);
    int fd = raw_connect(http_server_port(f->server)), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_send(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 200 && atomic_load(&streams_cut) == before; i++)
        usleep(100 * 1000);
    assert_int_equal(atomic_load(&streams_cut), before + 1);
    close(fd);
}

static void a_client_that_left_is_noticed(void **state)
{
    struct fixture *f = *state;
    int before = atomic_load(&events_ended);
    int fd = raw_connect(http_server_port(f->server));
    char out[512];
    raw_send(fd, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(recv(fd, out, sizeof out, 0) > 0);
    close(fd);
    for (int i = 0; i < 200 && atomic_load(&events_ended) == before; i++)
        usleep(50 * 1000);
    assert_int_equal(atomic_load(&events_ended), before + 1);
}

static void *fetch_many(void *arg)
{
    struct fixture *f = arg;
    char out[2048];
    for (int i = 0; i < 25; i++)
        if (raw_exchange(http_server_port(f->server),
                         "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", out,
                         sizeof out) != 200)
            return "failed";
    return NULL;
}

static void serves_many_connections(void **state)
{
    pthread_t threads[30];
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_many, *state), 0);
    for (size_t i = 0; i < 30; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void limits_connections_of_an_address(void **state)
{
    struct fixture *f = *state;
    int fds[60], answered = 0;
    char out[256];
    for (size_t i = 0; i < 60; i++) {
        fds[i] = raw_connect(http_server_port(f->server));
        struct timeval limit = {.tv_usec = 300 * 1000};
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        raw_send(fds[i], "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for (size_t i = 0; i < 60; i++)
        answered += recv(fds[i], out, sizeof out, 0) > 0;
    for (size_t i = 0; i < 60; i++)
        close(fds[i]);
    assert_in_range(answered, 30, 40);
    struct http_exchange x = {.path_and_query = "/after"};
    int status = 0; /* the places are free again soon */
    for (int i = 0; i < 50 && status != 200; i++) {
        usleep(100 * 1000);
        status = fetch(f, &x);
    }
    assert_int_equal(status, 200);
}

/* A server of its own whose deadlines are out of reach: whoever gets in, gets in by the limits. */
static void start_small(struct fixture *f, unsigned max_connections, unsigned max_per_address)
{
    struct error err = {0};
    struct http_server_options options = {.listen = "127.0.0.1:0",
                                          .handler = handle,
                                          .header_timeout_ns = 3600 * NS_PER_S,
                                          .idle_timeout_s = 3600,
                                          .max_connections = max_connections,
                                          .max_per_address = max_per_address};
    assert_int_equal(http_server_start(&options, &f->server, &err), 0);
}

static int ask_once(const struct fixture *f)
{
    char out[2048];
    return raw_exchange(http_server_port(f->server),
                        "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", out, sizeof out);
}

/* Again while the others are still being handled. */
static bool gets_in(const struct fixture *f)
{
    for (int i = 0; i < 200; i++) {
        if (ask_once(f) == 200)
            return true;
        usleep(50 * 1000);
    }
    return false;
}

/* Fills the server with connections that wait after `sent`, then asks in between: every one of
 * those questions has to be answered. */
static void expect_not_locked_out(unsigned max_connections, unsigned max_per_address,
                                  const char *sent)
{
    struct fixture f = {0};
    int fds[24];
    start_small(&f, max_connections, max_per_address);
    for (size_t i = 0; i < 24; i++) {
        fds[i] = raw_connect(http_server_port(f.server));
        raw_send(fds[i], sent);
        if (i >= 8)
            assert_true(gets_in(&f));
    }
    for (size_t i = 0; i < 24; i++)
        close(fds[i]);
    http_server_stop(f.server);
}

static void connections_that_only_wait_lock_nobody_out(void **state)
{
    (void)state;
    static const char post[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc";
    static const char *const waiting[] = {"", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\n", post,
                                          "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"};
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        expect_not_locked_out(100, 8, waiting[i]);
        expect_not_locked_out(8, 100, waiting[i]);
    }
}

static void who_is_served_is_not_cut_for_a_newcomer(void **state)
{
    (void)state;
    struct fixture f = {0};
    int fds[8], before = atomic_load(&events_ended);
    char out[512];
    start_small(&f, 100, 8);
    for (size_t i = 0; i < 8; i++) {
        fds[i] = raw_connect(http_server_port(f.server));
        raw_send(fds[i], "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
        size_t len = 0;
        for (out[0] = 0; !strstr(out, "hello\n\n\r\n"); out[len] = 0) {
            ssize_t n = recv(fds[i], out + len, sizeof out - 1 - len, 0);
            assert_true(n > 0);
            len += (size_t)n;
        }
    }
    assert_int_equal(ask_once(&f), 0);
    assert_int_equal(atomic_load(&events_ended), before);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(recv(fds[i], out, sizeof out, MSG_DONTWAIT), -1); /* open, silent */
        close(fds[i]);
    }
    http_server_stop(f.server);
}

static void a_taken_port_is_a_sentence(void **state)
{
    struct fixture *f = *state;
    struct http_server *second = NULL;
    struct error err = {0};
    char at[40];
    snprintf(at, sizeof at, "127.0.0.1:%u", http_server_port(f->server));
    struct http_server_options options = {.listen = at, .handler = handle};
    assert_int_equal(http_server_start(&options, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "in use"));
    static const char *const bad[] = {"nonsense", "1.2.3.4", "127.0.0.1:99999", "name.invalid:80",
                                      NULL};
    for (size_t i = 0; bad[i]; i++) {
        options.listen = bad[i];
        assert_int_equal(http_server_start(&options, &second, &err), -EINVAL);
    }
}

static void stops_while_a_stream_is_open(void **state)
{
    struct fixture *f = *state;
    int before = atomic_load(&events_ended);
    int fd = raw_connect(http_server_port(f->server));
    char out[512];
    raw_send(fd, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(recv(fd, out, sizeof out, 0) > 0);
    http_server_stop(f->server);
    f->server = NULL;
    assert_int_equal(atomic_load(&events_ended), before + 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_path_query_and_cookies),
        cmocka_unit_test(cuts_the_path_before_decoding),
        cmocka_unit_test(refuses_broken_requests),
        cmocka_unit_test(refuses_large_headers),
        cmocka_unit_test(serves_ranges),
        cmocka_unit_test(streams_chunked),
        cmocka_unit_test(limits_bodies),
        cmocka_unit_test(streams_bodies_from_a_descriptor),
        cmocka_unit_test(a_short_or_aborted_answer_is_seen_as_broken),
        cmocka_unit_test(headers_cannot_be_injected),
        cmocka_unit_test(a_client_that_trickles_headers_is_cut),
        cmocka_unit_test(a_slow_handler_outlives_the_idle_timeout),
        cmocka_unit_test(a_client_that_does_not_read_is_cut),
        cmocka_unit_test(a_client_that_left_is_noticed),
        cmocka_unit_test(serves_many_connections),
        cmocka_unit_test(limits_connections_of_an_address),
        cmocka_unit_test(connections_that_only_wait_lock_nobody_out),
        cmocka_unit_test(who_is_served_is_not_cut_for_a_newcomer),
        cmocka_unit_test(a_taken_port_is_a_sentence),
        cmocka_unit_test(stops_while_a_stream_is_open),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
