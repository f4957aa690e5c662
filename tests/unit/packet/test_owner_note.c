/* packet/owner_note.h: what is written is read; what is cut or lies is refused. */
#include <errno.h>
#include <stdlib.h>

#include "packet/owner_note.h"
#include "unit/unit_test.h"

static struct owner_end end_of(uint8_t host, uint16_t port)
{
    return (struct owner_end){.local_ip = {10, 0, 0, host},
                              .remote_ip = {10, 0, 0, 99},
                              .local_port = port,
                              .remote_port = 80,
                              .ip_version = 4,
                              .ip_protocol = 6};
}

static void put(struct buf *out)
{
    static const struct owner_end ends[2] = {{.local_port = 1}, {.local_port = 2}};
    struct owner_note note = {.seen_ns = 5,
                              .process = {.pid = 42,
                                          .started_ns = 3,
                                          .name = slice_str("nginx"),
                                          .exe = slice_str("/usr/sbin/nginx"),
                                          .cgroup = slice_str("/system.slice/nginx.service"),
                                          .container = slice_str("4f2a")},
                              .ends = (const uint8_t *)ends,
                              .end_count = 2};
    buf_init(out, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(out, &note), 0);
    assert_int_equal(out->len % 8, 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct buf out;
    struct owner_note note;
    struct owner_end end;
    size_t bytes;
    put(&out);
    assert_int_equal(owner_note_read(buf_slice(&out), &note, &bytes), 0);
    assert_int_equal(bytes, out.len);
    assert_int_equal(note.process.pid, 42);
    assert_true(slice_eq_str(note.process.name, "nginx"));
    assert_true(slice_eq_str(note.process.exe, "/usr/sbin/nginx"));
    assert_true(slice_eq_str(note.process.cgroup, "/system.slice/nginx.service"));
    assert_true(slice_eq_str(note.process.container, "4f2a"));
    owner_note_end(&note, 1, &end);
    assert_int_equal(end.local_port, 2);
    buf_done(&out);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct buf out;
    struct owner_note note;
    put(&out);
    for (size_t n = 0; n < out.len; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* a read beyond it is seen by the sanitizer */
        memcpy(copy, out.data, n);
        assert_int_equal(owner_note_read(slice_of(copy, n), &note, NULL), -EBADMSG);
        free(copy);
    }
    buf_done(&out);
}

static void lengths_that_lie_are_refused(void **state)
{
    (void)state;
    static const size_t offsets[] = {6, 28, 30, 32, 34}; /* ends, texts */
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct buf out;
        struct owner_note note;
        put(&out);
        memset(out.data + offsets[i], 0xff, 2);
        assert_int_equal(owner_note_read(buf_slice(&out), &note, NULL), -EBADMSG);
        buf_done(&out);
    }
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    static const uint8_t text[5000];
    struct buf out;
    struct owner_end end = end_of(1, 2);
    struct owner_note note = {.process = {.exe = slice_of(text, sizeof text)},
                              .ends = (const uint8_t *)&end,
                              .end_count = 1};
    buf_init(&out, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(&out, &note), 0);
    assert_int_equal(owner_note_read(buf_slice(&out), &note, NULL), 0);
    assert_int_equal(note.process.exe.len, OWNER_NOTE_MAX_TEXT);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
