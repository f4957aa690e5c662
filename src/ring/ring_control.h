/* Asks of a running capturer, from another process that shares only the ring folder: rotate, pause,
 * resume, and pins (leases that keep segments from being recycled).
 *
 * Everything goes through files in the ring folder (`requests`, `pins/`), so the caller needs write
 * access to it (same user as the capturer). Thread: any; a struct ring_control may be shared. */
#ifndef TRAWL_RING_RING_CONTROL_H
#define TRAWL_RING_RING_CONTROL_H

#include "ring/ring_reader.h"

struct ring_control;

int ring_control_open(int dir_fd, const char *ring_dir, struct ring_control **ret_control,
                      struct error *reterr);
void ring_control_free(struct ring_control *control);

/* Seals the open segments with everything captured before the call; *ret_covered_to_ns (may be
 * NULL) is the time up to which all is now sealed. -ESRCH: no capturer runs (what is there is all
 * there is); -ETIMEDOUT. timeout 0 = 2 s. */
int ring_control_rotate(struct ring_control *control, int64_t timeout_ns,
                        int64_t *ret_covered_to_ns, struct error *reterr);
/* Capture stops at, or begins again at, *ret_at_ns; the time between becomes a gap
 * (capture_stopped). */
int ring_control_pause(struct ring_control *control, int64_t timeout_ns, int64_t *ret_at_ns,
                       struct error *reterr);
int ring_control_resume(struct ring_control *control, int64_t timeout_ns, int64_t *ret_at_ns,
                        struct error *reterr);

/* ── pins ── */
enum {
    RING_PIN_ID_SIZE = 33, /* 32 lower-case hex digits and a NUL */
    RING_MAX_PINS = 64
};
#define RING_PIN_LEASE_NS (INT64_C(60) * 1000000000)

/* Keeps the segments that touch [from, to) for 60 s. When it returns 0 the capturer knows of it:
 * what is listed from now on stays until the lease ends or the pin breaks (all pins together hold
 * at most 75 % of the budget; the oldest breaks first). -EAGAIN: RING_MAX_PINS exist. */
int ring_pin_create(struct ring_control *control, int64_t from_ns, int64_t to_ns,
                    char ret_id[RING_PIN_ID_SIZE], struct error *reterr);
/* A new lease of 60 s. -ESTALE: it broke or ran out (segments may have been recycled); -ENOENT: no
 * such pin; -EINVAL: not an id. */
int ring_pin_renew(struct ring_control *control, const char *id, struct error *reterr);
/* As renew, without renewing. */
int ring_pin_check(struct ring_control *control, const char *id, struct error *reterr);
int ring_pin_release(struct ring_control *control, const char *id, struct error *reterr);

#endif
