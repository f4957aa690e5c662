/* permessage-deflate of one direction (RFC 7692), a piece at a time.
 *
 * The window of earlier messages is always kept, at its largest: what was compressed without
 * context takeover, or with a smaller window, is read by that just as well, so the negotiated
 * parameters need not be known (a connection joined late never tells them). Where earlier messages
 * are missing the window is emptied, and every reference into it fails instead of giving wrong
 * text.
 *
 * Memory: all of it from the connection's arena, so there is nothing to free. */
#ifndef TRAWL_DISSECT_PROTO_WS_INFLATE_H
#define TRAWL_DISSECT_PROTO_WS_INFLATE_H

#include <zlib.h>

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"

enum ws_inflate_result {
    WS_INFLATED,
    WS_NO_HISTORY, /* it refers to messages that were not recorded or not decoded */
    WS_DAMAGED,
    WS_CAPPED /* beyond DISSECT_DECODE_CAP or DISSECT_DECODE_RATIO, or without memory */
};

struct ws_inflate {
    z_stream z; /* MUST stay where it is */
    bool is_open, ended;
    bool no_history;               /* messages before are missing */
    enum ws_inflate_result result; /* of the message in hand */
    uint64_t in_bytes, out_bytes;  /* of the message in hand */
    uint8_t *block;                /* input, gathered so that caps do not depend on its pieces */
    size_t block_len;
    uint8_t *window; /* for a stream that was ended inside a message */
};

/* The next message begins. */
void ws_inflate_begin(struct ws_inflate *w);
/* Its next bytes; what they give is added to `out` (in `arena`, up to DISSECT_BODY_CAP).
 * `memory`: the connection's. */
void ws_inflate_add(struct ws_inflate *w, struct arena *memory, struct slice bytes,
                    struct gather *out, struct arena *arena);
/* The message is whole. The result also when it came earlier. */
enum ws_inflate_result ws_inflate_finish(struct ws_inflate *w, struct arena *memory,
                                         struct gather *out, struct arena *arena);
/* Bytes are missing: what follows cannot refer to what was before. Ends the message in hand. */
void ws_inflate_forget(struct ws_inflate *w);

#endif
