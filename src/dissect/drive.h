/* Runs dissectors without packets: a script of bytes, gaps and ends goes straight into one
 * connection, the entries come out as JSON lines. For unit tests, fuzz targets and split-invariance
 * checks; the product does not use it. Thread: owner. */
#ifndef TRAWL_DISSECT_DRIVE_H
#define TRAWL_DISSECT_DRIVE_H

#include "base/buf.h"
#include "dissect/dissector.h"

enum drive_kind {
    DRIVE_BYTES, /* zero: {DIR_CLIENT, DATA(…)} needs no kind; a datagram when transport is not TCP
                  */
    DRIVE_GAP,   /* gap_bytes are missing */
    DRIVE_END    /* FIN */
};

struct drive_step {
    enum dissect_dir dir;
    struct slice bytes;
    int64_t ts_ns; /* 0: 1 ms after the step before (the first: at DRIVE_START_NS) */
    enum drive_kind kind;
    uint64_t gap_bytes;
};

#define DRIVE_START_NS INT64_C(1700000000000000000)

struct drive_options {
    const char *dissector; /* NULL: by detection among all; else only this one is tried */
    bool skip_probe;       /* open the dissector at once */
    enum dissect_transport transport;  /* 0 = TCP */
    uint16_t client_port, server_port; /* 0 = 40000 and 9999 (no port hint) */
    bool late_join;
    bool no_close;        /* leave the connection open: only what was emitted by itself */
    enum dissect_end end; /* given to close; 0 = END_CLOSED */
    /* Cuts: every step's bytes are handed over in pieces. 0 = whole; 1 = byte by byte; else random
     * pieces drawn from this seed. Times stay those of the step. */
    uint64_t cut_seed;
};

/* Appends one JSON line (formats.md, without packets) per entry, in order of emission. 0, or the
 * buf's error. */
int dissect_drive(const struct drive_options *options, const struct drive_step *steps, size_t count,
                  struct buf *out_jsonl);

/* The same with a callback, for tests that look at entries with entry_get. */
int dissect_drive_entries(const struct drive_options *options, const struct drive_step *steps,
                          size_t count, void (*emit)(void *ctx, const struct entry *entry),
                          void *ctx);

/* For fuzz targets: reads a script out of fuzz data (a byte of options, then per step a byte of
 * kind and direction, two bytes of length, the bytes) and drives it; each piece lies in a heap
 * block of its own, so that the sanitizer sees every overread. */
void dissect_drive_fuzz(const char *dissector, enum dissect_transport transport,
                        const uint8_t *data, size_t size);

/* Makes allocations fail between resume and pause (tests/fuzz/alloc_faults.h). */
struct drive_faults {
    void (*plan)(const uint8_t *data, size_t size); /* which ones, out of the fuzz data */
    void (*resume)(void);
    void (*pause)(void);
};
/* From now on dissect_drive_fuzz drives every script twice, the second time with failures, and
 * aborts unless each line of the second run is one of the first or says incomplete. NULL: no more.
 */
void dissect_drive_with_faults(const struct drive_faults *faults);

#endif
