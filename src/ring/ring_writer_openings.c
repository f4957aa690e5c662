/* The writer's part of the openings store: its file, and when it is written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "ring/ring_writer_internal.h"

#define PHASE "ring-openings"

static bool is_usable(int fd, uint64_t bytes)
{
    struct stat st;
    struct ring_openings_header header;
    ssize_t n = io_pread_full(fd, &header, sizeof header, 0);
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes &&
           ring_openings_header_fits(&header, n) &&
           (uint64_t)header.block_count * RING_OPENING_BLOCK_BYTES + RING_OPENINGS_HEADER_BYTES ==
               bytes;
}

/* All its blocks are reserved, so that a full disk cannot stop what is written into it later. */
static int make_file(int dir_fd, uint64_t bytes)
{
    struct ring_openings_header header = {
        .version = RING_OPENINGS_VERSION,
        .block_bytes = RING_OPENING_BLOCK_BYTES,
        .block_count = (uint32_t)((bytes - RING_OPENINGS_HEADER_BYTES) / RING_OPENING_BLOCK_BYTES)};
    memcpy(header.magic, RING_OPENINGS_MAGIC, sizeof header.magic);
    int fd =
        io_create(PHASE, dir_fd, RING_OPENINGS_FILE, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return fd;
    int r = io_preallocate(PHASE, fd, (off_t)bytes);
    if (r == 0)
        r = io_ftruncate(PHASE, fd, (off_t)bytes);
    if (r == 0)
        r = io_pwrite(PHASE, fd, &header, sizeof header, 0);
    if (r < 0) {
        close(fd);
        (void)io_unlink(PHASE, dir_fd, RING_OPENINGS_FILE, 0);
        return r;
    }
    return fd;
}

static void say_problem(struct ring_writer *writer, int error)
{
    snprintf(writer->openings_problem, sizeof writer->openings_problem,
             "the openings of long-lived connections are not kept: %.50s", strerrordesc_np(-error));
}

const char *ring_writer_openings_problem(const struct ring_writer *writer)
{
    return writer->openings_problem;
}

void ring_writer_open_openings(struct ring_writer *writer)
{
    struct ring_store *store = &writer->disk.store;
    int dir_fd = writer->options.dir_fd;
    uint64_t bytes = ring_openings_file_bytes(writer->options.budget_bytes);
    int fd = openat(dir_fd, RING_OPENINGS_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !is_usable(fd, bytes)) {
        close(fd);
        (void)io_unlink(PHASE, dir_fd, RING_OPENINGS_FILE, 0);
        fd = -1;
    }
    if (fd < 0) {
        fd = ring_store_make_room(store, bytes, clock_mono_ns());
        if (fd == 0)
            fd = make_file(dir_fd, bytes);
        if (fd < 0)
            say_problem(writer, fd);
    }
    writer->openings_fd = writer->disk.openings_fd = fd < 0 ? -1 : fd;
    store->openings_bytes = ring_store_file_bytes(dir_fd, RING_OPENINGS_FILE);
}

void ring_writer_load_openings(struct ring_writer *writer, int64_t ended_ns, int64_t now_ns)
{
    if (writer->openings_fd < 0)
        return;
    int r = ring_openings_new(ring_openings_file_bytes(writer->options.budget_bytes),
                              &writer->openings);
    if (r == 0)
        r = ring_openings_load(writer->openings, writer->openings_fd, writer->disk.secret);
    if (r < 0) {
        say_problem(writer, r);
        ring_openings_free(writer->openings);
        writer->openings = NULL;
        return;
    }
    ring_openings_missed(writer->openings, ended_ns, now_ns);
    writer->openings_mark = ring_openings_mark(writer->openings);
}

void ring_writer_flush_openings(struct ring_writer *writer, bool all)
{
    struct ring_disk *disk = &writer->disk;
    if (!writer->openings)
        return;
    if (atomic_exchange(&disk->openings_failed, false)) {
        ring_openings_unwritten(writer->openings);
        writer->openings_retry_mono_ns = writer->mono_ns + NS_PER_S;
    }
    if (writer->mono_ns < writer->openings_retry_mono_ns)
        return;
    writer->openings_mark = ring_openings_mark(writer->openings);
    uint32_t n;
    do {
        if (!ring_openings_changed(writer->openings))
            return;
        struct ring_job job = {.buffer = ring_disk_take_buffer(disk), .openings = true};
        n = ring_openings_gather(writer->openings, job.buffer->data);
        ring_disk_push(disk, &job);
    } while (all && n == RING_OPENINGS_GATHER_BLOCKS);
}
