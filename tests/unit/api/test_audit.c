#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/audit.h"
#include "base/io.h"
#include "unit/unit_test.h"

static char dir[64], path[100];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/trawl-audit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/audit.jsonl", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void write_lines(int n)
{
    struct audit *audit;
    struct error err = {0};
    assert_int_equal(audit_open(dir, &audit, &err), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(audit_write(audit, "token", "127.0.0.1", "snapshot.delete",
                                     "a \"quoted\" \n\x1b[31m target", "x"),
                         0);
    audit_close(audit);
}

static struct audit_check check_file(void)
{
    struct audit_check check;
    struct error err = {0};
    assert_int_equal(audit_read(dir, 0, NULL, &check, &err), 0);
    return check;
}

static void the_chain_goes_on_after_a_restart(void **state)
{
    (void)state;
    write_lines(3);
    write_lines(2);
    struct audit_check check = check_file();
    assert_true(check.intact);
    assert_int_equal(check.lines, 5);
    struct buf content;
    buf_init(&content, 65536);
    assert_int_equal(io_read_file(AT_FDCWD, path, &content), 0);
    assert_null(memchr(content.data, 0x1b, content.len));
    buf_done(&content);
}

/* Each byte of a line counts. */
static void a_changed_byte_is_noticed(void **state)
{
    (void)state;
    write_lines(3);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at += 7) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        char c, other;
        assert_int_equal(pread(fd, &c, 1, at), 1);
        other = c == 'x' ? 'y' : 'x';
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        assert_false(check_file().intact);
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
        close(fd);
    }
    assert_true(check_file().intact);
}

static void a_missing_line_is_noticed(void **state)
{
    (void)state;
    write_lines(3);
    struct buf content;
    buf_init(&content, 65536);
    assert_int_equal(io_read_file(AT_FDCWD, path, &content), 0);
    const uint8_t *first = memchr(content.data, '\n', content.len);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    size_t skip = (size_t)(first - content.data) + 1;
    assert_int_equal(write(fd, content.data + skip, content.len - skip),
                     (ssize_t)(content.len - skip));
    close(fd);
    buf_done(&content);
    struct audit_check check = check_file();
    assert_false(check.intact);
    assert_int_equal(check.broken_at, 1);
}

static void a_torn_line_is_cut_and_noted(void **state)
{
    (void)state;
    write_lines(2);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "{\"seq\":3,\"at\"", 13), 13);
    close(fd);
    write_lines(1);
    struct audit_check check = check_file();
    assert_true(check.intact);
    assert_int_equal(check.lines, 4); /* two, the note, one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chain_goes_on_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_line_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_line_is_cut_and_noted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
