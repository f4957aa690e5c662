/* HTTP/2: the shapes of RFC 9113, bad peers, late joins, losses. Every script is also run byte by
 * byte and in random pieces (support_proto.h). */
#include <stdio.h>

#include "support_http2.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("http2", PREFACE, CSET, SSET, __VA_ARGS__)
#define LATE(...)                                                                        \
    PROTO_RUN_WITH(OPTIONS(.dissector = "http2", .late_join = true, .end = END_OF_DATA), \
                   __VA_ARGS__)
#define OPEN(...)                                                                          \
    PROTO_RUN_WITH(OPTIONS(.dissector = "http2", .end = END_OF_DATA), PREFACE, CSET, SSET, \
                   __VA_ARGS__)

static void a_call(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CH(WHOLE | END, 1,
               ":method: GET\n:scheme: https\n:path: /carts/57a9c1/items?page=2\n:authority: "
               "shop:8443\ncookie: sid=1\nAccept: a\naccept: b\ncookie: lang=en\nx-request-id: r7"),
            SH(WHOLE, 1, ":status: 200\ncontent-type: text/plain; charset=utf-8\nset-cookie: a=1"),
            SD(0, 1, "hello, "), SD(END, 1, "world"));
    proto_count(run, 1);
    proto_has(run, 0, "\"protocol\":\"http\"");
    proto_has(run, 0, "\"summary\":\"GET /carts/57a9c1/items → 200\"");
    proto_has(run, 0, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 0, "\"path_template\":\"/carts/{id}/items\"");
    proto_has(run, 0,
              "\"url\":\"https://shop:8443/carts/57a9c1/items?page=2\",\"host\":\"shop:8443\"");
    proto_has(run, 0, "\"status_code\":200,\"http_version\":\"2\"");
    proto_has(run, 0, "\"query_string\":{\"page\":\"2\"},\"content_type\":\"text/plain\"");
    proto_has(run, 0, "\"headers\":{\"cookie\":\"sid=1; lang=en\",\"accept\":\"a, b\",");
    proto_has(run, 0, "\"cookies\":{\"sid\":\"1\",\"lang\":\"en\"}");
    proto_has(run, 0, "\"request_id\":\"r7\"");
    proto_has(run, 0, "\"body\":\"hello, world\",\"body_size\":12");
    proto_has(run, 0, "\"h2_stream_id\":1");
    proto_has(run, 0, "\"elapsed_time\":3000,\"time_to_response_us\":1000");
    proto_run_free(run);
}

static void streams_are_told_apart(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CH(WHOLE, 1, ":method: POST\n:path: /one"), CH(WHOLE | END, 3, ASK("/three")),
            CD(0, 1, "bo"), SH(WHOLE, 3, ":status: 404"), CD(END, 1, "dy"),
            SH(WHOLE, 1, ":status: 201"), SD(0, 3, "no"), SD(END, 1, "yes"), SD(END, 3, "ne"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"POST /one → 201\"");
    proto_has(run, 0, "\"body\":\"body\",\"body_size\":4");
    proto_has(run, 0, "\"body\":\"yes\"");
    proto_has(run, 1, "\"summary\":\"GET /three → 404\"");
    proto_has(run, 1, "\"body\":\"none\"");
    proto_run_free(run);
}

