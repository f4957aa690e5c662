#include "ring/ring_control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "ring/ring_lock.h"
#include "ring/ring_pins.h"
#include "ring/ring_requests.h"

#define DEFAULT_TIMEOUT_NS (2 * NS_PER_S)

struct ring_control {
    int dir_fd;
};

int ring_control_open(int dir_fd, const char *ring_dir, struct ring_control **ret_control,
                      struct error *reterr)
{
    int fd = openat(dir_fd, ring_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "there is no ring in %s: %s", ring_dir, strerror(errno));
    struct ring_control *control = calloc(1, sizeof *control);
    if (!control) {
        close(fd);
        return error_set(reterr, -ENOMEM, "no memory");
    }
    control->dir_fd = fd;
    *ret_control = control;
    return 0;
}

void ring_control_free(struct ring_control *control)
{
    if (!control)
        return;
    close(control->dir_fd);
    free(control);
}

static bool capturer_runs(void *ctx)
{
    const struct ring_control *control = ctx;
    return ring_lock_held(control->dir_fd);
}

/* The file is opened each time: a capturer may have come since. */
static int ask(struct ring_control *control, enum ring_command command, int64_t timeout_ns,
               int64_t *ret_value, struct error *reterr)
{
    struct ring_requests *requests;
    int64_t value = 0;
    int r = capturer_runs(control) ? ring_requests_open(control->dir_fd, &requests) : -ESRCH;
    if (r == 0) {
        r = ring_requests_ask(requests, command, timeout_ns ? timeout_ns : DEFAULT_TIMEOUT_NS,
                              capturer_runs, control, &value);
        ring_requests_free(requests);
    }
    if (r == 0 && ret_value)
        *ret_value = value;
    switch (r) {
    case 0:
        return 0;
    case -ESRCH:
    case -ENOENT:
        return error_set(reterr, -ESRCH, "no capturer runs on this ring");
    case -ETIMEDOUT:
        return error_set(reterr, r, "the capturer did not answer in time");
    case -EACCES:
    case -EPERM:
        return error_set(reterr, r, "the ring belongs to another user: run this as that user");
    default:
        return error_set(reterr, r, "the capturer cannot be asked: %s", strerror(-r));
    }
}

int ring_control_rotate(struct ring_control *control, int64_t timeout_ns,
                        int64_t *ret_covered_to_ns, struct error *reterr)
{
    return ask(control, RING_COMMAND_ROTATE, timeout_ns, ret_covered_to_ns, reterr);
}

int ring_control_pause(struct ring_control *control, int64_t timeout_ns, int64_t *ret_at_ns,
                       struct error *reterr)
{
    return ask(control, RING_COMMAND_PAUSE, timeout_ns, ret_at_ns, reterr);
}

int ring_control_resume(struct ring_control *control, int64_t timeout_ns, int64_t *ret_at_ns,
                        struct error *reterr)
{
    return ask(control, RING_COMMAND_RESUME, timeout_ns, ret_at_ns, reterr);
}

/* ── pins ── */

static int open_pins(struct ring_control *control, struct error *reterr)
{
    int r = io_mkdir("ring-pin", control->dir_fd, RING_PINS_DIR, 0750);
    if (r < 0 && r != -EEXIST)
        return error_set(reterr, r, "the ring's pins cannot be made: %s", strerror(-r));
    int fd =
        openat(control->dir_fd, RING_PINS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0
               ? error_set(reterr, -errno, "the ring's pins cannot be opened: %s", strerror(errno))
               : fd;
}

int ring_pin_create(struct ring_control *control, int64_t from_ns, int64_t to_ns,
                    char ret_id[RING_PIN_ID_SIZE], struct error *reterr)
{
    if (from_ns >= to_ns)
        return error_set(reterr, -EINVAL, "the window is empty");
    int fd = open_pins(control, reterr);
    if (fd < 0)
        return fd;
    struct ring_interval window = {from_ns, to_ns};
    int r = ring_pins_create(fd, clock_mono_ns(), window, ret_id, reterr);
    close(fd);
    return r;
}

static int touch(struct ring_control *control, const char *id, bool renew, struct error *reterr)
{
    int fd = open_pins(control, reterr);
    if (fd < 0)
        return fd;
    int r = ring_pins_touch(fd, id, clock_mono_ns(), renew, reterr);
    close(fd);
    return r;
}

int ring_pin_renew(struct ring_control *control, const char *id, struct error *reterr)
{
    return touch(control, id, true, reterr);
}

int ring_pin_check(struct ring_control *control, const char *id, struct error *reterr)
{
    return touch(control, id, false, reterr);
}

int ring_pin_release(struct ring_control *control, const char *id, struct error *reterr)
{
    int fd = open_pins(control, reterr);
    if (fd < 0)
        return fd;
    int r = ring_pins_release(fd, id, reterr);
    close(fd);
    return r;
}
