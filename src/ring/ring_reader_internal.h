/* The reader's inside, between ring_reader.c, ring_coverage.c and ring_status.c. */
#ifndef TRAWL_RING_RING_READER_INTERNAL_H
#define TRAWL_RING_RING_READER_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "ring/ring_index_file.h"
#include "ring/ring_state.h"

/* What is known of a segment without looking again: sealed ones never change. */
struct ring_cached {
    struct ring_segment_info info;
    int64_t previous_covered_to_ns;
    enum ring_gap_reason gap_reason;
    uint8_t end_reason;               /* as in the index header */
    bool torn;                        /* unreadable bytes follow the good ones, and no index */
    uint64_t file_bytes;              /* st_size when it was read */
    struct ring_event_record *events; /* owned */
    uint32_t event_count;
    ino_t inode; /* a ring made anew gives the same names again */
    bool seen;   /* by the listing under way */
};

struct ring_reader {
    int dir_fd;
    pthread_mutex_t lock;      /* guards the cache */
    struct ring_cached *cache; /* sealed segments by sequence */
    size_t cache_count, cache_cap;
};

/* One consistent look at the folder. */
struct ring_look {
    struct ring_cached *segments; /* by sequence; events borrowed from copies owned here */
    size_t count, cap;
    bool has_state, alive;
    int state_error; /* without one: why, a negative errno */
    struct ring_state_body state;
};

/* The lock is not held. Free with ring_look_done. */
int ring_look(struct ring_reader *reader, struct ring_look *ret_look, struct error *reterr);
void ring_look_done(struct ring_look *look);

/* Fills covered and gaps of the list for the window. -ENOMEM. */
int ring_coverage(const struct ring_look *look, int64_t from_ns, int64_t to_ns,
                  struct ring_list *list);

#endif
