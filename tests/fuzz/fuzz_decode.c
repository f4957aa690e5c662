/* Content codings: the first byte picks them and how the pieces are cut, the rest is the body.
 * At once and piece by piece they give the same. */
#include "base/buf.h"
#include "base/memory.h"
#include "dissect/body_decoder.h"
#include "dissect/dissector.h"
#include "fuzz/alloc_faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int keep(void *ctx, const uint8_t *data, size_t n)
{
    struct buf *out = ctx;
    return out->len + n > DISSECT_BODY_CAP ? 1 : buf_append(out, data, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {
        "gzip", "deflate", "br", "zstd", "gzip, br", "br,x-gzip", "zstd, gzip", "identity,deflate"};
    if (size == 0)
        return 0;
    struct arena arena;
    struct slice body = SLICE_NONE, in = slice_of(data + 1, size - 1);
    bool truncated = false;
    arena_init(&arena, 4 * 1024 * 1024);
    uint64_t failures = memory_failures();
    bool faulty = alloc_faults_begin(data, size);
    int r = dissect_decode_body(&arena, slice_str(codings[data[0] & 7]), in, &body, &truncated);
    alloc_faults_pause();
    if (faulty && alloc_faults_failed() && memory_failures() == failures)
        __builtin_trap(); /* nobody would know */
    if (r == 0 && body.len > DISSECT_BODY_CAP)
        __builtin_trap();
    struct buf out;
    struct body_decoder *decoder = NULL;
    size_t cut = (size_t)(data[0] >> 3) * 3 + 1;
    buf_init(&out, 2 * DISSECT_BODY_CAP);
    int s = body_decoder_new(slice_str(codings[data[0] & 7]), keep, &out, &decoder, NULL);
    for (size_t at = 0; s == 0 && at < in.len; at += cut)
        s = body_decoder_add(decoder, slice_sub(in, at, cut), NULL);
    if (s == 0)
        s = body_decoder_end(decoder, NULL);
    if (!faulty && r == 0 && s == 0 && !truncated && !slice_eq(body, buf_slice(&out)))
        __builtin_trap();
    body_decoder_free(decoder);
    buf_done(&out);
    arena_done(&arena);
    return 0;
}
