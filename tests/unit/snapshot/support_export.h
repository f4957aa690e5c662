/* Captures made up for tests, and exports of them to a file that is read back. */
#ifndef TRAWL_TESTS_SUPPORT_EXPORT_H
#define TRAWL_TESTS_SUPPORT_EXPORT_H

#include "base/buf.h"
#include "snapshot/export.h"
#include "unit/snapshot/support_ring.h"

enum {
    PAYLOAD = 60
};

struct fixture {
    char dir[512], out[600];
    char paths[4][600];
};

int export_setup(void **state);
int export_teardown(void **state);

/* A datagram that carries this number; one of four source ports. */
void frame_bytes(uint8_t data[PAYLOAD], uint32_t number);
void save(const char *path, const struct buf *bytes);
/* A capture with these stamps; packet i carries base + i. */
void write_capture(const char *path, const char *interface, const int64_t *stamps, size_t count,
                   uint32_t base);
/* To f->out; without a window everything. */
int export_to(struct fixture *f, struct export_options *o, struct export_result *result,
              struct error *e);

struct seen {
    uint32_t numbers[100000];
    int64_t stamps[100000];
    uint32_t interfaces[100000];
    size_t count;
};

struct seen *read_out(const struct fixture *f);

#endif
