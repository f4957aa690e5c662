#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "ring/ring_lock.h"
#include "ring/ring_reader_internal.h"
#include "ring/ring_scan.h"
#include "ring/ring_store.h"

enum {
    RATE_SECONDS = 5,
    BLOCK_OVERHEAD_BYTES = 46 /* of a packet, in a segment with its share of the index */
};

static void fill_rates(const struct ring_state_body *state, int64_t now_ns,
                       struct ring_status *status)
{
    int64_t now_s = now_ns / NS_PER_S;
    uint64_t packets = 0, bytes = 0;
    for (size_t i = 0; i < RING_STATE_SECONDS; i++) {
        const struct ring_state_second *row = &state->seconds[i];
        if (row->second > now_s - RING_STATE_SECONDS && row->second <= now_s) {
            status->drops_5min.kernel += row->kernel;
            status->drops_5min.ring += row->ring;
            status->drops_5min.disk += row->disk;
        }
        /* whole seconds only */
        if (row->second >= now_s - RATE_SECONDS && row->second < now_s) {
            packets += row->packets;
            bytes += row->captured_bytes;
        }
    }
    status->packets_per_s = (double)packets / RATE_SECONDS;
    status->bytes_per_s = (double)bytes / RATE_SECONDS;
}

/* Disk bytes a second over the last five minutes, as far as recording reaches. */
static double disk_rate(const struct ring_state_body *state, int64_t now_ns)
{
    int64_t now_s = now_ns / NS_PER_S, first_s = now_s;
    double bytes = 0;
    for (size_t i = 0; i < RING_STATE_SECONDS; i++) {
        const struct ring_state_second *row = &state->seconds[i];
        if (row->second <= now_s - RING_STATE_SECONDS || row->second >= now_s)
            continue;
        bytes += (double)row->captured_bytes + (double)row->packets * BLOCK_OVERHEAD_BYTES;
        if (row->second < first_s)
            first_s = row->second;
    }
    return now_s - first_s >= 2 ? bytes / (double)(now_s - first_s) : 0;
}

static void fill_retention(const struct ring_look *look, int64_t now_ns, struct ring_status *status)
{
    double rate = disk_rate(&look->state, now_ns);
    if (rate < 1)
        return;
    double usable = (double)status->budget_bytes - 2 * (double)status->segment_bytes;
    double expected = usable / rate * (double)NS_PER_S;
    status->expected_retention_ns = expected > 9e18 ? INT64_MAX : (int64_t)expected;
    status->hour_budget_bytes =
        (uint64_t)(rate * 3600) + 2 * status->segment_bytes + RING_OVERHEAD_BYTES;
}

static void fill_interfaces(const struct ring_state_body *state, struct ring_status *status)
{
    status->interface_count = state->interface_count;
    for (uint32_t i = 0; i < state->interface_count; i++) {
        const struct ring_state_interface *from = &state->interfaces[i];
        struct ring_interface_status *to = &status->interfaces[i];
        memcpy(to->name, from->name, sizeof to->name);
        to->link_type = from->link_type;
        to->up = from->up;
        to->drops_known = from->drops_known;
        to->packets = from->packets;
        to->captured_bytes = from->captured_bytes;
        to->dropped = from->dropped;
    }
}

static void fill_status(const struct ring_look *look, int64_t now_ns, struct ring_status *status)
{
    const struct ring_state_body *state = &look->state;
    *status = (struct ring_status){
        .alive = look->alive,
        .paused = look->alive && state->flags & RING_STATE_PAUSED,
        .disk_full = look->alive && state->flags & RING_STATE_DISK_FULL,
        .waiting = look->alive && state->flags & RING_STATE_WAITING,
        .capturer_pid = state->pid,
        .started_ns = state->started_ns,
        .heartbeat_ns = state->heartbeat_ns,
        .captured_until_ns = state->captured_until_ns,
        .packets = state->packets,
        .captured_bytes = state->captured_bytes,
        .excluded_packets = state->excluded_packets,
        .drops = {state->drops_kernel, state->drops_ring, state->drops_disk},
        .budget_bytes = state->budget_bytes,
        .segment_bytes = state->segment_bytes,
        .used_bytes = state->used_bytes,
        .segment_count = (uint32_t)look->count,
        .recycling = state->flags & RING_STATE_RECYCLING,
        .snaplen_bytes = state->snaplen_bytes,
    };
    memcpy(status->capture_filter, state->filter, sizeof status->capture_filter);
    memcpy(status->detail, state->detail, sizeof state->detail);
    if (!look->alive)
        snprintf(status->detail, sizeof status->detail, "%s",
                 state->flags & RING_STATE_CLOSED
                     ? "the capturer was stopped: start `trawl up` or `trawl worker`"
                     : "the capturer does not answer: see its log");
    else if (status->paused)
        snprintf(status->detail, sizeof status->detail, "capture is paused by request");
    else if (status->disk_full)
        snprintf(status->detail, sizeof status->detail,
                 "the disk takes nothing: free some space, packets are dropped and counted");
    fill_rates(state, now_ns, status);
    fill_retention(look, now_ns, status);
    fill_interfaces(state, status);
}

const char *ring_status_state(const struct ring_status *status)
{
    if (!status->alive || status->paused || status->disk_full)
        return "not_recording";
    return status->waiting ? "waiting_for_interface" : "recording";
}

