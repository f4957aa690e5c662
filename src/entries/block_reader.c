#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/io.h"
#include "entries/block.h"
#include "entries/block_format.h"

struct row_place {
    uint32_t offset, len;
};

struct block_reader {
    int fd;
    const field_id *field_map;
    size_t field_map_count;
    bool map_is_identity;
    struct buf packed;
    struct buf raw[BLOCK_FRAMES];
    struct row_place *rows[BLOCK_FRAMES];
    size_t row_cap;
    uint32_t row_count;
    unsigned payload;
    ZSTD_DCtx *zstd;
};

struct block_header {
    struct block_info info;
    uint32_t packed[BLOCK_FRAMES], raw[BLOCK_FRAMES];
    uint64_t sum;
    uint64_t body_bytes;
};

int block_reader_new(int fd, const field_id *field_map, size_t field_map_count,
                     struct block_reader **ret_reader)
{
    struct block_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    *r = (struct block_reader){.fd = fd,
                               .field_map = field_map,
                               .field_map_count = field_map_count,
                               .map_is_identity = true,
                               .zstd = ZSTD_createDCtx()};
    for (size_t i = 0; i < field_map_count; i++)
        r->map_is_identity = r->map_is_identity && field_map[i] == i;
    buf_init(&r->packed, (size_t)BLOCK_MAX_RAW_BYTES * BLOCK_FRAMES + (1 << 20));
    for (int i = 0; i < BLOCK_FRAMES; i++)
        buf_init(&r->raw[i], BLOCK_MAX_RAW_BYTES);
    if (!r->zstd) {
        block_reader_free(r);
        return -ENOMEM;
    }
    *ret_reader = r;
    return 0;
}

void block_reader_free(struct block_reader *r)
{
    if (!r)
        return;
    buf_done(&r->packed);
    for (int i = 0; i < BLOCK_FRAMES; i++) {
        buf_done(&r->raw[i]);
        free(r->rows[i]);
    }
    ZSTD_freeDCtx(r->zstd);
    free(r);
}

static int damaged(uint64_t offset, const char *what, struct error *reterr)
{
    return error_set_at(reterr, -EBADMSG, offset, "payload.blk is damaged at offset %llu: %s.",
                        (unsigned long long)offset, what);
}

/* 0, or -ENODATA at the end of the file. */
static int read_header(int fd, uint64_t offset, struct block_header *h, struct error *reterr)
{
    uint8_t bytes[BLOCK_HEADER_BYTES];
    ssize_t n = io_pread_full(fd, bytes, sizeof bytes, (off_t)offset);
    if (n < 0)
        return error_set(reterr, (int)n, "payload.blk cannot be read.");
    if (n == 0)
        return -ENODATA;
    struct cursor c = cursor_of(bytes, (size_t)n);
    uint32_t magic = cursor_le32(&c);
    h->info.offset = offset;
    h->info.row_count = cursor_le32(&c);
    h->info.first_row = cursor_le64(&c);
    h->info.first_ns = (int64_t)cursor_le64(&c);
    h->info.last_ns = (int64_t)cursor_le64(&c);
    h->body_bytes = 0;
    bool sane = true;
    for (int i = 0; i < BLOCK_FRAMES; i++)
        h->body_bytes += h->packed[i] = cursor_le32(&c);
    for (int i = 0; i < BLOCK_FRAMES; i++)
        sane = (h->raw[i] = cursor_le32(&c)) <= BLOCK_MAX_RAW_BYTES && sane;
    h->sum = cursor_le64(&c);
    if (c.bad || magic != BLOCK_MAGIC || !sane || h->info.row_count == 0 ||
        h->info.row_count > BLOCK_MAX_ROWS ||
        h->body_bytes > (uint64_t)BLOCK_MAX_RAW_BYTES * BLOCK_FRAMES)
        return damaged(offset, "this is no block header", reterr);
    return 0;
}

/* Where each row of a frame stands. */
static int index_rows(struct block_reader *r, int frame)
{
    struct cursor c = cursor_of(r->raw[frame].data, r->raw[frame].len);
    for (uint32_t i = 0; i < r->row_count; i++) {
        uint32_t len = cursor_le32(&c);
        r->rows[frame][i] = (struct row_place){
            .offset = (uint32_t)(r->raw[frame].len - cursor_left(&c)), .len = len};
        cursor_skip(&c, len);
    }
    return c.bad || cursor_left(&c) ? -EBADMSG : 0;
}

static int unpack_frame(struct block_reader *r, int frame, const uint8_t *packed,
                        const struct block_header *h)
{
    buf_reset(&r->raw[frame]);
    uint8_t *p = buf_reserve(&r->raw[frame], h->raw[frame]);
    if (!p)
        return buf_failed(&r->raw[frame]);
    size_t n = ZSTD_decompressDCtx(r->zstd, p, h->raw[frame], packed, h->packed[frame]);
    if (ZSTD_isError(n) || n != h->raw[frame])
        return -EBADMSG;
    r->raw[frame].len = n;
    return index_rows(r, frame);
}

static int make_room_for_rows(struct block_reader *r, uint32_t row_count)
{
    if (row_count <= r->row_cap)
        return 0;
    for (int i = 0; i < BLOCK_FRAMES; i++) {
        struct row_place *rows = realloc(r->rows[i], row_count * sizeof *rows);
        if (!rows)
            return -ENOMEM;
        r->rows[i] = rows;
    }
    r->row_cap = row_count;
    return 0;
}

