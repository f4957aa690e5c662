/* System calls that change what is on disk, in one place, so that tests can break any of them.
 * Every call names its phase ("ring-segment", "snapshot-manifest", …). In builds with TRAWL_FAULTS
 * the environment decides: TRAWL_FAULT_LOG=FILE            appends a line "phase op pid" for each
 * call and "phase op pid killed" before a SIGKILL (for drawing kill points)
 * TRAWL_FAULT=kill:N[:phase]      SIGKILL to itself before the N-th call (of that phase, counted
 * from 1, per process) TRAWL_FAULT=fail:N[:phase[:E]]  the N-th call fails with errno E (a number,
 * default 28 = ENOSPC) TRAWL_FAULT=full:N[:phase]      from the N-th call on every write fails with
 * ENOSPC All return 0 or a count ≥ 0, else a negative errno; EINTR is retried. Thread: any. */
#ifndef TRAWL_BASE_IO_H
#define TRAWL_BASE_IO_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* All n bytes or an error. */
int io_write(const char *phase, int fd, const void *data, size_t n);
int io_pwrite(const char *phase, int fd, const void *data, size_t n, off_t offset);
int io_fsync(const char *phase, int fd);
int io_fdatasync(const char *phase, int fd);
int io_rename(const char *phase, int from_dir, const char *from, int to_dir, const char *to);
int io_link(const char *phase, int from_dir, const char *from, int to_dir, const char *to);
int io_unlink(const char *phase, int dir, const char *name, int flags);
int io_mkdir(const char *phase, int dir, const char *name, mode_t mode);
/* Opens for writing (O_CLOEXEC is added). The descriptor, or a negative errno. */
int io_create(const char *phase, int dir, const char *name, int flags, mode_t mode);
int io_ftruncate(const char *phase, int fd, off_t size);
/* Reserves blocks for n bytes without changing the file's size; 0 where the file system cannot. */
int io_preallocate(const char *phase, int fd, off_t n);

/* Reads up to n bytes until end of file: the count. */
ssize_t io_read_full(int fd, void *data, size_t n);
ssize_t io_pread_full(int fd, void *data, size_t n, off_t offset);
/* A whole file of at most out->max bytes, appended to out. -EFBIG beyond. */
int io_read_file(int dir, const char *name, struct buf *out);
/* name.tmp → fsync → rename over name → fsync the folder: the old or the new content after any
 * crash. */
int io_replace_file(const char *phase, int dir, const char *name, struct slice content,
                    mode_t mode);
/* Removes a folder and what is in it (never follows links). Missing = 0. */
int io_remove_tree(const char *phase, int dir, const char *name);
/* mkdir -p. */
int io_make_dirs(const char *phase, const char *path, mode_t mode);

#endif
