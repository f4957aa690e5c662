#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef TRAWL_FAULTS
#include <signal.h>

/* What TRAWL_FAULT asks for; read once. */
struct fault_plan {
    enum {
        FAULT_NONE,
        FAULT_KILL,
        FAULT_FAIL,
        FAULT_FULL
    } kind;
    long at;
    char phase[48];
    int error;
    int log_fd; /* opened at once: a sandboxed job could not do it later */
};

static struct fault_plan plan = {.log_fd = -1};
static _Atomic long calls_seen;

__attribute__((constructor)) static void read_fault_plan(void)
{
    const char *log = getenv("TRAWL_FAULT_LOG"); // NOLINT(concurrency-mt-unsafe): before main
    const char *text = getenv("TRAWL_FAULT");    // NOLINT(concurrency-mt-unsafe)
    if (log)
        plan.log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (!text)
        return;
    char kind[8] = "";
    plan.error = ENOSPC;
    int n = sscanf(text, "%7[^:]:%ld:%47[^:]:%d", kind, &plan.at, plan.phase,
                   &plan.error); // NOLINT(cert-err34-c)
    if (n < 2)
        return;
    plan.kind = strcmp(kind, "kill") == 0   ? FAULT_KILL
                : strcmp(kind, "fail") == 0 ? FAULT_FAIL
                : strcmp(kind, "full") == 0 ? FAULT_FULL
                                            : FAULT_NONE;
}

static void log_call(const char *phase, const char *op, const char *fate)
{
    char line[128];
    if (plan.log_fd < 0)
        return;
    int n = snprintf(line, sizeof line, "%s %s %d%s\n", phase, op, (int)getpid(), fate);
    if (write(plan.log_fd, line, (size_t)n) < 0)
        return;
}

static int fault(const char *phase, const char *op, bool writes)
{
    log_call(phase, op, "");
    if (plan.kind == FAULT_NONE || (plan.phase[0] && strcmp(plan.phase, phase) != 0))
        return 0;
    long call = ++calls_seen;
    if (plan.kind == FAULT_KILL && call == plan.at) {
        log_call(phase, op, " killed");
        raise(SIGKILL); /* unlike kill(), allowed in a job */
    }
    if (plan.kind == FAULT_FAIL && call == plan.at)
        return -plan.error;
    return plan.kind == FAULT_FULL && call >= plan.at && writes ? -ENOSPC : 0;
}
#else
static inline int fault(const char *phase, const char *op, bool writes)
{
    (void)phase;
    (void)op;
    (void)writes;
    return 0;
}
#endif

static int write_all(int fd, const uint8_t *p, size_t n, off_t offset, bool at_offset)
{
    while (n > 0) {
        ssize_t done = at_offset ? pwrite(fd, p, n, offset) : write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (done == 0)
            return -EIO;
        p += done;
        n -= (size_t)done;
        offset += done;
    }
    return 0;
}

int io_write(const char *phase, int fd, const void *data, size_t n)
{
    int r = fault(phase, "write", true);
    return r < 0 ? r : write_all(fd, data, n, 0, false);
}

int io_pwrite(const char *phase, int fd, const void *data, size_t n, off_t offset)
{
    int r = fault(phase, "pwrite", true);
    return r < 0 ? r : write_all(fd, data, n, offset, true);
}

static int result(int r)
{
    return r < 0 ? -errno : r;
}

int io_fsync(const char *phase, int fd)
{
    int r = fault(phase, "fsync", false);
    return r < 0 ? r : result(fsync(fd));
}

int io_fdatasync(const char *phase, int fd)
{
    int r = fault(phase, "fdatasync", false);
    return r < 0 ? r : result(fdatasync(fd));
}

int io_rename(const char *phase, int from_dir, const char *from, int to_dir, const char *to)
{
    int r = fault(phase, "rename", false);
    return r < 0 ? r : result(renameat(from_dir, from, to_dir, to));
}

int io_link(const char *phase, int from_dir, const char *from, int to_dir, const char *to)
{
    int r = fault(phase, "link", true);
    return r < 0 ? r : result(linkat(from_dir, from, to_dir, to, 0));
}

