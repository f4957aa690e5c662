/* What an index beside a capture spares an export, and what it tells: owners of connections. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "packet/owner_note.h"
#include "packet/pcapng_writer.h"
#include "ring/ring_reader.h"
#include "unit/snapshot/support_export.h"
#include "unit/unit_test.h"

/* With its index beside it a file of a snapshot is read from the slice's first packet on; an index
 * of other bytes is no help. Damage in front of the slice shows who read what. */
static void index_spares_what_is_outside(void **state)
{
    struct fixture *f = *state;
    enum {
        COUNT = 20000,
        FIRST = 15000,
        LAST = 15999
    };
    char path[700], index_path[700];
    snprintf(path, sizeof path, "%s/000001.pcapng", f->dir);
    snprintf(index_path, sizeof index_path, "%s/000001.idx", f->dir);
    int64_t *stamps = calloc(COUNT, sizeof *stamps);
    for (int i = 0; i < COUNT; i++)
        stamps[i] = RING_T0 + i * 1000;
    write_capture(path, "eth0", stamps, COUNT, 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int index_fd = open(index_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ring_index_make(fd, index_fd), 0);
    close(index_fd);
    struct ring_index index;
    assert_int_equal(
        ring_index_load(AT_FDCWD, "/nowhere/00001-0000000001.pcapng", index_path, &index, NULL), 0);
    char sha256[SNAPSHOT_SHA256_SIZE], other[SNAPSHOT_SHA256_SIZE];
    text_hex(index.segment.sha256, sizeof index.segment.sha256, sha256);
    memcpy(other, sha256, sizeof other);
    other[0] = other[0] == '0' ? '1' : '0';
    ring_index_done(&index);
    static const uint8_t zeros[4096];
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 300000), sizeof zeros);
    close(fd);
    struct export_input input = {.path = path,
                                 .node = "n1",
                                 .times_known = true,
                                 .first_ns = stamps[0],
                                 .last_ns = stamps[COUNT - 1]};
    struct export_options o = {
        .inputs = &input, .input_count = 1, .from_ns = stamps[FIRST], .to_ns = stamps[LAST] + 1};
    struct export_result result;
    struct error e;
    const char *const sums[] = {sha256, NULL, other};
    for (int i = 0; i < 4; i++) { /* the last one: without an index */
        input.sha256 = i < 3 ? sums[i] : sha256;
        if (i == 3)
            assert_int_equal(unlink(index_path), 0);
        assert_int_equal(export_to(f, &o, &result, &e), 0);
        assert_int_equal(result.packets, LAST - FIRST + 1);
        assert_true(i < 2 ? result.damage == 0 : result.damage > 0);
        struct seen *s = read_out(f);
        assert_int_equal(s->count, LAST - FIRST + 1);
        assert_int_equal(s->numbers[0], FIRST);
        assert_int_equal(s->numbers[s->count - 1], LAST);
        free(s);
    }
    /* damage within the slice is met with an index too */
    write_capture(path, "eth0", stamps, COUNT, 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    index_fd = open(index_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(ring_index_make(fd, index_fd), 0);
    close(index_fd);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pwrite(fd, zeros, 100, st.st_size / COUNT * ((FIRST + LAST) / 2)), 100);
    close(fd);
    input.sha256 = NULL;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_true(result.damage > 0 && result.packets < LAST - FIRST + 1);
    free(stamps);
}

static void put_owner(struct buf *bytes, uint32_t pid, const char *name, bool of_source)
{
    static const uint8_t ip[2][16] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
    static const uint16_t port[2] = {0x1001, 0x2000};
    struct owner_end end = {.local_port = port[!of_source],
                            .remote_port = port[of_source],
                            .ip_version = 4,
                            .ip_protocol = 17};
    memcpy(end.local_ip, ip[!of_source], 16);
    memcpy(end.remote_ip, ip[of_source], 16);
    struct owner_note note = {.seen_ns = RING_T0,
                              .process = {.pid = pid, .name = slice_str(name)},
                              .ends = (const uint8_t *)&end,
                              .end_count = 1};
    struct buf text;
    buf_init(&text, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(&text, &note), 0);
    pcapng_put_note(bytes, 0, RING_T0, buf_slice(&text));
    buf_done(&text);
}

/* Who held the ends stands at the first packet of each flow and direction, the same from the notes
 * and from an index; a name is never more than text. */
static void owners_are_comments(void **state)
{
    struct fixture *f = *state;
    char path[700], index_path[700], shown[8192];
    snprintf(path, sizeof path, "%s/000001.pcapng", f->dir);
    snprintf(index_path, sizeof index_path, "%s/000001.idx", f->dir);
    struct buf bytes, with, without;
    buf_init(&bytes, 1 << 20);
    buf_init(&with, 1 << 20);
    buf_init(&without, 1 << 20);
    pcapng_put_section(&bytes, NULL, "test", NULL);
    struct packet_interface eth0 = {.link_type = 1, .snaplen_bytes = 262144, .name = "eth0"};
    pcapng_put_interface(&bytes, &eth0);
    for (uint32_t n = 0; n < 12; n++) { /* source ports 0x1000 to 0x1003; every other one answers */
        uint8_t data[PAYLOAD], answer[PAYLOAD];
        frame_bytes(data, n);
        memcpy(answer, data, sizeof answer);
        memcpy(answer + 26, data + 30, 4);
        memcpy(answer + 30, data + 26, 4);
        memcpy(answer + 34, data + 36, 2);
        memcpy(answer + 36, data + 34, 2);
        struct packet p = {.ts_ns = RING_T0 + n,
                           .data = n >= 8 ? answer : data,
                           .captured_bytes = PAYLOAD,
                           .original_bytes = PAYLOAD,
                           .link_type = 1};
        pcapng_put_packet(&bytes, &p, NULL);
    }
    put_owner(&bytes, 41, "first", true);
    put_owner(&bytes, 42, "cli\x1b[31ment", true); /* the last one stays */
    put_owner(&bytes, 43, "server", false);
    save(path, &bytes);
    struct export_input input = {.path = path};
    struct export_options o = {.inputs = &input, .input_count = 1};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(io_read_file(AT_FDCWD, f->out, &without), 0);
    char *argv[] = {"tshark", "-n",     "-r", f->out,         "-Y", "frame.comment",
                    "-T",     "fields", "-e", "frame.number", "-e", "frame.comment",
                    NULL};
    int code = run_program(argv, shown, sizeof shown);
    if (code != 127) {
        static const char comment[] =
            "10.0.0.1:4097 last seen with cli\\x1b[31ment (pid 42); 10.0.0.2:8192 last seen with "
            "server (pid 43)";
        assert_int_equal(code, 0);
        const char *first = strstr(shown, comment);
        assert_non_null(first);
        const char *second = strstr(first + 1, comment);
        assert_non_null(second);
        assert_null(strstr(second + 1, comment));
        assert_non_null(strstr(shown, "2\t10.0.0.1")); /* packets 2 and 10: one a direction */
        assert_non_null(strstr(shown, "10\t10.0.0.1"));
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int index_fd = open(index_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ring_index_make(fd, index_fd), 0);
    close(index_fd);
    close(fd);
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(io_read_file(AT_FDCWD, f->out, &with), 0);
    assert_true(slice_eq(buf_slice(&with), buf_slice(&without)));
    buf_done(&bytes);
    buf_done(&with);
    buf_done(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(index_spares_what_is_outside, export_setup,
                                        export_teardown),
        cmocka_unit_test_setup_teardown(owners_are_comments, export_setup, export_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
