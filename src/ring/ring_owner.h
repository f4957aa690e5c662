/* Whose files the ring (and a hub beside it) writes, and how a process becomes that user: `trawl`
 * when such a user exists, else nobody; whoever started it when that is not root. When root's data
 * folder lies inside a folder which that user may not enter, the process stays root but without any
 * capability. Thread: init-only (before other threads start). */
#ifndef TRAWL_RING_RING_OWNER_H
#define TRAWL_RING_RING_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct ring_owner {
    uid_t uid;
    gid_t gid;
    bool drops; /* the process runs as root and will change to uid/gid */
};

/* Decides for a data folder, which must exist. */
int ring_owner_find(const char *data_dir, struct ring_owner *ret_owner, struct error *reterr);
/* Gives one file or folder (never followed) to the owner; nothing happens when !drops. */
int ring_owner_give(const struct ring_owner *owner, int dir_fd, const char *name);

enum {                       /* capabilities that may be kept, as far as they are there */
    RING_KEEP_NET_RAW = 1,   /* CAP_NET_RAW: packets */
    RING_KEEP_PROCESSES = 2, /* CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: whose socket it is */
};

/* Becomes the owner and gives up every capability but those in `keep`. With pass_on they are put
 * into the ambient set too, so that an exec'd child has them. Sets no_new_privs. */
int ring_owner_become(const struct ring_owner *owner, unsigned keep, bool pass_on,
                      struct error *reterr);
/* CAP_NET_RAW is in the effective set. */
bool ring_owner_has_net_raw(void);

#endif
