#include "packet/pcapng_blocks.h"

#include <errno.h>

#include "base/clock.h"
#include "base/text.h"
#include "packet/pcapng_writer.h"

enum {
    INTERFACE_BODY_BYTES = 8,
    OLD_PACKET_BODY_BYTES = 20,
    SIMPLE_PACKET_BODY_BYTES = 4,
    STATISTICS_BODY_BYTES = 12,
    ENHANCED_PACKET_BODY_BYTES = 20,
    SECRETS_BODY_BYTES = 8,
    SECTION_BODY_BYTES = 16,

    OPTION_END = 0,
    OPTION_IF_NAME = 2,
    OPTION_IF_DESCRIPTION = 3,
    OPTION_IF_TSRESOL = 9,
    OPTION_IF_FILTER = 11,
    OPTION_IF_OS = 12,
    OPTION_IF_TSOFFSET = 14,
    OPTION_EPB_FLAGS = 2,
    OPTION_ISB_IFRECV = 4,
    OPTION_ISB_IFDROP = 5,
    OPTION_ISB_OSDROP = 7,

    TEXT_BYTES_MAX = 255,
    CUT_PACKET_OPTIONS_MAX = 256,
    SALVAGE_BYTES_MAX = 4096
};

#define SECRETS_TLS_KEY_LOG 0x544c534bU

bool pcapng_is_known_type(uint32_t type)
{
    switch (type) {
    case PCAPNG_SECTION:
    case PCAPNG_INTERFACE:
    case PCAPNG_OLD_PACKET:
    case PCAPNG_SIMPLE_PACKET:
    case PCAPNG_NAMES:
    case PCAPNG_STATISTICS:
    case PCAPNG_ENHANCED_PACKET:
    case PCAPNG_SECRETS:
    case PCAPNG_CUSTOM:
    case PCAPNG_CUSTOM_NO_COPY:
        return true;
    default:
        return false;
    }
}

/* Bytes of a block that are neither frame nor fixed fields. */
static uint32_t room_after(const struct pcapng_block *block, uint32_t body_bytes)
{
    uint32_t used = PCAPNG_BLOCK_FRAME_BYTES + body_bytes;
    return block->bytes > used ? block->bytes - used : 0;
}

static bool has_room(const struct pcapng_block *block, uint32_t body_bytes)
{
    return block->bytes >= PCAPNG_BLOCK_FRAME_BYTES + body_bytes;
}

static bool has_interface(const struct capture_reader *r, uint32_t id)
{
    return id < r->interface_count - r->section_first;
}

bool pcapng_block_is_sound(const struct capture_reader *r, const struct pcapng_block *block,
                           const uint8_t *p)
{
    const uint8_t *body = p + 8;
    switch (block->type) {
    case PCAPNG_ENHANCED_PACKET:
        return has_room(block, ENHANCED_PACKET_BODY_BYTES) &&
               has_interface(r, reader_u32(r, body)) &&
               reader_u32(r, body + 12) <= room_after(block, ENHANCED_PACKET_BODY_BYTES);
    case PCAPNG_OLD_PACKET:
        return has_room(block, OLD_PACKET_BODY_BYTES) && has_interface(r, reader_u16(r, body)) &&
               reader_u32(r, body + 12) <= room_after(block, OLD_PACKET_BODY_BYTES);
    case PCAPNG_SIMPLE_PACKET:
        return has_room(block, SIMPLE_PACKET_BODY_BYTES) && has_interface(r, 0);
    case PCAPNG_STATISTICS:
        return has_room(block, STATISTICS_BODY_BYTES) && has_interface(r, reader_u32(r, body));
    case PCAPNG_INTERFACE:
        return has_room(block, INTERFACE_BODY_BYTES);
    case PCAPNG_SECTION:
        return has_room(block, SECTION_BODY_BYTES);
    case PCAPNG_SECRETS:
        return has_room(block, SECRETS_BODY_BYTES) &&
               reader_u32(r, body + 4) <= room_after(block, SECRETS_BODY_BYTES);
    default:
        return true;
    }
}

/* The next option of [*at, end); false at the end of the list or when it is broken. */
static bool next_option(const struct capture_reader *r, const uint8_t **at, const uint8_t *end,
                        uint16_t *ret_code, struct slice *ret_value)
{
    if (end - *at < 4)
        return false;
    uint16_t code = reader_u16(r, *at);
    size_t len = reader_u16(r, *at + 2);
    size_t padded = (len + 3) & ~(size_t)3;
    if (code == OPTION_END || padded > (size_t)(end - *at - 4))
        return false;
    *ret_code = code;
    *ret_value = slice_of(*at + 4, len);
    *at += 4 + padded;
    return true;
}

