/* The binary form of an entry. All integers are LEB128 varints, signed ones zigzag:
 *   timestamp (8 bytes LE), id_hash (8 bytes LE), index, protocol (length, text), transport,
 *   request packets, response packets: count · 2 + truncated, then per packet file, offset and time
 *   as differences to the packet before,
 *   value count, then per value: field, type, value. */
#include <errno.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/memory.h"
#include "dissect/entry.h"
#include "dissect/registry.h"

static void put_varint(struct buf *out, uint64_t v)
{
    uint8_t *start = buf_reserve(out, v < 0x80 ? 1 : 10), *p = start;
    if (!p)
        return;
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    out->len += (size_t)(p - start);
}

static void put_signed(struct buf *out, int64_t v)
{
    put_varint(out, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static void put_le64(struct buf *out, uint64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    buf_append(out, bytes, sizeof bytes);
}

static void put_text(struct buf *out, struct slice text)
{
    put_varint(out, text.len);
    buf_append_slice(out, text);
}

static uint64_t get_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = cursor_u8(c);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    c->bad = true;
    return 0;
}

static int64_t get_signed(struct cursor *c)
{
    uint64_t v = get_varint(c);
    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

static struct slice get_text(struct cursor *c)
{
    return cursor_slice(c, get_varint(c));
}

/* A count of things that take at least one byte each: never more than the bytes that are left. */
static uint32_t get_count(struct cursor *c)
{
    uint64_t count = get_varint(c);
    if (count > cursor_left(c) || count > UINT32_MAX) {
        c->bad = true;
        return 0;
    }
    return (uint32_t)count;
}

static void put_packets(struct buf *out, const struct entry_packets *packets)
{
    put_varint(out, (uint64_t)packets->count << 1 | packets->truncated);
    struct packet_ref last = {0};
    for (uint32_t i = 0; i < packets->count; i++) {
        const struct packet_ref *ref = &packets->refs[i];
        put_varint(out, ref->file);
        put_signed(out, (int64_t)(ref->offset - last.offset));
        put_signed(out, (int64_t)((uint64_t)ref->ts_ns - (uint64_t)last.ts_ns));
        last = *ref;
    }
}

static void get_packets(struct cursor *c, struct arena *arena, struct entry_packets *packets)
{
    uint64_t head = get_varint(c);
    packets->truncated = head & 1;
    packets->count = 0;
    uint64_t count = head >> 1;
    if (count == 0)
        return;
    if (count > ENTRY_MAX_PACKETS || count > cursor_left(c)) {
        c->bad = true;
        return;
    }
    struct packet_ref *refs = arena_calloc(arena, count, sizeof *refs);
    if (!refs) {
        c->bad = true;
        return;
    }
    struct packet_ref last = {0};
    for (uint64_t i = 0; i < count; i++) {
        last.file = (uint32_t)get_varint(c);
        last.offset += (uint64_t)get_signed(c);
        last.ts_ns = (int64_t)((uint64_t)last.ts_ns + (uint64_t)get_signed(c));
        refs[i] = last;
    }
    packets->refs = refs;
    packets->count = (uint32_t)count;
}

static void put_value(struct buf *out, const struct entry_value *value)
{
    put_varint(out, value->field);
    buf_append_u8(out, value->type);
    switch ((enum field_type)value->type) {
    case FIELD_BOOL:
        buf_append_u8(out, value->boolean);
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DURATION:
        put_signed(out, value->integer);
        break;
    case FIELD_TEXT:
        put_text(out, value->text);
        break;
    case FIELD_LIST:
        put_varint(out, value->count);
        for (uint32_t i = 0; i < value->count; i++)
            put_text(out, value->items[i]);
        break;
    case FIELD_INT_LIST:
        put_varint(out, value->count);
        for (uint32_t i = 0; i < value->count; i++)
            put_signed(out, value->integers[i]);
        break;
    case FIELD_MAP:
        put_varint(out, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            put_text(out, value->pairs[i].key);
            put_text(out, value->pairs[i].value);
        }
        break;
    }
}

static void get_list(struct cursor *c, struct arena *arena, struct entry_value *value)
{
    value->count = get_count(c);
    struct slice *items = arena_calloc(arena, value->count, sizeof *items);
    if (!items) {
        c->bad = true;
        return;
    }
    for (uint32_t i = 0; i < value->count; i++)
        items[i] = get_text(c);
    value->items = items;
}

static void get_int_list(struct cursor *c, struct arena *arena, struct entry_value *value)
{
    value->count = get_count(c);
    int64_t *integers = arena_calloc(arena, value->count, sizeof *integers);
    if (!integers) {
        c->bad = true;
        return;
    }
    for (uint32_t i = 0; i < value->count; i++)
        integers[i] = get_signed(c);
    value->integers = integers;
}

static void get_map(struct cursor *c, struct arena *arena, struct entry_value *value)
{
    value->count = get_count(c);
    struct entry_pair *pairs = arena_calloc(arena, value->count, sizeof *pairs);
    if (!pairs) {
        c->bad = true;
        return;
    }
    for (uint32_t i = 0; i < value->count; i++) {
        pairs[i].key = get_text(c);
        pairs[i].value = get_text(c);
    }
    value->pairs = pairs;
}

static void get_value(struct cursor *c, struct arena *arena, struct entry_value *value)
{
    uint64_t field = get_varint(c);
    value->type = cursor_u8(c);
    if (field >= field_count() || field_at((field_id)field)->type != value->type) {
        c->bad = true;
        return;
    }
    value->field = (field_id)field;
    switch ((enum field_type)value->type) {
    case FIELD_BOOL:
        value->boolean = cursor_u8(c) != 0;
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DURATION:
        value->integer = get_signed(c);
        break;
    case FIELD_TEXT:
        value->text = get_text(c);
        break;
    case FIELD_LIST:
        get_list(c, arena, value);
        break;
    case FIELD_INT_LIST:
        get_int_list(c, arena, value);
        break;
    case FIELD_MAP:
        get_map(c, arena, value);
        break;
    }
}

int entry_encode(const struct entry *entry, struct buf *out)
{
    put_le64(out, (uint64_t)entry->timestamp_ns);
    put_le64(out, entry->id_hash);
    put_varint(out, entry->index);
    put_text(out, slice_str(entry->protocol));
    buf_append_u8(out, (uint8_t)entry->transport);
    put_packets(out, &entry->request);
    put_packets(out, &entry->response);
    put_varint(out, entry->value_count);
    for (uint32_t i = 0; i < entry->value_count; i++)
        put_value(out, &entry->values[i]);
    return buf_failed(out);
}

/* Want of memory is not damage. */
static int decode_failure(uint64_t failures_before)
{
    return memory_failures() != failures_before ? -ENOMEM : -EBADMSG;
}

int entry_decode(struct slice bytes, struct arena *arena, struct entry *ret_entry)
{
    uint64_t failures = memory_failures();
    struct cursor c = cursor_of(bytes.data, bytes.len);
    struct entry entry = {0};
    entry.timestamp_ns = (int64_t)cursor_le64(&c);
    entry.id_hash = cursor_le64(&c);
    entry.index = get_varint(&c);
    entry.protocol = registry_protocol(get_text(&c));
    uint8_t transport = cursor_u8(&c);
    if (c.bad || !entry.protocol || transport > ENTRY_TRANSPORT_UDP)
        return -EBADMSG;
    entry.transport = transport;
    get_packets(&c, arena, &entry.request);
    get_packets(&c, arena, &entry.response);
    entry.value_count = get_count(&c);
    struct entry_value *values = arena_calloc(arena, entry.value_count, sizeof *values);
    if (c.bad || !values)
        return decode_failure(failures);
    for (uint32_t i = 0; i < entry.value_count && !c.bad; i++) {
        get_value(&c, arena, &values[i]);
        if (i && values[i].field <= values[i - 1].field)
            c.bad = true;
    }
    if (c.bad || cursor_left(&c) != 0)
        return decode_failure(failures);
    entry.values = values;
    *ret_entry = entry;
    return 0;
}