int block_reader_load(struct block_reader *r, uint64_t offset, unsigned payload,
                      struct block_info *ret_info, struct error *reterr)
{
    struct block_header h;
    int result = read_header(r->fd, offset, &h, reterr);
    if (result < 0)
        return result == -ENODATA ? damaged(offset, "the file ends before this block", reterr)
                                  : result;
    buf_reset(&r->packed);
    uint8_t *body = buf_reserve(&r->packed, h.body_bytes);
    if (!body || make_room_for_rows(r, h.info.row_count) < 0)
        return error_set(reterr, -ENOMEM, "out of memory.");
    ssize_t n = io_pread_full(r->fd, body, h.body_bytes, (off_t)(offset + BLOCK_HEADER_BYTES));
    if (n < 0 || (uint64_t)n != h.body_bytes)
        return damaged(offset, "the block is cut short", reterr);
    if (hash_bytes(hash_fixed_key, body, h.body_bytes) != h.sum)
        return damaged(offset, "its checksum is wrong", reterr);
    r->row_count = h.info.row_count;
    r->payload = payload;
    for (int i = 0; i < BLOCK_FRAMES; i++) {
        bool wanted = i == 0 || (payload & block_frame_flags[i]);
        if (wanted && unpack_frame(r, i, body, &h) < 0)
            return damaged(offset, "a frame does not decode", reterr);
        body += h.packed[i];
    }
    if (ret_info)
        *ret_info = h.info;
    return 0;
}

/* Old field numbers to today's; values of fields that are gone fall away. Keeps the order by field.
 */
static uint32_t map_fields(const struct block_reader *r, struct entry_value *values, uint32_t count)
{
    if (r->map_is_identity)
        return count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct entry_value v = values[i];
        v.field = v.field < r->field_map_count ? r->field_map[v.field] : FIELD_NONE;
        if (v.field == FIELD_NONE)
            continue;
        uint32_t at = kept++;
        for (; at > 0 && values[at - 1].field > v.field; at--)
            values[at] = values[at - 1];
        values[at] = v;
    }
    return kept;
}

int block_reader_row(struct block_reader *r, uint32_t slot, struct arena *arena,
                     struct entry *ret_entry)
{
    if (slot >= r->row_count)
        return -EINVAL;
    struct entry parts[BLOCK_FRAMES] = {0};
    uint32_t total = 0;
    for (int i = 0; i < BLOCK_FRAMES; i++) {
        if (i > 0 && !(r->payload & block_frame_flags[i]))
            continue;
        struct row_place place = r->rows[i][slot];
        if (i > 0 && place.len == 0)
            continue;
        int result =
            entry_decode(slice_of(r->raw[i].data + place.offset, place.len), arena, &parts[i]);
        if (result < 0)
            return result;
        total += parts[i].value_count;
    }
    *ret_entry = parts[0];
    if (total == parts[0].value_count && r->map_is_identity)
        return 0;
    struct entry_value *values = arena_alloc(arena, total * sizeof *values);
    if (!values)
        return -ENOMEM;
    /* A merge of at most four short sorted runs. */
    uint32_t at[BLOCK_FRAMES] = {0};
    for (uint32_t n = 0; n < total; n++) {
        int best = -1;
        for (int i = 0; i < BLOCK_FRAMES; i++)
            if (at[i] < parts[i].value_count &&
                (best < 0 || parts[i].values[at[i]].field < parts[best].values[at[best]].field))
                best = i;
        values[n] = parts[best].values[at[best]++];
    }
    ret_entry->value_count = map_fields(r, values, total);
    ret_entry->values = values;
    return 0;
}

int block_list(int fd, struct block_info **ret_infos, size_t *ret_count, struct error *reterr)
{
    static const uint8_t magic[] = BLOCK_FILE_MAGIC;
    uint8_t header[BLOCK_FILE_HEADER_BYTES];
    if (io_pread_full(fd, header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header, magic, sizeof magic) != 0)
        return error_set_at(reterr, -EBADMSG, 0, "payload.blk does not begin as one.");
    if (header[BLOCK_FILE_FORMAT_AT] > BLOCK_FORMAT)
        return error_set_at(reterr, -EPROTONOSUPPORT, BLOCK_FILE_FORMAT_AT,
                            "payload.blk has format %u, this version reads up to %d.",
                            header[BLOCK_FILE_FORMAT_AT], BLOCK_FORMAT);
    struct block_info *infos = NULL;
    size_t count = 0;
    size_t cap = 0;
    uint64_t offset = sizeof header;
    int r;
    struct block_header h;
    while ((r = read_header(fd, offset, &h, reterr)) == 0) {
        if (count == cap) {
            cap = cap ? cap * 2 : 64;
            struct block_info *more = realloc(infos, cap * sizeof *more);
            if (!more) {
                r = error_set(reterr, -ENOMEM, "out of memory.");
                break;
            }
            infos = more;
        }
        infos[count++] = h.info;
        offset += BLOCK_HEADER_BYTES + h.body_bytes;
    }
    if (r != -ENODATA) {
        free(infos);
        return r;
    }
    *ret_infos = infos;
    *ret_count = count;
    return 0;
}