/* Behind data and options stands the length once more: then the packet is whole and the first
 * length is what is wrong. `at` is where the data ends, padded. */
static bool ends_before(const struct capture_reader *r, const uint8_t *p, const uint8_t *at,
                        const uint8_t *end)
{
    uint16_t code;
    struct slice value;
    if (end - at >= 4 && reader_u32(r, at) == (size_t)(at + 4 - p))
        return true;
    while (next_option(r, &at, end, &code, &value)) {
    }
    return end - at >= 8 && reader_u32(r, at + 4) == (size_t)(at + 8 - p);
}

bool pcapng_is_cut_packet(const struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p, size_t have)
{
    bool enhanced = block->type == PCAPNG_ENHANCED_PACKET;
    if (have < 28)
        return true; /* too little to hold anything else */
    if ((!enhanced && block->type != PCAPNG_OLD_PACKET) ||
        !has_room(block, ENHANCED_PACKET_BODY_BYTES) ||
        !has_interface(r, enhanced ? reader_u32(r, p + 8) : reader_u16(r, p + 8)))
        return false;
    uint32_t captured = reader_u32(r, p + 20);
    uint32_t room = room_after(block, ENHANCED_PACKET_BODY_BYTES);
    if (captured > room || room - captured > CUT_PACKET_OPTIONS_MAX)
        return false;
    size_t data_end = 28 + (((size_t)captured + 3) & ~(size_t)3);
    return data_end >= have || !ends_before(r, p, p + data_end, p + have);
}

static const char *keep_text(struct capture_reader *r, struct slice value)
{
    char text[TEXT_BYTES_MAX + 1];
    while (value.len && value.data[value.len - 1] == 0)
        value.len--; /* some writers count the terminator */
    /* NULL when the arena is full: then the interface has no name, which is no reason to stop. */
    return arena_strdup(&r->arena, text_escape(value, text, sizeof text));
}

static uint64_t power_of_ten(unsigned exponent)
{
    uint64_t v = 1;
    while (exponent-- > 0)
        v *= 10;
    return v;
}

static void set_resolution(struct reader_interface *i, uint8_t v)
{
    unsigned exponent = v & 0x7f;
    i->ts_multiplier = i->ts_divisor = 1;
    i->ts_shift = 0;
    if (v & 0x80) {
        i->ts_multiplier = NS_PER_S;
        i->ts_shift = (uint8_t)exponent;
    } else if (exponent <= 9) {
        i->ts_multiplier = power_of_ten(9 - exponent);
    } else if (exponent <= 28) {
        i->ts_divisor = power_of_ten(exponent - 9);
    } else {
        i->ts_multiplier = 0; /* 2^64 ticks are less than a nanosecond */
    }
}

