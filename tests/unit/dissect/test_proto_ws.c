/* WebSocket: the examples of RFC 6455 section 5.7 and RFC 7692 section 7.2.3, fragments with
 * control frames between them, compression with and without its history, losses, late joins,
 * hostile input; every script also cut in pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define ASK                                                                  \
    C("GET /chat?room=1 HTTP/1.1\r\nHost: ws.test\r\nUpgrade: websocket\r\n" \
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
#define AGREE(headers)                                                         \
    S("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: " \
      "Upgrade\r\n" headers "\r\n")
#define DEFLATE  "Sec-WebSocket-Extensions: permessage-deflate\r\n"
#define RUN(...) PROTO_RUN_WITH(OPTIONS(.dissector = NULL), ASK, AGREE(""), __VA_ARGS__)
#define RUN_DEFLATE(...) \
    PROTO_RUN_WITH(OPTIONS(.dissector = NULL), ASK, AGREE(DEFLATE), __VA_ARGS__)
#define RUN_LATE(...) PROTO_RUN_WITH(OPTIONS(.dissector = "ws", .late_join = true), __VA_ARGS__)

/* ── frames to send ── */

static void put_frame(struct buf *out, uint8_t first, bool masked, const void *payload, size_t len)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const uint8_t *p = payload;
    buf_append_u8(out, first);
    if (len < 126) {
        buf_append_u8(out, (uint8_t)(len | (masked ? 0x80 : 0)));
    } else {
        buf_append_u8(out, masked ? 0xfe : 0x7e);
        buf_append_u8(out, (uint8_t)(len >> 8));
        buf_append_u8(out, (uint8_t)len);
    }
    if (masked)
        buf_append(out, mask, sizeof mask);
    for (size_t i = 0; i < len; i++)
        buf_append_u8(out, masked ? p[i] ^ mask[i & 3] : p[i]);
}

