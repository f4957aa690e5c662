/* Compressed input, pipes, and that memory stays flat whatever the file claims. */
#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "unit/packet/support_blocks.h"
#include "unit/unit_test.h"

enum {
    MANY = 20000
};

static void put_capture(struct blocks *b)
{
    blocks_init(b, false);
    blocks_section(b);
    blocks_interface(b, 1, 9, "eth0");
    for (uint32_t i = 0; i < MANY; i++)
        blocks_packet(b, 0, i, i % 2 ? "a packet with some text in it" : "another", 0);
}

static size_t gzip(const void *data, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, data, n);
    z.next_in = copy;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t written = room - z.avail_out;
    deflateEnd(&z);
    free(copy);
    return written;
}

static size_t compress_with(int codec, const void *data, size_t n, uint8_t *out, size_t room)
{
    if (codec == 0)
        return gzip(data, n, out, room);
    size_t written = codec == 1 ? ZSTD_compress(out, room, data, n, 3)
                                : LZ4F_compressFrame(out, room, data, n, NULL);
    assert_true(written > 0 && written <= room);
    return written;
}

static struct reading read_bytes(const uint8_t *data, size_t n)
{
    int fd = file_of(data, n);
    struct reading r = read_all(fd, NULL);
    close(fd);
    return r;
}

static void compressed_files_read_like_plain_ones(void **state)
{
    (void)state;
    struct blocks b;
    put_capture(&b);
    size_t room = b.out.len * 2 + 4096;
    uint8_t *out = malloc(room);
    assert_non_null(out);
    size_t half = b.out.len / 2;
    for (int codec = 0; codec < 3; codec++) {
        size_t n = compress_with(codec, b.out.data, b.out.len, out, room);
        struct reading r = read_bytes(out, n);
        assert_int_equal(r.packets, MANY);
        assert_int_equal(r.damages, 0);
        assert_int_equal(r.last.ts_ns, MANY - 1);
        /* two members or frames, one after the other */
        n = compress_with(codec, b.out.data, half, out, room);
        n += compress_with(codec, b.out.data + half, b.out.len - half, out + n, room - n);
        r = read_bytes(out, n);
        assert_int_equal(r.packets, MANY);
        assert_int_equal(r.damages, 0);
        /* cut short: what is there, then one damage */
        r = read_bytes(out, n - n / 4);
        assert_true(r.packets > MANY / 4 && r.packets < MANY);
        assert_int_equal(r.code, CAPTURE_END);
        assert_int_equal(r.damages, 1);
        /* damaged: ends with a sentence, whatever came before */
        memset(out + n / 2, 0x5a, 64);
        r = read_bytes(out, n);
        assert_int_equal(r.code, CAPTURE_END);
        assert_true(r.damages >= 1);
        assert_true(r.packets < MANY);
    }
    free(out);
    blocks_done(&b);
}

static void padding_behind_gzip_is_ignored(void **state)
{
    (void)state;
    struct blocks b;
    put_capture(&b);
    size_t room = b.out.len + 8192;
    uint8_t *out = calloc(1, room);
    assert_non_null(out);
    size_t n = gzip(b.out.data, b.out.len, out, room - 4096);
    struct reading r = read_bytes(out, n + 4096);
    assert_int_equal(r.packets, MANY);
    assert_int_equal(r.damages, 0);
    free(out);
    blocks_done(&b);
}

static void pipes_are_read(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, true);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, "eth0");
    for (uint32_t i = 0; i < 700; i++)
        blocks_packet(&b, 0, i, "through a pipe", 0);
    int fd = pipe_of(b.out.data, b.out.len);
    struct reading r = read_all(fd, NULL);
    close(fd);
    assert_int_equal(r.packets, 700);
    assert_int_equal(r.damages, 0);
    uint8_t out[60000];
    size_t n = gzip(b.out.data, b.out.len, out, sizeof out);
    fd = pipe_of(out, n);
    r = read_all(fd, NULL);
    close(fd);
    assert_int_equal(r.packets, 700);
    blocks_done(&b);
}

static void a_regular_file_is_read_from_its_start_twice(void **state)
{
    (void)state;
    struct blocks b;
    put_capture(&b);
    int fd = file_of(b.out.data, b.out.len); /* its position is at the end */
    assert_int_equal(read_all(fd, NULL).packets, MANY);
    assert_int_equal(read_all(fd, NULL).packets, MANY);
    close(fd);
    blocks_done(&b);
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* 512 MiB of one unknown block after the other, in some ten KiB. */
static int bomb(void)
{
    enum {
        BLOCK = 8 << 20
    };
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, "eth0");
    size_t lead = b.out.len;
    blocks_begin(&b, 0x1234);
    buf_append_fill(&b.out, 0, BLOCK);
    blocks_end(&b);
    size_t room = ZSTD_compressBound(b.out.len);
    uint8_t *out = malloc(room);
    assert_non_null(out);
    int fd = memfd_create("bomb", MFD_CLOEXEC);
    for (int i = 0; i < 64; i++) {
        size_t from = i ? lead : 0;
        size_t n = ZSTD_compress(out, room, b.out.data + from, b.out.len - from, 1);
        assert_int_equal(write(fd, out, n), (ssize_t)n);
    }
    free(out);
    blocks_done(&b);
    return fd;
}

static void a_decompression_bomb_needs_one_window(void **state)
{
    (void)state;
    int fd = bomb();
    long before = peak_kib();
    struct reading r = read_all(fd, NULL);
    close(fd);
    assert_int_equal(r.code, CAPTURE_END);
    assert_int_equal(r.damages, 0);
    assert_int_equal(r.packets, 0);
    assert_true(peak_kib() - before < 64 * 1024);
}

static void a_window_beyond_ours_is_refused(void **state)
{
    (void)state;
    /* A Zstandard frame header that asks for 2 GiB (window descriptor 0xa8). */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0, 0};
    struct reading r = read_bytes(frame, sizeof frame);
    assert_int_equal(r.code, -EBADMSG);
    assert_non_null(strstr(r.error.text, "64 MiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_files_read_like_plain_ones),
        cmocka_unit_test(padding_behind_gzip_is_ignored),
        cmocka_unit_test(pipes_are_read),
        cmocka_unit_test(a_regular_file_is_read_from_its_start_twice),
        cmocka_unit_test(a_decompression_bomb_needs_one_window),
        cmocka_unit_test(a_window_beyond_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
