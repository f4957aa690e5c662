#include "hub/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

enum {
    WAIT_FOR_DEAD_S = 5
};

static int make_absolute(const char *path, char out[DATA_DIR_PATH_SIZE], struct error *reterr)
{
    char cwd[DATA_DIR_PATH_SIZE];
    int n;
    if (path[0] == '/') {
        n = snprintf(out, DATA_DIR_PATH_SIZE, "%s", path);
    } else {
        if (!getcwd(cwd, sizeof cwd))
            return error_set(reterr, -errno, "The present folder cannot be read: %s.",
                             strerror(errno));
        n = snprintf(out, DATA_DIR_PATH_SIZE, "%s/%s", cwd, path);
    }
    if (n >= DATA_DIR_PATH_SIZE - 300)
        return error_set(reterr, -ENAMETOOLONG, "The path of the data folder is too long.");
    return 0;
}

int data_dir_choose(const char *given, char ret_path[DATA_DIR_PATH_SIZE], struct error *reterr)
{
    if (given && given[0])
        return make_absolute(given, ret_path, reterr);
    if (geteuid() == 0)
        return make_absolute("/var/lib/trawl", ret_path, reterr);
    char path[DATA_DIR_PATH_SIZE];
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = state && state[0] == '/' ? snprintf(path, sizeof path, "%s/trawl", state)
            : home && home[0] == '/' ? snprintf(path, sizeof path, "%s/.local/state/trawl", home)
                                     : -1;
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(reterr, -EINVAL,
                         "Neither XDG_STATE_HOME nor HOME is set: name the data "
                         "folder with --data.");
    return make_absolute(path, ret_path, reterr);
}

/* ── the lock ── */

static int who_holds_it(int fd, const char *path, struct error *reterr)
{
    char text[200] = "", shown[240];
    ssize_t n = io_pread_full(fd, text, sizeof text - 1, 0);
    struct slice s = slice_of(text, n > 0 ? strcspn(text, "\n") : 0);
    text_escape(s, shown, sizeof shown);
    return error_set(reterr, -EBUSY,
                     "The data folder %.200s is in use by %s; stop that, or choose another folder "
                     "with --data.",
                     path, shown[0] ? shown : "another process");
}

/* The processes of a hub that was killed end a moment after it. */
static bool holder_is_dead(int fd)
{
    char text[200] = "";
    long pid = 0;
    (void)io_pread_full(fd, text, sizeof text - 1, 0);
    const char *found = strstr(text, "(process ");
    return found && sscanf(found, "(process %ld", &pid) == 1 && pid > 0 &&
           kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static int lock_it(int fd)
{
    int64_t until = clock_mono_ns() + WAIT_FOR_DEAD_S * NS_PER_S;
    for (;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return -errno;
        if (!holder_is_dead(fd) || clock_mono_ns() > until)
            return -EBUSY;
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
}

static int take_lock(int dir, const char *path, const char *who, int *ret_fd, struct error *reterr)
{
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_set(reterr, -errno, "%.300s/lock cannot be made: %s.", path, strerror(errno));
    int e = lock_it(fd);
    if (e) {
        e = e == -EBUSY
                ? who_holds_it(fd, path, reterr)
                : error_set(reterr, e, "%.300s/lock cannot be locked: %s.", path, strerror(-e));
        close(fd);
        return e;
    }
    char text[200];
    int n = snprintf(text, sizeof text, "%s (process %d)\n", who, (int)getpid());
    if (io_ftruncate("lock", fd, 0) < 0 || io_pwrite("lock", fd, text, (size_t)n, 0) < 0) {
        close(fd);
        return error_set(reterr, -EIO, "%.300s/lock cannot be written; is the disk full?", path);
    }
    *ret_fd = fd;
    return 0;
}

/* The supervisor holds the lock and hands its descriptor on. */
static bool inherit_lock(int dir, int *ret_fd)
{
    const char *text = getenv("TRAWL_LOCK_FD");
    int64_t number;
    struct stat a, b;
    if (!text || text_parse_int(text, 3, 65535, &number) < 0 || fstat((int)number, &a) < 0 ||
        fstatat(dir, "lock", &b, AT_SYMLINK_NOFOLLOW) < 0 || a.st_ino != b.st_ino ||
        a.st_dev != b.st_dev || flock((int)number, LOCK_EX | LOCK_NB) < 0)
        return false;
    *ret_fd = (int)number;
    return true;
}

/* ── whose ── */

/* Jobs load a library that stands beside the binary: the user has to reach it. */
static int find_owner(const char *path, struct ring_owner *ret_owner, struct error *reterr)
{
    char exe[DATA_DIR_PATH_SIZE];
    int e = ring_owner_find(path, ret_owner, reterr);
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (e || !ret_owner->drops || n <= 0)
        return e;
    exe[n] = 0;
    struct ring_owner of_binary;
    if (ring_owner_find(exe, &of_binary, NULL) == 0 && !of_binary.drops)
        *ret_owner = of_binary;
    return 0;
}

static bool holds(const char *dir, const char *wanted)
{
    char path[DATA_DIR_PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/%s", dir, wanted);
    return access(path, F_OK) == 0;
}

int data_dir_find(const char *given, const char *wanted, char ret_path[DATA_DIR_PATH_SIZE],
                  struct error *reterr)
{
    int e = data_dir_choose(given, ret_path, reterr);
    if (e || given || holds(ret_path, wanted) || !holds("data", wanted))
        return e;
    return data_dir_choose("data", ret_path, reterr);
}

int data_dir_take(const char *path, const char *who, int *ret_lock_fd, struct ring_owner *ret_owner,
                  struct error *reterr)
{
    int e = io_make_dirs("data-folder", path, 0700);
    int dir = e ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set(reterr, e ? e : -errno, "The data folder %.300s cannot be made: %s.", path,
                         strerror(e ? -e : errno));
    if (!inherit_lock(dir, ret_lock_fd))
        e = take_lock(dir, path, who, ret_lock_fd, reterr);
    close(dir);
    if (!e) {
        e = find_owner(path, ret_owner, reterr);
        if (e)
            close(*ret_lock_fd);
    }
    return e;
}

int data_dir_give(const char *path, const struct ring_owner *owner, struct error *reterr)
{
    if (!owner->drops)
        return 0;
    DIR *d = opendir(path);
    int e = d ? ring_owner_give(owner, AT_FDCWD, path) : -errno;
    for (struct dirent *entry; !e && d && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = ring_owner_give(owner, dirfd(d), entry->d_name);
    if (d)
        closedir(d);
    return e ? error_set(reterr, e, "The data folder %.300s cannot be given to its user: %s.", path,
                         strerror(-e))
             : 0;
}
