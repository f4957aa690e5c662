#include "unit/ring/support_ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "unit/unit_test.h"

static int setup_in(const char *template, void **state)
{
    struct ring_fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s", template);
    assert_non_null(mkdtemp(f->dir));
    f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->dir_fd >= 0);
    f->now_ns = T0;
    f->mono_ns = clock_mono_ns();
    f->budget_bytes = 32 << 20;
    f->segment_bytes = 2 << 20;
    *state = f;
    return 0;
}

int ring_setup(void **state)
{
    return setup_in("/var/tmp/trawl-ring-XXXXXX", state);
}

int ring_setup_in_memory(void **state)
{
    return setup_in("/dev/shm/trawl-ring-XXXXXX", state);
}

int ring_teardown(void **state)
{
    struct ring_fixture *f = *state;
    ring_stop(f);
    ring_reader_free(f->reader);
    close(f->dir_fd);
    assert_int_equal(io_remove_tree("test", AT_FDCWD, f->dir), 0);
    free(f);
    return 0;
}

void ring_start(struct ring_fixture *f)
{
    struct ring_writer_options options = {.dir_fd = f->dir_fd,
                                          .ring_dir = f->dir,
                                          .budget_bytes = f->budget_bytes,
                                          .segment_bytes = f->segment_bytes,
                                          .floor_bytes = 1};
    struct error error = {.text = ""};
    if (ring_writer_open(&options, f->now_ns, f->mono_ns, &f->writer, &error) < 0)
        fail_msg("%s", error.text);
    struct ring_writer_interface lo = {"lo", 1, true, false};
    struct ring_writer_interface eth = {"eth0", 1, true, true};
    ring_writer_set_interface(f->writer, 0, &lo);
    ring_writer_set_interface(f->writer, 1, &eth);
    if (!f->reader && ring_reader_open(AT_FDCWD, f->dir, &f->reader, &error) < 0)
        fail_msg("%s", error.text);
}

void ring_stop(struct ring_fixture *f)
{
    ring_writer_close(f->writer, f->now_ns);
    f->writer = NULL;
}

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void ring_make_packet(uint32_t n, unsigned bytes, unsigned flows, uint8_t *data)
{
    assert_true(bytes >= 54);
    memset(data, 0, bytes);
    memcpy(data, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00", 14);
    uint8_t *ip = data + 14;
    bool back = n & 1;
    unsigned flow = n / 2 % flows;
    ip[0] = 0x45;
    put_be16(ip + 2, bytes - 14);
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + (back ? 16 : 12), "\x0a\x00", 2);
    put_be16(ip + (back ? 18 : 14), flow & 0xffff);
    memcpy(ip + (back ? 12 : 16), "\x0a\x01\x00\x01", 4);
    uint8_t *tcp = ip + 20;
    put_be16(tcp + (back ? 2 : 0), 20000 + flow % 20000);
    put_be16(tcp + (back ? 0 : 2), 80);
    tcp[12] = 0x50;
    tcp[13] = 0x10;
    for (unsigned i = 54; i + 4 <= bytes; i += 4)
        memcpy(data + i, &n, 4);
}

void ring_feed(struct ring_fixture *f, unsigned count, unsigned bytes, int64_t step_ns,
               unsigned flows)
{
    enum {
        BATCH = 64
    };
    uint8_t *data = malloc((size_t)BATCH * bytes);
    assert_non_null(data);
    struct packet packets[BATCH];
    while (count > 0) {
        unsigned n = count < BATCH ? count : BATCH;
        for (unsigned i = 0; i < n; i++) {
            uint8_t *p = data + (size_t)i * bytes;
            ring_make_packet(f->made++, bytes, flows, p);
            packets[i] = (struct packet){.ts_ns = f->now_ns,
                                         .data = p,
                                         .captured_bytes = bytes,
                                         .original_bytes = bytes,
                                         .interface = i & 1,
                                         .link_type = 1,
                                         .direction = PACKET_INBOUND};
            f->now_ns += step_ns;
            f->mono_ns += step_ns;
        }
        ring_writer_put(f->writer, packets, n);
        ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
        count -= n;
    }
    free(data);
}

void ring_pass(struct ring_fixture *f, int64_t ns)
{
    for (int64_t end = f->now_ns + ns; f->now_ns < end;) {
        int64_t step = end - f->now_ns < 100 * NS_PER_MS ? end - f->now_ns : 100 * NS_PER_MS;
        f->now_ns += step;
        f->mono_ns += step;
        ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
    }
}

static uint64_t folder_bytes(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    assert_non_null(dir);
    uint64_t bytes = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        bytes +=
            S_ISDIR(st.st_mode) ? folder_bytes(fd, entry->d_name) : (uint64_t)st.st_blocks * 512;
    }
    closedir(dir);
    return bytes;
}

uint64_t ring_disk_bytes(const struct ring_fixture *f)
{
    return folder_bytes(f->dir_fd, ".");
}

struct ring_list ring_list_all(struct ring_fixture *f)
{
    struct ring_list list;
    struct error error;
    if (ring_reader_list(f->reader, INT64_MIN, INT64_MAX, &list, &error) < 0)
        fail_msg("%s", error.text);
    return list;
}

int run_program(struct buf *out, const char *const *argv)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    pid_t pid;
    char *copy[32] = {0};
    for (size_t i = 0; argv[i] && i < 31; i++)
        copy[i] = strdup(argv[i]);
    int r = posix_spawnp(&pid, copy[0], &actions, NULL, copy, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    buf_reset(out);
    ssize_t n;
    char chunk[4096];
    while (r == 0 && (n = read(ends[0], chunk, sizeof chunk)) > 0)
        buf_append(out, chunk, (size_t)n);
    close(ends[0]);
    buf_append_u8(out, 0);
    int status = 127 << 8;
    if (r == 0)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t i = 0; copy[i]; i++)
        free(copy[i]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
