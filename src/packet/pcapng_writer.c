#include "packet/pcapng_writer.h"

#include <errno.h>

#include "packet/block_bytes.h"

enum {
    FRAME_BYTES = 12,
    OPTION_BYTES_MAX = 65535,
    BLOCK_BYTES_MAX = 1 << 20, /* of names and secrets: readers cap blocks at 16 MiB */
    NAME_BYTES_MAX = 255,

    BLOCK_INTERFACE = 1,
    BLOCK_NAMES = 4,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
    BLOCK_SECRETS = 10,

    OPTION_COMMENT = 1,
    OPTION_SHB_OS = 3,
    OPTION_SHB_APPLICATION = 4,
    OPTION_IF_NAME = 2,
    OPTION_IF_DESCRIPTION = 3,
    OPTION_IF_TSRESOL = 9,
    OPTION_IF_FILTER = 11,
    OPTION_IF_OS = 12,
    OPTION_EPB_FLAGS = 2,
    OPTION_ISB_IFRECV = 4,
    OPTION_ISB_IFDROP = 5,
    OPTION_ISB_OSDROP = 7,

    NAME_RECORD_IPV4 = 1,
    NAME_RECORD_IPV6 = 2
};

#define BLOCK_SECTION        0x0a0d0d0aU
#define BYTE_ORDER_MAGIC     0x1a2b3c4dU
#define SECRETS_TLS_KEY_LOG  0x544c534bU
#define SECTION_LENGTH_UNSET UINT64_MAX

