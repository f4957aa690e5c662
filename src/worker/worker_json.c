#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "worker/worker_state.h"

static void write_drops(struct json_writer *w, const char *key, const struct ring_drops *drops)
{
    json_key(w, key);
    json_begin_object(w);
    json_member_uint(w, "kernel", drops->kernel);
    json_member_uint(w, "ring", drops->ring);
    json_member_uint(w, "disk", drops->disk);
    json_end_object(w);
}

static void write_coverage(struct json_writer *w, const struct ring_list *list)
{
    json_key(w, "covered");
    json_begin_array(w);
    for (size_t i = 0; i < list->covered_count; i++) {
        json_begin_object(w);
        json_member_int(w, "from_ns", list->covered[i].from_ns);
        json_member_int(w, "to_ns", list->covered[i].to_ns);
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "gaps");
    json_begin_array(w);
    for (size_t i = 0; i < list->gap_count; i++) {
        json_begin_object(w);
        json_member_int(w, "from_ns", list->gaps[i].from_ns);
        json_member_int(w, "to_ns", list->gaps[i].to_ns);
        json_member_str(w, "reason", ring_gap_reason_name(list->gaps[i].reason));
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_time_or_null(struct json_writer *w, const char *key, int64_t ns)
{
    json_key(w, key);
    if (ns)
        json_int(w, ns);
    else
        json_none(w);
}

static void write_ring(struct json_writer *w, const struct ring_status *s)
{
    json_key(w, "ring");
    json_begin_object(w);
    write_time_or_null(w, "oldest_ns", s->oldest_ns);
    write_time_or_null(w, "newest_ns", s->newest_ns);
    json_member_uint(w, "used_bytes", s->used_bytes);
    json_member_uint(w, "budget_bytes", s->budget_bytes);
    json_member_uint(w, "segment_bytes", s->segment_bytes);
    json_member_uint(w, "segments", s->segment_count);
    json_member_int(w, "retention_ns", s->retention_ns);
    json_member_bool(w, "recycling", s->recycling);
    json_member_uint(w, "hour_budget_bytes", s->hour_budget_bytes);
    json_end_object(w);
}

static void write_interfaces(struct json_writer *w, const struct ring_status *s)
{
    json_key(w, "interfaces");
    json_begin_array(w);
    for (uint32_t i = 0; i < s->interface_count && i < RING_MAX_INTERFACES; i++) {
        const struct ring_interface_status *face = &s->interfaces[i];
        json_begin_object(w);
        json_member_str(w, "name", face->name);
        json_member_int(w, "link_type", face->link_type);
        json_member_uint(w, "packets", face->packets);
        json_key(w, "dropped");
        if (face->drops_known)
            json_uint(w, face->dropped);
        else
            json_none(w);
        json_member_bool(w, "up", face->up);
        json_end_object(w);
    }
    json_end_array(w);
}

/* Why nothing is recorded, as the capturer last said it (DATA/capturer-error). */
static void read_capturer_error(const struct worker *worker, char *out, size_t size)
{
    char path[4200];
    struct buf text;
    buf_init(&text, 4096);
    snprintf(path, sizeof path, "%.4000s/capturer-error", worker->options->data_dir);
    out[0] = '\0';
    if (io_read_file(AT_FDCWD, path, &text) == 0) {
        struct slice line = buf_slice(&text);
        while (line.len && line.data[line.len - 1] == '\n')
            line.len--;
        text_escape(line, out, size);
    }
    buf_done(&text);
}

static void write_state(struct worker *worker, const struct ring_status *s, struct json_writer *w)
{
    bool recording = s->alive && !s->paused && !s->disk_full;
    char detail[400] = "";
    json_member_str(w, "state", recording ? "recording" : "not_recording");
    if (!recording && s->detail[0])
        snprintf(detail, sizeof detail, "%s", s->detail);
    if (!recording && !s->alive && worker->options->no_capture)
        snprintf(detail, sizeof detail, "Capture is switched off (--no-capture).");
    else if (!recording && !s->alive)
        read_capturer_error(worker, detail, sizeof detail);
    if (!recording && !detail[0])
        snprintf(detail, sizeof detail, "The capturer is not running.");
    json_member_str(w, "state_detail", detail);
    json_member_bool(w, "paused", s->paused);
}

static void write_counters(const struct ring_status *s, struct json_writer *w)
{
    json_member_int(w, "started_ns", s->started_ns);
    json_member_int(w, "heartbeat_ns", s->heartbeat_ns);
    json_member_int(w, "captured_until_ns", s->captured_until_ns);
    json_member_uint(w, "packets", s->packets);
    json_member_uint(w, "captured_bytes", s->captured_bytes);
    json_member_uint(w, "excluded_packets", s->excluded_packets);
    json_key(w, "packets_per_s");
    json_double(w, s->packets_per_s);
    json_key(w, "bytes_per_s");
    json_double(w, s->bytes_per_s);
    write_drops(w, "drops", &s->drops);
    write_drops(w, "drops_5min", &s->drops_5min);
}

int worker_write_status(struct worker *worker, struct json_writer *w, struct error *reterr)
{
    struct ring_status status = {0};
    struct ring_list list = {0};
    int r = ring_reader_status(worker->reader, &status, reterr);
    if (r < 0 && r != -ENOENT)
        return r;
    r = ring_reader_list(worker->reader, INT64_MIN, INT64_MAX, &list, reterr);
    if (r < 0)
        return r;
    json_begin_object(w);
    json_member_str(w, "name", worker->options->name);
    json_member_str(w, "instance", worker->instance);
    json_member_str(w, "version", TRAWL_VERSION);
    json_member_int(w, "now_ns", clock_now_ns());
    write_state(worker, &status, w);
    write_counters(&status, w);
    write_ring(w, &status);
    write_interfaces(w, &status);
    json_member_str(w, "filter", status.capture_filter);
    json_member_uint(w, "snaplen", status.snaplen_bytes);
    write_coverage(w, &list);
    json_end_object(w);
    ring_list_done(&list);
    return 0;
}

static void write_segment(struct json_writer *w, const struct ring_segment_info *s)
{
    json_begin_object(w);
    json_member_str(w, "name", s->name);
    json_member_uint(w, "sequence", s->sequence);
    json_member_uint(w, "series", s->series);
    json_member_uint(w, "link_type", s->link_type);
    json_member_bool(w, "sealed", s->sealed);
    json_member_uint(w, "size_bytes", s->size_bytes);
    json_member_uint(w, "packets", s->packets);
    json_member_uint(w, "captured_bytes", s->captured_bytes);
    if (s->packets) {
        json_member_int(w, "first_ns", s->first_ns);
        json_member_int(w, "last_ns", s->last_ns);
    }
    json_member_int(w, "covered_from_ns", s->covered_from_ns);
    json_member_int(w, "covered_to_ns", s->covered_to_ns);
    write_drops(w, "drops", &s->drops);
    if (s->has_sha256) {
        char hex[2 * RING_SHA256_SIZE + 1];
        text_hex(s->sha256, RING_SHA256_SIZE, hex);
        json_member_str(w, "sha256", hex);
    }
    json_end_object(w);
}

int worker_write_segments(struct worker *worker, int64_t from_ns, int64_t to_ns,
                          struct json_writer *w, struct error *reterr)
{
    struct ring_list list = {0};
    int r = ring_reader_list(worker->reader, from_ns, to_ns, &list, reterr);
    if (r < 0)
        return r;
    json_begin_object(w);
    json_member_int(w, "now_ns", clock_now_ns());
    json_key(w, "segments");
    json_begin_array(w);
    for (size_t i = 0; i < list.segment_count; i++)
        write_segment(w, &list.segments[i]);
    json_end_array(w);
    write_coverage(w, &list);
    write_drops(w, "drops", &list.drops);
    json_key(w, "drop_events");
    json_begin_array(w);
    for (size_t i = 0; i < list.drop_event_count; i++) {
        const struct ring_drop_event *e = &list.drop_events[i];
        json_begin_object(w);
        json_member_int(w, "from_ns", e->from_ns);
        json_member_int(w, "to_ns", e->to_ns);
        json_member_uint(w, "kernel", e->drops.kernel);
        json_member_uint(w, "ring", e->drops.ring);
        json_member_uint(w, "disk", e->drops.disk);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    ring_list_done(&list);
    return 0;
}
