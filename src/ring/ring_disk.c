#include "ring/ring_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "ring/ring_disk_internal.h"
#include "ring/ring_openings.h"

#define SYNC_EVERY_NS (4 * NS_PER_S)

/* ── publishing ── */

static struct ring_state_open *state_slot(struct ring_disk *disk, const char *name)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (strcmp(disk->state.open[i].name, name) == 0)
            return &disk->state.open[i];
    return NULL;
}

static void publish_figures(struct ring_disk *disk, const struct ring_segment *segment,
                            const struct ring_segment_figures *figures)
{
    struct ring_state_open *open = state_slot(disk, segment->name);
    if (!open)
        open = state_slot(disk, "");
    if (!open)
        return;
    *open = (struct ring_state_open){
        .sequence = segment->sequence,
        .length_bytes = figures->length_bytes,
        .packets = figures->packets,
        .captured_bytes = figures->captured_bytes,
        .first_ns = figures->first_ns,
        .last_ns = figures->last_ns,
        .covered_from_ns = segment->covered_from_ns,
        .previous_covered_to_ns = segment->previous_covered_to_ns,
        .drops_kernel = figures->drops.kernel,
        .drops_ring = figures->drops.ring,
        .drops_disk = figures->drops.disk,
        .series = segment->series,
        .link_type = segment->link_type,
        .gap_reason = (uint16_t)segment->gap_reason,
    };
    memcpy(open->name, segment->name, sizeof open->name);
}

/* figures NULL: the segment is no longer open. */
static void publish(struct ring_disk *disk, const struct ring_segment *segment,
                    const struct ring_segment_figures *figures, int64_t captured_until_ns)
{
    pthread_mutex_lock(&disk->lock);
    struct ring_state_open *open = state_slot(disk, segment->name);
    if (figures)
        publish_figures(disk, segment, figures);
    else if (open)
        *open = (struct ring_state_open){0};
    if (captured_until_ns > 0 && !segment->failed)
        disk->state.captured_until_ns = captured_until_ns;
    ring_disk_publish_store(disk);
    pthread_mutex_unlock(&disk->lock);
}

void ring_disk_publish_store(struct ring_disk *disk)
{
    struct ring_state_body *state = &disk->state;
    state->used_bytes = ring_store_used(&disk->store);
    uint32_t open = 0;
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        open += state->open[i].name[0] != '\0';
    state->segment_count = (uint32_t)disk->store.count + open;
    state->recycled_until_ns = disk->store.recycled_until_ns;
    if (disk->store.recycling)
        state->flags |= RING_STATE_RECYCLING;
    if (disk->failed_mono_ns)
        state->flags |= RING_STATE_DISK_FULL;
    else
        state->flags &= ~(uint32_t)RING_STATE_DISK_FULL;
    ring_state_publish(disk->map, state);
}

/* ── opening ── */

static int create_file(struct ring_disk *disk, struct ring_segment *segment)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = io_create("ring-segment", disk->dir_fd, segment->name, flags | O_DIRECT, 0640);
    if (fd == -EINVAL) { /* this file system has no direct I/O; the file may have been made */
        (void)io_unlink("ring-segment", disk->dir_fd, segment->name, 0);
        fd = io_create("ring-segment", disk->dir_fd, segment->name, flags, 0640);
    }
    return fd;
}

static int open_segment(struct ring_disk *disk, struct ring_segment *segment)
{
    int64_t mono_ns = clock_mono_ns();
    if (disk->failed_mono_ns && mono_ns - disk->failed_mono_ns < NS_PER_S)
        return -ENOSPC;
    uint64_t bytes = segment->max_bytes + 2 * RING_SECTOR_BYTES;
    int r = ring_store_make_room(&disk->store, bytes, mono_ns);
    if (r < 0)
        return r;
    int fd = create_file(disk, segment);
    if (fd < 0)
        return fd;
    r = io_preallocate("ring-segment", fd, (off_t)segment->max_bytes);
    if (r < 0) {
        (void)io_unlink("ring-segment", disk->dir_fd, segment->name, 0);
        close(fd);
        return r;
    }
    segment->fd = fd;
    segment->opened = true;
    segment->disk_bytes = bytes;
    segment->synced_mono_ns = mono_ns;
    disk->store.open_bytes += bytes;
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (!disk->open[i]) {
            disk->open[i] = segment;
            break;
        }
    return 0;
}

