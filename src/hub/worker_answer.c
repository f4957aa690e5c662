#include "hub/worker_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
    MAX_INTERVALS = 100000
};

/* Times beyond the year 2200 or before 1970 come from nobody's clock. */
#define MAX_TIME_NS INT64_C(7258118400000000000)

static bool take_uint(const json_t *object, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool take_time(const json_t *object, const char *key, int64_t *ret)
{
    uint64_t v;
    if (!take_uint(object, key, &v) || v > (uint64_t)MAX_TIME_NS)
        return false;
    *ret = (int64_t)v;
    return true;
}

/* null gives 0. */
static bool take_time_or_null(const json_t *object, const char *key, int64_t *ret)
{
    *ret = 0;
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) || !v || take_time(object, key, ret);
}

static double take_number(const json_t *object, const char *key)
{
    double v = json_number_value(json_object_get(object, key));
    return v >= 0 && v < 1e15 ? v : 0;
}

static void take_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    text_escape(slice_str(text ? text : ""), out, size);
}

static bool take_drops(const json_t *object, uint64_t *kernel, uint64_t *ring, uint64_t *disk)
{
    return take_uint(object, "kernel", kernel) && take_uint(object, "ring", ring) &&
           take_uint(object, "disk", disk);
}

static bool take_worker_drops(const json_t *object, const char *key, struct worker_drops *ret)
{
    return take_drops(json_object_get(object, key), &ret->kernel, &ret->ring, &ret->disk);
}

static bool take_span(const json_t *object, int64_t *from, int64_t *to)
{
    return take_time(object, "from_ns", from) && take_time(object, "to_ns", to) && *from <= *to;
}

/* ── status ── */

static void take_interfaces(const json_t *list, struct worker_status *s)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < WORKER_MAX_INTERFACES; i++) {
        const json_t *item = json_array_get(list, i);
        struct worker_interface *f = &s->interfaces[s->interface_count++];
        uint64_t v = 0;
        take_text(item, "name", f->name, sizeof f->name);
        f->link_type = take_uint(item, "link_type", &v) ? (unsigned)(v & 0xffff) : 0;
        f->packets = take_uint(item, "packets", &v) ? v : 0;
        f->dropped = take_uint(item, "dropped", &v) ? (int64_t)v : -1;
        f->up = json_is_true(json_object_get(item, "up"));
    }
}

static void take_gaps(const json_t *list, struct worker_status *s)
{
    size_t n = json_array_size(list);
    for (size_t i = n > WORKER_MAX_GAPS ? n - WORKER_MAX_GAPS : 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        struct worker_gap *g = &s->gaps[s->gap_count];
        if (!take_span(item, &g->from_ns, &g->to_ns))
            continue;
        take_text(item, "reason", g->reason, sizeof g->reason);
        s->gap_count++;
    }
}

static bool take_ring(const json_t *ring, struct worker_status *s)
{
    uint64_t retention;
    if (!take_time_or_null(ring, "oldest_ns", &s->oldest_ns) ||
        !take_time_or_null(ring, "newest_ns", &s->newest_ns) ||
        !take_uint(ring, "used_bytes", &s->used_bytes) ||
        !take_uint(ring, "budget_bytes", &s->budget_bytes) ||
        !take_uint(ring, "segments", &s->segments))
        return false;
    if (!take_uint(ring, "hour_budget_bytes", &s->hour_budget_bytes))
        s->hour_budget_bytes = 0;
    s->retention_ns =
        take_uint(ring, "retention_ns", &retention) && retention < (uint64_t)MAX_TIME_NS
            ? (int64_t)retention
            : 0;
    return true;
}

int worker_answer_status(const json_t *object, struct worker_status *ret_status)
{
    struct worker_status *s = ret_status;
    *s = (struct worker_status){0};
    const char *state = json_string_value(json_object_get(object, "state"));
    if (!state || !take_time(object, "now_ns", &s->now_ns) ||
        !take_uint(object, "packets", &s->packets) ||
        !take_worker_drops(object, "drops", &s->drops) ||
        !take_worker_drops(object, "drops_5min", &s->drops_5min) ||
        !take_ring(json_object_get(object, "ring"), s))
        return -EPROTO;
    s->recording = strcmp(state, "recording") == 0;
    s->waiting = strcmp(state, "waiting_for_interface") == 0;
    take_text(object, "state_detail", s->state_detail, sizeof s->state_detail);
    take_text(object, "version", s->version, sizeof s->version);
    take_text(object, "filter", s->filter, sizeof s->filter);
    (void)take_time_or_null(object, "started_ns", &s->started_ns);
    (void)take_time_or_null(object, "heartbeat_ns", &s->heartbeat_ns);
    (void)take_time_or_null(object, "captured_until_ns", &s->captured_until_ns);
    if (!take_uint(object, "captured_bytes", &s->captured_bytes))
        s->captured_bytes = 0;
    if (!take_uint(object, "excluded_packets", &s->excluded_packets))
        s->excluded_packets = 0;
    if (!take_uint(object, "snaplen", &s->snaplen))
        s->snaplen = 0;
    s->packets_per_s = take_number(object, "packets_per_s");
    s->bytes_per_s = take_number(object, "bytes_per_s");
    take_interfaces(json_object_get(object, "interfaces"), s);
    take_gaps(json_object_get(object, "gaps"), s);
    return 0;
}

/* ── list ── */

