#include "dissect/body_decoder.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/memory.h"
#include "dissect/dissector.h"

enum {
    MAX_CODINGS = 4,
    STEP_BYTES = 64 * 1024,
    WINDOW_LOG_MAX = 23, /* RFC 9659: at most 8 MiB of window */
    DEFLATE_HEAD_BYTES = 2
};

enum coding {
    CODING_GZIP,
    CODING_DEFLATE,
    CODING_BROTLI,
    CODING_ZSTD
};

/* One coding; what comes out goes to the stage after it, behind the last one to the sink. */
struct stage {
    enum coding coding;
    bool at_end;   /* what came so far is whole */
    bool is_over;  /* gzip: what follows the last member is none, and not looked at */
    bool in_next;  /* gzip: a member is whole, and the next has given nothing yet */
    bool is_begun; /* deflate: its form is known */
    uint8_t head[DEFLATE_HEAD_BYTES];
    size_t head_len;
    z_stream z;
    bool z_ready;
    BrotliDecoderState *brotli;
    ZSTD_DCtx *zstd;
    uint64_t out_bytes;
    uint8_t out[STEP_BYTES]; /* the last member: not zeroed */
};

struct body_decoder {
    struct stage *stages[MAX_CODINGS]; /* the one to be undone first stands first */
    size_t count;
    uint64_t in_bytes;
    bool stopped; /* by the sink: what it said is its own */
    body_sink sink;
    void *ctx;
};

static int give(struct body_decoder *d, size_t at, struct slice piece);

static int no_memory(void)
{
    memory_failed();
    return -ENOMEM;
}

/* The first n bytes of the stage's `out` go to the next one. */
static int pass_on(struct body_decoder *d, size_t at, size_t n)
{
    struct stage *s = d->stages[at];
    s->out_bytes += n;
    if (s->out_bytes > DISSECT_DECODE_CAP && s->out_bytes / DISSECT_DECODE_RATIO > d->in_bytes)
        return -EFBIG;
    return n ? give(d, at + 1, slice_of(s->out, n)) : 0;
}

static int inflate_piece(struct body_decoder *d, size_t at, struct slice piece)
{
    struct stage *s = d->stages[at];
    s->z.next_in = (Bytef *)(uintptr_t)piece.data;
    s->z.avail_in = (uInt)piece.len;
    while (!s->is_over && (!s->at_end || s->z.avail_in)) {
        if (s->at_end) { /* gzip members may follow one another */
            s->is_over = s->coding != CODING_GZIP || inflateReset(&s->z) != Z_OK;
            s->in_next = true;
            s->at_end = s->is_over;
            continue;
        }
        s->z.next_out = s->out;
        s->z.avail_out = STEP_BYTES;
        int r = inflate(&s->z, Z_NO_FLUSH);
        size_t n = STEP_BYTES - s->z.avail_out;
        if (r == Z_MEM_ERROR)
            return no_memory();
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) {
            s->is_over = s->at_end = s->in_next && n == 0; /* padding, not a member */
            return s->is_over ? 0 : -EBADMSG;
        }
        s->at_end = r == Z_STREAM_END;
        s->in_next &= n == 0 && !s->at_end;
        int e = pass_on(d, at, n);
        if (e < 0 || (s->z.avail_in == 0 && s->z.avail_out != 0))
            return e;
    }
    return 0;
}

/* "deflate" is the zlib format, but some peers send the bare one: the first two bytes tell. */
static int begin_deflate(struct stage *s)
{
    unsigned head = (unsigned)s->head[0] << 8 | s->head[1];
    bool is_zlib = (s->head[0] & 0x0f) == Z_DEFLATED && head % 31 == 0;
    s->is_begun = true;
    s->z_ready = inflateInit2(&s->z, is_zlib ? MAX_WBITS : -MAX_WBITS) == Z_OK;
    return s->z_ready ? 0 : no_memory();
}

static int deflate_piece(struct body_decoder *d, size_t at, struct slice piece)
{
    struct stage *s = d->stages[at];
    int r = 0;
    while (!s->is_begun && piece.len) {
        s->head[s->head_len++] = piece.data[0];
        piece = slice_sub(piece, 1, SIZE_MAX);
        if (s->head_len < DEFLATE_HEAD_BYTES)
            continue;
        r = begin_deflate(s);
        if (r == 0)
            r = inflate_piece(d, at, slice_of(s->head, s->head_len));
        if (r < 0)
            return r;
    }
    return piece.len ? inflate_piece(d, at, piece) : 0;
}

