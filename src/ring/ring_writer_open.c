#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "ring/ring_lock.h"
#include "ring/ring_pins.h"
#include "ring/ring_recover.h"
#include "ring/ring_writer.h"
#include "ring/ring_writer_internal.h"

enum {
    LINK_ETHERNET = 1
};

uint64_t ring_budget_auto(int dir_fd)
{
    struct statvfs fs;
    uint64_t least = UINT64_C(1) << 30, most = UINT64_C(64) << 30;
    if (fstatvfs(dir_fd, &fs) < 0)
        return least;
    uint64_t part = (uint64_t)fs.f_blocks * fs.f_frsize / 20;
    return part < least ? least : part > most ? most : part;
}

static int settle_sizes(struct ring_writer_options *options, struct error *reterr)
{
    char least[24], given[24];
    if (options->budget_bytes == 0)
        options->budget_bytes = ring_budget_auto(options->dir_fd);
    uint64_t min = (uint64_t)RING_MIN_SEGMENT_BYTES * RING_MIN_SEGMENTS + RING_OVERHEAD_BYTES;
    if (options->budget_bytes < min)
        return error_set(reterr, -EINVAL, "a ring of %s is too small: it takes at least %s",
                         text_format_size(options->budget_bytes, given),
                         text_format_size(min, least));
    uint64_t segment = options->segment_bytes;
    if (segment == 0) {
        segment = options->budget_bytes / 16;
        segment = segment > UINT64_C(64) << 20 ? UINT64_C(64) << 20 : segment;
    }
    segment &= ~(uint64_t)(RING_SECTOR_BYTES - 1);
    if (segment < RING_MIN_SEGMENT_BYTES)
        segment = RING_MIN_SEGMENT_BYTES;
    if (segment > options->budget_bytes / RING_MIN_SEGMENTS || segment > UINT64_C(1) << 30)
        return error_set(reterr, -EINVAL,
                         "segments of %s are too large for a ring of %s: at most an eighth of it, "
                         "and 1 GiB",
                         text_format_size(segment, least),
                         text_format_size(options->budget_bytes, given));
    options->segment_bytes = segment;
    if (options->snaplen_bytes == 0 || options->snaplen_bytes > RING_MAX_SNAPLEN)
        options->snaplen_bytes = RING_MAX_SNAPLEN;
    if (options->primary_link_type == 0)
        options->primary_link_type = LINK_ETHERNET;
    return 0;
}

static void set_texts(struct ring_writer *writer)
{
    struct utsname uts;
    snprintf(writer->application, sizeof writer->application, "trawl %s", TRAWL_VERSION);
    if (uname(&uts) == 0)
        snprintf(writer->os, sizeof writer->os, "%.60s %.80s", uts.sysname, uts.release);
    snprintf(writer->filter, sizeof writer->filter, "%s",
             writer->options.filter ? writer->options.filter : "");
}

