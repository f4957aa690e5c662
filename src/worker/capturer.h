/* The capturer: packets from the kernel into the ring, and nothing else. Keeps CAP_NET_RAW alone,
 * listens on nothing, parses nothing above the flow index. Answers rotate, pause and resume through
 * ring/requests. Ends on SIGTERM or SIGINT with everything sealed; dies with its parent. Thread:
 * the process' main thread. */
#ifndef TRAWL_WORKER_CAPTURER_H
#define TRAWL_WORKER_CAPTURER_H

#include "base/error.h"
#include "capture/capture.h"

struct capturer_options {
    const char *data_dir; /* DATA: the ring is DATA/ring */
    struct capture_options capture;
    uint64_t ring_bytes;    /* 0 = auto */
    uint64_t segment_bytes; /* 0 = auto */
};

/* Returns 0 when it was asked to end. An error at the start is also written to ring/problem, for
 * status. */
int capturer_run(const struct capturer_options *options, struct error *reterr);

/* DATA and DATA/ring exist and belong to who will write them; the process is still root. The ring's
 * descriptor, or a negative errno. */
int capturer_prepare_folder(const char *data_dir, struct error *reterr);

#endif
