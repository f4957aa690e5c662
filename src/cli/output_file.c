#include "cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static int refuse(const struct output_file *file, int code, struct error *reterr)
{
    return error_set(reterr, code, "%s cannot be written: %s.", file->given,
                     strerrordesc_np(-code));
}

int output_file_open(struct output_file *file, const char *path, const char *phase,
                     struct error *reterr)
{
    struct stat st;
    *file = (struct output_file){.fd = -1, .phase = phase, .given = path};
    bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode)) {
        file->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return file->fd < 0 ? refuse(file, -errno, reterr) : 0;
    }
    if (exists && !realpath(path, file->path))
        return refuse(file, -errno, reterr);
    if (!exists && (size_t)snprintf(file->path, sizeof file->path, "%s", path) >= sizeof file->path)
        return refuse(file, -ENAMETOOLONG, reterr);
    int n = snprintf(file->part, sizeof file->part, "%s.%d.part", file->path, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof file->part)
        return refuse(file, -ENAMETOOLONG, reterr);
    file->fd =
        io_create(phase, AT_FDCWD, file->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    return file->fd < 0 ? refuse(file, file->fd, reterr) : 0;
}

int output_file_close(struct output_file *file, bool good, struct error *reterr)
{
    if (file->fd < 0 || !file->given)
        return 0;
    bool beside = file->part[0];
    int r = good && beside ? io_fsync(file->phase, file->fd) : 0;
    if (close(file->fd) < 0 && r == 0)
        r = -errno;
    file->fd = -1;
    if (beside && good && r == 0)
        r = io_rename(file->phase, AT_FDCWD, file->part, AT_FDCWD, file->path);
    if (beside && (!good || r < 0))
        (void)io_unlink(file->phase, AT_FDCWD, file->part, 0);
    return r < 0 ? refuse(file, r, reterr) : 0;
}