static int open_pins(struct ring_writer *writer, struct error *reterr)
{
    int dir = writer->options.dir_fd;
    int r = io_mkdir("ring-pin", dir, RING_PINS_DIR, 0750);
    if (r < 0 && r != -EEXIST)
        return error_set(reterr, r, "%s/" RING_PINS_DIR " cannot be made: %s",
                         writer->options.ring_dir, strerror(-r));
    writer->pins_fd = openat(dir, RING_PINS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return writer->pins_fd < 0
               ? error_set(reterr, -errno, "%s/" RING_PINS_DIR " cannot be opened: %s",
                           writer->options.ring_dir, strerror(errno))
               : 0;
}

static void note_recovery(struct ring_writer *writer, const struct ring_recovered *recovered,
                          bool damaged)
{
    int n = 0;
    if (damaged)
        n = snprintf(writer->recovery, sizeof writer->recovery,
                     "the state file was damaged and is made again from the segments; ");
    if (damaged || recovered->rebuilt || recovered->removed || recovered->left)
        snprintf(writer->recovery + n, sizeof writer->recovery - (size_t)n,
                 "%u segments indexed again, %u torn tails cut off, %u unreadable files removed, "
                 "%u that cannot be opened left alone",
                 recovered->rebuilt, recovered->cut, recovered->removed, recovered->left);
}

/* What the segments know of it, when the state is lost: what lay before the oldest was recycled. */
static void restore_state(struct ring_state_body *old, const struct ring_recovered *recovered)
{
    if (old->started_ns || !recovered->oldest_sequence)
        return;
    old->captured_until_ns = recovered->covered_to_ns;
    old->first_recorded_ns = recovered->oldest_from_ns;
    if (recovered->oldest_previous_ns && recovered->oldest_sequence > 1) {
        old->first_recorded_ns = 1;
        old->recycled_until_ns = recovered->oldest_previous_ns;
        old->flags |= RING_STATE_RECYCLING;
    }
}

static int open_state(struct ring_writer *writer, int64_t now_ns, struct error *reterr)
{
    struct ring_disk *disk = &writer->disk;
    struct ring_state_body old;
    int r = ring_state_create(writer->options.dir_fd, &disk->map, &old, reterr);
    if (r < 0)
        return r;
    bool damaged = r > 0;
    disk->store = (struct ring_store){.dir_fd = writer->options.dir_fd,
                                      .pins_fd = writer->pins_fd,
                                      .budget_bytes = writer->options.budget_bytes,
                                      .floor_bytes = writer->options.floor_bytes};
    struct ring_recovered recovered;
    r = ring_recover(&disk->store, &old, &recovered, reterr);
    if (r < 0)
        return r;
    note_recovery(writer, &recovered, damaged);
    restore_state(&old, &recovered);
    disk->store.recycled_until_ns = old.recycled_until_ns;
    disk->store.recycling = old.flags & RING_STATE_RECYCLING;
    writer->next_sequence = recovered.next_sequence;
    writer->series[0].link_type = writer->options.primary_link_type;
    writer->series[0].chain_covered_to_ns = recovered.covered_to_ns;
    ring_writer_open_openings(writer);
    writer->openings_until_ns = old.captured_until_ns;
    (void)ring_store_make_room(&disk->store, 0, clock_mono_ns());
    struct ring_state_body *state = &disk->state;
    state->pid = getpid();
    state->started_ns = state->heartbeat_ns = state->captured_until_ns = now_ns;
    state->first_recorded_ns = old.first_recorded_ns ? old.first_recorded_ns : now_ns;
    state->budget_bytes = writer->options.budget_bytes;
    state->segment_bytes = writer->options.segment_bytes;
    state->snaplen_bytes = writer->options.snaplen_bytes;
    snprintf(state->filter, sizeof state->filter, "%s", writer->filter);
    return 0;
}

static void release(struct ring_writer *writer)
{
    ring_disk_stop(&writer->disk);
    ring_store_done(&writer->disk.store);
    ring_openings_free(writer->openings);
    if (writer->openings_fd >= 0)
        close(writer->openings_fd);
    ring_state_close(writer->disk.map);
    if (writer->pins_fd >= 0)
        close(writer->pins_fd);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    free(writer);
}

int ring_writer_open(const struct ring_writer_options *options, int64_t now_ns, int64_t mono_ns,
                     struct ring_writer **ret_writer, struct error *reterr)
{
    struct ring_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return error_set(reterr, -ENOMEM, "no memory for the ring");
    writer->options = *options;
    writer->lock_fd = writer->pins_fd = writer->openings_fd = writer->disk.openings_fd = -1;
    writer->now_ns = now_ns;
    writer->mono_ns = writer->flushed_mono_ns = writer->published_mono_ns = mono_ns;
    int r = settle_sizes(&writer->options, reterr);
    set_texts(writer);
    if (r == 0)
        r = writer->lock_fd = ring_lock_take(options->dir_fd, options->ring_dir, reterr);
    if (r >= 0)
        r = open_pins(writer, reterr);
    if (r == 0)
        r = open_state(writer, now_ns, reterr);
    writer->disk.dir_fd = options->dir_fd;
    writer->disk.segment_bytes = writer->options.segment_bytes;
    if (r == 0)
        r = ring_disk_start(&writer->disk, reterr);
    if (r < 0) {
        release(writer);
        return r;
    }
    ring_writer_load_openings(writer, writer->openings_until_ns, now_ns);
    writer->begin_ns = now_ns;
    *ret_writer = writer;
    return 0;
}

void ring_writer_close(struct ring_writer *writer, int64_t now_ns)
{
    if (!writer)
        return;
    struct ring_disk *disk = &writer->disk;
    if (!writer->stopped)
        ring_writer_cover(writer, now_ns);
    ring_series_declare_pending(writer);
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        ring_series_seal(writer, &writer->series[i], writer->stopped ? 0 : now_ns);
    ring_writer_flush_openings(writer, true);
    ring_disk_wait_idle(disk);
    pthread_mutex_lock(&disk->lock);
    disk->state.flags |= RING_STATE_CLOSED;
    disk->state.heartbeat_ns = now_ns;
    ring_state_publish(disk->map, &disk->state);
    pthread_mutex_unlock(&disk->lock);
    ring_disk_stop(disk);
    (void)ring_state_sync(disk->map);
    release(writer);
}
