/* The file that -o names. In: a path as a person typed it. Out: a descriptor to write, then the
 * file under its name when it is whole. A regular file is written beside its place (name.PID.part,
 * never through a link that is there) and renamed; behind a symbolic link that is the link's
 * target; devices and pipes are written directly and stay what they are. Thread: owner. */
#ifndef TRAWL_CLI_OUTPUT_FILE_H
#define TRAWL_CLI_OUTPUT_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"

struct output_file {
    int fd;
    const char *phase;   /* base/io.h; static */
    const char *given;   /* as it was typed, for sentences; borrowed. NULL: standard output, which
                            is nobody's to close */
    char path[PATH_MAX]; /* to appear in the end; "" = written directly */
    char part[PATH_MAX];
};

/* The sentence of *reterr names the path. */
int output_file_open(struct output_file *file, const char *path, const char *phase,
                     struct error *reterr);
/* good: what was written is whole and is put in its place; else it is removed. */
int output_file_close(struct output_file *file, bool good, struct error *reterr);

#endif