static void frames_of_every_shape(void **state)
{
    (void)state;
    struct slice block = http2_block(ASK("/long") "\nx-a: 1\nx-b: 2");
    struct slice padded = http2_bytes(SLICE_LITERAL("\x03"),
                                      http2_bytes(SLICE_LITERAL("abc"), SLICE_LITERAL("\0\0\0")));
    struct slice prio = http2_bytes(SLICE_LITERAL("\x02\x80\0\0\x05\xff"),
                                    http2_bytes(slice_sub(block, 0, 10), SLICE_LITERAL("\0\0")));
    struct proto_run *run =
        RUN(http2_frame(DIR_CLIENT, T_HEADERS, PAD | PRIO, 5, prio),
            http2_frame(DIR_CLIENT, T_CONTINUATION, 0, 5, slice_sub(block, 10, 7)),
            http2_frame(DIR_CLIENT, T_CONTINUATION, 0, 5, SLICE_NONE),
            http2_frame(DIR_CLIENT, T_CONTINUATION, WHOLE, 5, slice_sub(block, 17, SIZE_MAX)),
            FR(DIR_CLIENT, T_PRIORITY, 0, 5, "\0\0\0\x03\x10"),
            FR(DIR_CLIENT, T_PING, 0, 0, "12345678"), FR(DIR_SERVER, T_PING, 1, 0, "12345678"),
            FR(DIR_CLIENT, 16, 0, 0, "\0\0\0\x05u=1"), FR(DIR_CLIENT, 0xee, 0xff, 5, "grease"),
            http2_frame(DIR_CLIENT, T_DATA, PAD | END, 5, padded),
            FR(DIR_SERVER, T_SETTINGS, 1, 0, ""), SH(WHOLE, 5, ":status: 100"),
            SH(WHOLE, 5, ":status: 103\nlink: x"), SH(WHOLE | PAD, 5, ""), SD(END, 5, ""));
    proto_run_free(run); /* a padded block without a pad length: the frame is none */
    run = RUN(http2_frame(DIR_CLIENT, T_HEADERS, PAD | PRIO, 5, prio),
              http2_frame(DIR_CLIENT, T_CONTINUATION, 0, 5, slice_sub(block, 10, 7)),
              http2_frame(DIR_CLIENT, T_CONTINUATION, WHOLE, 5, slice_sub(block, 17, SIZE_MAX)),
              FR(DIR_CLIENT, 16, 0, 0, "\0\0\0\x05u=1"), FR(DIR_CLIENT, 0xee, 0xff, 5, "grease"),
              http2_frame(DIR_CLIENT, T_DATA, PAD | END, 5, padded), SH(WHOLE, 5, ":status: 100"),
              SH(WHOLE, 5, ":status: 103\nlink: x"), SH(WHOLE, 5, ":status: 200\nx-c: 3"),
              SD(0, 5, "body"), SH(WHOLE | END, 5, "x-trailer: t\nx-c: not this"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET /long → 200\"");
    proto_has(run, 0, "\"headers\":{\"x-a\":\"1\",\"x-b\":\"2\"},\"body\":\"abc\",\"body_size\":3");
    proto_has(run, 0, "\"headers\":{\"x-c\":\"3\",\"x-trailer\":\"t\"},\"body\":\"body\"");
    proto_lacks(run, 0, "link");
    proto_run_free(run);
}

static void answers_without_a_body(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CH(WHOLE | END, 1, ":method: HEAD\n:path: /"),
                                SH(WHOLE | END, 1, ":status: 200\ncontent-length: 500"),
                                CH(WHOLE | END, 3, ASK("/b")), SH(WHOLE | END, 3, ":status: 503"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"HEAD / → 200\"");
    proto_lacks(run, 0, "\"truncated\"");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_run_free(run);
}

static void early_answers_wait_for_their_request(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CH(WHOLE, 1, ":method: PUT\n:path: /big"), CD(0, 1, "first"),
                                SH(WHOLE | END, 1, ":status: 413"), CD(END, 1, "second"));
    proto_count(run, 1);
    proto_has(run, 0, "\"body\":\"firstsecond\"");
    proto_run_free(run);
    /* The answer is read first: one segment of the client's came late. */
    run = RUN(SH(WHOLE | END, 1, ":status: 200"), CH(WHOLE | END, 1, ASK("/late")));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET /late → 200\"");
    proto_has(run, 0, "\"incomplete\":false");
    proto_run_free(run);
}

