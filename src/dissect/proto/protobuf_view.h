/* A protobuf message without its schema, as JSON: what the wire format says of itself
 * (https://protobuf.dev/programming-guides/encoding/). A message is an array of its fields, in
 * their order:
 *
 *   [{"field":1,"type":"varint","value":150},
 *    {"field":2,"type":"string","value":"testing"},
 *    {"field":3,"type":"message","value":[…]},
 *    {"field":4,"type":"bytes","value":"AAEC"},      base64
 *    {"field":5,"type":"fixed64","value":4614253070214989087,"double":3.14}]
 *
 * Field number, wire type and value are facts; whether length-delimited bytes are text, a message
 * or neither is a guess: text when it is printable UTF-8, a message when every byte of it parses.
 * Also what gRPC puts around such messages is written here. Thread: that of the arena. */
#ifndef TRAWL_DISSECT_PROTO_PROTOBUF_VIEW_H
#define TRAWL_DISSECT_PROTO_PROTOBUF_VIEW_H

#include "dissect/proto/gather.h"

enum {
    PROTOBUF_MAX_DEPTH = 16, /* a deeper message is bytes */
    PROTOBUF_CLOSERS = 256   /* kept free for the brackets of what is open */
};

/* JSON text that grows in an arena up to a maximum; what finds no room is left out whole or cut
 * inside a string, and the text stays valid JSON. */
struct view {
    struct gather text;
    struct arena *arena; /* borrowed */
    size_t max_bytes;
    bool full; /* something was left out */
};

/* True when all of it parses as fields (an empty message does). */
bool protobuf_is_message(struct slice bytes);
/* Appends the message; the caller has asked protobuf_is_message. */
void protobuf_view(struct view *view, struct slice message);

/* Appended as it is; false when there is no room. Brackets and the like have PROTOBUF_CLOSERS. */
bool view_put(struct view *view, const char *text);
void view_close(struct view *view, const char *text);
void view_string(struct view *view, struct slice text); /* valid UTF-8 */
void view_base64(struct view *view, struct slice bytes);

#endif
