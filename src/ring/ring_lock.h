/* One capturer a ring: an open-file-description lock on ring/lock, with the holder's pid in the
 * file. Looking does not take it. Internal to src/ring. Thread: any. */
#ifndef TRAWL_RING_RING_LOCK_H
#define TRAWL_RING_RING_LOCK_H

#include "ring/ring_reader.h"

/* The descriptor to keep open; -EBUSY with a sentence that says who holds it. */
int ring_lock_take(int dir_fd, const char *ring_dir, struct error *reterr);
/* Somebody holds it. */
bool ring_lock_held(int dir_fd);

#endif
