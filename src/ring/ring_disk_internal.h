/* Between ring_disk.c and ring_seal.c. Thread: the disk thread. */
#ifndef TRAWL_RING_RING_DISK_INTERNAL_H
#define TRAWL_RING_RING_DISK_INTERNAL_H

#include "ring/ring_disk.h"

/* The lock is held. */
void ring_disk_publish_store(struct ring_disk *disk);
/* Ends a segment: exact length, checksum, index, a place in the store; a failed one is cut to what
 * is good on disk, or removed. The figures are those of its last buffer. */
void ring_disk_seal(struct ring_disk *disk, struct ring_segment *segment,
                    const struct ring_segment_figures *figures);
/* Takes over a descriptor that must be synced soon. */
void ring_disk_keep_for_sync(struct ring_disk *disk, int fd);
void ring_disk_forget_open(struct ring_disk *disk, struct ring_segment *segment);
void ring_lost_extend(struct ring_lost *lost, int64_t from_ns, int64_t to_ns);

#endif
