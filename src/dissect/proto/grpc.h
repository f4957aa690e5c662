/* gRPC over HTTP/2 (the protocol's PROTOCOL-HTTP2.md, PROTOCOL-WEB.md, statuscodes.md): messages
 * inside DATA, and the names of what stands in headers and trailers. Memory lives in the arena that
 * is given, the entry's. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_GRPC_H
#define TRAWL_DISSECT_PROTO_GRPC_H

#include "dissect/proto/http_entry.h"
#include "dissect/proto/protobuf_view.h"

enum {
    GRPC_PREFIX_BYTES = 5,
    GRPC_SIZES_KEPT = 1000, /* of messages, in grpc_*_message_sizes */
    GRPC_STATUS_NONE = -1,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_STATUS_COUNT = 17
};

/* Messages of one direction of one call: flag (1), length (4, big-endian), bytes; cut anywhere. */
struct grpc_reader {
    struct slice encoding; /* of messages that say so */
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_len;
    bool in_message;
    bool lost;     /* bytes are missing: where messages begin is not known */
    bool at_frame; /* lost, and the next bytes are the first of a DATA frame */
    uint32_t frame_len;
    bool has_gap;       /* in the message at hand */
    bool cut;           /* the body does not show all */
    bool is_protobuf;   /* unless the content-type says otherwise */
    bool is_base64;     /* gRPC-Web's -text types */
    uint8_t quantum[4]; /* base64 characters that are not whole bytes yet */
    uint8_t quantum_len;
    uint32_t len, left; /* of the message at hand */
    struct gather message;
    struct view view; /* the body: a JSON array of messages */
    int64_t *sizes;
    size_t size_count, size_cap;
    uint64_t messages;
    struct slice web_trailers; /* gRPC-Web: "name: value" lines */
};

/* application/grpc, application/grpc+proto, application/grpc-web … */
bool grpc_is_content_type(struct slice type);
/* Only those of gRPC-Web. */
bool grpc_is_web_content_type(struct slice type);
/* Whether a DATA frame of frame_len bytes that begins so is one message, from its first byte to its
 * last. */
bool grpc_fills_frame(struct slice begin, uint32_t frame_len);
/* NULL without memory. */
struct grpc_reader *grpc_reader_new(struct arena *arena, struct slice content_type,
                                    struct slice encoding);
/* A DATA frame of so many bytes begins. After a loss, one that is a message from its first byte to
 * its last shows where messages begin again. */
void grpc_reader_frame(struct grpc_reader *reader, uint32_t len);
void grpc_reader_data(struct grpc_reader *reader, struct arena *arena, struct slice bytes);
/* So many bytes of DATA are missing. */
void grpc_reader_gap(struct grpc_reader *reader, uint64_t bytes);
/* An unknown number of bytes is. */
void grpc_reader_lose(struct grpc_reader *reader);
/* Makes the body of the message from what was read; gRPC-Web's trailers become the message's. */
void grpc_reader_finish(struct grpc_reader *reader, struct arena *arena,
                        struct http_message *message);

/* GRPC_STATUS_NONE when there is none. */
int grpc_status(const struct http_message *response);
/* "NOT_FOUND"; "" for a number that is none. */
const char *grpc_status_name(int status);
/* "/package.Service/Method" → its parts; false when the path is none such. */
bool grpc_split_path(struct slice path, struct slice *ret_service, struct slice *ret_method);
/* "100m" → 100,000 µs; 0 for none or nonsense. */
int64_t grpc_timeout_us(struct slice text);

#endif
