/* One body of one call whole, while a capture is dissected again: entries keep at most
 * DISSECT_BODY_CAP of a body, a tap gets all of it as it comes.
 *
 * Which call it is says its id: protocol, time and place of its first byte, the same in every
 * dissection. Pieces are in order, without the protocol's framing, coded as they were sent.
 * Thread: calls come from the thread that serves the call's connection. */
#ifndef TRAWL_DISSECT_BODY_TAP_H
#define TRAWL_DISSECT_BODY_TAP_H

#include "base/slice.h"

struct body_tap {
    const char *protocol; /* of the wanted entry: its id depends on it */
    const char *id;
    bool of_request;
    /* Anything but 0 ends what comes, and the run. */
    int (*write)(void *ctx, const uint8_t *data, size_t n);
    void *ctx;
    /* results */
    uint64_t bytes; /* given to write */
    int result;
};

#endif
