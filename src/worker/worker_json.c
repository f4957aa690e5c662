#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "ring/ring_json.h"
#include "worker/worker_state.h"

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

/* Why nothing is recorded, as the capturer last said it (DATA/capturer-error). */
static void read_capturer_error(const struct worker *worker, char *out, size_t size)
{
    char path[4200];
    struct buf text;
    buf_init(&text, 4096);
    snprintf(path, sizeof path, "%.4000s/capturer-error", worker->options->data_dir);
    if (io_read_file(AT_FDCWD, path, &text) == 0) {
        struct slice line = buf_slice(&text);
        while (line.len && line.data[line.len - 1] == '\n')
            line.len--;
        if (line.len)
            text_escape(line, out, size);
    }
    buf_done(&text);
}

static void write_state(struct worker *worker, const struct ring_status *s, struct json_writer *w)
{
    const char *state = ring_status_state(s);
    bool recording = strcmp(state, "recording") == 0;
    char detail[400] = "";
    json_member_str(w, "state", state);
    if (s->detail[0])
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
    ring_json_capture(w, RING_JSON_NS, &status);
    write_ring(w, &status);
    ring_json_coverage(w, RING_JSON_NS, &list);
    json_end_object(w);
    ring_list_done(&list);
    return 0;
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
    ring_json_segments(w, RING_JSON_NS, &list);
    ring_json_coverage(w, RING_JSON_NS, &list);
    ring_json_drop_events(w, RING_JSON_NS, &list);
    json_end_object(w);
    ring_list_done(&list);
    return 0;
}
