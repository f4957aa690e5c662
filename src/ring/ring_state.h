/* ring/state: a small memory-mapped file in which the capturer publishes what others need to read
 * its open segments, under a sequence lock. One writer process; any number of readers. The body is
 * copied word by word with relaxed atomics, so a torn read is only ever noticed, never used.
 * Thread: ring_state_publish by one thread at a time (the writer's lock); reading by any. */
#ifndef TRAWL_RING_RING_STATE_H
#define TRAWL_RING_RING_STATE_H

#include "ring/ring_format.h"

#define RING_STATE_MAGIC "TRWLSTA1"
enum {
    RING_STATE_VERSION = 2,
    RING_STATE_SECONDS = 300
};

struct ring_state_open {
    char name[RING_NAME_SIZE]; /* "" = free */
    uint64_t sequence;
    uint64_t length_bytes; /* published */
    uint64_t packets, captured_bytes;
    int64_t first_ns, last_ns;
    int64_t covered_from_ns, previous_covered_to_ns;
    uint64_t drops_kernel, drops_ring, drops_disk;
    uint32_t series;
    uint16_t link_type;
    uint16_t gap_reason;
};

struct ring_state_second {
    int64_t second; /* of the node's clock since the epoch */
    uint64_t packets, captured_bytes, kernel, ring, disk;
};

struct ring_state_interface {
    char name[RING_INTERFACE_NAME_SIZE];
    uint16_t link_type;
    uint8_t up, drops_known;
    uint32_t reserved;
    uint64_t packets, captured_bytes, dropped;
};

enum {
    RING_STATE_PAUSED = 1,
    RING_STATE_DISK_FULL = 2,
    RING_STATE_CLOSED = 4,    /* the capturer ended as it should */
    RING_STATE_RECYCLING = 8, /* something was recycled since the ring exists */
    RING_STATE_WAITING = 16   /* none of the wanted interfaces is there */
};

struct ring_state_body {
    int32_t pid;
    uint32_t flags;
    int64_t started_ns, heartbeat_ns, captured_until_ns;
    int64_t first_recorded_ns; /* when this ring began; kept over restarts */
    int64_t recycled_until_ns; /* everything that was recycled lay before */
    uint64_t packets, captured_bytes, excluded_packets;
    uint64_t drops_kernel, drops_ring, drops_disk;
    uint64_t budget_bytes, segment_bytes, used_bytes;
    uint32_t segment_count, interface_count;
    uint32_t snaplen_bytes, reserved;
    char detail[200];
    char filter[256];
    struct ring_state_open open[RING_MAX_OPEN];
    struct ring_state_second seconds[RING_STATE_SECONDS]; /* by second % RING_STATE_SECONDS */
    struct ring_state_interface interfaces[RING_MAX_INTERFACES];
};
_Static_assert(sizeof(struct ring_state_body) % 8 == 0, "copied in words");

struct ring_state_map; /* the mapped file */

/* Makes the file if it is missing, damaged or of another version; the old body (or zeros) into
 * ret_old. 1 when something was there that cannot be read, else 0; -EPROTO when a newer version
 * wrote it. */
int ring_state_create(int ring_fd, struct ring_state_map **ret_map, struct ring_state_body *ret_old,
                      struct error *reterr);
/* Maps for reading; -ENOENT, -EBADMSG (damaged, or of an older version), -EPROTO when it is a newer
 * version. */
int ring_state_open(int ring_fd, struct ring_state_map **ret_map, struct error *reterr);
void ring_state_close(struct ring_state_map *map);

void ring_state_publish(struct ring_state_map *map, const struct ring_state_body *body);
/* 0, -EAGAIN when the writer died in the middle of publishing, -EBADMSG when the body is not what
 * was published. */
int ring_state_read(const struct ring_state_map *map, struct ring_state_body *ret_body);
/* Pushes the mapped page to the disk. */
int ring_state_sync(struct ring_state_map *map);

#endif
