/* The fleet as the API shows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "hub/fleet_private.h"

static void write_drops(struct json_writer *w, const char *key, const struct worker_drops *d)
{
    json_key(w, key);
    json_begin_object(w);
    json_member_uint(w, "kernel", d->kernel);
    json_member_uint(w, "ring", d->ring);
    json_member_uint(w, "disk", d->disk);
    json_end_object(w);
}

static void write_time_or_null(struct json_writer *w, const char *key, int64_t node_ns,
                               int64_t offset_ns)
{
    json_key(w, key);
    if (node_ns)
        json_time(w, node_ns - offset_ns);
    else
        json_none(w);
}

static void write_interfaces(struct json_writer *w, const struct worker_status *s)
{
    json_key(w, "interfaces");
    json_begin_array(w);
    for (size_t i = 0; i < s->interface_count; i++) {
        const struct worker_interface *f = &s->interfaces[i];
        json_begin_object(w);
        json_member_str(w, "name", f->name);
        json_member_uint(w, "link_type", f->link_type);
        json_member_uint(w, "packets", f->packets);
        json_key(w, "dropped");
        if (f->dropped < 0)
            json_none(w);
        else
            json_int(w, f->dropped);
        json_member_bool(w, "up", f->up);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_ring(struct json_writer *w, const struct worker_status *s, int64_t offset_ns)
{
    json_key(w, "ring");
    json_begin_object(w);
    write_time_or_null(w, "oldest", s->oldest_ns, offset_ns);
    write_time_or_null(w, "newest", s->newest_ns, offset_ns);
    json_member_uint(w, "bytes", s->used_bytes);
    json_member_uint(w, "budget_bytes", s->budget_bytes);
    json_member_uint(w, "segments", s->segments);
    json_key(w, "retention_s");
    json_double(w, (double)s->retention_ns / 1e9);
    json_member_uint(w, "hour_budget_bytes", s->hour_budget_bytes);
    json_end_object(w);
}

static void write_gaps(struct json_writer *w, const struct worker_status *s, int64_t offset_ns)
{
    json_key(w, "gaps");
    json_begin_array(w);
    for (size_t i = 0; i < s->gap_count; i++) {
        json_begin_object(w);
        json_member_time(w, "from", s->gaps[i].from_ns - offset_ns);
        json_member_time(w, "to", s->gaps[i].to_ns - offset_ns);
        json_member_str(w, "reason", s->gaps[i].reason);
        json_end_object(w);
    }
    json_end_array(w);
}

/* The state and why, also when the last status is too old to be true: a stopped worker cannot say
 * that it does not record. */
static const char *write_state(const struct fleet_node *node, const struct worker_status *s,
                               char *detail, size_t size)
{
    int64_t silence_ns = clock_mono_ns() - node->status_mono_ns;
    int64_t heartbeat_age_ns = s->heartbeat_ns ? s->now_ns - s->heartbeat_ns : 0;
    if (fleet_node_is_stale(node) && node->status) {
        snprintf(detail, size, "Nothing was heard of it for %lld s%s%.390s",
                 (long long)(silence_ns / NS_PER_S), node->problem[0] ? ": " : ".", node->problem);
        return "silent";
    }
    if (!node->status) {
        snprintf(detail, size, "%s", node->problem);
        return fleet_node_is_stale(node) ? "silent" : "not_recording";
    }
    if (s->recording && heartbeat_age_ns > FLEET_STALE_SECONDS * NS_PER_S) {
        snprintf(detail, size, "The capturer's last heartbeat is %lld s old.",
                 (long long)(heartbeat_age_ns / NS_PER_S));
        return "not_recording";
    }
    snprintf(detail, size, "%s", s->state_detail);
    return s->recording ? "recording" : s->waiting ? "waiting_for_interface" : "not_recording";
}

