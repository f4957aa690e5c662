/* Content codings undone piece by piece: the same as at once, however they are cut; damage, ends
 * that come early, bombs, sinks that stop. */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "dissect/body_decoder.h"
#include "dissect/dissector.h"
#include "unit/unit_test.h"

enum {
    GZIP = MAX_WBITS + 16,
    ZLIB = MAX_WBITS,
    RAW = -MAX_WBITS,
    PLAIN_BYTES = 300000
};

/* "hello hello hello hello brotli", from another implementation's encoder. */
static const uint8_t brotli[] = {0x1b, 0x1d, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55,
                                 0x86, 0xd6, 0x6c, 0x20, 0x69, 0x6f, 0xd3, 0x10, 0x49, 0xe6,
                                 0xa9, 0x03, 0x52, 0x1a, 0xf1, 0x78, 0xd1, 0x0c};

static uint8_t plain[PLAIN_BYTES], packed[2 * PLAIN_BYTES], twice[2 * PLAIN_BYTES];

static size_t compress_with(int window_bits, struct slice in, uint8_t *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.data;
    z.avail_in = (uInt)in.len;
    z.next_out = out;
    z.avail_out = 2 * PLAIN_BYTES;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = 2 * PLAIN_BYTES - z.avail_out;
    deflateEnd(&z);
    return n;
}

static int setup(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        plain[i] = (uint8_t)("abcdefgh"[x >> 29]);
    }
    return 0;
}

struct got {
    struct buf bytes;
    size_t stop_after; /* 0 = never */
    int stop_with;
    uint64_t count; /* not kept when it is a bomb */
    bool count_only;
};

static int take(void *ctx, const uint8_t *data, size_t n)
{
    struct got *got = ctx;
    got->count += n;
    if (got->stop_after && got->count > got->stop_after)
        return got->stop_with;
    return got->count_only ? 0 : buf_append(&got->bytes, data, n);
}

/* Adds `in` in pieces of `cut` bytes; the result of the first call that fails, or of the end. */
static int decode(const char *codings, struct slice in, size_t cut, struct got *got)
{
    struct body_decoder *d = NULL;
    struct error e = {.text = ""};
    buf_init(&got->bytes, 8 * PLAIN_BYTES);
    int r = body_decoder_new(slice_str(codings), take, got, &d, &e);
    for (size_t at = 0; r == 0 && at < in.len; at += cut)
        r = body_decoder_add(d, slice_sub(in, at, cut), &e);
    if (r == 0)
        r = body_decoder_end(d, &e);
    bool stopped = got->stop_after && r == got->stop_with;
    assert_int_equal(e.text[0] != 0, r < 0 && !stopped); /* what a sink says is its own affair */
    body_decoder_free(d);
    return r;
}

static void expect(const char *codings, struct slice in, struct slice want)
{
    static const size_t cuts[] = {1, 7, 1460, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct got got = {0};
        assert_int_equal(decode(codings, in, cuts[i], &got), 0);
        assert_true(slice_eq(buf_slice(&got.bytes), want));
        buf_done(&got.bytes);
    }
}

static void however_it_is_cut(void **state)
{
    (void)state;
    struct slice whole = slice_of(plain, PLAIN_BYTES);
    expect("", whole, whole);
    expect("identity", whole, whole);
    expect("gzip", slice_of(packed, compress_with(GZIP, whole, packed)), whole);
    expect("x-gzip", slice_of(packed, compress_with(GZIP, whole, packed)), whole);
    expect("deflate", slice_of(packed, compress_with(ZLIB, whole, packed)), whole);
    expect("deflate", slice_of(packed, compress_with(RAW, whole, packed)), whole);
    size_t n = ZSTD_compress(packed, sizeof packed, plain, PLAIN_BYTES, 1);
    expect("zstd", slice_of(packed, n), whole);
    expect("br", slice_of(brotli, sizeof brotli), SLICE_LITERAL("hello hello hello hello brotli"));
    size_t m = compress_with(GZIP, slice_of(packed, n), twice);
    expect("zstd, GZIP", slice_of(twice, m), whole);
    expect("gzip", SLICE_NONE, SLICE_NONE);
}

