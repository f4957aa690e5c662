#include "ring/ring_writer.h"

#include <stdio.h>

#include "base/clock.h"
#include "ring/ring_pins.h"
#include "ring/ring_writer_internal.h"

#define FLUSH_EVERY_NS   (200 * NS_PER_MS)
#define PUBLISH_EVERY_NS (200 * NS_PER_MS)
#define ROTATE_AFTER_NS  (60 * NS_PER_S)
#define CLEAN_EVERY_NS   (60 * NS_PER_S)

enum {
    GROUP = 32, /* packets whose table lines are fetched together */
    PROTO_TCP = 6,
    PROTO_UDP = 17
};

/* ── packets ── */

void ring_writer_set_interface(struct ring_writer *writer, uint32_t slot,
                               const struct ring_writer_interface *interface)
{
    if (slot >= RING_WRITER_SLOTS)
        return;
    struct ring_slot *known = &writer->slots[slot];
    bool same = strncmp(known->name, interface->name, sizeof known->name - 1) == 0 &&
                known->link_type == interface->link_type;
    if (!same) {
        *known = (struct ring_slot){.link_type = interface->link_type};
        snprintf(known->name, sizeof known->name, "%s", interface->name);
        for (size_t i = 0; i < RING_MAX_OPEN; i++)
            if (writer->series[i].segment)
                writer->series[i].segment->slot_idb[slot] = 0;
    }
    known->up = interface->up;
    known->drops_known = interface->drops_known;
}

static void put_group(struct ring_writer *writer, const struct packet *packets, size_t count)
{
    struct ring_segment *first = writer->series[0].segment;
    struct ring_flow_key *keys = writer->keys;
    for (size_t i = 0; i < count; i++) {
        ring_flow_key_of(writer->disk.secret, &packets[i], &keys[i]);
        if (first)
            ring_flows_prefetch(&first->flows, &keys[i]);
    }
    for (size_t i = 0; first && i < count; i++)
        ring_flows_prefetch_record(&first->flows, &keys[i]);
    struct ring_series *series = NULL;
    uint8_t mark = writer->openings_mark;
    for (size_t i = 0; i < count; i++) {
        const struct packet *packet = &packets[i];
        if (packet->interface >= RING_WRITER_SLOTS)
            continue;
        if (!series || series->link_type != packet->link_type) {
            series = ring_series_of(writer, packet->link_type);
            if (series && !series->segment && !writer->stopped && series->failed_mono_ns == 0)
                ring_series_open(writer, series, packet->ts_ns, RING_GAP_NOT_RECORDING);
        }
        struct ring_slot *slot = &writer->slots[packet->interface];
        slot->packets++;
        slot->captured_bytes += packet->captured_bytes;
        writer->totals.packets++;
        writer->totals.captured_bytes += packet->captured_bytes;
        struct ring_flow_record *record =
            series ? ring_series_put(writer, series, packet, &keys[i]) : NULL;
        if (mark && record && !ring_openings_passes(&keys[i], record, packet, mark))
            ring_openings_packet(writer->openings, packet, &keys[i], slot->name, record);
    }
}

/* The first segment is opened once the interfaces are known, to describe them. */
static void begin(struct ring_writer *writer)
{
    if (writer->begun || writer->stopped)
        return;
    writer->begun = true;
    ring_series_open(writer, &writer->series[0], writer->begin_ns, RING_GAP_NOT_RECORDING);
    ring_series_flush(writer, &writer->series[0], writer->begin_ns);
}

void ring_writer_put(struct ring_writer *writer, const struct packet *packets, size_t count)
{
    begin(writer);
    for (size_t i = 0; i < count; i += GROUP)
        put_group(writer, packets + i, count - i < GROUP ? count - i : GROUP);
}

void ring_writer_declare(struct ring_writer *writer, const struct ring_drop_event *event,
                         uint32_t slot)
{
    const struct ring_drops *drops = &event->drops;
    struct ring_event_record record = {event->from_ns, event->to_ns, drops->kernel, drops->ring,
                                       drops->disk};
    if (drops->kernel + drops->ring + drops->disk == 0)
        return;
    writer->totals.drops.kernel += drops->kernel;
    writer->totals.drops.ring += drops->ring;
    writer->totals.drops.disk += drops->disk;
    ring_writer_add_pending(writer, &record);
    if (slot >= RING_WRITER_SLOTS)
        return;
    writer->slots[slot].dropped += drops->kernel;
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_segment *segment = writer->series[i].segment;
        if (segment && segment->slot_idb[slot])
            segment->idbs[segment->slot_idb[slot] - 1].dropped += drops->kernel;
    }
}