static void resets(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        CH(WHOLE | END, 1, ASK("/a")), FR(DIR_CLIENT, T_RST, 0, 1, "\0\0\0\x08"),
        SH(WHOLE | END, 1, ":status: 200"), CH(WHOLE | END, 3, ASK("/b")),
        FR(DIR_SERVER, T_RST, 0, 3, "\0\0\0\x02"), CH(WHOLE | END, 5, ASK("/c")),
        FR(DIR_SERVER, T_RST, 0, 5, "\0\0\0\x07"), CH(WHOLE | END, 7, ASK("/d")),
        SH(WHOLE, 7, ":status: 200"), SD(0, 7, "part"), FR(DIR_CLIENT, T_RST, 0, 7, "\0\0\0\x08"),
        SD(END, 7, "late"), CH(WHOLE, 9, ":method: POST\n:path: /e"),
        SH(WHOLE | END, 9, ":status: 200"), FR(DIR_SERVER, T_RST, 0, 9, "\0\0\0\0"));
    proto_count(run, 5);
    proto_has(run, 0, "\"status\":\"no_response\",\"status_reason\":\"client_cancel\"");
    proto_has(run, 0, "\"h2_reset_code\":8,\"h2_reset_name\":\"CANCEL\"");
    proto_has(run, 1, "\"status\":\"error\",\"status_reason\":\"server_reset\"");
    proto_has(run, 2, "\"status\":\"error\",\"status_reason\":\"refused\"");
    proto_has(run, 3, "\"status\":\"ok\",\"status_reason\":\"client_cancel\"");
    proto_has(run, 3, "\"body\":\"part\"");
    proto_has(run, 4, "\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
}

static void goaway(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CH(WHOLE | END, 1, ASK("/a")), CH(WHOLE | END, 3, ASK("/b")),
                                FR(DIR_SERVER, T_GOAWAY, 0, 0, "\0\0\0\x01\0\0\0\0bye"),
                                SH(WHOLE | END, 1, ":status: 200"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"GET /b\",\"status\":\"error\",\"status_reason\":\"refused\"");
    proto_has(run, 0, "\"h2_goaway\":true");
    proto_has(run, 1, "\"summary\":\"GET /a → 200\",\"status\":\"ok\"");
    proto_has(run, 1, "\"h2_goaway\":true");
    proto_run_free(run);
}

static void ends_of_connections(void **state)
{
    (void)state;
    static const struct {
        enum dissect_end end;
        const char *waiting, *begun;
    } ends[] = {{END_CLOSED, "\"no_response\",\"status_reason\":\"closed\"",
                 "\"error\",\"status_reason\":\"closed\""},
                {END_RESET_BY_SERVER, "\"no_response\",\"status_reason\":\"server_reset\"",
                 "\"error\",\"status_reason\":\"server_reset\""},
                {END_RESET_BY_CLIENT, "\"no_response\",\"status_reason\":\"client_cancel\"",
                 "\"ok\",\"status_reason\":\"client_cancel\""},
                {END_TIMEOUT, "\"no_response\",\"status_reason\":\"timeout\"",
                 "\"error\",\"status_reason\":\"timeout\""},
                {END_OF_DATA, "\"open\",\"incomplete\":false",
                 "\"open\",\"status_reason\":\"window_end\""}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct proto_run *run =
            PROTO_RUN_WITH(OPTIONS(.dissector = "http2", .end = ends[i].end), PREFACE, CSET,
                           CH(WHOLE | END, 1, ASK("/a")), CH(WHOLE | END, 3, ASK("/b")),
                           SH(WHOLE, 3, ":status: 200"), SD(0, 3, "x"));
        proto_count(run, 2);
        proto_has(run, 0, ends[i].waiting);
        proto_has(run, 1, ends[i].begun);
        proto_run_free(run);
    }
}

