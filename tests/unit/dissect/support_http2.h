/* HTTP/2 frames for scripts (support_proto.h). Bytes live in a pool until http2_pool_reset. */
#ifndef TRAWL_TESTS_SUPPORT_HTTP2_H
#define TRAWL_TESTS_SUPPORT_HTTP2_H

#include "support_proto.h"

enum {
    T_DATA,
    T_HEADERS,
    T_PRIORITY,
    T_RST,
    T_SETTINGS,
    T_PUSH,
    T_PING,
    T_GOAWAY,
    T_WINDOW,
    T_CONTINUATION
};
enum {
    END = 1,
    WHOLE = 4, /* END_HEADERS */
    PAD = 8,
    PRIO = 32
};

struct slice http2_bytes(struct slice a, struct slice b);
struct drive_step http2_frame(enum dissect_dir dir, uint8_t type, uint8_t flags, uint32_t id,
                              struct slice payload);
/* "name: value\nname: value" as literals that no table keeps (RFC 7541 section 6.2.2). */
struct slice http2_block(const char *fields);
struct slice http2_u32(uint32_t v);
/* A gRPC message with its prefix. */
struct slice grpc_message(uint8_t flags, struct slice bytes);

#define PREFACE                        C("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
#define FR(dir, type, flags, id, text) http2_frame(dir, type, flags, id, SLICE_LITERAL(text))
#define CH(flags, id, fields)          http2_frame(DIR_CLIENT, T_HEADERS, flags, id, http2_block(fields))
#define SH(flags, id, fields)          http2_frame(DIR_SERVER, T_HEADERS, flags, id, http2_block(fields))
#define CD(flags, id, text)            FR(DIR_CLIENT, T_DATA, flags, id, text)
#define SD(flags, id, text)            FR(DIR_SERVER, T_DATA, flags, id, text)
#define CSET                           FR(DIR_CLIENT, T_SETTINGS, 0, 0, "")
#define SSET                           FR(DIR_SERVER, T_SETTINGS, 0, 0, "")
#define ASK(path)                      ":method: GET\n:scheme: http\n:path: " path "\n:authority: h"

#endif