int io_unlink(const char *phase, int dir, const char *name, int flags)
{
    int r = fault(phase, "unlink", false);
    return r < 0 ? r : result(unlinkat(dir, name, flags));
}

int io_mkdir(const char *phase, int dir, const char *name, mode_t mode)
{
    int r = fault(phase, "mkdir", true);
    return r < 0 ? r : result(mkdirat(dir, name, mode));
}

int io_create(const char *phase, int dir, const char *name, int flags, mode_t mode)
{
    int r = fault(phase, "create", true);
    if (r < 0)
        return r;
    int fd;
    do
        fd = openat(dir, name, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return result(fd);
}

int io_ftruncate(const char *phase, int fd, off_t size)
{
    int r = fault(phase, "ftruncate", false);
    return r < 0 ? r : result(ftruncate(fd, size));
}

int io_preallocate(const char *phase, int fd, off_t n)
{
    int r = fault(phase, "fallocate", true);
    if (r < 0)
        return r;
    do
        r = result(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, n));
    while (r == -EINTR);
    return r == -EOPNOTSUPP ? 0 : r;
}

ssize_t io_read_full(int fd, void *data, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (uint8_t *)data + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

ssize_t io_pread_full(int fd, void *data, size_t n, off_t offset)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(fd, (uint8_t *)data + got, n - got, offset + (off_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

int io_read_file(int dir, const char *name, struct buf *out)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int r = 0;
    for (;;) {
        size_t room = out->max - out->len;
        size_t want = room < 65536 ? room : 65536;
        uint8_t probe;
        uint8_t *p = want ? buf_reserve(out, want) : &probe;
        if (!p) {
            r = buf_failed(out);
            break;
        }
        ssize_t got = io_read_full(fd, p, want ? want : 1);
        if (got < 0 || (want == 0 && got > 0)) {
            r = got < 0 ? (int)got : -EFBIG;
            break;
        }
        if (want)
            out->len += (size_t)got;
        if ((size_t)got < (want ? want : 1))
            break;
    }
    close(fd);
    return r;
}

int io_replace_file(const char *phase, int dir, const char *name, struct slice content, mode_t mode)
{
    char temporary[256];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", name);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return -ENAMETOOLONG;
    int fd = io_create(phase, dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fd;
    int r = io_write(phase, fd, content.data, content.len);
    if (r >= 0)
        r = io_fsync(phase, fd);
    close(fd);
    if (r >= 0)
        r = io_rename(phase, dir, temporary, dir, name);
    if (r < 0) {
        unlinkat(dir, temporary, 0);
        return r;
    }
    /* dir may be AT_FDCWD: the folder of the name is opened anew. */
    int folder = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    r = io_fsync(phase, folder);
    close(folder);
    return r;
}

enum {
    MAX_TREE_DEPTH = 16
};

static int remove_below(const char *phase, int dir, const char *name, int depth)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return -ENOMEM;
    }
    int r = 0;
    const struct dirent *child;
    while (r == 0 && (child = readdir(stream)) !=
                         NULL) { // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
            continue;
        struct stat st;
        if (fstatat(fd, child->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = -errno;
        else if (!S_ISDIR(st.st_mode))
            r = io_unlink(phase, fd, child->d_name, 0);
        else if (depth == MAX_TREE_DEPTH)
            r = -ELOOP;
        else
            r = remove_below(phase, fd, child->d_name,
                             depth + 1); // NOLINT(misc-no-recursion): bounded by MAX_TREE_DEPTH
    }
    closedir(stream);
    return r < 0 ? r : io_unlink(phase, dir, name, AT_REMOVEDIR);
}

int io_remove_tree(const char *phase, int dir, const char *name)
{
    int r = remove_below(phase, dir, name, 0);
    if (r == -ENOTDIR)
        r = io_unlink(phase, dir, name, 0);
    return r == -ENOENT ? 0 : r;
}

int io_make_dirs(const char *phase, const char *path, mode_t mode)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return len ? -ENAMETOOLONG : -EINVAL;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int r = io_mkdir(phase, AT_FDCWD, part, mode);
        if (r < 0 && r != -EEXIST)
            return r;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