static void promised(void **state)
{
    (void)state;
    struct slice promise =
        http2_bytes(http2_u32(2), http2_block(":method: GET\n:path: /style.css\n:scheme: http"));
    struct proto_run *run =
        RUN(CH(WHOLE | END, 1, ASK("/")), http2_frame(DIR_SERVER, T_PUSH, WHOLE, 1, promise),
            SH(WHOLE | END, 1, ":status: 200"), SH(WHOLE, 2, ":status: 200"), SD(END, 2, "css"));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"GET /style.css → 200\"");
    proto_has(run, 1, "\"h2_stream_id\":2");
    proto_has(run, 1, "\"h2_pushed\":true");
    proto_lacks(run, 0, "h2_pushed");
    proto_run_free(run);
}

static void tunnels(void **state)
{
    (void)state;
    struct proto_run *run = OPEN(
        CH(WHOLE, 1, ":method: CONNECT\n:authority: db:5432"), SH(WHOLE, 1, ":status: 200"),
        CD(0, 1, "in"), SD(END, 1, "out"), CD(END, 1, ""),
        CH(WHOLE, 3,
           ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: h"),
        SH(WHOLE, 3, ":status: 200"), SD(0, 3, "\x81\x02hi"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"CONNECT db:5432 → 200\"");
    proto_has(run, 0, "\"host\":\"db:5432\"");
    proto_has(run, 1, "\"summary\":\"CONNECT /chat → 200\"");
    proto_has(run, 1, "\"url\":\"https://h/chat\"");
    proto_has(run, 1, "\"h2_protocol\":\"websocket\"");
    proto_run_free(run);
}

/* Steps are a millisecond apart: the window of 5 bytes is shut from step 6 to step 9. */
static void a_stream_that_waits_for_its_window(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN(
        "http2", PREFACE, FR(DIR_CLIENT, T_SETTINGS, 0, 0, "\0\x04\0\0\0\x05"), SSET,
        CH(WHOLE | END, 1, ASK("/a")), SH(WHOLE, 1, ":status: 200"), SD(0, 1, "12345"),
        FR(DIR_CLIENT, T_PING, 0, 0, "12345678"), FR(DIR_SERVER, T_PING, 1, 0, "12345678"),
        FR(DIR_CLIENT, T_WINDOW, 0, 1, "\0\0\0\x09"), SD(END, 1, "6789"));
    proto_count(run, 1);
    proto_has(run, 0, "\"h2_window_stalled_us\":3000");
    proto_run_free(run);
    /* The connection's: shut by one stream, felt by another. */
    static const char big[65535 + 1];
    struct slice bytes = slice_of(big, 65535);
    run = PROTO_RUN("http2", PREFACE, FR(DIR_CLIENT, T_SETTINGS, 0, 0, "\0\x04\0\x7f\xff\xff"),
                    SSET, CH(WHOLE | END, 1, ASK("/a")), CH(WHOLE | END, 3, ASK("/b")),
                    SH(WHOLE, 1, ":status: 200"), SH(WHOLE, 3, ":status: 200"), SD(0, 3, ""),
                    http2_frame(DIR_SERVER, T_DATA, END, 1, bytes),
                    FR(DIR_CLIENT, T_PING, 0, 0, "12345678"),
                    FR(DIR_CLIENT, T_WINDOW, 0, 0, "\0\0\0\x09"), SD(END, 3, "x"));
    proto_count(run, 2);
    proto_lacks(run, 0, "stalled");
    proto_has(run, 1, "\"h2_window_stalled_us\":2000");
    proto_run_free(run);
}

static void h2c_upgrade(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.end = END_CLOSED),
        C("GET /up?x=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
          "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
        S("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), SSET,
        SH(WHOLE, 1, ":status: 200"), PREFACE, CSET, SD(END, 1, "up"),
        CH(WHOLE | END, 3, ASK("/b")), SH(WHOLE | END, 3, ":status: 204"));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"GET /up → 101\"");
    proto_has(run, 1, "\"summary\":\"GET /up → 200\"");
    proto_has(run, 1, "\"http_version\":\"2\"");
    proto_has(run, 1, "\"query_string\":{\"x\":\"1\"}");
    proto_has(run, 1, "\"body\":\"up\"");
    proto_has(run, 1, "\"h2_stream_id\":1");
    proto_has(run, 1, "\"elapsed_time\":6000");
    proto_has(run, 2, "\"summary\":\"GET /b → 204\"");
    assert_true(strncmp(run->lines[0], run->lines[1], 30) != 0); /* ids */
    proto_run_free(run);
    /* The request is lost; that the client takes its answer back does not make it whole. */
    run = PROTO_RUN_WITH(
        OPTIONS(.end = END_CLOSED), CGAP(60),
        S("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), SSET,
        SH(WHOLE, 1, ":status: 206"), PREFACE, CSET, SD(END, 1, "up"),
        FR(DIR_CLIENT, T_RST, 0, 1, "\0\0\0\x08"));
    proto_count(run, 2);
    proto_has(run, 1, "206");
    proto_has(run, 1, "\"incomplete\":true");
    proto_run_free(run);
}

/* :method GET, :path by an index from before, :scheme, x-new inserted now and used again. */
static void late_join(void **state)
{
    (void)state;
    struct proto_run *run =
        LATE(FR(DIR_CLIENT, T_DATA, 0, 7, "end of an older one"),
             FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 9,
                "\x82\x86\xc3\x41\x01h\x40\x03x-n\x01"
                "1"),
             FR(DIR_CLIENT, T_WINDOW, 0, 0, "\0\0\0\x09"), FR(DIR_SERVER, T_DATA, END, 7, "older"),
             FR(DIR_SERVER, T_HEADERS, WHOLE, 9, "\x88\xbe\x5f\x01t"),
             FR(DIR_SERVER, T_DATA, END, 9, "nine"),
             FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 11, "\x82\x86\x84\xbf\xbe"),
             FR(DIR_SERVER, T_HEADERS, WHOLE | END, 11, "\x88\xbe"),
             FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 13, "\x82\x86\x84\xc8"),
             FR(DIR_SERVER, T_HEADERS, WHOLE | END, 13, "\x88"));
    proto_count(run, 4);
    proto_lacks(run, 2, "\"url\""); /* whose host may be the one that is not known */
    proto_has(run, 0, "\"summary\":\"GET <unknown> → 200\"");
    proto_has(run, 0, "\"status_reason\":\"window_start\",\"incomplete\":true");
    proto_has(run, 0, "\"host\":\"h\"");
    proto_has(run, 0, "\"x-n\":\"1\"");
    proto_has(run, 0, "\"<unknown>\":\"<unknown>\"");
    proto_has(run, 1, "\"summary\":\"GET / → 200\"");
    proto_has(run, 1, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 1, "\"headers\":{\"x-n\":\"1\"}");
    proto_has(run, 1, "\"headers\":{\"content-type\":\"t\"}");
    proto_has(run, 3, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 3, "\"h2_stream_id\":7");
    proto_run_free(run);
}

