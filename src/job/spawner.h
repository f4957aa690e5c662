/* Starts the processes of jobs from one thread that lives as long as the process: the kernel ties a
 * child's "die with the parent" to the thread that made it. Thread: any. */
#ifndef TRAWL_JOB_SPAWNER_H
#define TRAWL_JOB_SPAWNER_H

#include <stddef.h>
#include <sys/types.h>

/* execs `trawl job KIND` with fds[i] as descriptor 3 + i, nothing else open but stdin = /dev/null,
 * stdout (stdout_fd or /dev/null) and stderr, and hardly any environment. fds are borrowed. 0 or a
 * negative errno; a failing exec shows as exit code 127. */
int spawner_start(const char *kind, const int *fds, size_t fd_count, int stdout_fd, pid_t *ret_pid);

#endif
