/* Tunnels in HTTP/2 streams: WebSocket (RFC 8441) and CONNECT. Every script also runs byte by byte
 * and in random pieces (support_proto.h). */
#include "support_http2.h"
#include "unit/unit_test.h"

/* By content among all, as the product does: what a tunnel carries has its own dissector. */
#define RUN(...)  PROTO_RUN_WITH(OPTIONS(.dissector = NULL), PREFACE, CSET, SSET, __VA_ARGS__)
#define OPEN(...) PROTO_RUN_WITH(OPTIONS(.end = END_OF_DATA), PREFACE, CSET, SSET, __VA_ARGS__)

/* RFC 8441 section 5.1 */
#define CHAT(id)                                                                       \
    CH(WHOLE, id,                                                                      \
       ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat?room=1\n" \
       ":authority: server.example.com\nsec-websocket-protocol: chat, superchat\n"     \
       "sec-websocket-extensions: permessage-deflate\nsec-websocket-version: 13\n"     \
       "origin: http://www.example.com")
#define CHAT_AGREED(id) SH(WHOLE, id, ":status: 200\nsec-websocket-protocol: chat")
#define DEFLATE_AGREED(id) \
    SH(WHOLE, id, ":status: 200\nsec-websocket-extensions: permessage-deflate")

/* RFC 6455 section 5.7, RFC 7692 section 7.2.3.1 */
#define HELLO          "\x81\x05Hello"
#define MASKED_HELLO   "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
#define DEFLATED_HELLO "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
#define CLOSE          "\x88\x02\x03\xe8"
#define MASKED_CLOSE   "\x88\x82\0\0\0\0\x03\xe8"

static void websocket(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CHAT(1), FR(DIR_SERVER, T_SETTINGS, 0, 0, "\0\x08\0\0\0\x01"), CHAT_AGREED(1),
            CD(0, 1, MASKED_HELLO), SD(0, 1, HELLO), CD(0, 1, "\x01\x83\0\0\0\0one"),
            CH(WHOLE | END, 3, ASK("/beside")), CD(0, 1, "\x80\x84\0\0\0\0 two"),
            SH(WHOLE | END, 3, ":status: 204"), CD(END, 1, MASKED_CLOSE), SD(END, 1, CLOSE));
    proto_count(run, 7);
    proto_has(run, 0, "\"summary\":\"CONNECT /chat → 200\",\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 0, "\"h2_protocol\":\"websocket\"");
    proto_has(run, 0, "\"elapsed_time\":2000");
    proto_has(run, 1, "\"protocol\":\"ws\"");
    proto_has(run, 1, "\"path\":\"/chat\",\"host\":\"server.example.com\"");
    proto_has(run, 1, "\"ws_request_payload_data\":\"Hello\",\"ws_request_payload_length\":5");
    proto_has(run, 1, "\"ws_protocol\":\"chat\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.1\"");
    proto_has(run, 2, "\"summary\":\"→ text Hello\"");
    proto_has(run, 3, "\"body\":\"one two\"");
    proto_has(run, 4, "\"summary\":\"GET /beside → 204\"");
    proto_has(run, 5, "\"ws_request\":true,\"ws_request_payload_length\":2,\"ws_close_code\":1000");
    proto_has(run, 6,
              "\"ws_response\":true,\"ws_response_payload_length\":2,\"ws_close_code\":1000");
    for (size_t i = 0; i + 1 < run->count; i++) /* ids */
        assert_true(strncmp(run->lines[i], run->lines[i + 1], 33) != 0);
    proto_run_free(run);
}

static void messages_across_frames(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CHAT(1), DEFLATE_AGREED(1), SD(0, 1, "\xc1"), SD(0, 1, "\x07\xf2\x48"), CHAT(3),
            FR(DIR_SERVER, T_DATA, PAD, 1, "\x03\xcd\xc9\xc9\x07\x00pad"), DEFLATE_AGREED(3),
            SD(0, 1, ""), SD(0, 3, "\x81"), SD(0, 1, "\x81"), SD(0, 3, "\x03two"),
            SD(END, 1, "\x03one"), SD(END, 3, ""), CD(END, 1, ""), CD(END, 3, ""));
    proto_count(run, 5);
    proto_has(run, 1, "\"body\":\"Hello\"");
    proto_has(run, 1, "\"ws_compressed\":true");
    proto_has(run, 3, "\"body\":\"two\"");
    proto_has(run, 4, "\"body\":\"one\"");
    proto_run_free(run);
}

