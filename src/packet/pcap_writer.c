#include "packet/pcap_writer.h"

#include "base/clock.h"
#include "packet/block_bytes.h"

int pcap_put_header(struct buf *out, uint16_t link_type, uint32_t snaplen_bytes)
{
    uint8_t *p = buf_reserve(out, PCAP_FILE_HEADER_BYTES);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, 0xa1b23c4d);
    p = put_u16(p, 2);
    p = put_u16(p, 4);
    p = put_u32(p, 0);
    p = put_u32(p, 0);
    p = put_u32(p, snaplen_bytes ? snaplen_bytes : PACKET_CAPTURED_BYTES_MAX);
    put_u32(p, link_type);
    out->len += PCAP_FILE_HEADER_BYTES;
    return 0;
}

int pcap_put_packet(struct buf *out, const struct packet *packet)
{
    uint32_t captured = packet->captured_bytes < PACKET_CAPTURED_BYTES_MAX
                            ? packet->captured_bytes
                            : PACKET_CAPTURED_BYTES_MAX;
    uint8_t *p = buf_reserve(out, PCAP_RECORD_HEADER_BYTES + (size_t)captured);
    if (!p)
        return buf_failed(out);
    int64_t ts_ns = packet->ts_ns < 0 ? 0 : packet->ts_ns;
    if (ts_ns / NS_PER_S > UINT32_MAX)
        ts_ns = UINT32_MAX * NS_PER_S + NS_PER_S - 1;
    p = put_u32(p, (uint32_t)(ts_ns / NS_PER_S));
    p = put_u32(p, (uint32_t)(ts_ns % NS_PER_S));
    p = put_u32(p, captured);
    p = put_u32(p, packet->original_bytes);
    if (captured)
        memcpy(p, packet->data, captured);
    out->len += PCAP_RECORD_HEADER_BYTES + (size_t)captured;
    return 0;
}
