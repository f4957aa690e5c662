#include "ring/ring_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const users[] = {"trawl", "nobody"};

/* Every folder on the way may be entered by the user. ACLs are not looked at: then the process
 * stays root without capabilities, which works too. */
static bool reachable(const char *path, uid_t uid, gid_t gid)
{
    char whole[PATH_MAX];
    if (!realpath(path, whole))
        return false;
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct stat st;
        *slash = '\0';
        bool enter = stat(whole, &st) == 0 && (st.st_uid == uid   ? (st.st_mode & S_IXUSR) != 0
                                               : st.st_gid == gid ? (st.st_mode & S_IXGRP) != 0
                                                                  : (st.st_mode & S_IXOTH) != 0);
        *slash = '/';
        if (!enter)
            return false;
    }
    return true;
}

int ring_owner_find(const char *data_dir, struct ring_owner *ret_owner, struct error *reterr)
{
    *ret_owner = (struct ring_owner){.uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0)
        return 0;
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        struct passwd entry, *found = NULL;
        char text[4096];
        if (getpwnam_r(users[i], &entry, text, sizeof text, &found) != 0 || !found)
            continue;
        if (!reachable(data_dir, entry.pw_uid, entry.pw_gid))
            return 0;
        *ret_owner = (struct ring_owner){entry.pw_uid, entry.pw_gid, true};
        return 0;
    }
    return error_set(reterr, -ENOENT, "there is neither a user trawl nor nobody to change to");
}

int ring_owner_give(const struct ring_owner *owner, int dir_fd, const char *name)
{
    if (!owner->drops)
        return 0;
    return fchownat(dir_fd, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

struct capabilities {
    struct __user_cap_data_struct words[2];
};

static int get_capabilities(struct capabilities *ret)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, ret->words) < 0 ? -errno : 0;
}

bool ring_owner_has_net_raw(void)
{
    struct capabilities now;
    return get_capabilities(&now) == 0 && now.words[0].effective & 1u << CAP_NET_RAW;
}

static uint32_t mask_of(unsigned keep)
{
    return (keep & RING_KEEP_NET_RAW ? 1u << CAP_NET_RAW : 0) |
           (keep & RING_KEEP_PROCESSES ? 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_READ_SEARCH : 0);
}

/* Exactly those that are wanted and there. */
static int set_capabilities(uint32_t mask, bool inheritable)
{
    struct capabilities now;
    int r = get_capabilities(&now);
    if (r < 0)
        return r;
    uint32_t keep = now.words[0].permitted & mask;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct words[2] = {
        {.effective = keep, .permitted = keep, .inheritable = inheritable ? keep : 0}};
    if (syscall(SYS_capset, &header, words) < 0)
        return -errno;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; inheritable && cap < 32; cap++)
        if (keep & 1u << cap && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return -errno;
    return 0;
}

/* What an exec'd program could get back is taken from the bounding set. */
static void drop_bounding(uint32_t mask)
{
    for (int cap = 0; cap <= 63; cap++)
        if ((cap >= 32 || !(mask & 1u << cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

int ring_owner_become(const struct ring_owner *owner, unsigned keep, bool pass_on,
                      struct error *reterr)
{
    uint32_t mask = mask_of(keep);
    drop_bounding(mask);
    int r = 0;
    if (owner->drops) {
        if (prctl(PR_SET_KEEPCAPS, mask ? 1 : 0, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(owner->gid, owner->gid, owner->gid) < 0 ||
            setresuid(owner->uid, owner->uid, owner->uid) < 0)
            r = -errno;
        (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    }
    if (r == 0)
        r = set_capabilities(mask, pass_on);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    return r < 0 ? error_set(reterr, r, "privileges cannot be given up: %s", strerror(-r)) : 0;
}
