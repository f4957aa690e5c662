/* `trawl up`: starts the worker and the hub as children, restarts what dies (0.2 s … 10 s apart),
 * ends them together. SIGTERM or SIGINT: at most 5 s, exit 0; a second one: at once. A hub that
 * cannot start at all (port in use) ends everything. Thread: main, before any other. */
#ifndef TRAWL_HUB_SUPERVISOR_H
#define TRAWL_HUB_SUPERVISOR_H

#include <stddef.h>

#include "base/error.h"

enum {
    SUPERVISOR_EXIT_FATAL = 78, /* of a child: starting it again would not help */
    SUPERVISOR_MAX_ARGS = 64
};

struct supervisor_child {
    const char *name;
    const char *argv[SUPERVISOR_MAX_ARGS]; /* "trawl", sub-command …; ends with NULL; borrowed */
};

struct supervisor_options {
    const struct supervisor_child *children; /* started in this order, ended in this order */
    size_t count;
    int lock_fd; /* handed on as TRAWL_LOCK_FD */
};

/* Until the end: the exit code. */
int supervisor_run(const struct supervisor_options *options);
/* In a child: dies with the parent, also after a change of user. -ESRCH: the parent is gone
 * already. */
int supervisor_bind_to_parent(void);

#endif
