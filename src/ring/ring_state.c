#include "ring/ring_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"

enum {
    BODY_WORDS = sizeof(struct ring_state_body) / 8,
    READ_TRIES = 200
};

/* The file. */
struct ring_state_file {
    uint8_t magic[8];
    uint32_t version;
    uint32_t body_bytes;
    _Atomic uint64_t sequence; /* odd while the body changes */
    uint32_t header_sum;       /* of all before `sequence`; the same in every version */
    _Atomic uint32_t body_sum; /* of the words */
    _Atomic uint64_t words[BODY_WORDS];
};

struct ring_state_map {
    struct ring_state_file *file;
    int fd;
};

static uint32_t sum_of(const void *data, size_t n)
{
    return (uint32_t)hash_bytes(hash_fixed_key, data, n);
}

static uint32_t header_sum(const struct ring_state_file *file)
{
    return sum_of(file, offsetof(struct ring_state_file, sequence));
}

/* Only a whole header is believed that a newer version wrote it. */
static int check_header(const struct ring_state_file *file, struct error *reterr)
{
    if (memcmp(file->magic, RING_STATE_MAGIC, 8) != 0 || file->header_sum != header_sum(file))
        return -EBADMSG;
    if (file->version > RING_STATE_VERSION)
        return error_set(reterr, -EPROTO,
                         "the ring was written by a newer trawl (state version %u, this one knows "
                         "%u): use that version",
                         file->version, RING_STATE_VERSION);
    return file->version == RING_STATE_VERSION && file->body_bytes == sizeof(struct ring_state_body)
               ? 0
               : -EBADMSG;
}

static int map_fd(int fd, bool writable, struct ring_state_map **ret_map)
{
    struct ring_state_map *map = calloc(1, sizeof *map);
    if (!map)
        return -ENOMEM;
    map->fd = fd;
    map->file = mmap(NULL, sizeof *map->file, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                     MAP_SHARED, fd, 0);
    if (map->file == MAP_FAILED) {
        int r = -errno;
        free(map);
        return r;
    }
    *ret_map = map;
    return 0;
}

static void write_header(struct ring_state_file *file)
{
    memcpy(file->magic, RING_STATE_MAGIC, 8);
    file->version = RING_STATE_VERSION;
    file->body_bytes = sizeof(struct ring_state_body);
    file->header_sum = header_sum(file);
}

int ring_state_create(int ring_fd, struct ring_state_map **ret_map, struct ring_state_body *ret_old,
                      struct error *reterr)
{
    int fd = io_create("ring-state", ring_fd, RING_STATE_FILE, O_RDWR | O_CREAT, 0640);
    int r = fd < 0 ? fd : 0;
    struct stat st = {0};
    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    bool was_there = st.st_size > 0;
    if (r == 0 && st.st_size < (off_t)sizeof(struct ring_state_file)) {
        /* allocated now, so that storing into the mapping cannot fail on a full disk */
        r = -posix_fallocate(fd, 0, sizeof(struct ring_state_file));
        if (r == -EOPNOTSUPP)
            r = io_ftruncate("ring-state", fd, sizeof(struct ring_state_file));
    }
    struct ring_state_map *map = NULL;
    if (r == 0)
        r = map_fd(fd, true, &map);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return error_set(reterr, r, "the ring's state file cannot be made: %s", strerror(-r));
    }
    memset(ret_old, 0, sizeof *ret_old);
    r = check_header(map->file, reterr);
    if (r == -EPROTO) {
        ring_state_close(map);
        return r;
    }
    if (r == 0)
        r = ring_state_read(map, ret_old);
    if (r < 0) {
        memset(ret_old, 0, sizeof *ret_old);
        ring_state_publish(map, ret_old);
    }
    *ret_map = map;
    return r < 0 && was_there ? 1 : 0;
}

int ring_state_open(int ring_fd, struct ring_state_map **ret_map, struct error *reterr)
{
    int fd = openat(ring_fd, RING_STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct stat st;
    struct ring_state_map *map = NULL;
    int r = fstat(fd, &st) < 0                                   ? -errno
            : st.st_size < (off_t)sizeof(struct ring_state_file) ? -EBADMSG
                                                                 : map_fd(fd, false, &map);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = check_header(map->file, reterr);
    if (r < 0) {
        ring_state_close(map);
        return r;
    }
    *ret_map = map;
    return 0;
}

void ring_state_close(struct ring_state_map *map)
{
    if (!map)
        return;
    munmap(map->file, sizeof *map->file);
    close(map->fd);
    free(map);
}

void ring_state_publish(struct ring_state_map *map, const struct ring_state_body *body)
{
    struct ring_state_file *file = map->file;
    uint64_t sequence = atomic_load_explicit(&file->sequence, memory_order_relaxed) & ~UINT64_C(1);
    atomic_store_explicit(&file->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    write_header(file); /* mends what somebody else did to it */
    const uint8_t *bytes = (const uint8_t *)body;
    atomic_store_explicit(&file->body_sum, sum_of(body, sizeof *body), memory_order_relaxed);
    for (size_t i = 0; i < BODY_WORDS; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * 8, 8);
        atomic_store_explicit(&file->words[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&file->sequence, sequence + 2, memory_order_release);
}

/* -EAGAIN while it changes. */
static int try_read(const struct ring_state_file *file, struct ring_state_body *ret_body)
{
    uint64_t before = atomic_load_explicit(&file->sequence, memory_order_acquire);
    if (before & 1)
        return -EAGAIN;
    uint8_t *bytes = (uint8_t *)ret_body;
    uint32_t sum = atomic_load_explicit(&file->body_sum, memory_order_relaxed);
    for (size_t i = 0; i < BODY_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&file->words[i], memory_order_relaxed);
        memcpy(bytes + i * 8, &word, 8);
    }
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&file->sequence, memory_order_relaxed) != before)
        return -EAGAIN;
    return sum_of(ret_body, sizeof *ret_body) == sum ? 0 : -EBADMSG;
}

/* Names that end, whatever the file holds. */
static void terminate(struct ring_state_body *body)
{
    body->detail[sizeof body->detail - 1] = '\0';
    body->filter[sizeof body->filter - 1] = '\0';
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        body->open[i].name[RING_NAME_SIZE - 1] = '\0';
    for (size_t i = 0; i < RING_MAX_INTERFACES; i++)
        body->interfaces[i].name[RING_INTERFACE_NAME_SIZE - 1] = '\0';
    if (body->interface_count > RING_MAX_INTERFACES)
        body->interface_count = RING_MAX_INTERFACES;
}

int ring_state_read(const struct ring_state_map *map, struct ring_state_body *ret_body)
{
    int r = -EAGAIN;
    for (int i = 0; i < READ_TRIES && r == -EAGAIN; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        r = try_read(map->file, ret_body);
    }
    if (r == 0)
        terminate(ret_body);
    return r;
}

int ring_state_sync(struct ring_state_map *map)
{
    return msync(map->file, sizeof *map->file, MS_SYNC) < 0 ? -errno : 0;
}
