#include "job/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ── limits ── */

static int limit(int resource, uint64_t value)
{
    struct rlimit l = {.rlim_cur = value, .rlim_max = value}, now;
    if (getrlimit(resource, &now) < 0)
        return -errno;
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        l.rlim_cur = l.rlim_max = now.rlim_max;
    return setrlimit(resource, &l) < 0 ? -errno : 0;
}

/* The signal that can be told from others comes first, the certain end a second later. */
static int limit_cpu(uint64_t seconds)
{
    struct rlimit l = {.rlim_cur = seconds, .rlim_max = seconds + 1};
    return setrlimit(RLIMIT_CPU, &l) < 0 ? -errno : 0;
}

int sandbox_set_limits(uint64_t memory_bytes, int64_t cpu_seconds, uint64_t file_bytes)
{
    int e = limit(RLIMIT_CORE, 0);
#if SANDBOX_LIMITS_MEMORY
    if (!e && memory_bytes)
        e = limit(RLIMIT_DATA, memory_bytes);
#else
    (void)memory_bytes;
#endif
    if (!e && cpu_seconds)
        e = limit_cpu((uint64_t)cpu_seconds);
    if (!e && file_bytes)
        e = limit(RLIMIT_FSIZE, file_bytes);
    return e;
}

/* ── files ── */

/* The header of Debian 12 ends at ABI 2; the kernel tells which of these it knows. */
#define ACCESS_TRUNCATE  (UINT64_C(1) << 14) /* ABI 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_ALL          UINT64_C(3)         /* ABI 4: bind and connect TCP */
#define SCOPE_ALL        UINT64_C(3)         /* ABI 6: abstract sockets, signals */
#define ACCESS_ABI_1     ((UINT64_C(1) << 13) - 1)
#define ACCESS_READ      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_OF_FILES \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define ACCESS_WRITE                                                                              \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)

struct ruleset_attr { /* struct landlock_ruleset_attr of ABI 6 */
    uint64_t fs, net, scoped;
};

static uint64_t handled_access(int abi)
{
    uint64_t access = ACCESS_ABI_1;
    if (abi >= 2)
        access |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        access |= ACCESS_TRUNCATE;
    if (abi >= 5)
        access |= ACCESS_IOCTL_DEV;
    return access;
}

static int allow_fd(int ruleset, int fd, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= ACCESS_OF_FILES | ACCESS_TRUNCATE;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return -errno;
    return 0;
}

/* A path that is not there needs no rule. */
static int allow_path(int ruleset, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int e = allow_fd(ruleset, fd, access);
    close(fd);
    return e;
}

/* What loading a shared library and asking for the machine's size need. */
static int allow_system(int ruleset)
{
    static const char *const paths[] = {"/usr",  "/lib", "/lib64",    "/etc/ld.so.cache",
                                        "/proc", "/sys", "/dev/null", "/dev/urandom",
                                        NULL};
    uint64_t access = ACCESS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
    int e = 0;
    for (size_t i = 0; paths[i] && !e; i++)
        e = allow_path(ruleset, paths[i], access);
    char exe[4096 + 20];
    ssize_t n = readlink("/proc/self/exe", exe, 4096);
    if (e || n <= 0)
        return e;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash)
        return 0;
    snprintf(slash, 20, "/libduckdb.so"); /* may be a link to where it was installed */
    return allow_path(ruleset, exe, access);
}

int sandbox_confine_files(const struct sandbox_dirs *dirs, bool with_system, struct error *reterr)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return error_set(reterr, -ENOSYS,
                         "This kernel has no Landlock, so jobs cannot be confined; use Linux 5.13 "
                         "or later with Landlock enabled, or set TRAWL_UNSANDBOXED=1 to accept "
                         "the risk.");
    uint64_t handled = handled_access((int)abi);
    struct ruleset_attr attr = {.fs = handled, .net = NET_ALL, .scoped = SCOPE_ALL};
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return error_set(reterr, -errno, "Landlock refused a rule set: %s.", strerror(errno));
    int e = with_system ? allow_system(ruleset) : 0;
    for (size_t i = 0; i < dirs->read_count && !e; i++)
        e = allow_fd(ruleset, dirs->read_fds[i], ACCESS_READ & handled);
    for (size_t i = 0; i < dirs->write_count && !e; i++)
        e = allow_fd(ruleset, dirs->write_fds[i], ACCESS_WRITE & handled);
    if (!e && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        e = -errno;
    if (!e && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        e = -errno;
    close(ruleset);
    return e ? error_set(reterr, e, "Landlock could not be entered: %s.", strerror(-e)) : 0;
}

/* ── calls ── */

enum {
    NAMED_CALLS = 512,
    CALL_NAME_SIZE = 28
};

static char call_names[NAMED_CALLS][CALL_NAME_SIZE];
static int report_to = -1;

static void on_forbidden_call(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    static const char before[] = "\n{\"error\":\"It tried a forbidden call: ";
    static const char after[] = ".\",\"code\":-1}\n";
    const char *name = "an unknown one";
    if (info->si_syscall >= 0 && info->si_syscall < NAMED_CALLS && call_names[info->si_syscall][0])
        name = call_names[info->si_syscall];
    char line[sizeof before + CALL_NAME_SIZE + sizeof after];
    size_t n = 0, name_len = strlen(name);
    memcpy(line, before, sizeof before - 1);
    n += sizeof before - 1;
    memcpy(line + n, name, name_len);
    n += name_len;
    memcpy(line + n, after, sizeof after - 1);
    n += sizeof after - 1;
    (void)!write(report_to, line, n);
    _exit(1);
}

static int install_handler(int report_fd)
{
    report_to = report_fd;
    for (int i = 0; i < NAMED_CALLS; i++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
        if (name)
            snprintf(call_names[i], CALL_NAME_SIZE, "%s", name);
        free(name);
    }
    struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) < 0)
        return -errno;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Nothing here reaches outside: what is open may be read and written, memory and threads managed,
 * time read. */