static void set_offset(struct reader_interface *i, int64_t seconds)
{
    if (__builtin_mul_overflow(seconds, NS_PER_S, &i->ts_offset_ns))
        i->ts_offset_ns = seconds < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t ticks_to_ns(const struct reader_interface *i, uint64_t ticks)
{
    unsigned __int128 wide = (unsigned __int128)(ticks / i->ts_divisor) * i->ts_multiplier;
    __int128 ns = (__int128)(wide >> i->ts_shift) + i->ts_offset_ns;
    if (ns < PACKET_TIME_MIN_NS)
        return PACKET_TIME_MIN_NS;
    return ns > PACKET_TIME_MAX_NS ? PACKET_TIME_MAX_NS : (int64_t)ns;
}

static int64_t read_time(const struct capture_reader *r, uint32_t index, const uint8_t *p)
{
    uint64_t ticks = (uint64_t)reader_u32(r, p) << 32 | reader_u32(r, p + 4);
    return ticks_to_ns(r->interfaces[index], ticks);
}

int pcapng_read_interface(struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p)
{
    if (!has_room(block, INTERFACE_BODY_BYTES))
        return -EBADMSG;
    struct reader_interface *i;
    int code = reader_add_interface(r, &i);
    if (code < 0)
        return code;
    i->shown.link_type = reader_u16(r, p + 8);
    i->shown.snaplen_bytes = reader_u32(r, p + 12);
    const uint8_t *at = p + 16;
    const uint8_t *end = p + block->bytes - 4;
    uint16_t option;
    struct slice value;
    while (next_option(r, &at, end, &option, &value)) {
        if (option == OPTION_IF_NAME)
            i->shown.name = keep_text(r, value);
        else if (option == OPTION_IF_DESCRIPTION)
            i->shown.description = keep_text(r, value);
        else if (option == OPTION_IF_FILTER && value.len > 1 && value.data[0] == 0)
            i->shown.filter = keep_text(r, slice_sub(value, 1, value.len));
        else if (option == OPTION_IF_OS)
            i->shown.os = keep_text(r, value);
        else if (option == OPTION_IF_TSRESOL && value.len == 1)
            set_resolution(i, value.data[0]);
        else if (option == OPTION_IF_TSOFFSET && value.len == 8)
            set_offset(i, (int64_t)reader_u64(r, value.data));
    }
    return 0;
}

static int read_interface(struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p, const char **ret_reason)
{
    int code = pcapng_read_interface(r, block, p);
    if (code == -ENOMEM)
        return code;
    if (code == 0)
        return CAPTURE_AGAIN; /* capture_reader_next announces it */
    *ret_reason = code == -E2BIG ? "the file has more than 65,536 interfaces"
                                 : "the interface description is too short";
    return CAPTURE_DAMAGE;
}

static void enter_section(struct capture_reader *r, bool big_endian)
{
    r->big_endian = big_endian;
    r->section_first = r->interface_count;
    r->section_unreadable = false;
}

static int read_section(struct capture_reader *r, const struct pcapng_block *block,
                        const uint8_t *p, const char **ret_reason)
{
    if (!has_room(block, SECTION_BODY_BYTES)) {
        *ret_reason = "the section header is too short";
        return CAPTURE_DAMAGE;
    }
    enter_section(r, block->big_endian);
    r->section_unreadable = reader_u16(r, p + 12) != 1;
    if (!r->section_unreadable)
        return CAPTURE_AGAIN;
    *ret_reason = "its section is of a later pcapng version and is left out";
    return CAPTURE_DAMAGE;
}

void pcapng_salvage_block(struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p, size_t have)
{
    if (block->type == PCAPNG_SECTION) {
        enter_section(r, block->big_endian);
        return;
    }
    if (block->type != PCAPNG_INTERFACE || r->section_unreadable)
        return;
    /* Its options end by themselves; what is read beyond them is of no known kind and size. */
    size_t bytes = have < SALVAGE_BYTES_MAX ? have & ~(size_t)3 : SALVAGE_BYTES_MAX;
    struct pcapng_block part = {.type = PCAPNG_INTERFACE, .bytes = (uint32_t)bytes};
    if (block->bytes >= PCAPNG_BLOCK_FRAME_BYTES + INTERFACE_BODY_BYTES && block->bytes < bytes)
        part.bytes = block->bytes;
    pcapng_read_interface(r, &part, p);
}

static uint8_t read_direction(const struct capture_reader *r, const uint8_t *at, const uint8_t *end)
{
    uint16_t option;
    struct slice value;
    while (next_option(r, &at, end, &option, &value))
        if (option == OPTION_EPB_FLAGS && value.len == 4) {
            uint32_t direction = reader_u32(r, value.data) & 3;
            return direction == 1   ? PACKET_INBOUND
                   : direction == 2 ? PACKET_OUTBOUND
                                    : PACKET_DIRECTION_UNKNOWN;
        }
    return PACKET_DIRECTION_UNKNOWN;
}

/* Enhanced and obsolete Packet Blocks differ in the width of the interface id only. */
static int read_packet(struct capture_reader *r, const struct pcapng_block *block, const uint8_t *p,
                       struct packet *ret_packet)
{
    bool old = block->type == PCAPNG_OLD_PACKET;
    uint32_t id = old ? reader_u16(r, p + 8) : reader_u32(r, p + 8);
    uint32_t index = r->section_first + id;
    uint32_t captured = reader_u32(r, p + 20);
    uint32_t original = reader_u32(r, p + 24);
    const uint8_t *options = p + 28 + ((captured + 3) & ~3U);
    *ret_packet = (struct packet){
        .ts_ns = read_time(r, index, p + 12),
        .data = p + 28,
        .captured_bytes =
            captured < PACKET_CAPTURED_BYTES_MAX ? captured : PACKET_CAPTURED_BYTES_MAX,
        .original_bytes = original > captured ? original : captured,
        .interface = index,
        .link_type = r->interfaces[index]->shown.link_type,
        .direction = read_direction(r, options, p + block->bytes - 4),
        .offset = r->window.offset,
    };
    r->last_ts_ns = ret_packet->ts_ns;
    return CAPTURE_PACKET;
}

static int read_simple_packet(struct capture_reader *r, const struct pcapng_block *block,
                              const uint8_t *p, struct packet *ret_packet)
{
    const struct reader_interface *i = r->interfaces[r->section_first];
    uint32_t original = reader_u32(r, p + 8);
    uint32_t captured = room_after(block, SIMPLE_PACKET_BODY_BYTES);
    if (captured > original)
        captured = original;
    if (i->shown.snaplen_bytes && captured > i->shown.snaplen_bytes)
        captured = i->shown.snaplen_bytes; /* the rest is padding */
    *ret_packet = (struct packet){
        .ts_ns = r->last_ts_ns,
        .data = p + 12,
        .captured_bytes =
            captured < PACKET_CAPTURED_BYTES_MAX ? captured : PACKET_CAPTURED_BYTES_MAX,
        .original_bytes = original,
        .interface = r->section_first,
        .link_type = i->shown.link_type,
        .offset = r->window.offset,
    };
    return CAPTURE_PACKET;
}

static int read_statistics(struct capture_reader *r, const struct pcapng_block *block,
                           const uint8_t *p, struct packet *ret_packet)
{
    struct capture_statistics *s = &r->statistics;
    uint32_t index = r->section_first + reader_u32(r, p + 8);
    *s = (struct capture_statistics){index, read_time(r, index, p + 12), UINT64_MAX, UINT64_MAX,
                                     UINT64_MAX};
    *ret_packet = (struct packet){.interface = index, .ts_ns = s->ts_ns};
    const uint8_t *at = p + 20;
    const uint8_t *end = p + block->bytes - 4;
    uint16_t option;
    struct slice value;
    r->note = SLICE_NONE;
    while (next_option(r, &at, end, &option, &value)) {
        if (option == PCAPNG_OPTION_CUSTOM && value.len > 4 &&
            reader_u32(r, value.data) == PCAPNG_OUR_PEN)
            r->note = slice_sub(value, 4, value.len - 4);
        if (value.len != 8)
            continue;
        uint64_t v = reader_u64(r, value.data);
        if (option == OPTION_ISB_IFRECV)
            s->received = v;
        else if (option == OPTION_ISB_IFDROP)
            s->dropped_by_interface = v;
        else if (option == OPTION_ISB_OSDROP)
            s->dropped_by_os = v;
    }
    return CAPTURE_STATISTICS;
}

static int read_secrets(struct capture_reader *r, const uint8_t *p)
{
    if (reader_u32(r, p + 8) != SECRETS_TLS_KEY_LOG)
        return CAPTURE_AGAIN; /* WireGuard, ZigBee … */
    r->secrets = slice_of(p + 16, reader_u32(r, p + 12));
    return CAPTURE_SECRETS;
}

int pcapng_read_block(struct capture_reader *r, const struct pcapng_block *block, const uint8_t *p,
                      struct packet *ret_packet, const char **ret_reason)
{
    if (block->type == PCAPNG_SECTION)
        return read_section(r, block, p, ret_reason);
    if (r->section_unreadable)
        return CAPTURE_AGAIN;
    if (!pcapng_block_is_sound(r, block, p)) {
        *ret_reason = "its fields contradict its length or name an unknown interface";
        return CAPTURE_DAMAGE;
    }
    switch (block->type) {
    case PCAPNG_INTERFACE:
        return read_interface(r, block, p, ret_reason);
    case PCAPNG_ENHANCED_PACKET:
    case PCAPNG_OLD_PACKET:
        return read_packet(r, block, p, ret_packet);
    case PCAPNG_SIMPLE_PACKET:
        return read_simple_packet(r, block, p, ret_packet);
    case PCAPNG_STATISTICS:
        return read_statistics(r, block, p, ret_packet);
    case PCAPNG_SECRETS:
        return read_secrets(r, p);
    case PCAPNG_NAMES:
        return CAPTURE_NAMES;
    default:
        return CAPTURE_AGAIN;
    }
}
