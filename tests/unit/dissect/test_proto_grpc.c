/* gRPC over HTTP/2: messages cut anywhere, statuses, deadlines, compression, streaming, gRPC-Web,
 * and the view of protobuf. */
#include "dissect/proto/grpc.h"
#include "dissect/proto/protobuf_view.h"
#include "support_http2.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("http2", PREFACE, CSET, SSET, __VA_ARGS__)
#define CALL                                                                        \
    ":method: POST\n:scheme: http\n:path: /shop.Carts/Get\n:authority: h\ncontent-" \
    "type: application/grpc\nte: trailers"
#define ANSWER                      ":status: 200\ncontent-type: application/grpc"
#define M(bytes)                    grpc_message(0, SLICE_LITERAL(bytes))
#define DATA(dir, flags, id, bytes) http2_frame(dir, T_DATA, flags, id, bytes)

static void a_unary_call(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CH(WHOLE, 1, CALL), DATA(DIR_CLIENT, END, 1, M("\x08\x96\x01")), SH(WHOLE, 1, ANSWER),
            DATA(DIR_SERVER, 0, 1, M("\x12\x07testing")), SH(WHOLE | END, 1, "grpc-status: 0"));
    proto_count(run, 1);
    proto_has(run, 0, "\"protocol\":\"grpc\"");
    proto_has(run, 0, "\"summary\":\"shop.Carts/Get → OK\",\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 0,
              "\"grpc_service\":\"shop.Carts\",\"grpc_method\":\"Get\",\"grpc_status\":0,"
              "\"grpc_status_name\":\"OK\"");
    proto_has(run, 0, "\"grpc_streaming\":\"unary\"");
    proto_has(run, 0,
              "\"grpc_request_messages\":1,\"grpc_response_messages\":1,"
              "\"grpc_request_message_sizes\":[3],\"grpc_response_message_sizes\":[9]");
    proto_has(run, 0,
              "\"body\":\"[[{\\\"field\\\":1,\\\"type\\\":\\\"varint\\\",\\\"value\\\":150}]]\"");
    proto_has(run, 0, "\\\"type\\\":\\\"string\\\",\\\"value\\\":\\\"testing\\\"");
    proto_has(run, 0, "\"grpc-status\":\"0\"");
    proto_has(run, 0, "\"status_code\":200");
    proto_lacks(run, 0, "deadline");
    proto_lacks(run, 0, "truncated");
    proto_run_free(run);
}

static void statuses(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CH(WHOLE | END, 1, CALL),
            SH(WHOLE | END, 1, ANSWER "\ngrpc-status: 5\ngrpc-message: no%20such %C3%BC 1+1"),
            CH(WHOLE | END, 3, CALL), SH(WHOLE | END, 3, ":status: 503\ncontent-type: text/html"),
            CH(WHOLE | END, 5, CALL), SH(WHOLE, 5, ANSWER), DATA(DIR_SERVER, END, 5, M("")),
            CH(WHOLE | END, 7, CALL), SH(WHOLE | END, 7, ANSWER "\ngrpc-status: 99"));
    proto_count(run, 4);
    proto_has(run, 0, "\"summary\":\"shop.Carts/Get → NOT_FOUND\",\"status\":\"error\"");
    proto_has(
        run, 0,
        "\"grpc_status\":5,\"grpc_status_name\":\"NOT_FOUND\",\"grpc_message\":\"no such ü 1+1\"");
    proto_has(run, 1, "\"summary\":\"shop.Carts/Get → HTTP 503\",\"status\":\"error\"");
    proto_lacks(run, 1, "grpc_status");
    proto_has(run, 2, "\"status\":\"error\""); /* an answer without a status is UNKNOWN */
    proto_has(run, 3, "\"summary\":\"shop.Carts/Get → 99\",\"status\":\"error\"");
    proto_run_free(run);
}

