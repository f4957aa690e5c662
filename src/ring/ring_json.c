#include "ring/ring_json.h"

#include <stdio.h>

#include "base/text.h"

void ring_json_time(struct json_writer *w, enum ring_json_times times, const char *key, int64_t ns)
{
    char name[48];
    snprintf(name, sizeof name, "%s%s", key, times == RING_JSON_NS ? "_ns" : "");
    json_key(w, name);
    if (times == RING_JSON_NS)
        json_int(w, ns);
    else if (ns)
        json_time(w, ns);
    else
        json_none(w);
}

void ring_json_drops(struct json_writer *w, const char *key, const struct ring_drops *drops)
{
    json_key(w, key);
    json_begin_object(w);
    json_member_uint(w, "kernel", drops->kernel);
    json_member_uint(w, "ring", drops->ring);
    json_member_uint(w, "disk", drops->disk);
    json_end_object(w);
}

void ring_json_drop_events(struct json_writer *w, enum ring_json_times times,
                           const struct ring_list *list)
{
    ring_json_drops(w, "drops", &list->drops);
    json_key(w, "drop_events");
    json_begin_array(w);
    for (size_t i = 0; i < list->drop_event_count; i++) {
        const struct ring_drop_event *e = &list->drop_events[i];
        json_begin_object(w);
        ring_json_time(w, times, "from", e->from_ns);
        ring_json_time(w, times, "to", e->to_ns);
        json_member_uint(w, "kernel", e->drops.kernel);
        json_member_uint(w, "ring", e->drops.ring);
        json_member_uint(w, "disk", e->drops.disk);
        json_end_object(w);
    }
    json_end_array(w);
}

void ring_json_coverage(struct json_writer *w, enum ring_json_times times,
                        const struct ring_list *list)
{
    json_key(w, "covered");
    json_begin_array(w);
    for (size_t i = 0; i < list->covered_count; i++) {
        json_begin_object(w);
        ring_json_time(w, times, "from", list->covered[i].from_ns);
        ring_json_time(w, times, "to", list->covered[i].to_ns);
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "gaps");
    json_begin_array(w);
    for (size_t i = 0; i < list->gap_count; i++) {
        json_begin_object(w);
        ring_json_time(w, times, "from", list->gaps[i].from_ns);
        ring_json_time(w, times, "to", list->gaps[i].to_ns);
        json_member_str(w, "reason", ring_gap_reason_name(list->gaps[i].reason));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_segment(struct json_writer *w, enum ring_json_times times,
                        const struct ring_segment_info *s)
{
    char hex[2 * RING_SHA256_SIZE + 1];
    json_begin_object(w);
    json_member_str(w, "name", s->name);
    json_member_uint(w, "sequence", s->sequence);
    json_member_uint(w, "series", s->series);
    json_member_uint(w, "link_type", s->link_type);
    json_member_bool(w, "sealed", s->sealed);
    json_member_uint(w, "size_bytes", s->size_bytes);
    if (s->sealed_bytes > s->size_bytes) { /* it was cut since */
        json_member_uint(w, "sealed_bytes", s->sealed_bytes);
        ring_json_time(w, times, "sealed_to", s->sealed_to_ns);
    }
    json_member_uint(w, "packets", s->packets);
    json_member_uint(w, "captured_bytes", s->captured_bytes);
    if (s->packets) {
        ring_json_time(w, times, "first", s->first_ns);
        ring_json_time(w, times, "last", s->last_ns);
    }
    ring_json_time(w, times, "covered_from", s->covered_from_ns);
    ring_json_time(w, times, "covered_to", s->covered_to_ns);
    ring_json_drops(w, "drops", &s->drops);
    if (s->has_sha256) {
        text_hex(s->sha256, sizeof s->sha256, hex);
        json_member_str(w, "sha256", hex);
    }
    json_end_object(w);
}

void ring_json_segments(struct json_writer *w, enum ring_json_times times,
                        const struct ring_list *list)
{
    json_key(w, "segments");
    json_begin_array(w);
    for (size_t i = 0; i < list->segment_count; i++)
        put_segment(w, times, &list->segments[i]);
    json_end_array(w);
}

static void put_interfaces(struct json_writer *w, const struct ring_status *status)
{
    json_key(w, "interfaces");
    json_begin_array(w);
    for (uint32_t i = 0; i < status->interface_count && i < RING_MAX_INTERFACES; i++) {
        const struct ring_interface_status *face = &status->interfaces[i];
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

void ring_json_capture(struct json_writer *w, enum ring_json_times times,
                       const struct ring_status *s)
{
    bool machine = times == RING_JSON_NS;
    ring_json_time(w, times, machine ? "started" : "started_at", s->started_ns);
    ring_json_time(w, times, machine ? "heartbeat" : "heartbeat_at", s->heartbeat_ns);
    ring_json_time(w, times, "captured_until", s->captured_until_ns);
    json_member_uint(w, "packets", s->packets);
    json_member_uint(w, "captured_bytes", s->captured_bytes);
    json_member_uint(w, "excluded_packets", s->excluded_packets);
    json_key(w, "packets_per_s");
    json_double(w, s->packets_per_s);
    json_key(w, "bytes_per_s");
    json_double(w, s->bytes_per_s);
    ring_json_drops(w, "drops", &s->drops);
    ring_json_drops(w, "drops_5min", &s->drops_5min);
    json_member_str(w, "filter", s->capture_filter);
    json_member_uint(w, "snaplen", s->snaplen_bytes);
    put_interfaces(w, s);
}
