#define ZLIB_CONST
#include "packet/input_decoder.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
    ZSTD_WINDOW_LOG_MAX = 26,
    GZIP_WITH_HEADER = 15 + 16, /* window bits, gzip wrapper only */
    PIECE_BYTES = 128 << 10     /* zstd and lz4 lose the output of a call that meets damage */
};

struct input_decoder {
    enum input_codec codec;
    bool at_boundary;
    bool gzip_done; /* what follows the last member is padding */
    z_stream gzip;
    ZSTD_DCtx *zstd;
    LZ4F_dctx *lz4;
};

enum input_codec input_codec_detect(struct slice s)
{
    static const uint8_t zstd_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    static const uint8_t lz4_magic[4] = {0x04, 0x22, 0x4d, 0x18};
    if (s.len >= 2 && s.data[0] == 0x1f && s.data[1] == 0x8b)
        return INPUT_GZIP;
    if (s.len < 4)
        return INPUT_PLAIN;
    if (memcmp(s.data, zstd_magic, 4) == 0)
        return INPUT_ZSTD;
    if (memcmp(s.data, lz4_magic, 4) == 0)
        return INPUT_LZ4;
    /* Skippable frames: what a seekable Zstandard file may begin with. */
    if ((s.data[0] & 0xf0) == 0x50 && s.data[1] == 0x2a && s.data[2] == 0x4d && s.data[3] == 0x18)
        return INPUT_ZSTD;
    return INPUT_PLAIN;
}

static bool start(struct input_decoder *d)
{
    switch (d->codec) {
    case INPUT_GZIP:
        return inflateInit2(&d->gzip, GZIP_WITH_HEADER) == Z_OK;
    case INPUT_ZSTD:
        d->zstd = ZSTD_createDCtx();
        return d->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
                                                               ZSTD_WINDOW_LOG_MAX));
    case INPUT_LZ4:
        return !LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION));
    case INPUT_PLAIN:
        break;
    }
    return false;
}

int input_decoder_new(enum input_codec codec, struct input_decoder **ret_decoder)
{
    struct input_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->codec = codec;
    d->at_boundary = true;
    if (!start(d)) {
        input_decoder_free(d);
        return -ENOMEM;
    }
    *ret_decoder = d;
    return 0;
}

void input_decoder_free(struct input_decoder *d)
{
    if (!d)
        return;
    if (d->codec == INPUT_GZIP)
        inflateEnd(&d->gzip);
    ZSTD_freeDCtx(d->zstd);
    LZ4F_freeDecompressionContext(d->lz4);
    free(d);
}

bool input_decoder_at_boundary(const struct input_decoder *d)
{
    return d->at_boundary;
}

static int run_gzip(struct input_decoder *d, struct slice *in, uint8_t *out, size_t *room,
                    struct error *reterr)
{
    if (d->gzip_done || (d->at_boundary && in->len && in->data[0] != 0x1f)) {
        d->gzip_done = true; /* tape and disk images pad with zeros: gzip(1) ignores it too */
        in->data += in->len;
        in->len = 0;
        *room = 0;
        return 0;
    }
    z_stream *z = &d->gzip;
    z->next_in = in->data;
    z->avail_in = (uInt)(in->len < UINT32_MAX ? in->len : UINT32_MAX);
    z->next_out = out;
    z->avail_out = (uInt)(*room < UINT32_MAX ? *room : UINT32_MAX);
    uInt offered = z->avail_in;
    uInt wanted = z->avail_out;
    int result = inflate(z, Z_NO_FLUSH);
    in->data += offered - z->avail_in;
    in->len -= offered - z->avail_in;
    *room = wanted - z->avail_out;
    if (z->avail_in != offered || *room)
        d->at_boundary = result == Z_STREAM_END;
    if (result == Z_STREAM_END)
        return inflateReset(z) == Z_OK ? 0 : -ENOMEM;
    if (result == Z_MEM_ERROR)
        return error_set(reterr, -ENOMEM, "There is not enough memory to decompress the file.");
    if (result != Z_OK && result != Z_BUF_ERROR)
        return error_set(reterr, -EBADMSG, "the gzip data is damaged (%s)",
                         z->msg ? z->msg : "no details");
    return 0;
}

static int run_zstd(struct input_decoder *d, struct slice *in, uint8_t *out, size_t *room,
                    struct error *reterr)
{
    ZSTD_inBuffer source = {.src = in->data, .size = in->len};
    ZSTD_outBuffer target = {.dst = out, .size = *room};
    size_t result = ZSTD_decompressStream(d->zstd, &target, &source);
    in->data += source.pos;
    in->len -= source.pos;
    *room = target.pos;
    if (ZSTD_isError(result))
        return error_set(reterr, -EBADMSG,
                         "the Zstandard data cannot be decompressed (%s; windows of up to 64 MiB "
                         "are accepted)",
                         ZSTD_getErrorName(result));
    if (source.pos || target.pos) /* an empty call at a boundary must not leave it */
        d->at_boundary = result == 0;
    return 0;
}

static int run_lz4(struct input_decoder *d, struct slice *in, uint8_t *out, size_t *room,
                   struct error *reterr)
{
    size_t consumed = in->len;
    size_t result = LZ4F_decompress(d->lz4, out, room, in->data, &consumed, NULL);
    if (LZ4F_isError(result)) {
        *room = 0;
        return error_set(reterr, -EBADMSG, "the LZ4 data is damaged (%s)",
                         LZ4F_getErrorName(result));
    }
    in->data += consumed;
    in->len -= consumed;
    if (consumed || *room)
        d->at_boundary = result == 0;
    return 0;
}

int input_decoder_run(struct input_decoder *d, struct slice *in, uint8_t *out, size_t out_size,
                      size_t *ret_written, struct error *reterr)
{
    size_t room = d->codec == INPUT_GZIP || out_size < PIECE_BYTES ? out_size : PIECE_BYTES;
    size_t before = in->len;
    int r = -EINVAL;
    *ret_written = 0;
    switch (d->codec) {
    case INPUT_GZIP:
        r = run_gzip(d, in, out, &room, reterr);
        break;
    case INPUT_ZSTD:
        r = run_zstd(d, in, out, &room, reterr);
        break;
    case INPUT_LZ4:
        r = run_lz4(d, in, out, &room, reterr);
        break;
    case INPUT_PLAIN:
        break;
    }
    *ret_written = room; /* what gzip put before the damage is good */
    if (r == 0 && before && out_size && in->len == before && room == 0)
        return error_set(reterr, -EBADMSG, "the compressed data does not go on");
    return r;
}
