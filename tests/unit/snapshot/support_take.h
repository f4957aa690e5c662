/* A store and a made-up ring, and snapshots taken from one to the other. */
#ifndef TRAWL_TESTS_SUPPORT_TAKE_H
#define TRAWL_TESTS_SUPPORT_TAKE_H

#include "snapshot/snapshot_verify.h"
#include "unit/snapshot/support_ring.h"

enum {
    SEGMENTS = 6,
    PER_SEGMENT = 1000
};

struct fixture {
    char dir[512], data[520], ring_dir[520];
    struct fake_ring ring;
    struct snapshot_store *store;
};

int take_setup(void **state);
int take_teardown(void **state);

/* Creates and takes a snapshot of that window. */
int take_window(struct fixture *f, int64_t from, int64_t to, char id[SNAPSHOT_ID_SIZE],
                struct error *e);
struct snapshot *get(struct fixture *f, const char *id);

struct range {
    uint64_t first, last, count;
    bool ordered;
};

/* All packets of a snapshot, file after file. */
struct range read_all(struct fixture *f, const struct snapshot *s);
void expect_verified(struct fixture *f, const char *id);
/* Packets first..last come, and no other. */
struct snapshot *expect_packets(struct fixture *f, const char *id, uint64_t first, uint64_t last);

#endif