static const int calls_always[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(fadvise64),
    SCMP_SYS(readahead),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),
    SCMP_SYS(flock),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(msync),
    SCMP_SYS(mincore),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(getcpu),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
};

/* By name, within what Landlock allows. */
static const int calls_with_dirs[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(stat),       SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx),    SCMP_SYS(access),     SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),     SCMP_SYS(statfs),   SCMP_SYS(mkdir),      SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),      SCMP_SYS(rename),   SCMP_SYS(renameat),   SCMP_SYS(renameat2),
    SCMP_SYS(unlink),     SCMP_SYS(unlinkat), SCMP_SYS(truncate),   SCMP_SYS(fchmod),
};

static int allow_list(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int e = 0;
    for (size_t i = 0; i < count && !e; i++)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return e;
}

static int allow_values(scmp_filter_ctx filter, int call, unsigned arg, const uint64_t *values,
                        size_t count)
{
    int e = 0;
    for (size_t i = 0; i < count && !e; i++)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                             SCMP_CMP64(arg, SCMP_CMP_EQ, values[i]));
    return e;
}

static int allow_with_arguments(scmp_filter_ctx filter)
{
    static const uint64_t fcntls[] = {F_DUPFD,  F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,
                                      F_GETFL,  F_SETFL,         F_GETLK,     F_SETLK,
                                      F_SETLKW, F_OFD_GETLK,     F_OFD_SETLK, F_OFD_SETLKW};
    static const uint64_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
                                      0x53564d41 /* PR_SET_VMA */};
    int e = allow_values(filter, SCMP_SYS(fcntl), 1, fcntls, sizeof fcntls / sizeof fcntls[0]);
    if (!e)
        e = allow_values(filter, SCMP_SYS(prctl), 0, prctls, sizeof prctls / sizeof prctls[0]);
    /* Memory is never both new and executable. */
    const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    for (size_t i = 0; i < 2 && !e; i++)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, maps[i], 1,
                             SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* Threads, no processes. */
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* abort() and pthread_kill(). */
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)getpid()));
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                             SCMP_A2_64(SCMP_CMP_EQ, 0));
    /* stdio asks whether it writes to a terminal. */
    return e ? e : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0);
}

static int load_filter(bool with_dirs)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter)
        return -ENOMEM;
    int e = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!e)
        e = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!e)
        e = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (!e)
        e = allow_list(filter, calls_always, sizeof calls_always / sizeof calls_always[0]);
    if (!e)
        e = allow_with_arguments(filter);
    if (!e && with_dirs)
        e = allow_list(filter, calls_with_dirs, sizeof calls_with_dirs / sizeof calls_with_dirs[0]);
    if (!e && !with_dirs) /* fstat() of glibc: newfstatat(fd, "", …, AT_EMPTY_PATH) */
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                             SCMP_A3_64(SCMP_CMP_EQ, AT_EMPTY_PATH));
    if (!e)
        e = seccomp_load(filter);
    seccomp_release(filter);
    return e;
}

static void drop_capabilities(void)
{
    for (int c = 0; c <= CAP_LAST_CAP; c++)
        (void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* EPERM without CAP_SETPCAP: nothing to lose */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int sandbox_confine_calls(bool with_dirs, int report_fd, struct error *reterr)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(reterr, -errno, "no_new_privs cannot be set: %s.", strerror(errno));
    drop_capabilities();
    cap_t none = cap_init();
    int e = !none || cap_set_proc(none) < 0 ? -errno : 0;
    cap_free(none);
    if (!e)
        e = install_handler(report_fd);
    if (e)
        return error_set(reterr, e, "Capabilities cannot be given up: %s.", strerror(-e));
    e = load_filter(with_dirs);
    if (e)
        return error_set(reterr, -ENOSYS,
                         "This kernel refuses seccomp filters (%s), so jobs cannot be confined; "
                         "set TRAWL_UNSANDBOXED=1 to accept the risk.",
                         strerror(-e));
    return 0;
}
