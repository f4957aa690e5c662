/* The frame of RFC 6455 section 5.2, without connections: parsed, judged, and found again in the
 * middle of a stream. Borrows the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_WS_FRAME_H
#define TRAWL_DISSECT_PROTO_WS_FRAME_H

#include "dissect/dissector.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10
};

enum {
    WS_CONTROL_MAX = 125, /* bytes of a control frame's payload */
    WS_HEADER_MAX = 14
};

struct ws_header {
    uint8_t opcode;
    bool fin;
    bool rsv1; /* the first frame of a compressed message (RFC 7692 section 6) */
    bool masked;
    bool is_minimal; /* the length stands in its shortest form, as the RFC demands */
    uint8_t mask[4];
    uint64_t length; /* of the payload */
    size_t size;     /* of the header itself */
};

enum ws_parse {
    WS_PARSED,
    WS_SHORT,  /* the header is not whole */
    WS_INVALID /* no frame: reserved opcode or bits, a control frame in parts or too long */
};

enum ws_parse ws_header_parse(struct slice bytes, struct ws_header *ret_header);
const char *ws_opcode_name(uint8_t opcode);
static inline bool ws_is_control(uint8_t opcode)
{
    return opcode & 8;
}
/* Removes the mask; `at`: how many bytes of the payload stand before these. out may be in. */
void ws_unmask(const struct ws_header *header, uint64_t at, struct slice in, uint8_t *out);

/* Do frames of one side (clients mask, servers do not) follow one another from the first byte on?
 * YES takes about as much evidence as three frames or a masked line of text give; NO is certain;
 * MAYBE needs more bytes. `ended`: none will come. Looks at no more than 256 KiB and 16 frames. */
enum probe_result ws_chain(struct slice bytes, bool masked, bool ended);

#endif