/* The sender's side of permessage-deflate. */
static size_t squeeze(z_stream *z, const char *text, size_t text_len, uint8_t *out, size_t size)
{
    z->next_in = (Bytef *)(uintptr_t)text;
    z->avail_in = (uInt)text_len;
    z->next_out = out;
    z->avail_out = (uInt)size;
    assert_int_equal(deflate(z, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(z->avail_in, 0);
    return size - z->avail_out - 4;
}

static void put_squeezed(struct buf *out, z_stream *z, const char *text)
{
    uint8_t bytes[4096];
    put_frame(out, 0xc1, false, bytes, squeeze(z, text, strlen(text), bytes, sizeof bytes));
}

/* ── RFC 6455 ── */

static void examples_of_rfc_6455(void **state)
{
    (void)state;
    static uint8_t big[65536 + 10] = {0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0};
    static uint8_t middle[256 + 4] = {0x82, 0x7e, 1, 0};
    memset(big + 10, 0xff, 65536);
    memset(middle + 4, 0xfe, 256);
    struct proto_run *run =
        RUN(S("\x81\x05Hello"), C("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), S("\x01\x03Hel"),
            S("\x80\x02lo"), S("\x89\x05Hello"), C("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
            SB(middle, sizeof middle), SB(big, sizeof big));
    proto_count(run, 8);
    proto_has(run, 0, "\"protocol\":\"http\"");
    proto_has(run, 0, "\"status_code\":101");
    proto_has(run, 1, "\"protocol\":\"ws\"");
    proto_has(run, 1, "\"summary\":\"→ text Hello\",\"status\":\"ok\"");
    proto_has(run, 1, "\"path\":\"/chat\"");
    proto_has(run, 1, "\"host\":\"ws.test\"");
    proto_has(run, 1,
              "\"ws_opcode\":\"text\",\"ws_response\":true,\"ws_response_payload_length\":5");
    proto_lacks(run, 1, "ws_request");
    proto_has(run, 1, "\"response\":{\"body\":\"Hello\",\"body_size\":5");
    proto_has(run, 2,
              "\"ws_opcode\":\"text\",\"ws_request\":true,\"ws_request_payload_data\":\"Hello\"");
    proto_has(run, 2, "\"request\":{\"body\":\"Hello\",\"body_size\":5,\"size\":11}");
    proto_has(run, 3, "\"response\":{\"body\":\"Hello\",\"body_size\":5,\"size\":9}");
    proto_has(run, 4, "\"ws_opcode\":\"ping\"");
    proto_has(run, 5, "\"ws_opcode\":\"pong\"");
    proto_has(run, 6,
              "\"ws_opcode\":\"binary\",\"ws_response\":true,\"ws_response_payload_length\":256");
    proto_has(run, 6, "\"body\":{\"base64\":\"/v7+");
    proto_has(run, 7, "\"ws_response_payload_length\":65536");
    proto_run_free(run);
}

static void control_frames_between_fragments(void **state)
{
    (void)state;
    struct proto_run *run = RUN(S("\x01\x04{\"a\""), S("\x89\x02hi"), S("\x00\x01:"), S("\x8a\x00"),
                                S("\x80\x02"
                                  "1}"));
    proto_count(run, 4);
    proto_has(run, 1, "\"ws_opcode\":\"ping\"");
    proto_has(run, 1, "\"size\":4}");
    proto_has(run, 2, "\"ws_opcode\":\"pong\"");
    proto_has(run, 3, "\"body\":\"{\\\"a\\\":1}\",\"body_size\":7,\"size\":13}");
    proto_run_free(run);
}

static void close_codes(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("\x88\x82\0\0\0\0\x03\xe8"), S("\x88\x0a\x03\xf3went bad"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"close 1000\",\"status\":\"ok\"");
    proto_has(run, 1, "\"ws_close_code\":1000");
    proto_has(run, 2, "\"summary\":\"→ close 1011 went bad\",\"status\":\"error\"");
    proto_has(run, 2, "\"ws_close_code\":1011,\"ws_close_reason\":\"went bad\"");
    proto_run_free(run);
    run = RUN(S("\x88\x00"), C("\x88\x80\0\0\0\0"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"→ close\",\"status\":\"ok\"");
    proto_lacks(run, 1, "ws_close_code");
    proto_run_free(run);
}

/* ── RFC 7692 ── */

static void examples_of_rfc_7692(void **state)
{
    (void)state;
    struct proto_run *run = RUN_DEFLATE(
        S("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),         /* 7.2.3.1 */
        S("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"), /* the same in two frames */
        S("\xc1\x05\xf2\x00\x11\x00\x00"),                 /* 7.2.3.2: the window is shared */
        S("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), /* 7.2.3.3: not compressed */
        S("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),             /* 7.2.3.4: BFINAL */
        S("\xc1\x05\xf2\x00\x11\x00\x00"),                         /* … and the window goes on */
        S("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), /* 7.2.3.5 */
        S("\xc1\x01\x00"), S("\x81\x05Hello"),
        C("\xc1\x87\x37\xfa\x21\x3d\xc5\xb2\xec\xf4\xfe\xfd\x21"));
    proto_count(run, 11);
    for (size_t i = 1; i < 8; i++) {
        proto_has(run, i, "\"body\":\"Hello\"");
        proto_has(run, i, "\"ws_compressed\":true");
        proto_lacks(run, i, "ws_undecoded");
        proto_lacks(run, i, "truncated");
    }
    proto_has(run, 8, "\"summary\":\"→ text (1 bytes)\",\"status\":\"ok\"");
    proto_lacks(run, 8, "\"body\"");
    proto_lacks(run, 9, "ws_compressed");
    proto_has(run, 10, "\"ws_request_payload_data\":\"Hello\"");
    proto_run_free(run);
}

/* A history of messages with every window size, with and without context takeover. */
static void windows_and_takeover(void **state)
{
    (void)state;
    for (int bits = 9; bits <= 15; bits += 3)
        for (int keep = 0; keep < 2; keep++) {
            z_stream z = {0};
            assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
            struct buf out;
            buf_init(&out, 1024 * 1024);
            for (int i = 0; i < 40; i++) {
                char text[1024];
                snprintf(text, sizeof text,
                         "{\"type\":\"tick\",\"number\":%d,\"text\":\"%0*d the same words again\"}",
                         i, 100 + i * 10, i);
                put_squeezed(&out, &z, text);
                if (!keep)
                    deflateReset(&z);
            }
            deflateEnd(&z);
            struct proto_run *run = RUN_DEFLATE(SB(out.data, out.len));
            proto_count(run, 41);
            for (size_t i = 0; i < 40; i++) {
                char part[64];
                snprintf(part, sizeof part,
                         "\"body\":\"{\\\"type\\\":\\\"tick\\\",\\\"number\\\":%zu,", i);
                proto_has(run, i + 1, part);
                proto_has(run, i + 1, "the same words again\\\"}\",");
                proto_lacks(run, i + 1, "ws_undecoded");
            }
            proto_run_free(run);
            buf_done(&out);
        }
}

/* Sizes at which zlib stops with a full buffer and nothing left to say. */
static void round_sizes(void **state)
{
    (void)state;
    static char text[65537];
    uint8_t bytes[1024];
    memset(text, 'z', sizeof text);
    static const size_t sizes[] = {8191, 8192, 8193, 16384, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        struct buf out;
        buf_init(&out, 65536);
        put_frame(&out, 0xc1, false, bytes, squeeze(&z, text, sizes[i], bytes, sizeof bytes));
        deflateEnd(&z);
        struct proto_run *run = RUN_DEFLATE(SB(out.data, out.len));
        proto_count(run, 2);
        proto_has(run, 1, "\"status\":\"ok\"");
        proto_lacks(run, 1, "ws_undecoded");
        proto_run_free(run);
        buf_done(&out);
    }
}

/* Behind a gap, what refers to lost messages must say so; what does not must be right. */
static void history_is_lost(void **state)
{
    (void)state;
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct buf before, lost, after;
    buf_init(&before, 65536);
    buf_init(&lost, 65536);
    buf_init(&after, 65536);
    put_squeezed(&before, &z, "{\"op\":\"hello\",\"user\":\"first\"}");
    put_squeezed(&lost, &z, "{\"op\":\"secret\",\"user\":\"second\"}");
    put_squeezed(&after, &z, "{\"op\":\"secret\",\"user\":\"third\"}");
    put_frame(&after, 0x81, false, "{\"plain\":\"text frame one\"}", 26);
    deflateReset(&z);
    put_squeezed(&after, &z, "{\"op\":\"fresh\",\"user\":\"fourth\"}");
    put_squeezed(&after, &z, "{\"op\":\"fresh\",\"user\":\"fifth\"}");
    deflateEnd(&z);
    /* the gap is one whole frame: its beginning and the next frame's are known */
    struct proto_run *run = RUN_DEFLATE(SB(before.data, before.len), SB(lost.data, 4),
                                        SGAP(lost.len - 4), SB(after.data, after.len));
    proto_count(run, 7);
    proto_has(run, 1, "\"body\":\"{\\\"op\\\":\\\"hello\\\",\\\"user\\\":\\\"first\\\"}\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"gap_bytes\":");
    proto_has(run, 3, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 3, "\"ws_undecoded\":\"history\"");
    proto_lacks(run, 3, "secret");
    proto_has(run, 4, "text frame one");
    proto_has(run, 5, "\"body\":\"{\\\"op\\\":\\\"fresh\\\",\\\"user\\\":\\\"fourth\\\"}\"");
    proto_has(run, 5, "\"status\":\"ok\"");
    proto_has(run, 6, "\"body\":\"{\\\"op\\\":\\\"fresh\\\",\\\"user\\\":\\\"fifth\\\"}\"");
    proto_run_free(run);
    buf_done(&before);
    buf_done(&lost);
    buf_done(&after);
}

static void compression_caps_and_damage(void **state)
{
    (void)state;
    static char zeros[4 * 1024 * 1024];
    memset(zeros, 'a', sizeof zeros);
    uint8_t *bytes = malloc(sizeof zeros);
    struct buf out;
    buf_init(&out, 1024 * 1024);
    z_stream z = {0};
    assert_non_null(bytes);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    put_frame(&out, 0xc1, false, bytes, squeeze(&z, zeros, sizeof zeros, bytes, sizeof zeros));
    deflateReset(&z);
    put_squeezed(&out, &z, "{\"op\":\"after the bomb\"}");
    deflateEnd(&z);
    free(bytes);
    put_frame(&out, 0xc1, false, "\xff\xff\xff\xff", 4);
    struct proto_run *run = RUN_DEFLATE(SB(out.data, out.len));
    proto_count(run, 4);
    proto_has(run, 1, "\"ws_undecoded\":\"cap\"");
    proto_has(run, 1, "\"truncated\":true");
    proto_has(run, 2, "after the bomb");
    proto_has(run, 3, "\"ws_undecoded\":\"history\"");
    proto_run_free(run);
    run = RUN_DEFLATE(S("\xc1\x04\xff\xff\xff\xff"), S("\x81\x02hi"));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"ws_undecoded\":\"damage\"");
    proto_has(run, 2, "\"body\":\"hi\"");
    proto_run_free(run);
    buf_done(&out);
}

static void other_extensions(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(
        OPTIONS(.dissector = NULL), ASK,
        AGREE(
            "Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\nSec-WebSocket-Protocol: chat\r\n"),
        S("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"));
    proto_count(run, 2);
    proto_has(run, 1, "\"ws_undecoded\":\"extension\",\"ws_protocol\":\"chat\"");
    proto_run_free(run);
    run = RUN(S("\x81\x02hi"), S("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), C("\x81\x82\0\0\0\0ok"));
    proto_count(run, 3); /* nobody agreed on compression: this side is broken, not the other */
    proto_has(run, 2, "\"ws_request_payload_data\":\"ok\"");
    proto_run_free(run);
}

static void graphql(void **state)
{
    (void)state;
    static const char subscribe[] = "{\"id\":\"1\",\"payload\":{\"query\":\"subscription Ticks { "
                                    "tick }\"},\"type\":\"subscribe\"}";
    static const char failed[] =
        "{\"id\":\"1\",\"type\":\"error\",\"payload\":[{\"message\":\"no ticks\"}]}";
    static const char next[] =
        "{\"id\":\"1\",\"type\":\"next\",\"payload\":{\"data\":null,\"errors\":"
        "[{\"message\":\"late\"}]}}";
    static const char *const protocols[] = {"Sec-WebSocket-Protocol: graphql-transport-ws\r\n",
                                            "Sec-WebSocket-Protocol: chat\r\n"};
    for (int i = 0; i < 2; i++) {
        struct buf client, server;
        buf_init(&client, 4096);
        buf_init(&server, 4096);
        buf_printf(&server, "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n",
                   protocols[i]);
        put_frame(&client, 0x81, true, subscribe, sizeof subscribe - 1);
        put_frame(&server, 0x81, false, failed, sizeof failed - 1);
        put_frame(&server, 0x81, false, next, sizeof next - 1);
        struct proto_run *run =
            PROTO_RUN_WITH(OPTIONS(.dissector = NULL), ASK, SB(server.data, server.len),
                           CB(client.data, client.len));
        proto_count(run, 4);
        if (i == 0) {
            proto_has(run, 1, "\"gql_errors\":[\"no ticks\"]");
            proto_has(run, 1, "\"status\":\"error\"");
            proto_has(run, 2, "\"gql_errors\":[\"late\"]");
            proto_has(run, 3,
                      "\"gql_operation\":\"subscription\",\"gql_operation_name\":\"Ticks\"");
            proto_has(run, 3, "\"protocol\":\"ws\"");
        }
        for (size_t line = 1; i == 1 && line < 4; line++) {
            proto_lacks(run, line, "gql_");
            proto_has(run, line, "\"status\":\"ok\"");
        }
        proto_run_free(run);
        buf_done(&client);
        buf_done(&server);
    }
}

/* ── losses and late joins ── */

static void gaps(void **state)
{
    (void)state;
    /* inside a payload: the message says so, and the next one is whole */
    struct proto_run *run = RUN(S("\x81\x0a"
                                  "abc"),
                                SGAP(4), S("hij\x81\x02ok"));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"gap_bytes\":4");
    proto_has(run, 1, "\"body\":\"abc\",\"body_size\":10");
    proto_has(run, 1, "\"truncated\":true");
    proto_has(run, 2, "\"body\":\"ok\"");
    proto_run_free(run);
    /* masked, and over its end: three frames that fit show where they begin again */
    struct buf out;
    buf_init(&out, 65536);
    buf_append_str(&out, "\x17\x81\xf0 rest of a lost frame");
    put_frame(&out, 0x81, true, "{\"n\":1,\"some\":\"words\"}", 22);
    put_frame(&out, 0x82, true, "\x00\x01\x02\x03", 4);
    put_frame(&out, 0x81, true, "{\"n\":2,\"some\":\"words\"}", 22);
    run = RUN(C("\x81\x8a\0\0\0\0"
                "abc"),
              CGAP(4000), CB(out.data, out.len), S("\x81\x02hi"));
    proto_count(run, 6);
    proto_has(run, 1, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "{\\\"n\\\":1,");
    proto_has(run, 3, "\"ws_opcode\":\"binary\"");
    proto_has(run, 4, "{\\\"n\\\":2,");
    proto_has(run, 4, "\"status\":\"ok\"");
    proto_run_free(run);
    buf_done(&out);
}

static void late_joins(void **state)
{
    (void)state;
    struct buf client, server;
    buf_init(&client, 65536);
    buf_init(&server, 65536);
    put_frame(&client, 0x80, true, " end of a message", 17);
    put_frame(&client, 0x81, true, "{\"type\":\"subscribe\",\"channel\":\"news\"}", 37);
    put_frame(&server, 0x81, false, "{\"type\":\"subscribed\"}", 21);
    put_frame(&server, 0x81, false, "{\"type\":\"news\",\"n\":1}", 21);
    put_frame(&server, 0xc1, false, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    put_frame(&server, 0xc1, false, "\xf2\x00\x11\x00\x00", 5);
    struct proto_run *run = RUN_LATE(CB(client.data, client.len), SB(server.data, server.len));
    proto_count(run, 6);
    proto_has(run, 0, "\"ws_opcode\":\"continuation\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"ws_request_payload_data\":\"{\\\"type\\\":\\\"subscribe\\\"");
    proto_has(run, 4, "\"body\":\"Hello\"");
    proto_has(run, 5, "\"body\":\"Hello\"");
    proto_run_free(run);
    /* the sides were guessed wrong: masks tell */
    run = RUN_LATE(SB(client.data, client.len), CB(server.data, server.len));
    proto_count(run, 6);
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 1, "\"ws_request\":true");
    proto_run_free(run);
    buf_done(&client);
    buf_done(&server);
}

/* Compressed with history that was before the recording: never a wrong text. */
static void late_join_without_history(void **state)
{
    (void)state;
    z_stream z = {0};
    struct buf lost, out;
    buf_init(&lost, 65536);
    buf_init(&out, 65536);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    put_squeezed(&lost, &z, "{\"price\":100,\"symbol\":\"AAAA\"}");
    for (int i = 0; i < 9; i++)
        put_squeezed(&out, &z,
                     i & 1 ? "{\"price\":101,\"symbol\":\"BBBB\"}"
                           : "{\"price\":102,\"symbol\":\"CCCC\"}");
    deflateEnd(&z);
    struct proto_run *run = RUN_LATE(SB(out.data, out.len), SFIN, CFIN);
    proto_count(run, 9);
    for (size_t i = 0; i < 9; i++) {
        proto_has(run, i, "\"ws_undecoded\":\"history\"");
        proto_has(run, i, "\"status_reason\":\"window_start\"");
        proto_lacks(run, i, "AAAA");
    }
    proto_run_free(run);
    buf_done(&lost);
    buf_done(&out);
}

static void open_ends(void **state)
{
    (void)state;
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = NULL, .end = END_OF_DATA), ASK, AGREE(""),
                       S("\x81\x0a"
                         "abc"));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"open\",\"status_reason\":\"window_end\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = NULL, .end = END_RESET_BY_SERVER), ASK, AGREE(""),
                         S("\x01\x03"
                           "abc"));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"error\",\"status_reason\":\"server_reset\"");
    proto_run_free(run);
}

/* ── hostile ── */

static void broken_frames(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {
        {"\x83\x00", 2},                                  /* reserved opcode */
        {"\xa1\x00", 2},                                  /* reserved bit */
        {"\x09\x00", 2},                                  /* a control frame in parts */
        {"\x89\x7e\x00\x7e", 4},                          /* … or too long */
        {"\x80\x00", 2},                                  /* nothing to go on with */
        {"\x01\x01x\x81\x01y", 6},                        /* two messages at once */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10}, /* RFC: the first bit must be 0 */
        {"\xc9\x00", 2},                                  /* RSV1 on a control frame */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct proto_run *run = RUN(S("\x81\x02hi"), SB(broken[i].bytes, broken[i].len),
                                    S("\x81\x02no"), C("\x81\x82\0\0\0\0ok"));
        proto_has(run, 1, "\"body\":\"hi\"");
        proto_has(run, run->count - 1, "\"ws_request_payload_data\":\"ok\"");
        for (size_t j = 0; j < run->count; j++)
            proto_lacks(run, j, "\"body\":\"no\"");
        proto_run_free(run);
    }
    /* an endless length, and a peer that masks where it must not */
    struct proto_run *run = RUN(C("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc"),
                                S("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
    proto_count(run, 3);
    proto_has(run, 1, "\"body\":\"Hello\"");
    proto_run_free(run);
}

static void big_messages(void **state)
{
    (void)state;
    size_t len = 3 * 1024 * 1024;
    uint8_t *bytes = malloc(len + 10);
    assert_non_null(bytes);
    memset(bytes, 'x', len + 10);
    memcpy(bytes, "\x81\x7f\x00\x00\x00\x00\x00\x30\x00\x00", 10);
    struct drive_step steps[] = {ASK, AGREE(""), SB(bytes, len + 10), S("\x81\x02ok")};
    struct proto_run *run = proto_run(&(struct drive_options){.dissector = NULL}, steps, 4);
    proto_count(run, 3);
    proto_has(run, 1, "\"ws_response_payload_length\":3145728");
    proto_has(run, 1, "\"truncated\":true");
    proto_has(run, 2, "\"body\":\"ok\"");
    proto_run_free(run);
    free(bytes);
}

static void not_websocket(void **state)
{
    (void)state;
    static const uint8_t zeros[64] = {0};
    static const struct {
        const char *bytes;
        size_t len;
    } texts[] = {{"\x82\x0a\x00\x01\x00\x05topic\x00", 12},                     /* MQTT SUBSCRIBE */
                 {"\x81\x00\x00\x44 CKFDENECFDEFFCFGEFFCCACACACACACA\x00", 39}, /* NetBIOS */
                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11},
                 {"\x01\x00\x00\x00\x01\x00\x00\x00", 8},
                 {"\x81\x85\x37\xfa\x21\x3d\xff\xff\xff\xff\xff\x81\x85\x00\x00\x00", 16},
                 {"plain text that is nobody's", 27}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct proto_run *run =
            RUN_LATE(CB(texts[i].bytes, texts[i].len), SB(texts[i].bytes, texts[i].len),
                     CB(zeros, sizeof zeros), SB(zeros, sizeof zeros), CFIN, SFIN);
        proto_count(run, 0);
        proto_run_free(run);
    }
    /* a connection that was seen from its beginning is none without an Upgrade */
    struct proto_run *run =
        PROTO_RUN("ws", S("\x81\x15{\"type\":\"subscribed\"}\x81\x15{\"type\":\"subscribed\"}"));
    proto_count(run, 0);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_rfc_6455),
        cmocka_unit_test(control_frames_between_fragments),
        cmocka_unit_test(close_codes),
        cmocka_unit_test(examples_of_rfc_7692),
        cmocka_unit_test(windows_and_takeover),
        cmocka_unit_test(round_sizes),
        cmocka_unit_test(history_is_lost),
        cmocka_unit_test(compression_caps_and_damage),
        cmocka_unit_test(other_extensions),
        cmocka_unit_test(graphql),
        cmocka_unit_test(gaps),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(late_join_without_history),
        cmocka_unit_test(open_ends),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(big_messages),
        cmocka_unit_test(not_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
