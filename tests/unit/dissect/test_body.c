/* Content codings: what each decodes to, several at once, damage, bombs, unknown names. */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "dissect/dissector.h"
#include "unit/unit_test.h"

static const char plain[] = "hello hello hello hello brotli";
/* From another implementation's encoder. */
static const uint8_t brotli[] = {0x1b, 0x1d, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55,
                                 0x86, 0xd6, 0x6c, 0x20, 0x69, 0x6f, 0xd3, 0x10, 0x49, 0xe6,
                                 0xa9, 0x03, 0x52, 0x1a, 0xf1, 0x78, 0xd1, 0x0c};

enum {
    GZIP = MAX_WBITS + 16,
    ZLIB = MAX_WBITS,
    RAW = -MAX_WBITS
};

static size_t compress_with(int window_bits, struct slice in, uint8_t *out, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.data;
    z.avail_in = (uInt)in.len;
    z.next_out = out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = size - z.avail_out;
    deflateEnd(&z);
    return n;
}

static struct arena arena;

static int decode(const char *coding, struct slice in, struct slice *ret_body, bool *ret_truncated)
{
    arena_init(&arena, 4 << 20);
    return dissect_decode_body(&arena, slice_str(coding), in, ret_body, ret_truncated);
}

static void expect_plain(const char *coding, struct slice in)
{
    struct slice body;
    bool truncated;
    assert_int_equal(decode(coding, in, &body, &truncated), 0);
    assert_true(slice_eq(body, slice_str(plain)));
    assert_false(truncated);
    arena_done(&arena);
}

static void each_coding(void **state)
{
    (void)state;
    uint8_t out[500], twice[500];
    size_t n = compress_with(GZIP, slice_str(plain), out, sizeof out);
    expect_plain("gzip", slice_of(out, n));
    expect_plain("X-GZIP", slice_of(out, n));
    expect_plain(" gzip , identity", slice_of(out, n));
    size_t m = compress_with(ZLIB, slice_of(out, n), twice, sizeof twice);
    expect_plain("gzip, deflate", slice_of(twice, m));
    n = compress_with(ZLIB, slice_str(plain), out, sizeof out);
    expect_plain("deflate", slice_of(out, n));
    n = compress_with(RAW, slice_str(plain), out, sizeof out);
    expect_plain("deflate", slice_of(out, n));
    n = ZSTD_compress(out, sizeof out, plain, strlen(plain), 3);
    expect_plain("zstd", slice_of(out, n));
    expect_plain("br", slice_of(brotli, sizeof brotli));
    expect_plain("identity", slice_str(plain));
    expect_plain("", slice_str(plain));
}

static void gzip_members_follow_one_another(void **state)
{
    (void)state;
    uint8_t out[500];
    size_t n = compress_with(GZIP, slice_of(plain, 10), out, sizeof out);
    n += compress_with(GZIP, slice_str(plain + 10), out + n, sizeof out - n);
    expect_plain("gzip", slice_of(out, n));
}

static void damage_gives_what_could_be_read(void **state)
{
    (void)state;
    uint8_t out[500], text[300];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7919 >> 3);
    size_t n = compress_with(GZIP, slice_of(text, sizeof text), out, sizeof out);
    struct slice body;
    bool truncated;
    assert_int_equal(decode("gzip", slice_of(out, n / 2), &body, &truncated), -EBADMSG);
    assert_true(body.len > 0 && body.len < sizeof text);
    assert_memory_equal(body.data, text, body.len);
    arena_done(&arena);
    static const char *const codings[] = {"gzip", "deflate", "br", "zstd"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(decode(codings[i], slice_str("no such thing"), &body, &truncated),
                         -EBADMSG);
        arena_done(&arena);
    }
    assert_int_equal(decode("compress", slice_str("x"), &body, &truncated), -ENOTSUP);
    arena_done(&arena);
    assert_int_equal(decode("gzip,gzip,gzip,gzip,gzip", slice_str("x"), &body, &truncated),
                     -ENOTSUP);
    arena_done(&arena);
}

static void bombs_are_cut(void **state)
{
    (void)state;
    size_t size = 40 << 20;
    uint8_t *zeros = calloc(1, size), *out = malloc(1 << 20);
    assert_non_null(zeros);
    assert_non_null(out);
    struct slice body;
    bool truncated = false;
    size_t n = compress_with(GZIP, slice_of(zeros, size), out, 1 << 20);
    assert_int_equal(decode("gzip", slice_of(out, n), &body, &truncated), 0);
    assert_int_equal(body.len, DISSECT_BODY_CAP);
    assert_true(truncated);
    arena_done(&arena);
    /* A small one stops at the ratio. */
    n = ZSTD_compress(out, 1 << 20, zeros, size, 3);
    assert_true(n < 5000);
    truncated = false;
    assert_int_equal(decode("zstd", slice_of(out, n), &body, &truncated), 0);
    assert_true(truncated && body.len <= n * DISSECT_DECODE_RATIO + 65536);
    arena_done(&arena);
    free(zeros);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_coding),
        cmocka_unit_test(gzip_members_follow_one_another),
        cmocka_unit_test(damage_gives_what_could_be_read),
        cmocka_unit_test(bombs_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