void ring_disk_forget_open(struct ring_disk *disk, struct ring_segment *segment)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (disk->open[i] == segment)
            disk->open[i] = NULL;
    disk->store.open_bytes -= segment->disk_bytes;
    segment->disk_bytes = 0;
}

/* ── writing ── */

static void lose_buffer(struct ring_disk *disk, const struct ring_buffer *buffer)
{
    if (buffer->packets == 0)
        return;
    pthread_mutex_lock(&disk->lock);
    ring_lost_extend(&disk->lost, buffer->first_ns, buffer->last_ns + 1);
    disk->lost.fresh.disk += buffer->packets;
    pthread_mutex_unlock(&disk->lock);
}

static void fail_segment(struct ring_disk *disk, struct ring_segment *segment)
{
    segment->failed = true;
    disk->failed_mono_ns = clock_mono_ns();
    atomic_store(&segment->failed_flag, true);
}

static int write_buffer(struct ring_disk *disk, struct ring_segment *segment,
                        const struct ring_job *job)
{
    struct ring_buffer *buffer = job->buffer;
    int r = segment->opened ? 0 : open_segment(disk, segment);
    if (r < 0)
        return r;
    size_t n = ring_buffer_pad(buffer, &job->figures);
    r = io_pwrite("ring-segment", segment->fd, buffer->data, n, (off_t)buffer->file_offset);
    if (r < 0)
        return r;
    EVP_DigestUpdate(segment->sha, buffer->data + buffer->carry_bytes,
                     buffer->fill_bytes - buffer->carry_bytes);
    segment->written_bytes = job->figures.length_bytes;
    segment->written_covered_to_ns = job->figures.covered_to_ns;
    segment->written_drops = job->figures.drops;
    disk->failed_mono_ns = 0;
    return 0;
}

static void free_buffer(struct ring_disk *disk, struct ring_buffer *buffer)
{
    pthread_mutex_lock(&disk->lock);
    disk->free_buffers[disk->free_buffer_count++] = buffer;
    pthread_cond_broadcast(&disk->freed);
    pthread_mutex_unlock(&disk->lock);
}

static void openings_job(struct ring_disk *disk, const struct ring_job *job)
{
    if (ring_openings_store(disk->openings_fd, job->buffer->data) < 0)
        atomic_store(&disk->openings_failed, true);
    disk->openings_unsynced = true;
    free_buffer(disk, job->buffer);
}

static void write_job(struct ring_disk *disk, const struct ring_job *job)
{
    struct ring_segment *segment = job->segment;
    int r = segment->failed ? -EIO : write_buffer(disk, segment, job);
    if (r < 0) {
        lose_buffer(disk, job->buffer);
        if (!segment->failed)
            fail_segment(disk, segment);
    }
    if (!job->seal)
        publish(disk, segment, segment->failed ? NULL : &job->figures, job->captured_until_ns);
    free_buffer(disk, job->buffer);
}

/* ── syncing ── */

static void sync_sealed(struct ring_disk *disk)
{
    for (unsigned i = 0; i < disk->sealed_fd_count; i++) {
        (void)io_fdatasync("ring-segment", disk->sealed_fds[i]);
        close(disk->sealed_fds[i]);
    }
    disk->sealed_fd_count = 0;
}

void ring_disk_keep_for_sync(struct ring_disk *disk, int fd)
{
    if (disk->sealed_fd_count == sizeof disk->sealed_fds / sizeof disk->sealed_fds[0])
        sync_sealed(disk);
    if (disk->sealed_fd_count == 0)
        disk->sealed_since_mono_ns = clock_mono_ns();
    disk->sealed_fds[disk->sealed_fd_count++] = fd;
}