void ring_writer_count_excluded(struct ring_writer *writer, uint64_t packets)
{
    writer->totals.excluded_packets += packets;
}

void ring_writer_set_detail(struct ring_writer *writer, const char *detail)
{
    snprintf(writer->detail, sizeof writer->detail, "%s", detail);
}

struct ring_writer_totals ring_writer_totals(const struct ring_writer *writer)
{
    return writer->totals;
}

const char *ring_writer_recovery(const struct ring_writer *writer)
{
    return writer->recovery;
}

/* ── time ── */

static void fill_interfaces(struct ring_writer *writer, struct ring_state_body *state)
{
    uint32_t n = 0;
    for (int pass = 0; pass < 2; pass++) /* those that are up first */
        for (uint32_t i = 0; i < RING_WRITER_SLOTS && n < RING_MAX_INTERFACES; i++) {
            const struct ring_slot *slot = &writer->slots[i];
            if (!slot->name[0] || slot->up != (pass == 0) || (pass == 1 && slot->packets == 0))
                continue;
            struct ring_state_interface *out = &state->interfaces[n++];
            *out = (struct ring_state_interface){.link_type = slot->link_type,
                                                 .up = slot->up,
                                                 .drops_known = slot->drops_known,
                                                 .packets = slot->packets,
                                                 .captured_bytes = slot->captured_bytes,
                                                 .dropped = slot->dropped};
            memcpy(out->name, slot->name, sizeof out->name);
        }
    state->interface_count = n;
}

static void fill_second(struct ring_writer *writer, struct ring_state_body *state)
{
    int64_t second = writer->now_ns / NS_PER_S;
    struct ring_state_second *row = &state->seconds[(uint64_t)second % RING_STATE_SECONDS];
    if (row->second != second)
        *row = (struct ring_state_second){.second = second};
    const struct ring_writer_totals *now = &writer->totals;
    const struct ring_writer_totals *seen = &writer->seconds_seen;
    row->packets += now->packets - seen->packets;
    row->captured_bytes += now->captured_bytes - seen->captured_bytes;
    row->kernel += now->drops.kernel - seen->drops.kernel;
    row->ring += now->drops.ring - seen->drops.ring;
    row->disk += now->drops.disk - seen->drops.disk;
    writer->seconds_seen = *now;
}

void ring_writer_cover(struct ring_writer *writer, int64_t until_ns)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (writer->series[i].segment && until_ns > writer->series[i].covered_to_ns)
            writer->series[i].covered_to_ns = until_ns;
}

/* captured_until_ns 0: unchanged. */
static void publish(struct ring_writer *writer, int64_t captured_until_ns)
{
    struct ring_disk *disk = &writer->disk;
    pthread_mutex_lock(&disk->lock);
    struct ring_state_body *state = &disk->state;
    state->heartbeat_ns = writer->now_ns;
    state->packets = writer->totals.packets;
    state->captured_bytes = writer->totals.captured_bytes;
    state->excluded_packets = writer->totals.excluded_packets;
    state->drops_kernel = writer->totals.drops.kernel;
    state->drops_ring = writer->totals.drops.ring;
    state->drops_disk = writer->totals.drops.disk;
    if (captured_until_ns > state->captured_until_ns && disk->job_count == 0)
        state->captured_until_ns = captured_until_ns;
    state->flags &= ~(uint32_t)(RING_STATE_PAUSED | RING_STATE_CLOSED | RING_STATE_WAITING);
    state->flags |= writer->paused ? RING_STATE_PAUSED : 0;
    state->flags |= writer->waiting ? RING_STATE_WAITING : 0;
    memcpy(state->detail, writer->detail, sizeof state->detail);
    fill_interfaces(writer, state);
    fill_second(writer, state);
    ring_state_publish(disk->map, state);
    pthread_mutex_unlock(&disk->lock);
    writer->published_mono_ns = writer->mono_ns;
}