static void late_join_in_the_middle_of_a_frame(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.dissector = "http2", .late_join = true, .skip_probe = true, .end = END_OF_DATA),
        S("\x10\x01\x02\x03\x04rest of some frame"), SD(END, 1, "tail"),
        FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 9, "\x82\x86\x84\x41\x01h"),
        FR(DIR_CLIENT, T_WINDOW, 0, 0, "\0\0\0\x09"), FR(DIR_CLIENT, T_WINDOW, 0, 9, "\0\0\0\x09"),
        FR(DIR_SERVER, T_HEADERS, WHOLE, 9, "\x88"), FR(DIR_SERVER, T_DATA, END, 9, "nine"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"stream 1\"");
    proto_has(run, 0, "\"body\":\"tail\"");
    proto_has(run, 1, "\"summary\":\"GET / → 200\"");
    proto_has(run, 1, "\"body\":\"nine\"");
    proto_run_free(run);
    /* The engine took the server for the client: the header block tells. */
    run = LATE(FR(DIR_CLIENT, T_HEADERS, WHOLE, 9, "\x88"), FR(DIR_CLIENT, T_DATA, END, 9, "nine"),
               FR(DIR_CLIENT, T_PING, 0, 0, "12345678"),
               FR(DIR_SERVER, T_HEADERS, WHOLE | END, 11, "\x82\x86\x84\x41\x01h"),
               FR(DIR_SERVER, T_WINDOW, 0, 0, "\0\0\0\x09"),
               FR(DIR_SERVER, T_WINDOW, 0, 11, "\0\0\0\x09"),
               FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 11, "\x89"));
    proto_count(run, 2);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 1, "\"summary\":\"GET / → 204\"");
    proto_run_free(run);
}

