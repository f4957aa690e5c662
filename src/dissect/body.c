/* What an entry keeps of a body with content codings: its beginning, capped. */
#include <errno.h>

#include "base/memory.h"
#include "dissect/body_decoder.h"
#include "dissect/dissector.h"

enum {
    RATIO_FREE_BYTES = 64 * 1024 /* below this no ratio is looked at */
};

struct kept {
    struct buf bytes;
    size_t max;
    bool is_full;
};

static size_t most_kept(size_t encoded_bytes)
{
    if (encoded_bytes >= DISSECT_BODY_CAP / DISSECT_DECODE_RATIO)
        return DISSECT_BODY_CAP;
    size_t by_ratio = encoded_bytes * DISSECT_DECODE_RATIO;
    return by_ratio > RATIO_FREE_BYTES ? by_ratio : RATIO_FREE_BYTES;
}

static int keep(void *ctx, const uint8_t *data, size_t n)
{
    struct kept *kept = ctx;
    size_t room = kept->max - kept->bytes.len;
    kept->is_full = n > room;
    if (buf_append(&kept->bytes, data, kept->is_full ? room : n) < 0)
        return -ENOMEM;
    return kept->is_full ? 1 : 0;
}

int dissect_decode_body(struct arena *arena, struct slice encoding, struct slice encoded,
                        struct slice *ret_body, bool *ret_truncated)
{
    struct kept kept = {.max = most_kept(encoded.len)};
    struct body_decoder *decoder = NULL;
    buf_init(&kept.bytes, kept.max);
    int r = body_decoder_new(encoding, keep, &kept, &decoder, NULL);
    if (r == -ENOTSUP)
        return r;
    if (r == 0)
        r = body_decoder_add(decoder, encoded, NULL);
    if (r == 0)
        r = body_decoder_end(decoder, NULL);
    body_decoder_free(decoder);
    bool is_bomb = r == -EFBIG; /* of several codings: nothing more is wanted of it */
    *ret_truncated = kept.is_full || is_bomb;
    *ret_body = arena_dup(arena, buf_slice(&kept.bytes));
    if (!ret_body->data && kept.bytes.len)
        *ret_truncated = true;
    if (kept.is_full || is_bomb || (!ret_body->data && kept.bytes.len))
        r = 0;
    buf_done(&kept.bytes);
    return r;
}