/* Called with the node's lock. */
static void write_node(struct json_writer *w, const struct fleet_node *node)
{
    static const struct worker_status nothing = {0};
    const struct worker_status *s = node->status ? node->status : &nothing;
    bool stale = fleet_node_is_stale(node);
    struct fleet_clock clock = fleet_node_clock_locked(node);
    char address[120], detail[480];
    snprintf(address, sizeof address, strchr(node->address, ':') ? "[%s]:%u" : "%s:%u",
             node->address, node->port);
    const char *state = write_state(node, s, detail, sizeof detail);
    json_begin_object(w);
    json_member_str(w, "name", node->name);
    json_member_str(w, "state", state);
    json_member_str(w, "state_detail", detail);
    json_member_str(w, "version", node->version);
    write_time_or_null(w, "heartbeat_at", s->heartbeat_ns, clock.offset_ns);
    json_member_str(w, "address", address);
    write_interfaces(w, s);
    write_ring(w, s, clock.offset_ns);
    json_member_uint(w, "packets", s->packets);
    json_key(w, "packets_per_s");
    json_double(w, stale ? 0 : s->packets_per_s);
    json_key(w, "bytes_per_s");
    json_double(w, stale ? 0 : s->bytes_per_s);
    json_member_uint(w, "excluded_packets", s->excluded_packets);
    write_drops(w, "drops", &s->drops);
    write_drops(w, "drops_5min", &s->drops_5min);
    write_gaps(w, s, clock.offset_ns);
    json_member_int(w, "clock_offset_ns", clock.offset_ns);
    write_time_or_null(w, "hold_until", node->hold_until_ns, 0);
    json_end_object(w);
}

void fleet_write_json(struct fleet *fleet, struct json_writer *w)
{
    struct fleet_node **nodes = NULL;
    size_t count = 0;
    json_begin_array(w);
    if (fleet_nodes(fleet, NULL, &nodes, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++) {
            pthread_mutex_lock(&nodes[i]->lock);
            write_node(w, nodes[i]);
            pthread_mutex_unlock(&nodes[i]->lock);
        }
    fleet_nodes_done(nodes, count);
    json_end_array(w);
}

static void write_metric(struct buf *out, const char *name, const char *node, const char *label,
                         uint64_t value)
{
    buf_printf(out, "trawl_node_%s{node=\"%s\"%s} %llu\n", name, node, label,
               (unsigned long long)value);
}

void fleet_write_metrics(struct fleet *fleet, struct buf *out)
{
    struct fleet_node **nodes = NULL;
    size_t count = 0;
    buf_append_str(out, "# TYPE trawl_node_up gauge\n# TYPE trawl_node_packets counter\n"
                        "# TYPE trawl_node_dropped counter\n# TYPE trawl_node_ring_bytes gauge\n"
                        "# TYPE trawl_node_ring_budget_bytes gauge\n"
                        "# TYPE trawl_node_ring_retention_seconds gauge\n");
    if (fleet_nodes(fleet, NULL, &nodes, &count, NULL) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&nodes[i]->lock);
        const struct worker_status *s = nodes[i]->status;
        const char *name = nodes[i]->name; /* worker_name_valid: nothing to escape */
        write_metric(out, "up", name, "", s && s->recording && !fleet_node_is_stale(nodes[i]));
        if (s) {
            write_metric(out, "packets", name, "", s->packets);
            write_metric(out, "dropped", name, ",where=\"kernel\"", s->drops.kernel);
            write_metric(out, "dropped", name, ",where=\"ring\"", s->drops.ring);
            write_metric(out, "dropped", name, ",where=\"disk\"", s->drops.disk);
            write_metric(out, "ring_bytes", name, "", s->used_bytes);
            write_metric(out, "ring_budget_bytes", name, "", s->budget_bytes);
            write_metric(out, "ring_retention_seconds", name, "",
                         (uint64_t)(s->retention_ns / NS_PER_S));
        }
        pthread_mutex_unlock(&nodes[i]->lock);
    }
    fleet_nodes_done(nodes, count);
}

uint64_t fleet_ring_budget(struct fleet *fleet)
{
    struct fleet_node **nodes = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    if (fleet_nodes(fleet, NULL, &nodes, &count, NULL) < 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&nodes[i]->lock);
        sum += nodes[i]->status ? nodes[i]->status->budget_bytes : 0;
        pthread_mutex_unlock(&nodes[i]->lock);
    }
    fleet_nodes_done(nodes, count);
    return sum;
}
