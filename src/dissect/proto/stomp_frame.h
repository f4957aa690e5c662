/* A STOMP frame without a connection: where its header block ends, what stands in it (STOMP 1.2,
 * "STOMP Frames", "Value Encoding", "Augmented BNF"; 1.0 and 1.1 where they differ).
 *
 * Bytes in, borrowed or arena-owned text out; nothing is trusted. Thread: that of the arena. */
#ifndef TRAWL_DISSECT_PROTO_STOMP_FRAME_H
#define TRAWL_DISSECT_PROTO_STOMP_FRAME_H

#include "dissect/dissector.h"

enum {
    STOMP_COMMAND_MAX = 32, /* "UNSUBSCRIBE" has 11 */
    STOMP_SIZE_UNKNOWN = -1
};

enum stomp_kind {
    STOMP_OTHER, /* a name that the specification does not know */
    STOMP_CONNECT,
    STOMP_CLIENT, /* SEND … DISCONNECT */
    STOMP_MESSAGE,
    STOMP_CONNECTED,
    STOMP_RECEIPT,
    STOMP_ERROR
};

struct stomp_frame {
    enum stomp_kind kind;
    struct slice command; /* as on the wire */
    struct entry_pair *headers;
    size_t header_count;
    bool truncated;    /* more headers than are kept */
    int64_t body_size; /* by content-length; STOMP_SIZE_UNKNOWN: the body ends at a NUL */
};

/* Bytes of the header block with its blank line, 0 when its end is not there yet. A NUL before the
 * blank line ends the block in front of it. *scanned: how far was looked; 0 at the first call. */
size_t stomp_header_length(struct slice s, size_t *scanned);

/* YES: a frame that `dir` may send begins at s[0], and nothing else that is a protocol does: its
 * command, then a header of the specification or the end of the block. NO, or MAYBE while bytes are
 * missing. */
enum probe_result stomp_frame_begins(struct slice s, enum dissect_dir dir);
/* The same for the first frame of a connection: CONNECT or STOMP, and any header. */
enum probe_result stomp_connect_begins(struct slice s);

/* Reads a whole header block. `is_1_0`: no escapes, blanks around values mean nothing. Values live
 * in the arena or in a copy of the block there; a passcode is "***". False without memory or when
 * the first line is no command. */
bool stomp_frame_read(struct slice block, bool is_1_0, struct arena *arena,
                      struct stomp_frame *ret_frame);

/* The value of a header, empty without it. */
struct slice stomp_header(const struct stomp_frame *frame, const char *name);

#endif
