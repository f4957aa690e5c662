/* Records of Kafka: record batches (magic 2, KIP-98) and the older message sets (magic 0 and 1),
 * compressed with gzip, snappy, lz4 or zstd. */
#include <lz4frame.h>

#include "base/memory.h"
#include "base/text.h"
#include "dissect/dissector.h"
#include "dissect/proto/kafka_api.h"
#include "dissect/proto/snappy.h"

enum {
    BATCH_HEAD = 61,
    MESSAGE_HEAD = 12, /* offset and size */
    MAGIC_AT = 16,
    CODEC_MASK = 7,
    MAX_SETS = 4, /* of message sets in message sets */
    XERIAL_HEAD = 16,
    RATIO_FREE_BYTES = 64 * 1024
};

static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};

static int64_t read_zigzag(struct cursor *c)
{
    uint64_t value = 0;
    for (int i = 0; i < 10; i++) {
        uint8_t b = cursor_u8(c);
        value |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80))
            return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    }
    c->bad = true;
    return 0;
}

/* ── compression ── */

/* The blocks of xerial's snappy streams, or a bare block. */
static bool unpack_snappy(struct arena *arena, struct slice packed, struct slice *ret)
{
    static const uint8_t magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
    bool cut;
    if (packed.len < XERIAL_HEAD || memcmp(packed.data, magic, sizeof magic) != 0)
        return snappy_decode(arena, packed, DISSECT_BODY_CAP, ret, &cut) == 0 && !cut;
    struct cursor c = cursor_of(packed.data + XERIAL_HEAD, packed.len - XERIAL_HEAD);
    struct buf out;
    bool whole = true;
    buf_init(&out, DISSECT_BODY_CAP);
    while (cursor_left(&c) && whole) {
        struct slice plain = SLICE_NONE, block = cursor_slice(&c, cursor_be32(&c));
        whole = !c.bad && snappy_decode(arena, block, DISSECT_BODY_CAP, &plain, &cut) == 0 && !cut;
        whole = buf_append_slice(&out, plain) == 0 && whole;
    }
    *ret = arena_dup(arena, buf_slice(&out));
    buf_done(&out);
    return whole && ret->data;
}

static bool unpack_lz4(struct arena *arena, struct slice packed, struct slice *ret)
{
    LZ4F_dctx *ctx = NULL;
    struct buf out;
    size_t hint = 1;
    size_t max = packed.len * DISSECT_DECODE_RATIO + RATIO_FREE_BYTES;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION))) {
        memory_failed();
        return false;
    }
    buf_init(&out, max < DISSECT_BODY_CAP ? max : DISSECT_BODY_CAP);
    while (packed.len && hint != 0) {
        size_t room = out.max - out.len < RATIO_FREE_BYTES ? out.max - out.len : RATIO_FREE_BYTES;
        uint8_t *to = room ? buf_reserve(&out, room) : NULL;
        size_t used = packed.len;
        if (!to)
            break;
        hint = LZ4F_decompress(ctx, to, &room, packed.data, &used, NULL);
        if (LZ4F_isError(hint) || (used == 0 && room == 0))
            break;
        out.len += room;
        packed = slice_sub(packed, used, SIZE_MAX);
    }
    LZ4F_freeDecompressionContext(ctx);
    *ret = arena_dup(arena, buf_slice(&out));
    buf_done(&out);
    return hint == 0 && ret->data;
}

/* What could be unpacked; false when that is not all. */
static bool unpack(struct arena *arena, unsigned codec, struct slice packed, struct slice *ret)
{
    bool cut = false;
    *ret = SLICE_NONE;
    switch (codec) {
    case 0:
        *ret = packed;
        return true;
    case 1:
    case 4:
        return arena &&
               dissect_decode_body(arena, slice_str(codecs[codec]), packed, ret, &cut) == 0 && !cut;
    case 2:
        return arena && unpack_snappy(arena, packed, ret);
    case 3:
        return arena && unpack_lz4(arena, packed, ret);
    default:
        return false;
    }
}

/* ── records ── */

static void write_run(struct json_writer *w, struct slice bytes, bool is_null)
{
    if (is_null) {
        json_none(w);
    } else if (text_is_utf8(bytes)) {
        json_text(w, bytes);
    } else {
        json_begin_object(w);
        json_key(w, "base64");
        json_base64(w, bytes);
        json_end_object(w);
    }
}

static void write_varint_run(struct json_writer *w, struct cursor *c)
{
    int64_t n = read_zigzag(c);
    struct slice bytes = n > 0 ? cursor_slice(c, (size_t)n) : SLICE_NONE;
    write_run(w, bytes, n < 0);
}

static void write_headers(struct json_writer *w, struct cursor *c)
{
    int64_t count = read_zigzag(c);
    if (count <= 0)
        return;
    json_key(w, "headers");
    json_begin_object(w);
    while (count-- && !c->bad && !buf_failed(w->out)) {
        int64_t n = read_zigzag(c);
        json_key_slice(w, n > 0 ? cursor_slice(c, (size_t)n) : SLICE_NONE);
        write_varint_run(w, c);
    }
    json_end_object(w);
}

