/* The data folder: where it is, whose it is, and that only one hub uses it. Thread: init-only. */
#ifndef TRAWL_HUB_DATA_DIR_H
#define TRAWL_HUB_DATA_DIR_H

#include <stdbool.h>

#include "base/error.h"
#include "ring/ring_owner.h"

enum {
    DATA_DIR_PATH_SIZE = 4096
};

/* `given` made absolute, or /var/lib/trawl for root, else $XDG_STATE_HOME/trawl
 * (~/.local/state/trawl). -EINVAL with a sentence. */
int data_dir_choose(const char *given, char ret_path[DATA_DIR_PATH_SIZE], struct error *reterr);

/* For commands that look for a hub or a ring on this machine: `given`, else the default folder when
 * `wanted` ("token", "ring") is in it, else ./data when it is there (where `./run` keeps its own),
 * else the default folder. */
int data_dir_find(const char *given, const char *wanted, char ret_path[DATA_DIR_PATH_SIZE],
                  struct error *reterr);

/* Makes the folder (0700), locks it and decides who owns it. The lock (DATA/lock) holds as long as
 * *ret_lock_fd or a copy of it is open; a process started with TRAWL_LOCK_FD inherits it instead.
 * `who` stands in the lock for others to read ("trawl up"). -EBUSY: the sentence says who holds it.
 */
int data_dir_take(const char *path, const char *who, int *ret_lock_fd, struct ring_owner *ret_owner,
                  struct error *reterr);
/* Gives the folder and what stands directly in it to the owner. */
int data_dir_give(const char *path, const struct ring_owner *owner, struct error *reterr);

#endif
