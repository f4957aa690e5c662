#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "dissect/run.h"

static int try_folder(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd >= 0 ? fd : -errno;
    /* A file system without O_TMPFILE. */
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/trawl-sort-XXXXXX", dir);
    if (n < 0 || (size_t)n >= sizeof name)
        return -ENAMETOOLONG;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    (void)io_unlink("dissect-spill", AT_FDCWD, name, 0);
    return fd;
}

int dissect_open_spill(const char *dir, struct error *reterr)
{
    const char *folders[] = {dir ? dir : getenv("TMPDIR"), "/var/tmp", "/tmp"};
    size_t count = dir ? 1 : 3;
    int r = -ENOENT;
    for (size_t i = 0; i < count; i++) {
        if (!folders[i] || !folders[i][0])
            continue;
        r = try_folder(folders[i]);
        if (r >= 0)
            return r;
    }
    return error_set(reterr, r, "no temporary file for sorting can be made in %s: %s",
                     dir ? "the dissection's folder" : "$TMPDIR, /var/tmp or /tmp", strerror(-r));
}
