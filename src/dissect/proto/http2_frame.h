/* The wire format of HTTP/2 frames (RFC 9113 sections 4 and 6), without connections: header, what a
 * frame of each type must look like, and finding frames again. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_HTTP2_FRAME_H
#define TRAWL_DISSECT_PROTO_HTTP2_FRAME_H

#include "dissect/dissector.h"

enum http2_type {
    HTTP2_DATA = 0,
    HTTP2_HEADERS = 1,
    HTTP2_PRIORITY = 2,
    HTTP2_RST_STREAM = 3,
    HTTP2_SETTINGS = 4,
    HTTP2_PUSH_PROMISE = 5,
    HTTP2_PING = 6,
    HTTP2_GOAWAY = 7,
    HTTP2_WINDOW_UPDATE = 8,
    HTTP2_CONTINUATION = 9,
    HTTP2_ALTSVC = 10,         /* RFC 7838 */
    HTTP2_ORIGIN = 12,         /* RFC 8336 */
    HTTP2_PRIORITY_UPDATE = 16 /* RFC 9218 */
};

enum http2_flag {
    HTTP2_END_STREAM = 0x1,
    HTTP2_ACK = 0x1,
    HTTP2_END_HEADERS = 0x4,
    HTTP2_PADDED = 0x8,
    HTTP2_HAS_PRIORITY = 0x20
};

enum {
    HTTP2_HEADER_BYTES = 9,
    HTTP2_PREFACE_BYTES = 24,
    HTTP2_DEFAULT_MAX_FRAME = 16384,
    HTTP2_SETTINGS_MAX = 6 * 64, /* a longer SETTINGS frame is skipped */
    HTTP2_CHAIN = 3              /* plausible headers in a row make frames of bytes */
};

#define HTTP2_PREFACE SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

struct http2_frame {
    uint32_t len;
    uint8_t type, flags;
    uint32_t stream_id;
};

/* From HTTP2_HEADER_BYTES bytes; the reserved bit is dropped. */
struct http2_frame http2_frame_parse(const uint8_t *bytes);
/* Whether a peer that keeps to RFC 9113 may send this: lengths and stream ids of section 6. */
bool http2_frame_is_valid(const struct http2_frame *frame);
/* Bytes behind the header that are read at once: pad length, priority, promised stream, and whole
 * small frames. Not more than frame->len. */
uint32_t http2_fixed_bytes(const struct http2_frame *frame);

/* Whether the bytes begin with frames: HTTP2_CHAIN plausible headers in a row, one less where one
 * of them begins a message, or fewer that end exactly where an `ended` direction does. `strict`:
 * nothing is known of the connection yet, so DATA frames alone prove little. The answer never
 * depends on bytes behind those that decide. */
enum probe_result http2_frame_chain(struct slice bytes, bool ended, bool strict);
/* Looks for such bytes. YES: *ret_at. MAYBE: more bytes are needed to judge *ret_at, nothing begins
 * before it. NO: nothing begins before *ret_at = len. */
enum probe_result http2_frame_find(struct slice bytes, bool ended, bool strict, size_t *ret_at);

/* Who sends a header block that begins with these bytes (section 8.3: pseudo-header fields come
 * first): 1 a client, 2 a server, 0 cannot be told, -1 no header block. */
int http2_block_sender(struct slice block);

#endif