/* Its allocation errors stand together in the enumeration. */
static bool is_memory_error(const BrotliDecoderState *state)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
           code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static int brotli_piece(struct body_decoder *d, size_t at, struct slice piece)
{
    struct stage *s = d->stages[at];
    size_t left = piece.len;
    const uint8_t *next = piece.data;
    while (!s->at_end) {
        uint8_t *out = s->out;
        size_t room = STEP_BYTES;
        BrotliDecoderResult r =
            BrotliDecoderDecompressStream(s->brotli, &left, &next, &room, &out, NULL);
        int e = pass_on(d, at, STEP_BYTES - room);
        if (e < 0)
            return e;
        if (r == BROTLI_DECODER_RESULT_ERROR)
            return is_memory_error(s->brotli) ? no_memory() : -EBADMSG;
        s->at_end = r == BROTLI_DECODER_RESULT_SUCCESS;
        if (r == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
            return 0;
    }
    return 0;
}

static int zstd_piece(struct body_decoder *d, size_t at, struct slice piece)
{
    struct stage *s = d->stages[at];
    ZSTD_inBuffer in = {.src = piece.data, .size = piece.len};
    for (;;) {
        ZSTD_outBuffer out = {.dst = s->out, .size = STEP_BYTES};
        size_t r = ZSTD_decompressStream(s->zstd, &out, &in);
        if (ZSTD_isError(r))
            return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? no_memory() : -EBADMSG;
        s->at_end = r == 0;
        int e = pass_on(d, at, out.pos);
        if (e < 0 || (in.pos == in.size && out.pos < out.size))
            return e;
    }
}

/* The stages are at most MAX_CODINGS deep. */
static int give(struct body_decoder *d, size_t at, struct slice piece) // NOLINT(misc-no-recursion)
{
    if (at == d->count) {
        int r = d->sink(d->ctx, piece.data, piece.len);
        d->stopped = r != 0;
        return r > 0 ? -ECANCELED : r;
    }
    switch (d->stages[at]->coding) {
    case CODING_GZIP:
        return inflate_piece(d, at, piece);
    case CODING_DEFLATE:
        return deflate_piece(d, at, piece);
    case CODING_BROTLI:
        return brotli_piece(d, at, piece);
    case CODING_ZSTD:
        return zstd_piece(d, at, piece);
    }
    return -ENOTSUP;
}

static int add_stage(struct body_decoder *d, enum coding coding)
{
    struct stage *s = malloc(sizeof *s);
    if (!s)
        return no_memory();
    memset(s, 0, offsetof(struct stage, out));
    s->coding = coding;
    memmove(&d->stages[1], &d->stages[0], d->count * sizeof(struct stage *));
    d->stages[0] = s;
    d->count++;
    bool ready = true;
    if (coding == CODING_GZIP)
        ready = s->z_ready = inflateInit2(&s->z, MAX_WBITS + 16) == Z_OK;
    else if (coding == CODING_BROTLI)
        ready = (s->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL)) != NULL;
    else if (coding == CODING_ZSTD)
        ready = (s->zstd = ZSTD_createDCtx()) != NULL &&
                !ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX));
    return ready ? 0 : no_memory();
}

static int add_coding(struct body_decoder *d, struct slice name, struct error *reterr)
{
    static const struct {
        const char *name;
        enum coding coding;
    } known[] = {{"gzip", CODING_GZIP},
                 {"x-gzip", CODING_GZIP},
                 {"deflate", CODING_DEFLATE},
                 {"br", CODING_BROTLI},
                 {"zstd", CODING_ZSTD}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_eq_nocase(name, slice_str(known[i].name))) {
            if (d->count == MAX_CODINGS)
                break;
            return add_stage(d, known[i].coding) < 0
                       ? error_set(reterr, -ENOMEM, "there is no memory to decode the body.")
                       : 0;
        }
    return error_set(reterr, -ENOTSUP, "the body has a coding that is not known here.");
}

int body_decoder_new(struct slice codings, body_sink sink, void *ctx,
                     struct body_decoder **ret_decoder, struct error *reterr)
{
    struct body_decoder *d = calloc(1, sizeof *d);
    if (!d)
        memory_failed();
    if (!d)
        return error_set(reterr, -ENOMEM, "there is no memory to decode the body.");
    d->sink = sink;
    d->ctx = ctx;
    int r = 0;
    while (codings.len && r == 0) {
        const uint8_t *comma = memchr(codings.data, ',', codings.len);
        size_t n = comma ? (size_t)(comma - codings.data) : codings.len;
        struct slice name = slice_trim(slice_of(codings.data, n));
        codings = slice_sub(codings, n + 1, SIZE_MAX);
        if (name.len && !slice_eq_nocase(name, SLICE_LITERAL("identity")))
            r = add_coding(d, name, reterr);
    }
    if (r < 0)
        body_decoder_free(d);
    else
        *ret_decoder = d;
    return r;
}

void body_decoder_free(struct body_decoder *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++) {
        if (d->stages[i]->z_ready)
            inflateEnd(&d->stages[i]->z);
        BrotliDecoderDestroyInstance(d->stages[i]->brotli);
        ZSTD_freeDCtx(d->stages[i]->zstd);
        free(d->stages[i]);
    }
    free(d);
}

int body_decoder_add(struct body_decoder *d, struct slice piece, struct error *reterr)
{
    while (piece.len) {
        size_t n = piece.len < STEP_BYTES ? piece.len : STEP_BYTES;
        d->in_bytes += n;
        int r = give(d, 0, slice_of(piece.data, n));
        if (d->stopped)
            return r;
        if (r == -ENOMEM)
            return error_set(reterr, r, "there is no memory to decode the body.");
        if (r == -EBADMSG)
            return error_set(reterr, r, "the body's content coding is damaged.");
        if (r == -EFBIG)
            return error_set(reterr, r, "the body decodes to more than %d times its size.",
                             DISSECT_DECODE_RATIO);
        if (r < 0)
            return r;
        piece = slice_sub(piece, n, SIZE_MAX);
    }
    return 0;
}

int body_decoder_end(struct body_decoder *d, struct error *reterr)
{
    for (size_t i = 0; i < d->count; i++)
        if (!d->stages[i]->at_end && !d->stages[i]->in_next && d->in_bytes)
            return error_set(reterr, -EBADMSG, "the body's content coding ends early.");
    return 0;
}
