/* The segments of CQL's native protocol v5 (section 2): 17 bits of payload length (compressed ones:
 * 17 more, of the length before compression), a bit that says whether it holds whole envelopes, a
 * CRC-24; the payload; a CRC-32. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_CQL_SEGMENT_H
#define TRAWL_DISSECT_PROTO_CQL_SEGMENT_H

#include "base/slice.h"

enum {
    CQL_SEGMENT_PAYLOAD_MAX = (1 << 17) - 1,
    CQL_SEGMENT_TRAILER_BYTES = 4
};

struct cql_segment {
    size_t header_bytes;
    size_t payload_bytes; /* as sent */
    size_t plain_bytes;   /* before compression; 0: it was not compressed */
    size_t bytes;         /* of the whole */
};

/* 1; 0: no segment begins here; −1: more bytes are needed to tell. */
int cql_segment_parse(struct slice s, bool compressed, struct cql_segment *ret);
/* The payload of a whole segment: false when its CRC says that it is not one. */
bool cql_segment_check(const struct cql_segment *segment, const uint8_t *bytes);
/* The payload as it was before compression; `room` takes CQL_SEGMENT_PAYLOAD_MAX bytes and may be
 * NULL where nothing is compressed. False: damaged. */
bool cql_segment_payload(const struct cql_segment *segment, const uint8_t *bytes, uint8_t *room,
                         struct slice *ret);

#endif
