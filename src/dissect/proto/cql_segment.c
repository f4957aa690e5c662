#include "dissect/proto/cql_segment.h"

#include <lz4.h>
#include <zlib.h>

#include "base/cursor.h"

enum {
    CRC24_BYTES = 3,
    CRC24_INIT = 0x875060,
    CRC24_POLYNOMIAL = 0x1974f0b,
    LENGTH_MASK = 0x1ffff
};

static uint32_t crc24(const uint8_t *p, size_t n)
{
    uint32_t crc = CRC24_INIT;
    while (n--) {
        crc ^= (uint32_t)*p++ << 16;
        for (int i = 0; i < 8; i++) {
            crc <<= 1;
            if (crc & 0x1000000)
                crc ^= CRC24_POLYNOMIAL;
        }
    }
    return crc;
}

int cql_segment_parse(struct slice s, bool compressed, struct cql_segment *ret)
{
    size_t lengths = compressed ? 5 : 3;
    if (s.len < lengths + CRC24_BYTES)
        return -1;
    struct cursor c = cursor_of(s.data, s.len);
    uint64_t head = cursor_le16(&c) | (uint64_t)cursor_u8(&c) << 16;
    if (compressed)
        head |= (uint64_t)cursor_le16(&c) << 24;
    uint32_t expected = cursor_le16(&c) | (uint32_t)cursor_u8(&c) << 16;
    if (crc24(s.data, lengths) != expected)
        return 0;
    *ret = (struct cql_segment){.header_bytes = lengths + CRC24_BYTES,
                                .payload_bytes = head & LENGTH_MASK,
                                .plain_bytes = compressed ? head >> 17 & LENGTH_MASK : 0};
    ret->bytes = ret->header_bytes + ret->payload_bytes + CQL_SEGMENT_TRAILER_BYTES;
    return 1;
}

bool cql_segment_check(const struct cql_segment *segment, const uint8_t *bytes)
{
    /* Four bytes that the specification does not name stand before the payload in the sum. */
    static const uint8_t before[] = {0xfa, 0x2d, 0x55, 0xca};
    const uint8_t *payload = bytes + segment->header_bytes;
    struct cursor c = cursor_of(payload + segment->payload_bytes, CQL_SEGMENT_TRAILER_BYTES);
    uLong crc = crc32(crc32(0, Z_NULL, 0), before, sizeof before);
    return crc32(crc, payload, (uInt)segment->payload_bytes) == cursor_le32(&c);
}

bool cql_segment_payload(const struct cql_segment *segment, const uint8_t *bytes, uint8_t *room,
                         struct slice *ret)
{
    *ret = slice_of(bytes + segment->header_bytes, segment->payload_bytes);
    if (!segment->plain_bytes)
        return true;
    if (!room)
        return false;
    int n = LZ4_decompress_safe((const char *)ret->data, (char *)room, (int)ret->len,
                                (int)segment->plain_bytes);
    *ret = slice_of(room, segment->plain_bytes);
    return n == (int)segment->plain_bytes;
}