/* Every open segment ends where it is; the next one begins at from_ns. */
static void step_clock(struct ring_writer *writer, int64_t from_ns)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        if (!series->segment)
            continue;
        ring_series_seal(writer, series, 0);
        ring_series_open(writer, series, from_ns, RING_GAP_CLOCK_STEP);
    }
    /* the published time may have to go back */
    ring_disk_wait_idle(&writer->disk);
    pthread_mutex_lock(&writer->disk.lock);
    writer->disk.state.captured_until_ns = from_ns;
    pthread_mutex_unlock(&writer->disk.lock);
}

static void replace_failed(struct ring_writer *writer)
{
    struct ring_lost lost = ring_disk_take_lost(&writer->disk);
    if (lost.to_ns) {
        struct ring_event_record event = {lost.from_ns, lost.to_ns, lost.again.kernel,
                                          lost.again.ring, lost.again.disk + lost.fresh.disk};
        writer->totals.drops.disk += lost.fresh.disk;
        ring_writer_add_pending(writer, &event);
    }
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        if (series->segment && atomic_load(&series->segment->failed_flag))
            ring_series_seal(writer, series, 0);
        if (!series->segment && series->failed_mono_ns && !writer->stopped &&
            writer->mono_ns - series->failed_mono_ns >= NS_PER_S) {
            series->failed_mono_ns = 0;
            ring_series_open(writer, series, writer->now_ns, RING_GAP_DISK);
        }
    }
}

static void rotate_old(struct ring_writer *writer)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        struct ring_segment *segment = series->segment;
        if (!segment || segment->now.packets == 0 ||
            writer->mono_ns - segment->opened_mono_ns < ROTATE_AFTER_NS)
            continue;
        ring_series_seal(writer, series, 0);
        if (series->failed_mono_ns == 0)
            ring_series_open(writer, series, series->chain_covered_to_ns, RING_GAP_NOT_RECORDING);
    }
}

static void flush_all(struct ring_writer *writer, int64_t captured_until_ns)
{
    size_t last = RING_MAX_OPEN;
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (writer->series[i].segment && writer->series[i].segment->dirty)
            last = i;
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        ring_series_flush(writer, &writer->series[i], i == last ? captured_until_ns : 0);
    ring_writer_flush_openings(writer, false);
    writer->flushed_mono_ns = writer->mono_ns;
}

void ring_writer_tick(struct ring_writer *writer, int64_t now_ns, int64_t mono_ns,
                      int64_t drained_until_ns)
{
    begin(writer);
    int64_t step = (now_ns - writer->now_ns) - (mono_ns - writer->mono_ns);
    writer->now_ns = now_ns;
    writer->mono_ns = mono_ns;
    if (step > NS_PER_S || step < -NS_PER_S)
        step_clock(writer, now_ns);
    else if (!writer->stopped)
        ring_writer_cover(writer, drained_until_ns);
    replace_failed(writer);
    ring_series_declare_pending(writer);
    rotate_old(writer);
    if (mono_ns - writer->flushed_mono_ns >= FLUSH_EVERY_NS)
        flush_all(writer, writer->stopped ? 0 : drained_until_ns);
    if (mono_ns - writer->published_mono_ns >= PUBLISH_EVERY_NS)
        publish(writer, writer->stopped || !writer->series[0].segment ? 0 : drained_until_ns);
    if (mono_ns - writer->cleaned_mono_ns >= CLEAN_EVERY_NS) {
        writer->cleaned_mono_ns = mono_ns;
        ring_pins_clean(writer->pins_fd);
    }
}

void ring_writer_rotate(struct ring_writer *writer, int64_t covered_to_ns)
{
    if (!writer->stopped)
        ring_writer_cover(writer, covered_to_ns);
    ring_series_declare_pending(writer);
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        if (!series->segment ||
            (series->segment->now.packets == 0 && series->segment->event_count == 0))
            continue;
        ring_series_seal(writer, series, 0);
        if (series->failed_mono_ns == 0)
            ring_series_open(writer, series, series->chain_covered_to_ns, RING_GAP_NOT_RECORDING);
    }
    flush_all(writer, 0);
    ring_writer_flush_openings(writer, true);
    ring_disk_wait_idle(&writer->disk);
    publish(writer, writer->stopped || !writer->series[0].segment ? 0 : covered_to_ns);
}

