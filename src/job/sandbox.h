/* The walls of a job: Landlock for files, seccomp for calls, limits for resources, no capabilities.
 * Thread: as said. Linux ≥ 5.13 (Landlock ABI 1); later ABIs add truncation, TCP and scopes. */
#ifndef TRAWL_JOB_SANDBOX_H
#define TRAWL_JOB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The shadow memory of the sanitizers is "data" of many terabytes: no limit of memory with them. */
#if defined(__has_feature)
#define SANDBOX_CLANG_SANITIZER \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANDBOX_CLANG_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || SANDBOX_CLANG_SANITIZER
#define SANDBOX_LIMITS_MEMORY 0
#else
#define SANDBOX_LIMITS_MEMORY 1
#endif

struct sandbox_dirs {
    const int *read_fds, *write_fds; /* O_PATH */
    size_t read_count, write_count;
};

/* RLIMIT_DATA, CPU, FSIZE, CORE. 0 = none. */
int sandbox_set_limits(uint64_t memory_bytes, int64_t cpu_seconds, uint64_t file_bytes);
/* Landlock for this thread and those it starts: the folders, and with `with_system` the libraries,
 * /proc and /sys for reading. -ENOSYS with a sentence when the kernel has no Landlock. */
int sandbox_confine_files(const struct sandbox_dirs *dirs, bool with_system, struct error *reterr);
/* All threads: no capabilities for the caller, no_new_privs, the list of allowed calls.
 * `report_fd` gets the line that names a forbidden call. */
int sandbox_confine_calls(bool with_dirs, int report_fd, struct error *reterr);

#endif
