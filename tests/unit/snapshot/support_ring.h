/* A ring made up for tests: segments with known packets in a folder, and a snapshot_source over it
 * that can be told to misbehave. Times: the ring begins at RING_T0, one packet every millisecond;
 * packet i carries its number. */
#ifndef TRAWL_TESTS_SUPPORT_RING_H
#define TRAWL_TESTS_SUPPORT_RING_H

#include "snapshot/snapshot_source.h"

#define RING_T0 INT64_C(1700000000000000000)
#define MS      INT64_C(1000000)

enum {
    FAKE_MAX_SEGMENTS = 32
};

struct fake_ring {
    char dir[512];
    struct ring_segment_info segments[FAKE_MAX_SEGMENTS];
    size_t count;
    struct ring_gap gaps[8];
    size_t gap_count;
    struct ring_interval covered[8];
    size_t covered_count;
    struct ring_drops drops;
    int64_t offset_ns; /* node clock − hub clock */
    /* misbehaviour */
    bool remote;      /* no hard links */
    bool unreachable; /* status fails */
    int gone;         /* index of a segment that is recycled before it is fetched, −1 = none */
    int corrupt;      /* index of a segment whose bytes come wrong, −1 = none */
    int dies_at;      /* index of the segment at which the node goes away, −1 = none */
    unsigned pins, releases, rotations;
    struct snapshot_source source;
};

/* `segments` of `packets` packets each, one after the other, all covered. The node's name goes into
 * the packets' interface "eth0". */
void fake_ring_init(struct fake_ring *ring, const char *dir, size_t segments, size_t packets);
/* Stamp of packet i (the node's clock). */
int64_t fake_time(const struct fake_ring *ring, uint64_t packet);

struct packet;
/* Reads a capture file (any compression): calls `each` per packet. */
size_t read_packets(const char *path, void (*each)(void *ctx, const struct packet *packet),
                    void *ctx);
/* The number that packet i of the fake ring carries. */
uint64_t packet_number(const struct packet *packet);

/* A folder of the test's own, removed with remove_folder. */
char *make_folder(char path[512]);
void remove_folder(const char *path);
/* Runs a program, its standard output into out: the exit code. */
int run_program(char *const argv[], char *out, size_t out_size);

#endif