static void only_the_handshake_is_missing(void **state)
{
    (void)state;
    struct proto_run *run = LATE(PREFACE, CSET, CH(WHOLE | END, 1, ASK("/a")), SSET,
                                 SH(WHOLE, 1, ":status: 200"), SD(END, 1, "x"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET /a → 200\",\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
}

static void a_gap_inside_data_is_counted(void **state)
{
    (void)state;
    struct slice head = SLICE_LITERAL("\0\0\x64\0\x01\0\0\0\x01"
                                      "0123456789");
    struct proto_run *run = RUN(CH(WHOLE | END, 1, ASK("/a")), SH(WHOLE, 1, ":status: 200"),
                                SB(head.data, head.len), SGAP(80), S("abcdefghij"),
                                CH(WHOLE | END, 3, ASK("/b")), SH(WHOLE | END, 3, ":status: 200"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 0, "\"gap_bytes\":80");
    proto_has(run, 0, "\"body\":\"0123456789\",\"body_size\":100");
    proto_has(run, 1, "\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
}

static void a_gap_forgets_the_table(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 1, "\x82\x86\x84\x41\x01h\x40\x01k\x01v"),
        SH(WHOLE | END, 1, ":status: 200"), CGAP(300),
        FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 7, "\x82\x86\x84\x40\x01n\x01w\xbf\xbe"),
        FR(DIR_CLIENT, T_WINDOW, 0, 0, "\0\0\0\x09"), FR(DIR_CLIENT, T_WINDOW, 0, 7, "\0\0\0\x09"),
        SH(WHOLE | END, 5, ":status: 500"), SH(WHOLE | END, 7, ":status: 200"));
    proto_count(run, 3);
    proto_has(run, 0, "\"headers\":{\"k\":\"v\"}");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"summary\":\"stream 5 → 500\"");
    proto_has(run, 2, "\"headers\":{\"n\":\"w, w\",\"<unknown>\":\"<unknown>\"}");
    proto_has(run, 2, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_run_free(run);
}

/* The head of an answer is among what is passed over until frames are found again. */
static void a_gap_loses_a_head(void **state)
{
    (void)state;
    struct proto_run *run = OPEN(CH(WHOLE | END, 1, ASK("/a")), SH(WHOLE | END, 1, ":status: 200"),
                                 SGAP(500), CH(WHOLE | END, 3, ASK("/b")), S("the rest of a head"),
                                 SD(0, 3, "b"), SD(0, 3, "b"), SD(0, 3, "b"), SD(END, 3, "b"));
    proto_count(run, 2);
    proto_has(run, 1, "\"path\":\"/b\"");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void a_gap_loses_an_end(void **state)
{
    (void)state;
    struct proto_run *run = OPEN(CH(WHOLE | END, 1, ASK("/a")), SH(WHOLE, 1, ":status: 200"),
                                 SGAP(500), CH(WHOLE | END, 3, ASK("/b")),
                                 SH(WHOLE, 3, ":status: 200"), SD(0, 3, "b"), SD(END, 3, "b"));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"GET /b → 200\",\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void many_open_streams(void **state)
{
    (void)state;
    enum {
        COUNT = 1500
    };
    static struct drive_step steps[COUNT + 2];
    struct drive_options options = {.dissector = "http2", .end = END_OF_DATA};
    steps[0] = (struct drive_step)PREFACE;
    for (uint32_t i = 0; i < COUNT; i++)
        steps[i + 1] = CH(WHOLE | END, i * 2 + 1, ASK("/many"));
    steps[COUNT + 1] = SH(WHOLE | END, 1, ":status: 200"); /* its call has left */
    struct proto_run *run = proto_run_cut(&options, steps, COUNT + 2);
    proto_count(run, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        proto_lacks(run, i, "→");
    proto_run_free(run);
}

static void bad_peers(void **state)
{
    (void)state;
    /* A frame between a block and its CONTINUATION, an id that goes back, DATA before HEADERS. */
    struct proto_run *run =
        RUN(FR(DIR_CLIENT, T_HEADERS, END, 5, "\x82\x86"), FR(DIR_CLIENT, T_PING, 0, 0, "12345678"),
            CH(WHOLE | END, 7, ASK("/ok")), CH(WHOLE | END, 3, ASK("/back")), CD(END, 9, "none"),
            SH(WHOLE | END, 7, ":status: 200"), SH(WHOLE | END, 7, ":status: 500"));
    proto_has(run, 0, "\"summary\":\"GET /ok → 200\"");
    for (size_t i = 0; i < run->count; i++)
        proto_lacks(run, i, "→ 500");
    proto_run_free(run);
    /* A block that breaks HPACK, a frame that is none, and more blocks than anybody reads. */
    run = RUN(FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 1, "\x82\xff\xff\xff\xff\xff\xff"),
              FR(DIR_CLIENT, T_RST, 0, 0, "12345"), CH(WHOLE | END, 3, ASK("/x")),
              SH(WHOLE | END, 3, ":status: 200"));
    proto_has(run, 0, "\"status_code\":200");
    proto_run_free(run);
}

static void not_http2(void **state)
{
    (void)state;
    static const char *const clients[] = {
        "PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client hello of TLS and more"};
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        struct drive_step step = {.dir = DIR_CLIENT, .bytes = slice_str(clients[i])};
        struct proto_run *run = PROTO_RUN("http2", step);
        proto_count(run, 0);
        proto_run_free(run);
    }
    static const uint8_t zeros[4000];
    struct proto_run *run = LATE(CB(zeros, sizeof zeros), SB(zeros, sizeof zeros));
    proto_count(run, 0);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call),
        cmocka_unit_test(streams_are_told_apart),
        cmocka_unit_test(frames_of_every_shape),
        cmocka_unit_test(answers_without_a_body),
        cmocka_unit_test(early_answers_wait_for_their_request),
        cmocka_unit_test(resets),
        cmocka_unit_test(goaway),
        cmocka_unit_test(ends_of_connections),
        cmocka_unit_test(promised),
        cmocka_unit_test(tunnels),
        cmocka_unit_test(a_stream_that_waits_for_its_window),
        cmocka_unit_test(h2c_upgrade),
        cmocka_unit_test(late_join),
        cmocka_unit_test(late_join_in_the_middle_of_a_frame),
        cmocka_unit_test(only_the_handshake_is_missing),
        cmocka_unit_test(a_gap_inside_data_is_counted),
        cmocka_unit_test(a_gap_forgets_the_table),
        cmocka_unit_test(a_gap_loses_a_head),
        cmocka_unit_test(a_gap_loses_an_end),
        cmocka_unit_test(many_open_streams),
        cmocka_unit_test(bad_peers),
        cmocka_unit_test(not_http2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
