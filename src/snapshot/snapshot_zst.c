#include "snapshot/snapshot_zst.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/io.h"

enum {
    LEVEL = 1,
    SKIPPABLE_MAGIC = 0x184D2A5E,
    ENTRY_BYTES = 8,
    FOOTER_BYTES = 9,
    MAX_TABLE_BYTES = 64 * 1024 * 1024
};
#define SEEKABLE_MAGIC 0x8F92EAB1u

static void put_le32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

int snapshot_zst_begin(struct snapshot_zst *z, const char *phase, int fd, uint64_t max_file_bytes,
                       struct error *reterr)
{
    *z = (struct snapshot_zst){.phase = phase, .fd = fd, .max_file_bytes = max_file_bytes};
    buf_init(&z->table, MAX_TABLE_BYTES);
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    z->cctx = cctx;
    z->plain = malloc(SNAPSHOT_ZST_FRAME_BYTES);
    z->packed = malloc(ZSTD_compressBound(SNAPSHOT_ZST_FRAME_BYTES));
    if (!cctx || !z->plain || !z->packed || snapshot_hash_begin(&z->hash) < 0)
        return error_set(reterr, -ENOMEM, "There is no memory to compress with.");
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
    return 0;
}

static int put(struct snapshot_zst *z, const uint8_t *data, size_t n, struct error *reterr)
{
    if (z->max_file_bytes && z->file_bytes + n > z->max_file_bytes)
        return error_set(reterr, -EDQUOT, "It takes more than the %llu bytes that are reserved.",
                         (unsigned long long)z->max_file_bytes);
    snapshot_hash_add(&z->hash, data, n);
    int r = io_write(z->phase, z->fd, data, n);
    if (r < 0)
        return error_set(reterr, r, "Writing failed: %s.", strerrordesc_np(-r));
    z->file_bytes += n;
    return 0;
}

static int put_frame(struct snapshot_zst *z, struct error *reterr)
{
    size_t n = ZSTD_compress2(z->cctx, z->packed, ZSTD_compressBound(SNAPSHOT_ZST_FRAME_BYTES),
                              z->plain, z->plain_len);
    if (ZSTD_isError(n))
        return error_set(reterr, -ENOMEM, "Compression failed: %s.", ZSTD_getErrorName(n));
    uint8_t entry[ENTRY_BYTES];
    put_le32(entry, (uint32_t)n);
    put_le32(entry + 4, (uint32_t)z->plain_len);
    int r = buf_append(&z->table, entry, sizeof entry);
    if (r < 0)
        return error_set(reterr, r, "The file has too many frames.");
    z->frames++;
    z->plain_len = 0;
    return put(z, z->packed, n, reterr);
}

int snapshot_zst_add(struct snapshot_zst *z, const uint8_t *data, size_t n, struct error *reterr)
{
    while (n > 0) {
        size_t room = SNAPSHOT_ZST_FRAME_BYTES - z->plain_len;
        size_t take = n < room ? n : room;
        memcpy(z->plain + z->plain_len, data, take);
        z->plain_len += take;
        z->plain_bytes += take;
        data += take;
        n -= take;
        int r = z->plain_len == SNAPSHOT_ZST_FRAME_BYTES ? put_frame(z, reterr) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int snapshot_zst_end(struct snapshot_zst *z, char ret_sha256[SNAPSHOT_SHA256_SIZE],
                     struct error *reterr)
{
    int r = z->plain_len ? put_frame(z, reterr) : 0;
    uint8_t head[8], foot[FOOTER_BYTES];
    put_le32(head, SKIPPABLE_MAGIC);
    put_le32(head + 4, (uint32_t)z->table.len + FOOTER_BYTES);
    put_le32(foot, z->frames);
    foot[4] = 0; /* no checksums in the table: each frame has its own */
    put_le32(foot + 5, SEEKABLE_MAGIC);
    if (r == 0)
        r = put(z, head, sizeof head, reterr);
    if (r == 0 && z->table.len)
        r = put(z, z->table.data, z->table.len, reterr);
    if (r == 0)
        r = put(z, foot, sizeof foot, reterr);
    if (r == 0 && snapshot_hash_end(&z->hash, ret_sha256) < 0)
        r = error_set(reterr, -EIO, "SHA-256 could not be computed.");
    return r;
}

void snapshot_zst_done(struct snapshot_zst *z)
{
    ZSTD_freeCCtx(z->cctx);
    free(z->plain);
    free(z->packed);
    buf_done(&z->table);
    snapshot_hash_done(&z->hash);
    z->cctx = NULL;
    z->plain = z->packed = NULL;
}
