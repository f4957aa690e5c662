/* What of the ring is on disk, and the budget: makes room for the next segment by recycling the
 * oldest that no living pin holds. Internal to src/ring. Thread: the disk thread (before it starts:
 * the opener). */
#ifndef TRAWL_RING_RING_STORE_H
#define TRAWL_RING_RING_STORE_H

#include "ring/ring_format.h"

enum {
    RING_OVERHEAD_BYTES = 64 * 1024 /* state, requests, lock and the like */
};

struct ring_stored {
    char name[RING_NAME_SIZE];
    uint64_t sequence;
    uint64_t disk_bytes;    /* with its index */
    int64_t from_ns, to_ns; /* packets and coverage */
};

struct ring_store {
    int dir_fd, pins_fd; /* borrowed */
    uint64_t budget_bytes;
    uint64_t floor_bytes;      /* 0 = by the file system: 5 %, at most 1 GiB */
    struct ring_stored *items; /* sealed segments by sequence */
    size_t count, cap;
    uint64_t sealed_bytes, open_bytes;
    uint64_t openings_bytes;   /* of the openings store */
    int64_t recycled_until_ns; /* the latest time that was recycled; 0 = nothing yet */
    bool recycling;
};

void ring_store_done(struct ring_store *store);
/* Bytes on disk now, as the budget counts them. */
uint64_t ring_store_used(const struct ring_store *store);
/* 0 when `bytes` more fit into budget and file system, after recycling what it takes; -ENOSPC. */
int ring_store_make_room(struct ring_store *store, uint64_t bytes, int64_t mono_ns);
/* A sealed segment joins (copied). The caller keeps open_bytes right. -ENOMEM. */
int ring_store_add(struct ring_store *store, const struct ring_stored *item);
/* Bytes a file takes on disk; 0 when it is not there. */
uint64_t ring_store_file_bytes(int dir_fd, const char *name);

#endif