static void members_follow_one_another(void **state)
{
    (void)state;
    size_t half = PLAIN_BYTES / 2;
    size_t n = compress_with(GZIP, slice_of(plain, half), packed);
    size_t m = compress_with(GZIP, slice_of(plain + half, half), twice);
    memcpy(packed + n, twice, m);
    expect("gzip", slice_of(packed, n + m), slice_of(plain, 2 * half));
    memset(packed + n + m, 0, 3); /* padding behind the last one */
    expect("gzip", slice_of(packed, n + m + 3), slice_of(plain, 2 * half));
}

static void damage_and_early_ends(void **state)
{
    (void)state;
    struct slice whole = slice_of(plain, PLAIN_BYTES);
    size_t n = compress_with(GZIP, whole, packed);
    struct got got = {0};
    assert_int_equal(decode("gzip", slice_of(packed, n - 9), 1000, &got), -EBADMSG);
    assert_true(got.count > PLAIN_BYTES / 2); /* its beginning was given */
    buf_done(&got.bytes);
    packed[n / 2] ^= 0xff;
    got = (struct got){0};
    assert_int_equal(decode("gzip", slice_of(packed, n), 1000, &got), -EBADMSG);
    buf_done(&got.bytes);
    got = (struct got){0};
    assert_int_equal(decode("br", slice_of(plain, 100), 10, &got), -EBADMSG);
    buf_done(&got.bytes);
    got = (struct got){0};
    assert_int_equal(decode("compress", whole, 1000, &got), -ENOTSUP);
    buf_done(&got.bytes);
    got = (struct got){0};
    assert_int_equal(decode("gzip,gzip,gzip,gzip,gzip", whole, 1000, &got), -ENOTSUP);
    buf_done(&got.bytes);
}

static void sink_stops(void **state)
{
    (void)state;
    size_t n = compress_with(GZIP, slice_of(plain, PLAIN_BYTES), packed);
    static const int codes[] = {-EPIPE, -EFBIG, -EBADMSG}; /* a bomb's and damage's among them */
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct got got = {.stop_after = 1000, .stop_with = codes[i]};
        assert_int_equal(decode("gzip", slice_of(packed, n), 1000, &got), codes[i]);
        buf_done(&got.bytes);
    }
}

/* Zeros: a thousand to one, then a million to one. */
static void bombs(void **state)
{
    (void)state;
    size_t bytes = 64 << 20;
    uint8_t *zeros = calloc(1, bytes);
    size_t bound = ZSTD_compressBound(bytes);
    uint8_t *bomb = malloc(bound);
    size_t n = ZSTD_compress(bomb, bound, zeros, bytes, 1);
    struct got got = {.count_only = true};
    assert_int_equal(decode("zstd", slice_of(bomb, n), 1000, &got), -EFBIG);
    assert_true(got.count <= DISSECT_DECODE_CAP + (1 << 20));
    buf_done(&got.bytes);
    free(bomb);
    free(zeros);
}

/* Empty blocks (RFC 1951 section 3.2.4) packed once more: of megabytes between the two codings
 * nothing comes out behind the second. */
static void bombs_between_codings(void **state)
{
    (void)state;
    static const uint8_t block[] = {0, 0, 0, 0xff, 0xff};
    size_t bytes = 64 << 20, bound = ZSTD_compressBound(bytes);
    uint8_t *blocks = malloc(bytes), *bomb = malloc(bound);
    blocks[0] = 0x78; /* the zlib format's head */
    blocks[1] = 0x9c;
    for (size_t i = 2; i < bytes; i++)
        blocks[i] = block[(i - 2) % sizeof block];
    size_t n = ZSTD_compress(bomb, bound, blocks, bytes, 1);
    struct got got = {.count_only = true};
    assert_int_equal(decode("deflate, zstd", slice_of(bomb, n), 1000, &got), -EFBIG);
    assert_int_equal(got.count, 0);
    buf_done(&got.bytes);
    free(bomb);
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_it_is_cut),
        cmocka_unit_test(members_follow_one_another),
        cmocka_unit_test(damage_and_early_ends),
        cmocka_unit_test(sink_stops),
        cmocka_unit_test(bombs),
        cmocka_unit_test(bombs_between_codings),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