/* Why the last capturer could not begin, in its own words. */
static void read_problem(int dir_fd, char *detail, size_t size)
{
    struct buf text;
    buf_init(&text, 4096);
    if (io_read_file(dir_fd, RING_PROBLEM_FILE, &text) == 0 && text.len > 0)
        text_escape(slice_trim(buf_slice(&text)), detail, size);
    buf_done(&text);
}

/* The state is lost: what the segments say, and that it is so. */
static void fill_from_segments(const struct ring_reader *reader, const struct ring_look *look,
                               struct ring_status *status)
{
    *status = (struct ring_status){.segment_count = (uint32_t)look->count};
    for (size_t i = 0; i < look->count; i++) {
        const struct ring_segment_info *info = &look->segments[i].info;
        char index_name[RING_NAME_SIZE];
        ring_name_index(info->name, index_name);
        status->used_bytes += ring_store_file_bytes(reader->dir_fd, info->name) +
                              ring_store_file_bytes(reader->dir_fd, index_name);
        status->recycling |= i == 0 && info->sequence > 1;
    }
    snprintf(status->detail, sizeof status->detail,
             "the ring's file \"" RING_STATE_FILE
             "\" is %s: what is shown comes from its %zu %s. %s",
             look->state_error == -ENOENT ? "missing" : "damaged", look->count,
             look->count == 1 ? "segment" : "segments",
             ring_lock_held(reader->dir_fd) ? "A recorder runs; start it again if this stays."
                                            : "The next start of the recorder makes it again.");
}

int ring_reader_status(struct ring_reader *reader, struct ring_status *ret_status,
                       struct error *reterr)
{
    struct ring_look look;
    int r = ring_look(reader, &look, reterr);
    if (r < 0)
        return r;
    if (!look.has_state && (look.state_error != -ENOENT || look.count > 0)) {
        fill_from_segments(reader, &look, ret_status);
    } else if (!look.has_state) {
        char problem[400] = "nothing was ever recorded here: start `trawl up` or `trawl worker`";
        read_problem(reader->dir_fd, problem, sizeof problem);
        ring_look_done(&look);
        return error_set(reterr, -ENOENT, "%s", problem);
    } else {
        fill_status(&look, clock_now_ns(), ret_status);
        if (!look.alive)
            read_problem(reader->dir_fd, ret_status->detail, sizeof ret_status->detail);
    }
    struct ring_list list = {0};
    r = ring_coverage(&look, INT64_MIN, INT64_MAX, &list);
    if (r == 0 && list.covered_count) {
        ret_status->oldest_ns = list.covered[0].from_ns;
        ret_status->newest_ns = list.covered[list.covered_count - 1].to_ns;
        ret_status->retention_ns = ret_status->newest_ns - ret_status->oldest_ns;
    }
    ring_list_done(&list);
    ring_look_done(&look);
    return r < 0 ? error_set(reterr, r, "no memory") : 0;
}

/* ── integrity ── */

static void check(int dir_fd, const struct ring_segment_info *info, struct ring_problem *problem)
{
    problem->offset = ERROR_NO_OFFSET;
    int fd = openat(dir_fd, info->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct ring_scan scan;
    struct error error = {.text = ""};
    int r =
        fd < 0 ? -errno : ring_scan_file(fd, info->sealed ? 0 : info->size_bytes, &scan, &error);
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        snprintf(problem->text, sizeof problem->text, "%.190s",
                 error.text[0] ? error.text : strerror(-r));
        return;
    }
    const struct ring_index_header *found = &scan.parts.header;
    if (scan.damaged || found->size_bytes != info->size_bytes) {
        problem->offset = found->size_bytes;
        snprintf(problem->text, sizeof problem->text, "damaged: %.150s",
                 scan.damaged ? scan.damage : "it is shorter than it was");
    } else if (info->sealed_bytes > info->size_bytes) {
        problem->offset = found->size_bytes;
        snprintf(problem->text, sizeof problem->text,
                 "cut short: it was sealed with %llu bytes and has %llu",
                 (unsigned long long)info->sealed_bytes, (unsigned long long)info->size_bytes);
    } else if (info->has_sha256 && memcmp(found->sha256, info->sha256, sizeof found->sha256) != 0) {
        snprintf(problem->text, sizeof problem->text,
                 "its bytes changed since they were recorded (SHA-256 differs)");
    } else if (found->packets != info->packets) {
        snprintf(problem->text, sizeof problem->text, "it holds %llu packets, not %llu",
                 (unsigned long long)found->packets, (unsigned long long)info->packets);
    }
    ring_scan_done(&scan);
}

int ring_reader_verify(struct ring_reader *reader,
                       int (*on_segment)(void *ctx, const struct ring_segment_info *segment,
                                         const struct ring_problem *problem),
                       void *ctx, struct error *reterr)
{
    struct ring_look look;
    int r = ring_look(reader, &look, reterr);
    if (r < 0)
        return r;
    int problems = 0;
    for (size_t i = 0; i < look.count; i++) {
        const struct ring_segment_info *info = &look.segments[i].info;
        struct ring_problem problem = {0};
        memcpy(problem.name, info->name, sizeof problem.name);
        check(reader->dir_fd, info, &problem);
        bool gone = faccessat(reader->dir_fd, info->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
        if (gone) /* recycled meanwhile */
            continue;
        problems += problem.text[0] != '\0';
        if (on_segment && on_segment(ctx, info, problem.text[0] ? &problem : NULL) != 0)
            break;
    }
    ring_look_done(&look);
    return problems;
}
