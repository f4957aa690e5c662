/* ring/requests: a mapped page of slots in which other processes ask and the capturer answers. A
 * requester takes a free slot, fills it, marks it pending and touches the file (which wakes an
 * inotify watch); the capturer marks it done. Slots of requesters that went away are freed after a
 * minute. Internal to src/ring and the capturer. Thread: any; the serving side one thread. */
#ifndef TRAWL_RING_RING_REQUESTS_H
#define TRAWL_RING_RING_REQUESTS_H

#include <stdatomic.h>

#include "ring/ring_format.h"

enum ring_command {
    RING_COMMAND_ROTATE = 1,
    RING_COMMAND_PAUSE = 2,
    RING_COMMAND_RESUME = 3
};

enum {
    RING_REQUEST_SLOTS = 32
};

struct ring_requests;

/* The capturer's side: makes the file anew if need be. */
int ring_requests_serve(int dir_fd, struct ring_requests **ret_requests, struct error *reterr);
/* The other side; -ENOENT when no capturer ever ran here. */
int ring_requests_open(int dir_fd, struct ring_requests **ret_requests);
void ring_requests_free(struct ring_requests *requests);

struct ring_request {
    unsigned slot;
    enum ring_command command;
    int64_t asked_mono_ns;
};

/* Takes the next pending request; false when there is none. Also frees abandoned slots. */
bool ring_requests_take(struct ring_requests *requests, int64_t mono_ns,
                        struct ring_request *ret_request);
void ring_requests_answer(struct ring_requests *requests, unsigned slot, int result, int64_t value);

/* Asks and waits. alive() is looked at while waiting: -ESRCH when it says no. -ETIMEDOUT, -EAGAIN
 * (no free slot), or the answer's result with *ret_value. */
int ring_requests_ask(struct ring_requests *requests, enum ring_command command, int64_t timeout_ns,
                      bool (*alive)(void *ctx), void *ctx, int64_t *ret_value);

#endif