/* Options are written in two steps: their sizes are summed, then they are put. */
static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* At most `max` bytes and never the half of a UTF-8 sequence. */
static size_t text_bytes(const char *text, size_t max)
{
    size_t n = strlen(text);
    if (n <= max)
        return n;
    n = max;
    while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static size_t text_option_size(const char *text)
{
    return text && *text ? 4 + padded(text_bytes(text, OPTION_BYTES_MAX)) : 0;
}

static uint8_t *put_option(uint8_t *p, uint16_t code, const void *value, size_t n)
{
    p = put_u16(p, code);
    p = put_u16(p, (uint16_t)n);
    return put_padded(p, value, n);
}

static uint8_t *put_text_option(uint8_t *p, uint16_t code, const char *text)
{
    return text && *text ? put_option(p, code, text, text_bytes(text, OPTION_BYTES_MAX)) : p;
}

/* Room for a block of `bytes` in all: the place behind type and length, or NULL. */
static uint8_t *begin_block(struct buf *out, uint32_t type, size_t bytes)
{
    uint8_t *p = buf_reserve(out, bytes);
    if (!p)
        return NULL;
    p = put_u32(p, type);
    return put_u32(p, (uint32_t)bytes);
}

static int end_block(struct buf *out, uint8_t *p, size_t bytes)
{
    put_u32(p, (uint32_t)bytes);
    out->len += bytes;
    return 0;
}

int pcapng_put_section(struct buf *out, const char *os, const char *application,
                       const char *comment)
{
    size_t options =
        text_option_size(os) + text_option_size(application) + text_option_size(comment);
    size_t bytes = FRAME_BYTES + 16 + options + 4;
    uint8_t *p = begin_block(out, BLOCK_SECTION, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, BYTE_ORDER_MAGIC);
    p = put_u16(p, 1);
    p = put_u16(p, 0);
    p = put_u64(p, SECTION_LENGTH_UNSET);
    p = put_text_option(p, OPTION_COMMENT, comment);
    p = put_text_option(p, OPTION_SHB_OS, os);
    p = put_text_option(p, OPTION_SHB_APPLICATION, application);
    p = put_u32(p, 0);
    return end_block(out, p, bytes);
}

/* The option's first byte says that a libpcap expression follows. */
static uint8_t *put_filter_option(uint8_t *p, const char *filter)
{
    size_t n = text_bytes(filter, OPTION_BYTES_MAX - 1);
    p = put_u16(p, OPTION_IF_FILTER);
    p = put_u16(p, (uint16_t)(n + 1));
    uint8_t *value = p;
    memset(value, 0, padded(n + 1));
    memcpy(value + 1, filter, n);
    return value + padded(n + 1);
}

int pcapng_put_note(struct buf *out, uint32_t interface, int64_t ts_ns, struct slice note)
{
    if (note.len > PCAPNG_NOTE_BYTES_MAX)
        return -E2BIG;
    size_t bytes = FRAME_BYTES + 12 + 4 + padded(4 + note.len) + 4;
    uint8_t *p = begin_block(out, BLOCK_STATISTICS, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, interface);
    p = put_u32(p, (uint32_t)((uint64_t)ts_ns >> 32));
    p = put_u32(p, (uint32_t)ts_ns);
    p = put_u16(p, PCAPNG_OPTION_CUSTOM);
    p = put_u16(p, (uint16_t)(4 + note.len));
    p = put_u32(p, PCAPNG_OUR_PEN);
    p = put_padded(p, note.data, note.len);
    p = put_u32(p, 0);
    return end_block(out, p, bytes);
}

int pcapng_put_interface(struct buf *out, const struct packet_interface *interface)
{
    const char *filter = interface->filter && *interface->filter ? interface->filter : NULL;
    size_t options = text_option_size(interface->name) + text_option_size(interface->description) +
                     text_option_size(interface->os) + 8;
    if (filter)
        options += 4 + padded(1 + text_bytes(filter, OPTION_BYTES_MAX - 1));
    size_t bytes = FRAME_BYTES + 8 + options + 4;
    uint8_t *p = begin_block(out, BLOCK_INTERFACE, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u16(p, interface->link_type);
    p = put_u16(p, 0);
    p = put_u32(p, interface->snaplen_bytes);
    p = put_text_option(p, OPTION_IF_NAME, interface->name);
    p = put_text_option(p, OPTION_IF_DESCRIPTION, interface->description);
    p = put_option(p, OPTION_IF_TSRESOL, "\x09", 1);
    if (filter)
        p = put_filter_option(p, filter);
    p = put_text_option(p, OPTION_IF_OS, interface->os);
    p = put_u32(p, 0);
    return end_block(out, p, bytes);
}

static uint32_t direction_flags(uint8_t direction)
{
    return direction == PACKET_INBOUND ? 1 : direction == PACKET_OUTBOUND ? 2 : 0;
}

int pcapng_put_packet(struct buf *out, const struct packet *packet, const char *comment)
{
    uint32_t captured = packet->captured_bytes < PACKET_CAPTURED_BYTES_MAX
                            ? packet->captured_bytes
                            : PACKET_CAPTURED_BYTES_MAX;
    size_t bytes = pcapng_packet_size(captured) + text_option_size(comment);
    uint8_t *p = begin_block(out, BLOCK_PACKET, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, packet->interface);
    p = put_time(p, packet->ts_ns);
    p = put_u32(p, captured);
    p = put_u32(p, packet->original_bytes);
    p = put_padded(p, packet->data, captured);
    p = put_u16(p, OPTION_EPB_FLAGS);
    p = put_u16(p, 4);
    p = put_u32(p, direction_flags(packet->direction));
    p = put_text_option(p, OPTION_COMMENT, comment);
    p = put_u32(p, 0);
    return end_block(out, p, bytes);
}

static uint8_t *put_count_option(uint8_t *p, uint16_t code, uint64_t v)
{
    if (v == UINT64_MAX)
        return p;
    p = put_u16(p, code);
    p = put_u16(p, 8);
    return put_u64(p, v);
}

int pcapng_put_statistics(struct buf *out, uint32_t interface,
                          const struct pcapng_statistics *statistics)
{
    size_t options = 12 * ((size_t)(statistics->received != UINT64_MAX) +
                           (statistics->dropped_by_interface != UINT64_MAX) +
                           (statistics->dropped_by_os != UINT64_MAX));
    size_t bytes = FRAME_BYTES + 12 + options + 4;
    uint8_t *p = begin_block(out, BLOCK_STATISTICS, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, interface);
    p = put_time(p, statistics->ts_ns);
    p = put_count_option(p, OPTION_ISB_IFRECV, statistics->received);
    p = put_count_option(p, OPTION_ISB_IFDROP, statistics->dropped_by_interface);
    p = put_count_option(p, OPTION_ISB_OSDROP, statistics->dropped_by_os);
    p = put_u32(p, 0);
    return end_block(out, p, bytes);
}

static int put_secrets_block(struct buf *out, struct slice text)
{
    size_t bytes = FRAME_BYTES + 8 + padded(text.len);
    uint8_t *p = begin_block(out, BLOCK_SECRETS, bytes);
    if (!p)
        return buf_failed(out);
    p = put_u32(p, SECRETS_TLS_KEY_LOG);
    p = put_u32(p, (uint32_t)text.len);
    p = put_padded(p, text.data, text.len);
    return end_block(out, p, bytes);
}

int pcapng_put_secrets(struct buf *out, struct slice text)
{
    while (text.len > 0) {
        size_t n = text.len;
        if (n > BLOCK_BYTES_MAX) {
            const uint8_t *line_end = memrchr(text.data, '\n', BLOCK_BYTES_MAX);
            n = line_end ? (size_t)(line_end - text.data) + 1 : BLOCK_BYTES_MAX;
        }
        int code = put_secrets_block(out, slice_of(text.data, n));
        if (code < 0)
            return code;
        text = slice_sub(text, n, text.len);
    }
    return 0;
}

static size_t name_value_bytes(const struct pcapng_name *name)
{
    return (name->ip_version == 6 ? 16U : 4U) + text_bytes(name->name, NAME_BYTES_MAX) + 1;
}

static uint8_t *put_name(uint8_t *p, const struct pcapng_name *name)
{
    size_t address = name->ip_version == 6 ? 16 : 4;
    size_t value = name_value_bytes(name);
    p = put_u16(p, name->ip_version == 6 ? NAME_RECORD_IPV6 : NAME_RECORD_IPV4);
    p = put_u16(p, (uint16_t)value);
    memset(p, 0, padded(value));
    memcpy(p, name->ip, address);
    memcpy(p + address, name->name, value - address - 1);
    return p + padded(value);
}

int pcapng_put_names(struct buf *out, const struct pcapng_name *names, size_t count)
{
    while (count > 0) {
        size_t bytes = FRAME_BYTES + 4;
        size_t n = 0;
        for (; n < count && bytes < BLOCK_BYTES_MAX; n++)
            bytes += 4 + padded(name_value_bytes(&names[n]));
        uint8_t *p = begin_block(out, BLOCK_NAMES, bytes);
        if (!p)
            return buf_failed(out);
        for (size_t i = 0; i < n; i++)
            p = put_name(p, &names[i]);
        p = put_u32(p, 0);
        end_block(out, p, bytes);
        names += n;
        count -= n;
    }
    return 0;
}
