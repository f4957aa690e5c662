/* A ring in a folder of its own, made-up packets, and real tools as witnesses. */
#ifndef TRAWL_TESTS_UNIT_RING_SUPPORT_RING_H
#define TRAWL_TESTS_UNIT_RING_SUPPORT_RING_H

#include "base/buf.h"
#include "packet/packet.h"
#include "ring/ring_control.h"
#include "ring/ring_reader.h"
#include "ring/ring_writer.h"

#define T0 INT64_C(1764000000000000000)

struct ring_fixture {
    char dir[64];
    int dir_fd;
    struct ring_writer *writer;
    struct ring_reader *reader;
    int64_t now_ns, mono_ns; /* of the writer */
    uint64_t budget_bytes, segment_bytes;
    uint32_t made; /* packets so far; each differs */
};

/* cmocka group-less setup and teardown: *state is a struct ring_fixture. */
int ring_setup(void **state);
/* The same in memory: a file system without direct I/O. */
int ring_setup_in_memory(void **state);
int ring_teardown(void **state);

void ring_start(struct ring_fixture *f);
void ring_stop(struct ring_fixture *f);
/* `count` packets of `bytes` each, `step_ns` apart, from f->now_ns on, over `flows` connections;
 * time goes on with them. */
void ring_feed(struct ring_fixture *f, unsigned count, unsigned bytes, int64_t step_ns,
               unsigned flows);
/* Time passes without packets, with ticks each 100 ms. */
void ring_pass(struct ring_fixture *f, int64_t ns);
/* The n-th packet of ring_feed, Ethernet + IPv4 + TCP, into data (≥ bytes). */
void ring_make_packet(uint32_t n, unsigned bytes, unsigned flows, uint8_t *data);
/* All bytes on disk below the ring folder. */
uint64_t ring_disk_bytes(const struct ring_fixture *f);
struct ring_list ring_list_all(struct ring_fixture *f);

/* Runs a program with its arguments (NULL at the end): exit code, standard output and error into
 * out. 127 when it is not installed. */
int run_program(struct buf *out, const char *const *argv);

#endif