static void sync_due(struct ring_disk *disk)
{
    int64_t mono_ns = clock_mono_ns();
    if (disk->sealed_fd_count && mono_ns - disk->sealed_since_mono_ns >= SYNC_EVERY_NS / 4)
        sync_sealed(disk);
    if (disk->openings_unsynced && mono_ns - disk->openings_synced_mono_ns >= SYNC_EVERY_NS) {
        (void)io_fdatasync("ring-openings", disk->openings_fd);
        disk->openings_synced_mono_ns = mono_ns;
        disk->openings_unsynced = false;
    }
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_segment *segment = disk->open[i];
        if (!segment || segment->failed || segment->written_bytes == segment->synced_bytes ||
            mono_ns - segment->synced_mono_ns < SYNC_EVERY_NS)
            continue;
        (void)io_fdatasync("ring-segment", segment->fd);
        segment->synced_mono_ns = mono_ns;
        segment->synced_bytes = segment->written_bytes;
    }
}

/* ── the thread ── */

static void seal_job(struct ring_disk *disk, const struct ring_job *job)
{
    struct ring_segment *segment = job->segment;
    ring_disk_seal(disk, segment, &job->figures);
    publish(disk, segment, NULL, job->captured_until_ns);
    ring_segment_reset(segment);
    pthread_mutex_lock(&disk->lock);
    disk->free_segments[disk->free_segment_count++] = segment;
    pthread_cond_broadcast(&disk->freed);
    pthread_mutex_unlock(&disk->lock);
}

static void wait_for_work(struct ring_disk *disk)
{
    int64_t until = clock_mono_ns() + NS_PER_S / 2;
    while (disk->job_count == 0 && !disk->stopping)
        if (clock_wait(&disk->work, &disk->lock, until) == ETIMEDOUT)
            return;
}

static void *disk_thread(void *arg)
{
    struct ring_disk *disk = arg;
    pthread_setname_np(pthread_self(), "ring-disk");
    for (;;) {
        pthread_mutex_lock(&disk->lock);
        wait_for_work(disk);
        bool has_job = disk->job_count > 0;
        bool end = disk->stopping && !has_job;
        struct ring_job job = disk->jobs[disk->job_head];
        pthread_mutex_unlock(&disk->lock);
        if (end)
            break;
        if (has_job) {
            if (job.openings)
                openings_job(disk, &job);
            else if (job.buffer)
                write_job(disk, &job);
            if (job.seal)
                seal_job(disk, &job);
            pthread_mutex_lock(&disk->lock);
            disk->job_head = (disk->job_head + 1) % RING_JOBS;
            disk->job_count--;
            pthread_cond_broadcast(&disk->freed);
            pthread_mutex_unlock(&disk->lock);
        }
        sync_due(disk);
    }
    sync_sealed(disk);
    return NULL;
}

/* ── the capture thread's side ── */

