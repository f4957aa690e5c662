#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "entries/block.h"
#include "entries/block_format.h"

static const char phase[] = "entries-block";

enum {
    ZSTD_LEVEL = 1
};

struct block_writer {
    int fd;
    uint64_t offset;
    struct buf raw[BLOCK_FRAMES];
    struct buf packed;
    struct buf row;
    struct block_info open;   /* row_count 0 = none */
    struct entry_value *part; /* room to split an entry */
    size_t part_cap;
    ZSTD_CCtx *zstd;
};

static void put_le32(struct buf *out, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_append(out, bytes, sizeof bytes);
}

static void put_le64(struct buf *out, uint64_t v)
{
    put_le32(out, (uint32_t)v);
    put_le32(out, (uint32_t)(v >> 32));
}

int block_writer_new(int fd, struct block_writer **ret_writer)
{
    struct block_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->fd = fd;
    for (int i = 0; i < BLOCK_FRAMES; i++)
        buf_init(&w->raw[i], BLOCK_MAX_RAW_BYTES);
    buf_init(&w->packed, (size_t)BLOCK_MAX_RAW_BYTES * BLOCK_FRAMES + (1 << 20));
    buf_init(&w->row, BLOCK_MAX_RAW_BYTES);
    w->zstd = ZSTD_createCCtx();
    uint8_t header[BLOCK_FILE_HEADER_BYTES] = BLOCK_FILE_MAGIC;
    header[BLOCK_FILE_FORMAT_AT] = BLOCK_FORMAT;
    int r = w->zstd ? io_write(phase, fd, header, sizeof header) : -ENOMEM;
    if (r < 0) {
        block_writer_free(w);
        return r;
    }
    w->offset = sizeof header;
    *ret_writer = w;
    return 0;
}

void block_writer_free(struct block_writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < BLOCK_FRAMES; i++)
        buf_done(&w->raw[i]);
    buf_done(&w->packed);
    buf_done(&w->row);
    free(w->part);
    ZSTD_freeCCtx(w->zstd);
    free(w);
}

static unsigned frame_of(field_id field)
{
    unsigned flags = field_at(field)->flags;
    for (unsigned i = 1; i < BLOCK_FRAMES; i++)
        if (flags & block_frame_flags[i])
            return i;
    return 0;
}

/* The values of one frame, as an entry of its own; a zero length where there are none. */
static int put_frame_row(struct block_writer *w, const struct entry *entry, unsigned frame)
{
    struct entry part = *entry;
    part.values = w->part;
    part.value_count = 0;
    for (uint32_t i = 0; i < entry->value_count; i++)
        if (frame_of(entry->values[i].field) == frame)
            w->part[part.value_count++] = entry->values[i];
    struct buf *raw = &w->raw[frame];
    if (frame > 0) {
        part.request = part.response = (struct entry_packets){0};
        if (part.value_count == 0) {
            put_le32(raw, 0);
            return buf_failed(raw);
        }
    }
    buf_reset(&w->row);
    int r = entry_encode(&part, &w->row);
    if (r < 0)
        return r;
    put_le32(raw, (uint32_t)w->row.len);
    return buf_append_slice(raw, buf_slice(&w->row));
}

static int make_room(struct block_writer *w, uint32_t value_count)
{
    if (value_count <= w->part_cap)
        return 0;
    struct entry_value *part = realloc(w->part, value_count * sizeof *part);
    if (!part)
        return -ENOMEM;
    w->part = part;
    w->part_cap = value_count;
    return 0;
}

static bool is_full(const struct block_writer *w)
{
    size_t raw_bytes = 0;
    for (int i = 0; i < BLOCK_FRAMES; i++)
        raw_bytes += w->raw[i].len;
    return w->open.row_count &&
           (raw_bytes >= BLOCK_RAW_BYTES || w->open.row_count == BLOCK_MAX_ROWS);
}

int block_writer_append(struct block_writer *w, const struct entry *entry)
{
    int r = make_room(w, entry->value_count);
    if (r == 0 && is_full(w))
        r = block_writer_flush(w);
    for (unsigned i = 0; r == 0 && i < BLOCK_FRAMES; i++)
        r = put_frame_row(w, entry, i);
    if (r < 0)
        return r;
    struct block_info *open = &w->open;
    if (open->row_count == 0)
        *open = (struct block_info){.offset = w->offset,
                                    .first_row = entry->index,
                                    .first_ns = entry->timestamp_ns,
                                    .last_ns = entry->timestamp_ns};
    if (entry->timestamp_ns < open->first_ns)
        open->first_ns = entry->timestamp_ns;
    if (entry->timestamp_ns > open->last_ns)
        open->last_ns = entry->timestamp_ns;
    open->row_count++;
    return 0;
}

static int pack_frame(struct block_writer *w, int frame, uint32_t *ret_packed_bytes)
{
    size_t room = ZSTD_compressBound(w->raw[frame].len);
    uint8_t *p = buf_reserve(&w->packed, room);
    if (!p)
        return buf_failed(&w->packed);
    size_t n =
        ZSTD_compressCCtx(w->zstd, p, room, w->raw[frame].data, w->raw[frame].len, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return -EIO;
    w->packed.len += n;
    *ret_packed_bytes = (uint32_t)n;
    return 0;
}

static void put_header(struct block_writer *w, const uint32_t packed[BLOCK_FRAMES], uint64_t sum)
{
    struct buf *out = &w->packed;
    put_le32(out, BLOCK_MAGIC);
    put_le32(out, w->open.row_count);
    put_le64(out, w->open.first_row);
    put_le64(out, (uint64_t)w->open.first_ns);
    put_le64(out, (uint64_t)w->open.last_ns);
    for (int i = 0; i < BLOCK_FRAMES; i++)
        put_le32(out, packed[i]);
    for (int i = 0; i < BLOCK_FRAMES; i++)
        put_le32(out, (uint32_t)w->raw[i].len);
    put_le64(out, sum);
}

int block_writer_flush(struct block_writer *w)
{
    if (w->open.row_count == 0)
        return 0;
    struct buf *out = &w->packed;
    buf_reset(out);
    int r = buf_append_fill(out, 0, BLOCK_HEADER_BYTES);
    uint32_t packed[BLOCK_FRAMES];
    for (int i = 0; r == 0 && i < BLOCK_FRAMES; i++)
        r = pack_frame(w, i, &packed[i]);
    if (r < 0)
        return r;
    size_t total = out->len;
    uint64_t sum =
        hash_bytes(hash_fixed_key, out->data + BLOCK_HEADER_BYTES, total - BLOCK_HEADER_BYTES);
    out->len = 0;
    put_header(w, packed, sum);
    r = io_write(phase, w->fd, out->data, total);
    if (r < 0)
        return r;
    w->offset += total;
    w->open = (struct block_info){0};
    for (int i = 0; i < BLOCK_FRAMES; i++)
        buf_reset(&w->raw[i]);
    return 0;
}

uint64_t block_writer_bytes(const struct block_writer *w)
{
    return w->offset;
}
