/* Content codings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878), capped. */
#include <brotli/decode.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/memory.h"
#include "dissect/dissector.h"

enum {
    MAX_CODINGS = 4,
    STEP_BYTES = 64 * 1024,
    RATIO_FREE_BYTES = 64 * 1024 /* below this no ratio is looked at */
};

/* Where decoded bytes go: at most `max`, then it is full. */
struct body_out {
    struct buf buf;
    size_t max;
    bool full;
};

static void out_init(struct body_out *out, size_t encoded_bytes, size_t keep)
{
    size_t by_ratio = RATIO_FREE_BYTES;
    if (encoded_bytes > RATIO_FREE_BYTES / DISSECT_DECODE_RATIO)
        by_ratio = encoded_bytes > SIZE_MAX / DISSECT_DECODE_RATIO
                       ? SIZE_MAX
                       : encoded_bytes * DISSECT_DECODE_RATIO;
    out->max = by_ratio < keep ? by_ratio : keep;
    out->full = false;
    buf_init(&out->buf, out->max + STEP_BYTES);
}

/* Room for the next step; NULL when nothing more is wanted or memory is out. */
static uint8_t *out_room(struct body_out *out, size_t *ret_size)
{
    if (out->buf.len > out->max) {
        out->full = true;
        return NULL;
    }
    size_t size = out->max - out->buf.len + 1; /* one too many shows that the cap was hit */
    *ret_size = size < STEP_BYTES ? size : STEP_BYTES;
    return buf_reserve(&out->buf, *ret_size);
}

static int out_failure(const struct body_out *out)
{
    return out->full ? 0 : -ENOMEM;
}

static int no_memory(void)
{
    memory_failed();
    return -ENOMEM;
}

static int inflate_all(struct slice in, struct body_out *out, int window_bits)
{
    z_stream z = {0};
    if (inflateInit2(&z, window_bits) != Z_OK)
        return no_memory();
    z.next_in = (Bytef *)(uintptr_t)in.data;
    z.avail_in = (uInt)in.len;
    int result = -EBADMSG;
    for (;;) {
        size_t size;
        uint8_t *room = out_room(out, &size);
        if (!room) {
            result = out_failure(out);
            break;
        }
        z.next_out = room;
        z.avail_out = (uInt)size;
        int r = inflate(&z, Z_NO_FLUSH);
        out->buf.len += size - z.avail_out;
        if (r == Z_STREAM_END && z.avail_in > 1 && window_bits > MAX_WBITS &&
            inflateReset(&z) == Z_OK)
            continue; /* gzip members may follow one another */
        if (r == Z_STREAM_END) {
            result = 0;
            break;
        }
        if (r == Z_MEM_ERROR)
            result = no_memory();
        if (r != Z_OK || (z.avail_in == 0 && z.avail_out != 0))
            break;
    }
    inflateEnd(&z);
    return result;
}

/* "deflate" is the zlib format, but some peers send the bare one. */
static int inflate_deflate(struct slice in, struct body_out *out)
{
    int r = inflate_all(in, out, MAX_WBITS);
    if (r == -EBADMSG && out->buf.len == 0)
        r = inflate_all(in, out, -MAX_WBITS);
    return r;
}

/* Its allocation errors stand together in the enumeration. */
static bool is_memory_error(const BrotliDecoderState *state)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
           code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static int decode_brotli(struct slice in, struct body_out *out)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (!state)
        return no_memory();
    int result = -EBADMSG;
    size_t left = in.len;
    const uint8_t *next = in.data;
    for (;;) {
        size_t size;
        uint8_t *room = out_room(out, &size);
        if (!room) {
            result = out_failure(out);
            break;
        }
        size_t free_bytes = size;
        BrotliDecoderResult r =
            BrotliDecoderDecompressStream(state, &left, &next, &free_bytes, &room, NULL);
        out->buf.len += size - free_bytes;
        if (r == BROTLI_DECODER_RESULT_SUCCESS)
            result = 0;
        else if (r == BROTLI_DECODER_RESULT_ERROR && is_memory_error(state))
            result = no_memory();
        if (r != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
            break;
    }
    BrotliDecoderDestroyInstance(state);
    return result;
}

