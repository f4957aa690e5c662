#include "ring/ring_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "ring/ring_format.h"

static int holder(int fd)
{
    char text[16] = "";
    int64_t pid = 0;
    if (pread(fd, text, sizeof text - 1, 0) > 0)
        (void)text_parse_int(text, 1, INT32_MAX, &pid);
    return (int)pid;
}

int ring_lock_take(int dir_fd, const char *ring_dir, struct error *reterr)
{
    int fd = io_create("ring-lock", dir_fd, RING_LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0640);
    if (fd < 0)
        return error_set(reterr, fd, "%s/" RING_LOCK_FILE " cannot be opened: %s", ring_dir,
                         strerror(-fd));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        int pid = holder(fd);
        close(fd);
        return error_set(reterr, -EBUSY,
                         "%s is recorded into by another capturer (pid %d): stop it, or choose "
                         "another --data folder",
                         ring_dir, pid);
    }
    char text[16];
    int n = snprintf(text, sizeof text, "%d", (int)getpid());
    int r = io_ftruncate("ring-lock", fd, 0);
    if (r == 0)
        r = io_pwrite("ring-lock", fd, text, (size_t)n, 0);
    (void)r; /* a full disk must not keep the capturer from recycling its way out */
    return fd;
}

bool ring_lock_held(int dir_fd)
{
    int fd = openat(dir_fd, RING_LOCK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}