static int make_buffers(struct ring_disk *disk)
{
    disk->memory_bytes = (size_t)RING_BUFFERS * RING_BUFFER_BYTES;
    disk->memory = mmap(NULL, disk->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (disk->memory == MAP_FAILED) {
        size_t huge = 2 * 1024 * 1024;
        disk->memory_bytes += huge;
        disk->memory = mmap(NULL, disk->memory_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (disk->memory == MAP_FAILED)
            return -ENOMEM;
        (void)madvise(disk->memory, disk->memory_bytes, MADV_HUGEPAGE);
    }
    uintptr_t base = ((uintptr_t)disk->memory + RING_BUFFER_BYTES * 2 - 1) &
                     ~(uintptr_t)(RING_BUFFER_BYTES * 2 - 1);
    uint8_t *first = disk->memory + (base - (uintptr_t)disk->memory);
    for (unsigned i = 0; i < RING_BUFFERS; i++) {
        disk->buffers[i].data = first + (size_t)i * RING_BUFFER_BYTES;
        disk->free_buffers[i] = &disk->buffers[i];
    }
    disk->free_buffer_count = RING_BUFFERS;
    return 0;
}

int ring_disk_start(struct ring_disk *disk, struct error *reterr)
{
    struct hash_key key = hash_random_key();
    disk->secret[0] = key.k0 | 1;
    disk->secret[1] = key.k1 | 1;
    if (make_buffers(disk) < 0) {
        disk->memory = NULL;
        return error_set(reterr, -ENOMEM, "no memory for the recording buffers");
    }
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->work, NULL);
    pthread_cond_init(&disk->freed, NULL);
    int r = pthread_create(&disk->thread, NULL, disk_thread, disk);
    if (r != 0) {
        munmap(disk->memory, disk->memory_bytes);
        disk->memory = NULL;
        return error_set(reterr, -r, "no thread for writing: %s", strerror(r));
    }
    return 0;
}

void ring_disk_stop(struct ring_disk *disk)
{
    if (!disk->memory)
        return;
    pthread_mutex_lock(&disk->lock);
    disk->stopping = true;
    pthread_cond_broadcast(&disk->work);
    pthread_mutex_unlock(&disk->lock);
    pthread_join(disk->thread, NULL);
    for (unsigned i = 0; i < disk->free_segment_count; i++)
        ring_segment_free(disk->free_segments[i]);
    pthread_cond_destroy(&disk->work);
    pthread_cond_destroy(&disk->freed);
    pthread_mutex_destroy(&disk->lock);
    munmap(disk->memory, disk->memory_bytes);
    disk->memory = NULL;
}

struct ring_buffer *ring_disk_take_buffer(struct ring_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    while (disk->free_buffer_count == 0)
        pthread_cond_wait(&disk->freed, &disk->lock);
    struct ring_buffer *buffer = disk->free_buffers[--disk->free_buffer_count];
    pthread_mutex_unlock(&disk->lock);
    uint8_t *data = buffer->data;
    *buffer = (struct ring_buffer){.data = data};
    return buffer;
}

struct ring_segment *ring_disk_take_segment(struct ring_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct ring_segment *segment = NULL;
    if (disk->free_segment_count == 0 && disk->segment_objects < RING_SEGMENT_OBJECTS) {
        segment = ring_segment_new(disk->segment_bytes);
        disk->segment_objects += segment != NULL;
    }
    while (!segment && disk->free_segment_count == 0 && disk->segment_objects > 0)
        pthread_cond_wait(&disk->freed, &disk->lock);
    if (!segment && disk->free_segment_count > 0)
        segment = disk->free_segments[--disk->free_segment_count];
    pthread_mutex_unlock(&disk->lock);
    return segment;
}

void ring_disk_push(struct ring_disk *disk, const struct ring_job *job)
{
    pthread_mutex_lock(&disk->lock);
    while (disk->job_count == RING_JOBS)
        pthread_cond_wait(&disk->freed, &disk->lock);
    disk->jobs[(disk->job_head + disk->job_count++) % RING_JOBS] = *job;
    pthread_cond_signal(&disk->work);
    pthread_mutex_unlock(&disk->lock);
}

void ring_disk_wait_idle(struct ring_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    while (disk->job_count > 0)
        pthread_cond_wait(&disk->freed, &disk->lock);
    pthread_mutex_unlock(&disk->lock);
}

struct ring_lost ring_disk_take_lost(struct ring_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct ring_lost lost = disk->lost;
    disk->lost = (struct ring_lost){0};
    pthread_mutex_unlock(&disk->lock);
    return lost;
}

void ring_lost_extend(struct ring_lost *lost, int64_t from_ns, int64_t to_ns)
{
    if (lost->to_ns == 0 || from_ns < lost->from_ns)
        lost->from_ns = from_ns;
    if (to_ns > lost->to_ns)
        lost->to_ns = to_ns;
}
