/* The disk thread: takes full buffers and ended segments from the capture thread, writes them with
 * direct I/O, hashes them while they are in the cache, keeps the budget, publishes the state.
 * Everything has a fixed size from the start; when all buffers are on their way the capture thread
 * waits here, the kernel's ring fills, and what is lost is counted there. Internal to src/ring. */
#ifndef TRAWL_RING_RING_DISK_H
#define TRAWL_RING_RING_DISK_H

#include <pthread.h>

#include "ring/ring_segment.h"
#include "ring/ring_state.h"
#include "ring/ring_store.h"

enum {
    RING_BUFFERS = 12,
    RING_SEGMENT_OBJECTS = 2 * RING_MAX_OPEN,
    RING_JOBS = 64
};

struct ring_job {
    struct ring_segment *segment;
    struct ring_buffer *buffer;
    struct ring_segment_figures figures;
    int64_t captured_until_ns; /* 0 = says nothing */
    bool seal;
    bool openings; /* buffer: gathered blocks (ring_openings.h); segment: NULL */
};

/* What a failing disk took: for the capture thread to declare in the next segment. */
struct ring_lost {
    struct ring_drops fresh; /* not counted in the sums yet (packets that were encoded) */
    struct ring_drops again; /* counted, but their declaration was lost */
    int64_t from_ns, to_ns;
};

struct ring_disk {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, up to the next comment */
    pthread_cond_t work, freed;
    struct ring_job jobs[RING_JOBS];
    unsigned job_head, job_count; /* job_count includes the one being done */
    struct ring_buffer buffers[RING_BUFFERS];
    struct ring_buffer *free_buffers[RING_BUFFERS];
    unsigned free_buffer_count;
    struct ring_segment *free_segments[RING_SEGMENT_OBJECTS];
    unsigned free_segment_count, segment_objects;
    struct ring_lost lost;
    bool stopping;
    struct ring_state_body state; /* what was published last, and is being changed */

    /* disk thread only, after the start */
    struct ring_store store;
    struct ring_segment *open[RING_MAX_OPEN];
    int sealed_fds[8]; /* sealed, not yet on the platter */
    unsigned sealed_fd_count;
    int64_t sealed_since_mono_ns;
    int64_t failed_mono_ns; /* the disk took nothing at that time */
    int openings_fd;        /* -1 = none */
    bool openings_unsynced;
    int64_t openings_synced_mono_ns;
    _Atomic bool openings_failed; /* tells the capture thread to hand them over again */

    /* fixed */
    int dir_fd;
    uint64_t segment_bytes;
    uint64_t secret[2];
    uint8_t *memory;
    size_t memory_bytes;
    struct ring_state_map *map;
};

/* disk->dir_fd, segment_bytes, store, map and state are set by the caller. -ENOMEM. */
int ring_disk_start(struct ring_disk *disk, struct error *reterr);
/* Does what is queued, syncs, ends the thread. */
void ring_disk_stop(struct ring_disk *disk);

/* Both wait until one is free. */
struct ring_buffer *ring_disk_take_buffer(struct ring_disk *disk);
struct ring_segment *ring_disk_take_segment(struct ring_disk *disk);
/* Moves job->buffer (may be NULL with seal) and, with seal, job->segment to the disk thread. */
void ring_disk_push(struct ring_disk *disk, const struct ring_job *job);
/* Until nothing is queued or being done. */
void ring_disk_wait_idle(struct ring_disk *disk);
/* Takes what was lost since the last call. */
struct ring_lost ring_disk_take_lost(struct ring_disk *disk);

#endif
