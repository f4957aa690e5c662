/* Pins as files in ring/pins: `<id>.pin`, renamed to `<id>.broken` when the capturer took the
 * segments anyway or the lease ran out. Whoever reads pins in order to recycle, or writes one,
 * holds the folder's lock meanwhile: a pin made before the capturer looked is always seen. Internal
 * to src/ring; others use ring_control.h. Thread: any. */
#ifndef TRAWL_RING_RING_PINS_H
#define TRAWL_RING_RING_PINS_H

#include "ring/ring_control.h"

/* The file, 48 bytes. Times of the lease are CLOCK_MONOTONIC: a clock step neither prolongs nor
 * ends it. */
struct ring_pin_file {
    uint8_t magic[8]; /* "TRWLPIN1" */
    int64_t created_mono_ns, expires_mono_ns;
    int64_t from_ns, to_ns;
    uint64_t reserved;
};

struct ring_pin {
    char id[RING_PIN_ID_SIZE];
    int64_t created_mono_ns;
    int64_t from_ns, to_ns;
};

bool ring_pin_id_valid(const char *id);

/* Exclusive; waits at most 200 ms (-EAGAIN), so that nobody can stop the capturer. The descriptor
 * to close, which unlocks. */
int ring_pins_lock(int pins_fd);
/* Living pins, oldest first, at most RING_MAX_PINS; those that ran out are marked broken. The lock
 * is held. */
size_t ring_pins_load(int pins_fd, int64_t mono_ns, struct ring_pin pins[RING_MAX_PINS]);
/* The lock is held. */
void ring_pins_break(int pins_fd, const char *id);
/* Removes what broke more than ten minutes ago. */
void ring_pins_clean(int pins_fd);

int ring_pins_create(int pins_fd, int64_t mono_ns, struct ring_interval window,
                     char ret_id[RING_PIN_ID_SIZE], struct error *reterr);
/* Prolongs when `renew`. As ring_pin_renew / ring_pin_check. */
int ring_pins_touch(int pins_fd, const char *id, int64_t mono_ns, bool renew, struct error *reterr);
int ring_pins_release(int pins_fd, const char *id, struct error *reterr);

#endif