/* Records of a batch, offsets and times counted from the batch's. */
static bool write_batch_records(struct json_writer *w, struct slice bytes, int64_t base_offset,
                                int64_t base_time)
{
    struct cursor c = cursor_of(bytes.data, bytes.len);
    while (cursor_left(&c) && !c.bad && !buf_failed(w->out)) {
        int64_t length = read_zigzag(&c);
        struct slice record = length > 0 ? cursor_slice(&c, (size_t)length) : SLICE_NONE;
        struct cursor in = cursor_of(record.data, record.len);
        if (!record.len)
            return false;
        cursor_skip(&in, 1);
        int64_t time_delta = read_zigzag(&in), offset_delta = read_zigzag(&in);
        json_begin_object(w);
        json_member_int(w, "offset", (int64_t)((uint64_t)base_offset + (uint64_t)offset_delta));
        json_member_int(w, "timestamp", (int64_t)((uint64_t)base_time + (uint64_t)time_delta));
        json_key(w, "key");
        write_varint_run(w, &in);
        json_key(w, "value");
        write_varint_run(w, &in);
        write_headers(w, &in);
        json_end_object(w);
        c.bad |= in.bad;
    }
    return !c.bad;
}

static void note(struct kafka_facts *facts, unsigned codec, int64_t count)
{
    facts->records += count;
    if (codec && codec < sizeof codecs / sizeof codecs[0])
        facts->compression = codecs[codec];
}

static bool write_batch(struct kafka_reader *r, struct slice batch)
{
    struct cursor c = cursor_of(batch.data, batch.len);
    int64_t base_offset = (int64_t)cursor_be64(&c);
    cursor_skip(&c, 13); /* length, leader epoch, magic, checksum */
    unsigned attributes = cursor_be16(&c), codec = attributes & CODEC_MASK;
    cursor_skip(&c, 4); /* last offset delta */
    int64_t base_time = (int64_t)cursor_be64(&c);
    cursor_skip(&c, 22); /* last time, producer id and epoch, base sequence */
    int32_t count = (int32_t)cursor_be32(&c);
    struct slice plain;
    if (c.bad || count < 0)
        return false;
    note(r->facts, codec, attributes & 0x20 ? 0 : count); /* control batches hold no messages */
    bool whole = unpack(r->arena, codec, slice_of(c.pos, cursor_left(&c)), &plain);
    return write_batch_records(r->w, plain, base_offset, base_time) && whole;
}

static bool write_message_set(struct kafka_reader *r, struct slice set, unsigned depth);

/* A message of an older set; a compressed one holds a set. */
static bool write_message(struct kafka_reader *r, struct slice message, int64_t offset,
                          unsigned depth)
{
    struct cursor c = cursor_of(message.data, message.len);
    struct json_writer *w = r->w;
    cursor_skip(&c, 4); /* checksum */
    uint8_t magic = cursor_u8(&c), codec = cursor_u8(&c) & CODEC_MASK;
    int64_t time = magic ? (int64_t)cursor_be64(&c) : -1;
    int32_t key_len = (int32_t)cursor_be32(&c);
    struct slice key = key_len > 0 ? cursor_slice(&c, (size_t)key_len) : SLICE_NONE;
    int32_t value_len = (int32_t)cursor_be32(&c);
    struct slice value = value_len > 0 ? cursor_slice(&c, (size_t)value_len) : SLICE_NONE, plain;
    if (c.bad)
        return false;
    if (codec) {
        note(r->facts, codec, 0);
        bool whole = unpack(r->arena, codec, value, &plain);
        return depth < MAX_SETS && write_message_set(r, plain, depth + 1) && whole;
    }
    note(r->facts, 0, 1);
    json_begin_object(w);
    json_member_int(w, "offset", offset);
    if (magic)
        json_member_int(w, "timestamp", time);
    json_key(w, "key");
    write_run(w, key, key_len < 0);
    json_key(w, "value");
    write_run(w, value, value_len < 0);
    json_end_object(w);
    return true;
}

/* Sets and batches may follow each other. A broker may cut the last one of a fetch: that is no
 * damage. */
static bool write_message_set(struct kafka_reader *r, struct slice set, unsigned depth)
{
    bool whole = true;
    while (set.len >= MESSAGE_HEAD && !buf_failed(r->w->out)) {
        struct cursor c = cursor_of(set.data, set.len);
        int64_t offset = (int64_t)cursor_be64(&c);
        uint32_t size = cursor_be32(&c);
        if (size > cursor_left(&c) || size == 0)
            return whole && size != 0;
        struct slice one = slice_sub(set, 0, MESSAGE_HEAD + (size_t)size);
        uint8_t magic = one.len > MAGIC_AT ? one.data[MAGIC_AT] : 0xff;
        if (magic > 2 || (magic == 2 && one.len < BATCH_HEAD))
            return false;
        whole &= magic == 2
                     ? write_batch(r, one)
                     : write_message(r, slice_sub(one, MESSAGE_HEAD, SIZE_MAX), offset, depth);
        set = slice_sub(set, one.len, SIZE_MAX);
    }
    return whole;
}

bool kafka_write_records(struct kafka_reader *r, struct slice bytes)
{
    json_begin_array(r->w);
    bool whole = write_message_set(r, bytes, 0);
    json_end_array(r->w);
    return whole;
}