static void streaming(void **state)
{
    (void)state;
    struct slice two = http2_bytes(M("\x08\x01"), M("\x08\x02"));
    struct proto_run *run =
        RUN(CH(WHOLE, 1, CALL), CH(WHOLE, 3, CALL), CH(WHOLE, 5, CALL),
            DATA(DIR_CLIENT, END, 1, M("\x08\x07")), DATA(DIR_CLIENT, 0, 3, slice_sub(two, 0, 3)),
            DATA(DIR_CLIENT, 0, 3, slice_sub(two, 3, 6)),
            DATA(DIR_CLIENT, END, 3, slice_sub(two, 9, 5)), SH(WHOLE, 1, ANSWER),
            DATA(DIR_SERVER, 0, 1, two), DATA(DIR_SERVER, 0, 1, M("\x08\x03")),
            SH(WHOLE | END, 1, "grpc-status: 0"), SH(WHOLE, 3, ANSWER),
            DATA(DIR_SERVER, 0, 3, M("\x08\x03")), SH(WHOLE | END, 3, "grpc-status: 0"),
            DATA(DIR_CLIENT, END, 5, two), SH(WHOLE, 5, ANSWER), DATA(DIR_SERVER, 0, 5, two),
            SH(WHOLE | END, 5, "grpc-status: 0"));
    proto_count(run, 3);
    proto_has(run, 0, "\"grpc_streaming\":\"server\"");
    proto_has(run, 0, "\"grpc_response_message_sizes\":[2,2,2]");
    proto_has(run, 1, "\"grpc_streaming\":\"client\"");
    proto_has(run, 1, "\\\"value\\\":1}],[{");
    proto_has(run, 2, "\"grpc_streaming\":\"bidi\"");
    proto_run_free(run);
}

static void compressed_messages(void **state)
{
    (void)state;
    /* gzip of 08 96 01 */
    struct slice gz = SLICE_LITERAL(
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xe3\x98\xc6\x08\x00\xa0\x95\x4e\xa1\x03\x00\x00\x00");
    struct slice body = http2_bytes(grpc_message(1, gz), M("\x08\x05"));
    struct proto_run *run =
        RUN(CH(WHOLE, 1, CALL "\ngrpc-encoding: gzip"), DATA(DIR_CLIENT, END, 1, body),
            SH(WHOLE, 1, ANSWER "\ngrpc-encoding: nobody-knows"),
            DATA(DIR_SERVER, 0, 1, grpc_message(1, SLICE_LITERAL("\x01\x02\x03"))),
            SH(WHOLE | END, 1, "grpc-status: 0"));
    proto_count(run, 1);
    proto_has(
        run, 0,
        "\\\"value\\\":150}],[{\\\"field\\\":1,\\\"type\\\":\\\"varint\\\",\\\"value\\\":5}]]");
    proto_has(run, 0, "\"grpc_request_message_sizes\":[23,2]");
    proto_has(run, 0, "[{\\\"base64\\\":\\\"AQID\\\"}]");
    proto_run_free(run);
}

static void deadlines(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        CH(WHOLE | END, 1, CALL "\ngrpc-timeout: 1m"), FR(DIR_CLIENT, T_RST, 0, 1, "\0\0\0\x08"),
        CH(WHOLE | END, 3, CALL "\ngrpc-timeout: 2S"),
        SH(WHOLE | END, 3, ANSWER "\ngrpc-status: 4"),
        CH(WHOLE | END, 5, CALL "\ngrpc-timeout: 1H"), FR(DIR_CLIENT, T_RST, 0, 5, "\0\0\0\x08"));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"error\",\"status_reason\":\"client_cancel\"");
    proto_has(run, 0, "\"grpc_timeout_us\":1000,\"deadline_exceeded\":true");
    proto_has(run, 1, "\"grpc_timeout_us\":2000000,\"deadline_exceeded\":true");
    proto_has(run, 2, "\"status\":\"no_response\",\"status_reason\":\"client_cancel\"");
    proto_has(run, 2, "\"grpc_timeout_us\":3600000000");
    proto_lacks(run, 2, "deadline_exceeded");
    proto_run_free(run);
}