static int decode_zstd(struct slice in, struct body_out *out)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    if (!ctx)
        return no_memory();
    /* RFC 9659: at most 8 MiB of window. */
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, 23);
    ZSTD_inBuffer input = {.src = in.data, .size = in.len};
    int result = -EBADMSG;
    for (;;) {
        size_t size;
        uint8_t *room = out_room(out, &size);
        if (!room) {
            result = out_failure(out);
            break;
        }
        ZSTD_outBuffer output = {.dst = room, .size = size};
        size_t r = ZSTD_decompressStream(ctx, &output, &input);
        out->buf.len += output.pos;
        if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
            result = no_memory();
        if (ZSTD_isError(r))
            break;
        if (input.pos == input.size && output.pos < output.size) {
            result = r == 0 ? 0 : -EBADMSG;
            break;
        }
    }
    ZSTD_freeDCtx(ctx);
    return result;
}

static bool is_coding(struct slice name, const char *known)
{
    return slice_eq_nocase(name, slice_str(known));
}

static int decode_one(struct slice coding, struct slice in, struct body_out *out)
{
    if (is_coding(coding, "gzip") || is_coding(coding, "x-gzip"))
        return inflate_all(in, out, MAX_WBITS + 16);
    if (is_coding(coding, "deflate"))
        return inflate_deflate(in, out);
    if (is_coding(coding, "br"))
        return decode_brotli(in, out);
    if (is_coding(coding, "zstd"))
        return decode_zstd(in, out);
    return -ENOTSUP;
}

/* The codings in the order in which they were applied; -1 when there are too many. */
static int split_codings(struct slice encoding, struct slice *codings)
{
    int count = 0;
    while (encoding.len) {
        const uint8_t *comma = memchr(encoding.data, ',', encoding.len);
        size_t n = comma ? (size_t)(comma - encoding.data) : encoding.len;
        struct slice name = slice_trim(slice_of(encoding.data, n));
        encoding = slice_sub(encoding, n + 1, encoding.len);
        if (name.len == 0 || is_coding(name, "identity"))
            continue;
        if (count == MAX_CODINGS)
            return -1;
        codings[count++] = name;
    }
    return count;
}

int dissect_decode_body(struct arena *arena, struct slice encoding, struct slice encoded,
                        struct slice *ret_body, bool *ret_truncated)
{
    struct slice codings[MAX_CODINGS];
    int count = split_codings(encoding, codings);
    if (count < 0)
        return -ENOTSUP;
    struct slice in = encoded;
    struct buf held = {0};
    bool truncated = false;
    int r = 0;
    while (count > 0 && r == 0 && in.len) {
        count--;
        struct body_out out;
        out_init(&out, in.len, count ? DISSECT_DECODE_CAP : DISSECT_BODY_CAP);
        r = decode_one(codings[count], in, &out);
        truncated |= out.full;
        buf_done(&held);
        held = out.buf;
        in = slice_of(held.data, held.len < out.max ? held.len : out.max);
    }
    if (in.len > DISSECT_BODY_CAP) {
        in.len = DISSECT_BODY_CAP;
        truncated = true;
    }
    /* What a damaged inner coding gave is not the body. */
    if (r < 0 && count > 0)
        in = SLICE_NONE;
    struct slice body = r == -ENOTSUP ? SLICE_NONE : arena_dup(arena, in);
    buf_done(&held);
    if (r == -ENOTSUP)
        return r;
    if (!body.data && in.len) {
        *ret_body = SLICE_NONE;
        *ret_truncated = true;
        return 0;
    }
    *ret_body = body;
    *ret_truncated = truncated;
    return r;
}
