#include "ring/ring_pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

#define PIN_MAGIC   "TRWLPIN1"
#define PIN_SUFFIX  ".pin"
#define BROKEN_NAME ".broken"

enum {
    PIN_NAME_SIZE = RING_PIN_ID_SIZE + 8,
    LOCK_TRIES = 100,
    BROKEN_KEPT_SECONDS = 600
};

bool ring_pin_id_valid(const char *id)
{
    for (unsigned i = 0; i < RING_PIN_ID_SIZE - 1; i++)
        if (!((id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f')))
            return false;
    return id[RING_PIN_ID_SIZE - 1] == '\0';
}

int ring_pins_lock(int pins_fd)
{
    int fd = openat(pins_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    close(fd);
    return -EAGAIN;
}

static void pin_name(const char *id, const char *suffix, char name[PIN_NAME_SIZE])
{
    snprintf(name, PIN_NAME_SIZE, "%.32s%s", id, suffix);
}

/* The id when the entry is `<id><suffix>`. */
static bool entry_id(const char *name, const char *suffix, char id[RING_PIN_ID_SIZE])
{
    if (strlen(name) != RING_PIN_ID_SIZE - 1 + strlen(suffix) ||
        strcmp(name + RING_PIN_ID_SIZE - 1, suffix) != 0)
        return false;
    memcpy(id, name, RING_PIN_ID_SIZE - 1);
    id[RING_PIN_ID_SIZE - 1] = '\0';
    return ring_pin_id_valid(id);
}

static int open_pin(int pins_fd, const char *id, int flags, struct ring_pin_file *ret_file)
{
    char name[PIN_NAME_SIZE];
    pin_name(id, PIN_SUFFIX, name);
    int fd = openat(pins_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = io_pread_full(fd, ret_file, sizeof *ret_file, 0);
    if (n != (ssize_t)sizeof *ret_file || memcmp(ret_file->magic, PIN_MAGIC, 8) != 0) {
        close(fd);
        return -EBADMSG;
    }
    return fd;
}

/* A lease is at most RING_PIN_LEASE_NS ahead: whatever says more is of another boot. */
static bool lease_runs(const struct ring_pin_file *file, int64_t mono_ns)
{
    return file->expires_mono_ns > mono_ns && file->expires_mono_ns - mono_ns <= RING_PIN_LEASE_NS;
}

void ring_pins_break(int pins_fd, const char *id)
{
    char from[PIN_NAME_SIZE], to[PIN_NAME_SIZE];
    pin_name(id, PIN_SUFFIX, from);
    pin_name(id, BROKEN_NAME, to);
    (void)io_rename("ring-pin", pins_fd, from, pins_fd, to);
}

static int by_age(const void *a, const void *b)
{
    const struct ring_pin *x = a;
    const struct ring_pin *y = b;
    return (x->created_mono_ns > y->created_mono_ns) - (x->created_mono_ns < y->created_mono_ns);
}

static DIR *open_listing(int pins_fd)
{
    int fd = openat(pins_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

size_t ring_pins_load(int pins_fd, int64_t mono_ns, struct ring_pin pins[RING_MAX_PINS])
{
    size_t n = 0;
    DIR *dir = open_listing(pins_fd);
    struct dirent *entry;
    while (dir && n < RING_MAX_PINS && (entry = readdir(dir))) {
        struct ring_pin *pin = &pins[n];
        struct ring_pin_file file;
        if (!entry_id(entry->d_name, PIN_SUFFIX, pin->id))
            continue;
        int fd = open_pin(pins_fd, pin->id, O_RDONLY, &file);
        if (fd >= 0)
            close(fd);
        if (fd == -ENOENT)
            continue;
        if (fd < 0 || !lease_runs(&file, mono_ns)) {
            ring_pins_break(pins_fd, pin->id);
            continue;
        }
        pin->created_mono_ns = file.created_mono_ns;
        pin->from_ns = file.from_ns;
        pin->to_ns = file.to_ns;
        n++;
    }
    if (dir)
        closedir(dir);
    qsort(pins, n, sizeof *pins, by_age);
    return n;
}

void ring_pins_clean(int pins_fd)
{
    DIR *dir = open_listing(pins_fd);
    struct dirent *entry;
    time_t now = time(NULL);
    while (dir && (entry = readdir(dir))) {
        char id[RING_PIN_ID_SIZE];
        struct stat st;
        if (entry_id(entry->d_name, BROKEN_NAME, id) &&
            fstatat(pins_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            now - st.st_ctime > BROKEN_KEPT_SECONDS)
            (void)io_unlink("ring-pin", pins_fd, entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

static int write_pin(int pins_fd, const char *id, const struct ring_pin_file *file)
{
    char name[PIN_NAME_SIZE];
    pin_name(id, PIN_SUFFIX, name);
    int fd = io_create("ring-pin", pins_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0640);
    if (fd < 0)
        return fd;
    int r = io_write("ring-pin", fd, file, sizeof *file);
    close(fd);
    if (r < 0)
        (void)io_unlink("ring-pin", pins_fd, name, 0);
    return r;
}

int ring_pins_create(int pins_fd, int64_t mono_ns, struct ring_interval window,
                     char ret_id[RING_PIN_ID_SIZE], struct error *reterr)
{
    struct ring_pin_file file = {.magic = PIN_MAGIC,
                                 .created_mono_ns = mono_ns,
                                 .expires_mono_ns = mono_ns + RING_PIN_LEASE_NS,
                                 .from_ns = window.from_ns,
                                 .to_ns = window.to_ns};
    uint8_t random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return error_set(reterr, -EIO, "no random numbers");
    text_hex(random, sizeof random, ret_id);
    int lock = ring_pins_lock(pins_fd);
    if (lock < 0)
        return error_set(reterr, lock, "the ring's pins are locked: %s", strerror(-lock));
    struct ring_pin pins[RING_MAX_PINS];
    int r =
        ring_pins_load(pins_fd, mono_ns, pins) == RING_MAX_PINS
            ? error_set(reterr, -EAGAIN, "there are %d pins already: release one", RING_MAX_PINS)
            : write_pin(pins_fd, ret_id, &file);
    close(lock);
    if (r < 0 && r != -EAGAIN)
        return error_set(reterr, r, "the pin cannot be written: %s", strerror(-r));
    return r;
}

static int missing_pin(int pins_fd, const char *id, struct error *reterr)
{
    char name[PIN_NAME_SIZE];
    pin_name(id, BROKEN_NAME, name);
    if (faccessat(pins_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(reterr, -ESTALE,
                         "the pin broke: the ring needed the room, or 60 s passed without renewal");
    return error_set(reterr, -ENOENT, "there is no such pin");
}

int ring_pins_touch(int pins_fd, const char *id, int64_t mono_ns, bool renew, struct error *reterr)
{
    if (!ring_pin_id_valid(id))
        return error_set(reterr, -EINVAL, "not a pin id");
    int lock = ring_pins_lock(pins_fd);
    if (lock < 0)
        return error_set(reterr, lock, "the ring's pins are locked: %s", strerror(-lock));
    struct ring_pin_file file;
    int fd = open_pin(pins_fd, id, renew ? O_RDWR : O_RDONLY, &file);
    int r = fd < 0 ? fd : 0;
    if (r == 0 && !lease_runs(&file, mono_ns)) {
        ring_pins_break(pins_fd, id);
        r = -ENOENT;
    } else if (r == 0 && renew) {
        file.expires_mono_ns = mono_ns + RING_PIN_LEASE_NS;
        r = io_pwrite("ring-pin", fd, &file, sizeof file, 0);
    }
    if (fd >= 0)
        close(fd);
    if (r == -ENOENT)
        r = missing_pin(pins_fd, id, reterr);
    else if (r < 0)
        r = error_set(reterr, r, "the pin cannot be renewed: %s", strerror(-r));
    close(lock);
    return r;
}

int ring_pins_release(int pins_fd, const char *id, struct error *reterr)
{
    if (!ring_pin_id_valid(id))
        return error_set(reterr, -EINVAL, "not a pin id");
    char name[PIN_NAME_SIZE];
    pin_name(id, PIN_SUFFIX, name);
    int r = io_unlink("ring-pin", pins_fd, name, 0);
    if (r == 0 || r == -ENOENT) {
        pin_name(id, BROKEN_NAME, name);
        int broken = io_unlink("ring-pin", pins_fd, name, 0);
        if (r == -ENOENT && broken == -ENOENT)
            return error_set(reterr, -ENOENT, "there is no such pin");
        return 0;
    }
    return error_set(reterr, r, "the pin cannot be released: %s", strerror(-r));
}