static bool take_segment(const json_t *item, struct ring_segment_info *s)
{
    const char *name = json_string_value(json_object_get(item, "name")),
               *sha = json_string_value(json_object_get(item, "sha256"));
    uint64_t series, link_type, sequence;
    uint32_t name_series;
    if (!name || strlen(name) >= sizeof s->name || !ring_name_parse(name, &name_series, &sequence))
        return false;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->sealed = json_is_true(json_object_get(item, "sealed"));
    s->has_sha256 = sha && strlen(sha) == 2 * RING_SHA256_SIZE &&
                    text_unhex(sha, s->sha256, sizeof s->sha256) == RING_SHA256_SIZE;
    bool good = take_uint(item, "sequence", &s->sequence) && s->sequence == sequence &&
                take_uint(item, "series", &series) && series == name_series &&
                take_uint(item, "link_type", &link_type) && link_type <= 0xffff &&
                take_uint(item, "size_bytes", &s->size_bytes) &&
                s->size_bytes < UINT64_C(1) << 40 && take_uint(item, "packets", &s->packets) &&
                take_uint(item, "captured_bytes", &s->captured_bytes) &&
                take_time(item, "covered_from_ns", &s->covered_from_ns) &&
                take_time(item, "covered_to_ns", &s->covered_to_ns) &&
                take_drops(json_object_get(item, "drops"), &s->drops.kernel, &s->drops.ring,
                           &s->drops.disk);
    s->sealed_bytes = s->size_bytes;
    s->sealed_to_ns = s->covered_to_ns;
    if (json_object_get(item, "sealed_bytes"))
        good = good && take_uint(item, "sealed_bytes", &s->sealed_bytes) &&
               s->sealed_bytes >= s->size_bytes && s->sealed_bytes < UINT64_C(1) << 40 &&
               take_time(item, "sealed_to_ns", &s->sealed_to_ns);
    if (good && s->packets)
        good = take_time(item, "first_ns", &s->first_ns) && take_time(item, "last_ns", &s->last_ns);
    if (good) {
        s->series = (uint32_t)series;
        s->link_type = (uint16_t)link_type;
    }
    return good;
}

static int take_segments(const json_t *list, struct ring_list *ret)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > WORKER_MAX_SEGMENTS)
        return -EPROTO;
    ret->segments = calloc(n + 1, sizeof *ret->segments);
    if (!ret->segments)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, ret->segment_count++) {
        struct ring_segment_info *s = &ret->segments[i];
        if (!take_segment(json_array_get(list, i), s) ||
            (i && s->sequence <= ret->segments[i - 1].sequence))
            return -EPROTO;
    }
    return 0;
}

static int take_covered(const json_t *list, struct ring_list *ret)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MAX_INTERVALS)
        return -EPROTO;
    ret->covered = calloc(n + 1, sizeof *ret->covered);
    if (!ret->covered)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, ret->covered_count++)
        if (!take_span(json_array_get(list, i), &ret->covered[i].from_ns, &ret->covered[i].to_ns) ||
            (i && ret->covered[i].from_ns < ret->covered[i - 1].to_ns))
            return -EPROTO;
    return 0;
}

static int take_list_gaps(const json_t *list, struct ring_list *ret)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MAX_INTERVALS)
        return -EPROTO;
    ret->gaps = calloc(n + 1, sizeof *ret->gaps);
    if (!ret->gaps)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, ret->gap_count++) {
        const json_t *item = json_array_get(list, i);
        const char *reason = json_string_value(json_object_get(item, "reason"));
        struct ring_gap *g = &ret->gaps[i];
        if (!take_span(item, &g->from_ns, &g->to_ns) || !reason ||
            (i && g->from_ns < ret->gaps[i - 1].to_ns))
            return -EPROTO;
        bool known = false;
        for (int r = RING_GAP_NOT_RECORDING; r <= RING_GAP_CORRUPT && !known; r++)
            if (strcmp(reason, ring_gap_reason_name((enum ring_gap_reason)r)) == 0) {
                g->reason = (enum ring_gap_reason)r;
                known = true;
            }
        if (!known)
            return -EPROTO;
    }
    return 0;
}

static int take_drop_events(const json_t *list, struct ring_list *ret)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MAX_INTERVALS)
        return -EPROTO;
    ret->drop_events = calloc(n + 1, sizeof *ret->drop_events);
    if (!ret->drop_events)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, ret->drop_event_count++) {
        const json_t *item = json_array_get(list, i);
        struct ring_drop_event *d = &ret->drop_events[i];
        if (!take_span(item, &d->from_ns, &d->to_ns) ||
            !take_drops(item, &d->drops.kernel, &d->drops.ring, &d->drops.disk))
            return -EPROTO;
    }
    return 0;
}

int worker_answer_list(const json_t *object, struct ring_list *ret_list)
{
    int e = take_segments(json_object_get(object, "segments"), ret_list);
    if (!e)
        e = take_covered(json_object_get(object, "covered"), ret_list);
    if (!e)
        e = take_list_gaps(json_object_get(object, "gaps"), ret_list);
    if (!e)
        e = take_drop_events(json_object_get(object, "drop_events"), ret_list);
    if (!e && !take_drops(json_object_get(object, "drops"), &ret_list->drops.kernel,
                          &ret_list->drops.ring, &ret_list->drops.disk))
        e = -EPROTO;
    return e;
}