static void grpc_web(void **state)
{
    (void)state;
    struct slice body =
        http2_bytes(M("\x08\x01"),
                    grpc_message(0x80, SLICE_LITERAL("grpc-status: 5\r\ngrpc-message:gone\r\n")));
    struct proto_run *run =
        RUN(CH(WHOLE, 1, ":method: POST\n:path: /a.B/C\ncontent-type: application/grpc-web+proto"),
            DATA(DIR_CLIENT, END, 1, M("")),
            SH(WHOLE, 1, ":status: 200\ncontent-type: application/grpc-web+proto"),
            DATA(DIR_SERVER, END, 1, body));
    proto_count(run, 1);
    proto_has(run, 0, "\"grpc_status\":5");
    proto_has(run, 0, "\"grpc_message\":\"gone\"");
    proto_has(run, 0, "\"grpc_response_messages\":1");
    proto_run_free(run);
}

#define WEB_ASK(type)                                                             \
    "POST /shop.Carts/Get HTTP/1.1\r\nHost: h\r\nX-Grpc-Web: 1\r\nContent-Type: " \
    "application/grpc-web" type "\r\n"
#define WEB_ANSWER(type) "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web" type "\r\n"

static void grpc_web_over_http1(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN(
        "http",
        C(WEB_ASK(
            "+proto") "Grpc-Timeout: 1S\r\nContent-Length: 8\r\n\r\n\0\0\0\0\x03\x08\x96\x01"),
        S(WEB_ANSWER(
            "+proto") "Content-Length: 34\r\n\r\n"
                      "\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x02\x80\0\0\0\x0fgrpc-status:0\r\n"),
        C(WEB_ASK("") "Content-Length: 5\r\n\r\n\0\0\0\0\0"),
        S(WEB_ANSWER(
            "") "Grpc-Status: 16\r\nGrpc-Message: who%20are you\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"protocol\":\"grpc\"");
    proto_has(run, 0, "\"summary\":\"shop.Carts/Get → OK\",\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 0, "\"http_version\":\"1.1\"");
    proto_has(run, 0, "\"grpc_service\":\"shop.Carts\",\"grpc_method\":\"Get\",\"grpc_status\":0");
    proto_has(run, 0, "\"grpc_streaming\":\"server\",\"grpc_timeout_us\":1000000");
    proto_has(run, 0, "\"grpc_request_message_sizes\":[3],\"grpc_response_message_sizes\":[2,2]");
    proto_has(run, 0, "\\\"value\\\":150}]]\",\"body_size\":8");
    proto_has(run, 0, "\"grpc-status\":\"0\"");
    proto_lacks(run, 0, "truncated");
    proto_has(run, 1, "\"summary\":\"shop.Carts/Get → UNAUTHENTICATED\",\"status\":\"error\"");
    proto_has(run, 1, "\"grpc_message\":\"who are you\"");
    proto_run_free(run);
}

/* Base64, each part with padding of its own; parts and chunks need not be the same. */
static void grpc_web_text(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN(
        "http", C(WEB_ASK("-text") "Content-Length: 12\r\n\r\nAAAAAAMIlgE="),
        S(WEB_ANSWER(
            "-text+proto") "Transfer-Encoding: chunked\r\n\r\n"
                           "f\r\nAAAAAAIIAQ==AAA\r\n"
                           "13\r\nAAAMIlgE=gAAAACJncn\r\n"
                           "2a\r\nBjLXN0YXR1czo1DQpncnBjLW1lc3NhZ2U6Z29uZQ0K\r\n0\r\n\r\n"),
        C(WEB_ASK("-text") "Content-Length: 12\r\n\r\nAAAA*AIIAQ=="),
        S(WEB_ANSWER("-text") "Content-Length: 13\r\n\r\nAAAAAAIIAQ==g"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"shop.Carts/Get → NOT_FOUND\",\"status\":\"error\"");
    proto_has(run, 0, "\"grpc_request_message_sizes\":[3],\"grpc_response_message_sizes\":[2,3]");
    proto_has(run, 0, "\"grpc_message\":\"gone\"");
    proto_lacks(run, 0, "truncated");
    proto_has(run, 1, "\"grpc_request_messages\":0,\"grpc_response_messages\":1");
    proto_has(run, 1, "\"truncated\":true");
    proto_run_free(run);
}

/* What a message lacks inside is known; a lost status proves nothing, and what is compressed as a
 * whole is a body. */
static void grpc_web_losses(void **state)
{
    (void)state;
    struct proto_run *run =
        PROTO_RUN("http", C(WEB_ASK("") "Content-Length: 5\r\n\r\n\0\0\0\0\0"),
                  S(WEB_ANSWER("") "Content-Length: 35\r\n\r\n\0\0\0\0\x0a\x0a\x08"), SGAP(4),
                  S("efgh\x80\0\0\0\x0fgrpc-status:0\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"grpc_status\":0");
    proto_has(run, 0, "\"grpc_response_message_sizes\":[10]");
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
    run = PROTO_RUN("http", C(WEB_ASK("") "Content-Length: 5\r\n\r\n\0\0\0\0\0"),
                    S(WEB_ANSWER("") "Content-Length: 30\r\n\r\n\0\0\0\0\x02"), SGAP(25),
                    C(WEB_ASK("") "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345"),
                    S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    proto_count(run, 2);
    proto_lacks(run, 0, "\"grpc_status\"");
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 1, "\"protocol\":\"http\"");
    proto_run_free(run);
}

/* Its content-type is in the table from before: the first DATA frame tells. */
static void late_join_knows_grpc_by_its_messages(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.dissector = "http2", .late_join = true, .end = END_OF_DATA),
        FR(DIR_CLIENT, T_HEADERS, WHOLE, 9, "\x83\x86\xc3\xc2\xc1"),
        DATA(DIR_CLIENT, END, 9, M("\x08\x96\x01")),
        FR(DIR_CLIENT, T_HEADERS, WHOLE, 11, "\x83\x86\xc3\xc2\xc1"),
        DATA(DIR_CLIENT, END, 11, SLICE_LITERAL("\0\0\0\0\x04 no")),
        FR(DIR_SERVER, T_HEADERS, WHOLE, 9, "\x88\xbf"), DATA(DIR_SERVER, 0, 9, M("\x08\x01")),
        FR(DIR_SERVER, T_HEADERS, WHOLE | END, 9, "\xbe"),
        FR(DIR_SERVER, T_HEADERS, WHOLE, 11, "\x88\xbf"),
        DATA(DIR_SERVER, END, 11, SLICE_LITERAL("text")));
    proto_count(run, 2);
    proto_has(run, 0, "\"protocol\":\"grpc\"");
    proto_has(
        run, 0,
        "\"summary\":\"<unknown>\",\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 0, "\"grpc_request_messages\":1,\"grpc_response_messages\":1");
    proto_has(run, 0, "\\\"value\\\":150}");
    proto_lacks(run, 0, "\"grpc_status\"");
    proto_lacks(run, 0, "\"grpc_service\"");
    proto_has(run, 1, "\"protocol\":\"http\"");
    proto_has(run, 1, "\"body\":\"text\"");
    proto_run_free(run);
}

static void gaps_and_nonsense(void **state)
{
    (void)state;
    struct slice big = SLICE_LITERAL("\0\0\x1e\0\0\0\0\0\x01\0\0\0\0\x14"
                                     "\x0a\x12"
                                     "abcd");
    struct proto_run *run =
        RUN(CH(WHOLE | END, 1, CALL), SH(WHOLE, 1, ANSWER), SB(big.data, big.len), SGAP(10),
            S("klmn\0\0\0\0\x00"), SH(WHOLE | END, 1, "grpc-status: 0"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 0, "\"truncated\":true");
    proto_has(run, 0, "\"grpc_response_message_sizes\":[20,0]");
    proto_run_free(run);
    /* Frames are missing; one that is a message as a whole shows where they begin again. */
    run = RUN(CH(WHOLE | END, 1, CALL), SH(WHOLE, 1, ANSWER), DATA(DIR_SERVER, 0, 1, M("\x08\x01")),
              SGAP(40), DATA(DIR_SERVER, 0, 1, SLICE_LITERAL("rest of a message")),
              DATA(DIR_SERVER, 0, 1, M("\x08\x02")), SH(WHOLE | END, 1, "grpc-status: 0"));
    proto_count(run, 1);
    proto_has(run, 0, "\"grpc_response_message_sizes\":[2,2]");
    proto_has(run, 0, "\\\"value\\\":1}],[{");
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
    /* Messages are missing before the first one that shows that it is gRPC. */
    run = RUN(CGAP(50), FR(DIR_CLIENT, T_HEADERS, WHOLE, 3, "\x83\x86\xc3\xc2\xc1"),
              FR(DIR_CLIENT, T_WINDOW, 0, 0, "\0\0\0\x09"), CGAP(13),
              DATA(DIR_CLIENT, 0, 3, M("\x08\x02")), DATA(DIR_CLIENT, 0, 3, M("\x08\x03")),
              DATA(DIR_CLIENT, END, 3, M("\x08\x04")));
    proto_count(run, 1);
    proto_has(run, 0, "\"grpc_request_message_sizes\":[2,2,2]");
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
    /* No message begins with such a flag; one is longer than what comes. */
    run = RUN(CH(WHOLE, 1, CALL), DATA(DIR_CLIENT, END, 1, SLICE_LITERAL("<html>not gRPC")),
              SH(WHOLE, 1, ANSWER),
              DATA(DIR_SERVER, END, 1, SLICE_LITERAL("\0\xff\xff\xff\xffshort")));
    proto_count(run, 1);
    proto_has(run, 0, "\"protocol\":\"grpc\"");
    proto_has(run, 0, "\"grpc_request_messages\":0,\"grpc_response_messages\":0");
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
}

/* ── the view ── */

static void expect_view(struct slice message, const char *wanted)
{
    struct arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    struct view view = {.arena = &arena, .max_bytes = 1024 * 1024};
    assert_true(protobuf_is_message(message));
    protobuf_view(&view, message);
    assert_false(view.full);
    char text[2048];
    assert_true(view.text.len < sizeof text);
    memcpy(text, view.text.data, view.text.len);
    text[view.text.len] = 0;
    assert_string_equal(text, wanted);
    arena_done(&arena);
}

static void view_of_each_type(void **state)
{
    (void)state;
    expect_view(SLICE_NONE, "[]");
    expect_view(SLICE_LITERAL("\x08\x96\x01"), "[{\"field\":1,\"type\":\"varint\",\"value\":150}]");
    expect_view(SLICE_LITERAL("\x1a\x03\x08\x96\x01"),
                "[{\"field\":3,\"type\":\"message\",\"value\":[{\"field\":1,\"type\":\"varint\","
                "\"value\":150}]}]");
    expect_view(SLICE_LITERAL("\x12\x05\"\\\n\xc3\xbc"),
                "[{\"field\":2,\"type\":\"string\",\"value\":\"\\\"\\\\\\u000a\xc3\xbc\"}]");
    expect_view(SLICE_LITERAL("\x22\x03\x00\x01\xff"),
                "[{\"field\":4,\"type\":\"bytes\",\"value\":\"AAH/\"}]");
    expect_view(
        SLICE_LITERAL("\x29\x1f\x85\xeb\x51\xb8\x1e\x09\x40"),
        "[{\"field\":5,\"type\":\"fixed64\",\"value\":4614253070214989087,\"double\":3.14}]");
    expect_view(SLICE_LITERAL("\x35\x00\x00\xc0\x3f\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                "[{\"field\":6,\"type\":\"fixed32\",\"value\":1069547520,\"float\":1.5},"
                "{\"field\":7,\"type\":\"varint\",\"value\":18446744073709551615}]");
}

static void what_is_no_message(void **state)
{
    (void)state;
    static const struct slice none[] = {
        SLICE_LITERAL("\x00\x01"), /* field 0 */
        SLICE_LITERAL("\x08"),     /* cut */
        SLICE_LITERAL("\x12\x05"
                      "ab"),       /* shorter than it says */
        SLICE_LITERAL("\x0e\x01"), /* wire type 6 */
        SLICE_LITERAL("\x0b\x0c"), /* groups are not read */
        SLICE_LITERAL("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* 11 bytes of varint */
        SLICE_LITERAL("\x09\x01\x02")};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(protobuf_is_message(none[i]));
}

/* Nesting without end, and a view that is full: still JSON, still bounded. */
static void view_is_bounded(void **state)
{
    (void)state;
    static uint8_t deep[4096];
    size_t len = 0;
    struct arena arena;
    arena_init(&arena, 4 * 1024 * 1024);
    for (size_t n = sizeof deep; n > 200; n -= 3) { /* field 1, length of the rest */
        deep[len++] = 0x0a;
        deep[len++] = (uint8_t)(((n - 3) & 0x7f) | 0x80);
        deep[len++] = (uint8_t)((n - 3) >> 7);
    }
    memset(deep + len, 0x0a, sizeof deep - len);
    for (size_t max = 512; max <= 64 * 1024; max *= 2) {
        struct view view = {.arena = &arena, .max_bytes = max};
        protobuf_view(&view, slice_of(deep, sizeof deep));
        assert_true(view.text.len <= max);
        assert_int_equal(view.text.data[view.text.len - 1], ']');
        int depth = 0;
        for (size_t i = 0; i < view.text.len; i++)
            depth += (view.text.data[i] == '[') - (view.text.data[i] == ']');
        assert_int_equal(depth, 0);
        arena_reset(&arena);
    }
    arena_done(&arena);
}

static void a_type_ends_where_it_ends(void **state)
{
    (void)state;
    assert_true(grpc_is_content_type(SLICE_LITERAL("application/grpc")));
    assert_true(grpc_is_content_type(SLICE_LITERAL("Application/gRPC+proto")));
    assert_true(grpc_is_content_type(SLICE_LITERAL("application/grpc; v=1")));
    assert_false(grpc_is_content_type(SLICE_LITERAL("application/grpc\0")));
    assert_false(grpc_is_content_type(SLICE_LITERAL("application/grpcx")));
    assert_true(grpc_is_web_content_type(SLICE_LITERAL("application/grpc-web+proto")));
    assert_false(grpc_is_web_content_type(SLICE_LITERAL("application/grpc-web\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_ends_where_it_ends),
        cmocka_unit_test(a_unary_call),
        cmocka_unit_test(statuses),
        cmocka_unit_test(streaming),
        cmocka_unit_test(compressed_messages),
        cmocka_unit_test(grpc_web_over_http1),
        cmocka_unit_test(grpc_web_text),
        cmocka_unit_test(grpc_web_losses),
        cmocka_unit_test(late_join_knows_grpc_by_its_messages),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(grpc_web),
        cmocka_unit_test(gaps_and_nonsense),
        cmocka_unit_test(view_of_each_type),
        cmocka_unit_test(what_is_no_message),
        cmocka_unit_test(view_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