static void ends(void **state)
{
    (void)state;
    struct slice half = SLICE_LITERAL("\x81\x05Hel");
    struct proto_run *run = OPEN(
        CHAT(1), CHAT_AGREED(1), CHAT(3), CHAT_AGREED(3), CHAT(5), CHAT_AGREED(5),
        http2_frame(DIR_SERVER, T_DATA, 0, 1, half), http2_frame(DIR_SERVER, T_DATA, 0, 3, half),
        http2_frame(DIR_SERVER, T_DATA, 0, 5, half),
        http2_frame(DIR_CLIENT, T_RST, 0, 1, http2_u32(8)), SH(WHOLE | END, 3, "x: y"),
        CH(WHOLE | END, 3, "x: y"), CD(0, 3, "behind the end"), CD(0, 5, MASKED_HELLO));
    proto_count(run, 7);
    proto_has(run, 3, "\"status\":\"error\",\"status_reason\":\"client_cancel\"");
    proto_has(run, 4, "\"status\":\"error\",\"status_reason\":\"closed\"");
    proto_has(run, 5, "\"body\":\"Hello\"");
    proto_has(run, 6, "\"status\":\"open\",\"status_reason\":\"window_end\"");
    proto_run_free(run);
}

/* A refused one is a call like any other; what is tunnelled by another name stays a body. */
static void no_tunnels(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CHAT(1), SH(WHOLE, 1, ":status: 403"), SD(END, 1, HELLO), CD(END, 1, ""),
            CH(WHOLE, 3,
               ":method: CONNECT\n:protocol: webtransport\n:scheme: https\n:path: /\n"
               ":authority: h"),
            SH(WHOLE, 3, ":status: 200"), SD(END, 3, HELLO), CD(END, 3, ""), CHAT(5),
            SH(WHOLE | END, 5, ":status: 200"), CD(END, 5, ""));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"CONNECT /chat → 403\"");
    proto_has(run, 1, "\"h2_protocol\":\"webtransport\"");
    proto_has(run, 1, "\"body_size\":7");
    proto_has(run, 2, "\"summary\":\"CONNECT /chat → 200\"");
    proto_run_free(run);
}

static void what_a_connect_carries(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        CH(WHOLE, 1, ":method: CONNECT\n:authority: web:80"), SH(WHOLE, 1, ":status: 200"),
        CD(0, 1, "GET /inner HTTP/1.1\r\nHost: web\r\n\r\n"),
        SD(0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), CD(END, 1, ""), SD(END, 1, ""));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"CONNECT web:80 → 200\"");
    proto_has(run, 1, "\"summary\":\"GET /inner → 200\",\"status\":\"ok\"");
    proto_has(run, 1, "\"http_version\":\"1.1\"");
    proto_run_free(run);
}

/* Inside one DATA frame the place is known; where frames are missing the next message is found. */
static void losses(void **state)
{
    (void)state;
    struct slice head = SLICE_LITERAL("\0\0\x16\0\0\0\0\0\x01\x81\x14 0123");
    struct proto_run *run =
        RUN(CHAT(1), CHAT_AGREED(1), SB(head.data, head.len), SGAP(10), S("efghi"), SD(0, 1, HELLO),
            SD(0, 1, "\x81\x7e\x10\x00 a long one"), SGAP(3000), SD(0, 1, "the end of another one"),
            SD(0, 1, HELLO), SD(0, 1, HELLO HELLO), SD(0, 1, HELLO), CD(END, 1, MASKED_CLOSE),
            SD(END, 1, CLOSE));
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"gap_bytes\":10");
    proto_has(run, 1, "\"ws_response_payload_length\":20");
    proto_has(run, 2, "\"body\":\"Hello\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_has(run, 3, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_lacks(run, 3, "the end of");
    size_t after = 0, closed = 0;
    for (size_t i = 4; i < run->count; i++) {
        after += strstr(run->lines[i], "\"body\":\"Hello\"") != NULL;
        closed += strstr(run->lines[i], "\"ws_close_code\":1000") != NULL;
    }
    assert_int_equal(after, 4);
    assert_int_equal(closed, 2);
    proto_count(run, 10);
    proto_run_free(run);
}

/* More of them than there are layers: the rest are calls with a body. */
static void many(void **state)
{
    (void)state;
    enum {
        COUNT = 80
    };
    static struct drive_step steps[COUNT * 4 + 3];
    size_t n = 0;
    steps[n++] = (struct drive_step)PREFACE;
    steps[n++] = CSET;
    steps[n++] = SSET;
    for (uint32_t i = 0; i < COUNT; i++) {
        steps[n++] = CHAT(i * 2 + 1);
        steps[n++] = CHAT_AGREED(i * 2 + 1);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        steps[n++] = SD(END, i * 2 + 1, HELLO);
        steps[n++] = CD(END, i * 2 + 1, "");
    }
    struct proto_run *run = proto_run_cut(&(struct drive_options){.dissector = NULL}, steps, n);
    size_t messages = 0, calls = 0;
    for (size_t i = 0; i < run->count; i++) {
        messages += strstr(run->lines[i], "\"protocol\":\"ws\"") != NULL;
        calls += strstr(run->lines[i], "\"summary\":\"CONNECT /chat → 200\"") != NULL;
    }
    assert_int_equal(calls, COUNT);
    assert_int_equal(messages, 64);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(websocket), cmocka_unit_test(messages_across_frames),
        cmocka_unit_test(ends),      cmocka_unit_test(no_tunnels),
        cmocka_unit_test(losses),    cmocka_unit_test(what_a_connect_carries),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
