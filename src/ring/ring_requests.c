#include "ring/ring_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define REQUESTS_MAGIC "TRWLREQ1"
#define ABANDONED_NS   (60 * NS_PER_S)

enum slot_state {
    SLOT_FREE,
    SLOT_FILLING,
    SLOT_PENDING,
    SLOT_TAKEN,
    SLOT_DONE
};

struct slot {
    _Atomic uint32_t state;
    _Atomic uint32_t command;
    _Atomic int64_t asked_mono_ns;
    _Atomic int64_t value;
    _Atomic int32_t result;
    uint32_t reserved;
};

struct requests_file {
    uint8_t magic[8];
    uint64_t reserved;
    struct slot slots[RING_REQUEST_SLOTS];
};

struct ring_requests {
    struct requests_file *file;
    int fd;
};

static int map(int fd, struct ring_requests **ret_requests)
{
    struct ring_requests *requests = calloc(1, sizeof *requests);
    if (!requests)
        return -ENOMEM;
    requests->fd = fd;
    requests->file = mmap(NULL, sizeof *requests->file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (requests->file == MAP_FAILED) {
        int r = -errno;
        free(requests);
        return r;
    }
    *ret_requests = requests;
    return 0;
}

int ring_requests_serve(int dir_fd, struct ring_requests **ret_requests, struct error *reterr)
{
    int fd =
        io_create("ring-requests", dir_fd, RING_REQUESTS_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0640);
    int r = fd < 0 ? fd : 0;
    struct stat st;
    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    if (r == 0 && st.st_size < (off_t)sizeof(struct requests_file)) {
        r = -posix_fallocate(fd, 0, sizeof(struct requests_file));
        if (r == -EOPNOTSUPP)
            r = io_ftruncate("ring-requests", fd, sizeof(struct requests_file));
    }
    if (r == 0)
        r = map(fd, ret_requests);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return error_set(reterr, r, "the ring's requests file cannot be made: %s", strerror(-r));
    }
    struct requests_file *file = (*ret_requests)->file;
    memcpy(file->magic, REQUESTS_MAGIC, 8);
    /* whoever asked the capturer before this one gets no answer */
    for (unsigned i = 0; i < RING_REQUEST_SLOTS; i++)
        atomic_store(&file->slots[i].state, SLOT_FREE);
    return 0;
}

int ring_requests_open(int dir_fd, struct ring_requests **ret_requests)
{
    int fd = openat(dir_fd, RING_REQUESTS_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) < 0                                 ? -errno
            : st.st_size < (off_t)sizeof(struct requests_file) ? -ENOENT
                                                               : map(fd, ret_requests);
    if (r < 0)
        close(fd);
    return r;
}

void ring_requests_free(struct ring_requests *requests)
{
    if (!requests)
        return;
    munmap(requests->file, sizeof *requests->file);
    close(requests->fd);
    free(requests);
}

bool ring_requests_take(struct ring_requests *requests, int64_t mono_ns,
                        struct ring_request *ret_request)
{
    for (unsigned i = 0; i < RING_REQUEST_SLOTS; i++) {
        struct slot *slot = &requests->file->slots[i];
        uint32_t state = atomic_load(&slot->state);
        int64_t asked = atomic_load(&slot->asked_mono_ns);
        if (state == SLOT_PENDING &&
            atomic_compare_exchange_strong(&slot->state, &state, SLOT_TAKEN)) {
            *ret_request =
                (struct ring_request){.slot = i,
                                      .command = (enum ring_command)atomic_load(&slot->command),
                                      .asked_mono_ns = asked};
            return true;
        }
        if ((state == SLOT_DONE || state == SLOT_FILLING) && mono_ns - asked > ABANDONED_NS)
            atomic_compare_exchange_strong(&slot->state, &state, SLOT_FREE);
    }
    return false;
}

void ring_requests_answer(struct ring_requests *requests, unsigned slot, int result, int64_t value)
{
    struct slot *s = &requests->file->slots[slot];
    atomic_store(&s->value, value);
    atomic_store(&s->result, result);
    uint32_t taken = SLOT_TAKEN; /* if the requester gave up it is free again, or somebody else's */
    atomic_compare_exchange_strong(&s->state, &taken, SLOT_DONE);
}

static struct slot *claim(struct ring_requests *requests)
{
    for (unsigned i = 0; i < RING_REQUEST_SLOTS; i++) {
        struct slot *slot = &requests->file->slots[i];
        uint32_t free_state = SLOT_FREE;
        if (atomic_compare_exchange_strong(&slot->state, &free_state, SLOT_FILLING))
            return slot;
    }
    return NULL;
}

/* -EINPROGRESS until it is answered. */
static int poll_answer(struct slot *slot, int64_t *ret_value)
{
    uint32_t state = atomic_load(&slot->state);
    if (state == SLOT_PENDING || state == SLOT_TAKEN)
        return -EINPROGRESS;
    if (state != SLOT_DONE)
        return -ESRCH; /* a new capturer swept the slots */
    int r = atomic_load(&slot->result);
    *ret_value = atomic_load(&slot->value);
    atomic_store(&slot->state, SLOT_FREE);
    return r;
}

int ring_requests_ask(struct ring_requests *requests, enum ring_command command, int64_t timeout_ns,
                      bool (*alive)(void *ctx), void *ctx, int64_t *ret_value)
{
    struct slot *slot = claim(requests);
    if (!slot)
        return -EAGAIN;
    int64_t begin_ns = clock_mono_ns();
    atomic_store(&slot->asked_mono_ns, begin_ns);
    atomic_store(&slot->command, command);
    atomic_store(&slot->state, SLOT_PENDING);
    (void)futimens(requests->fd, NULL);
    int r;
    unsigned turns = 0;
    while ((r = poll_answer(slot, ret_value)) == -EINPROGRESS) {
        if (clock_mono_ns() - begin_ns >= timeout_ns)
            r = -ETIMEDOUT;
        else if (++turns % 64 == 0 && !alive(ctx))
            r = -ESRCH;
        if (r != -EINPROGRESS) {
            atomic_store(&slot->state, SLOT_FREE);
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    }
    return r;
}