/* Coverage ends at at_ns, if it has not ended yet. */
static void halt(struct ring_writer *writer, int64_t at_ns)
{
    if (!writer->stopped && writer->begun) {
        ring_writer_cover(writer, at_ns);
        ring_series_declare_pending(writer);
        for (size_t i = 0; i < RING_MAX_OPEN; i++)
            ring_series_seal(writer, &writer->series[i], at_ns);
        ring_disk_wait_idle(&writer->disk);
        writer->openings_until_ns = at_ns;
    }
    writer->stopped = true;
    publish(writer, writer->begun ? at_ns : 0);
}

/* Coverage goes on at at_ns when nothing stands against it any more. */
static void go_on(struct ring_writer *writer, int64_t at_ns)
{
    writer->stopped = writer->paused || writer->waiting;
    if (!writer->stopped) {
        writer->begun = true;
        if (writer->openings)
            ring_openings_missed(writer->openings, writer->openings_until_ns, at_ns);
        ring_series_open(writer, &writer->series[0], at_ns, writer->stop_reason);
        flush_all(writer, 0);
        ring_disk_wait_idle(&writer->disk);
        writer->stop_reason = RING_GAP_NOT_RECORDING;
    }
    publish(writer, writer->stopped ? 0 : at_ns);
}

void ring_writer_stop(struct ring_writer *writer, int64_t at_ns)
{
    if (writer->paused)
        return;
    writer->paused = true;
    writer->stop_reason = RING_GAP_CAPTURE_STOPPED;
    halt(writer, at_ns);
}

void ring_writer_resume(struct ring_writer *writer, int64_t at_ns)
{
    if (!writer->paused)
        return;
    writer->paused = false;
    go_on(writer, at_ns);
}

void ring_writer_declare_gap(struct ring_writer *writer, int64_t from_ns, int64_t to_ns)
{
    if (writer->stopped)
        return;
    writer->stop_reason = RING_GAP_CAPTURE_STOPPED;
    halt(writer, from_ns);
    go_on(writer, to_ns);
}

void ring_writer_set_waiting(struct ring_writer *writer, bool waiting, int64_t at_ns)
{
    if (writer->waiting == waiting)
        return;
    writer->waiting = waiting;
    if (waiting)
        halt(writer, at_ns);
    else
        go_on(writer, at_ns);
}

/* ── owners ── */

static bool has_owner(const struct ring_flow_record *record)
{
    return (record->ip_protocol == PROTO_TCP || record->ip_protocol == PROTO_UDP) &&
           record->port_a && record->port_b;
}

size_t ring_writer_take_new_flows(struct ring_writer *writer, struct owner_end *ret_ends,
                                  size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_segment *segment = writer->series[i].segment;
        while (segment && n < max && segment->owners_asked < segment->flows.count) {
            const struct ring_flow_record *record =
                &segment->flows.records[segment->owners_asked++];
            if (!has_owner(record))
                continue;
            struct owner_end *end = &ret_ends[n++];
            *end = (struct owner_end){.local_port = record->port_a,
                                      .remote_port = record->port_b,
                                      .ip_version = record->ip_version,
                                      .ip_protocol = record->ip_protocol};
            memcpy(end->local_ip, record->ip_a, sizeof end->local_ip);
            memcpy(end->remote_ip, record->ip_b, sizeof end->remote_ip);
        }
    }
    return n;
}

bool ring_writer_put_owner(struct ring_writer *writer, struct slice bytes)
{
    struct owner_note note;
    if (owner_note_read(bytes, &note, NULL) < 0)
        return false;
    struct ring_series *first = NULL;
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        if (!series->segment)
            continue;
        first = first ? first : series;
        if (ring_owners_apply(&series->segment->owners, &series->segment->flows,
                              writer->disk.secret, &note))
            return ring_series_put_note(writer, series, note.seen_ns, bytes);
    }
    /* its flows are in the segment before: whoever reads both still finds it */
    return first && ring_series_put_note(writer, first, note.seen_ns, bytes);
}
