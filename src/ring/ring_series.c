#include <stdio.h>

#include "base/clock.h"
#include "packet/pcapng_writer.h"
#include "ring/ring_writer_internal.h"

enum {
    HEADER_BYTES_MAX = RING_BUFFER_BYTES / 2
};

static const char no_interface[] = "any";

struct ring_series *ring_series_of(struct ring_writer *writer, uint16_t link_type)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++) {
        struct ring_series *series = &writer->series[i];
        if (series->link_type == link_type)
            return series;
        if (series->link_type == 0) {
            series->link_type = link_type;
            return series;
        }
    }
    return NULL;
}

static int describe(struct ring_writer *writer, struct ring_segment *segment, struct buf *out,
                    uint32_t slot)
{
    const struct ring_slot *known = slot < RING_WRITER_SLOTS ? &writer->slots[slot] : NULL;
    struct packet_interface interface = {.link_type = segment->link_type,
                                         .snaplen_bytes = writer->options.snaplen_bytes,
                                         .name = known ? known->name : no_interface,
                                         .filter = writer->filter[0] ? writer->filter : NULL};
    int r = pcapng_put_interface(out, &interface);
    if (r < 0)
        return r;
    segment->idbs[segment->idb_count] =
        (struct ring_segment_idb){.slot = slot, .drops_known = known && known->drops_known};
    segment->idb_count++;
    if (known)
        segment->slot_idb[slot] = (uint16_t)segment->idb_count;
    return 0;
}

/* Section header, the interfaces that are up, the begin note. */
static void put_head(struct ring_writer *writer, struct ring_segment *segment)
{
    struct buf out;
    buf_init(&out, HEADER_BYTES_MAX);
    pcapng_put_section(&out, writer->os, writer->application, NULL);
    for (uint32_t slot = 0; slot < RING_WRITER_SLOTS; slot++) {
        const struct ring_slot *known = &writer->slots[slot];
        /* half of the smallest segment stays for packets */
        if (known->name[0] && known->up && known->link_type == segment->link_type &&
            out.len < segment->max_bytes / 4 && out.len < HEADER_BYTES_MAX / 2)
            (void)describe(writer, segment, &out, slot);
    }
    if (segment->idb_count == 0)
        (void)describe(writer, segment, &out, UINT32_MAX);
    ring_segment_put_raw(segment, buf_slice(&out));
    buf_done(&out);
    ring_segment_put_begin(segment, segment->covered_from_ns);
}

void ring_series_open(struct ring_writer *writer, struct ring_series *series, int64_t from_ns,
                      enum ring_gap_reason reason)
{
    struct ring_segment *segment = ring_disk_take_segment(&writer->disk);
    if (!segment)
        return; /* no memory: what comes meanwhile is counted as dropped by us */
    segment->series = series->link_type;
    segment->link_type = series->link_type;
    segment->sequence = writer->next_sequence++;
    ring_name_format(segment->series, segment->sequence, segment->name);
    segment->covered_from_ns = from_ns;
    segment->previous_covered_to_ns = series->chain_covered_to_ns;
    segment->gap_reason = reason;
    segment->opened_mono_ns = writer->mono_ns;
    segment->now.covered_to_ns = from_ns;
    segment->buffer = ring_disk_take_buffer(&writer->disk);
    series->segment = segment;
    series->covered_to_ns = from_ns;
    put_head(writer, segment);
}

static void swap_buffer(struct ring_writer *writer, struct ring_segment *segment,
                        int64_t captured_until_ns)
{
    struct ring_buffer *old = segment->buffer;
    struct ring_buffer *new = ring_disk_take_buffer(&writer->disk);
    size_t whole = old->fill_bytes & ~(size_t)(RING_SECTOR_BYTES - 1);
    new->carry_bytes = old->fill_bytes - whole;
    new->fill_bytes = new->carry_bytes;
    new->file_offset = old->file_offset + whole;
    memcpy(new->data, old->data + whole, new->carry_bytes);
    segment->buffer = new;
    segment->dirty = false;
    struct ring_job job = {.segment = segment,
                           .buffer = old,
                           .figures = segment->now,
                           .captured_until_ns = captured_until_ns};
    ring_disk_push(&writer->disk, &job);
}

void ring_series_flush(struct ring_writer *writer, struct ring_series *series,
                       int64_t captured_until_ns)
{
    struct ring_segment *segment = series->segment;
    if (!segment || !segment->dirty)
        return;
    if (series->covered_to_ns > segment->now.covered_to_ns)
        segment->now.covered_to_ns = series->covered_to_ns;
    swap_buffer(writer, segment, captured_until_ns);
}

static void need_buffer_room(struct ring_writer *writer, struct ring_segment *segment, size_t n)
{
    if (!ring_buffer_has_room(segment->buffer, n))
        swap_buffer(writer, segment, 0);
}

void ring_series_seal(struct ring_writer *writer, struct ring_series *series,
                      int64_t captured_until_ns)
{
    struct ring_segment *segment = series->segment;
    if (!segment)
        return;
    bool failed = atomic_load(&segment->failed_flag);
    if (series->covered_to_ns > segment->now.covered_to_ns)
        segment->now.covered_to_ns = series->covered_to_ns;
    need_buffer_room(writer, segment, ring_segment_reserve(segment));
    ring_segment_put_end(segment, segment->now.covered_to_ns);
    series->chain_covered_to_ns = segment->now.covered_to_ns;
    if (failed) { /* coverage ended with the last good write */
        series->failed_mono_ns = writer->mono_ns;
        series->chain_covered_to_ns = segment->written_covered_to_ns
                                          ? segment->written_covered_to_ns
                                          : segment->previous_covered_to_ns;
    }
    struct ring_job job = {.segment = segment,
                           .buffer = segment->buffer,
                           .figures = segment->now,
                           .captured_until_ns = captured_until_ns,
                           .seal = true};
    segment->buffer = NULL;
    series->segment = NULL;
    ring_disk_push(&writer->disk, &job);
}

/* The segment is full: the next one goes on where it ends. */
static bool next_segment(struct ring_writer *writer, struct ring_series *series)
{
    ring_series_seal(writer, series, 0);
    if (series->failed_mono_ns)
        return false;
    ring_series_open(writer, series, series->chain_covered_to_ns, RING_GAP_NOT_RECORDING);
    return series->segment != NULL;
}

static void lose(struct ring_writer *writer, const struct packet *packet, bool by_disk)
{
    struct ring_event_record event = {.from_ns = packet->ts_ns, .to_ns = packet->ts_ns + 1};
    if (by_disk)
        event.disk = 1;
    else
        event.ring = 1;
    writer->totals.drops.disk += event.disk;
    writer->totals.drops.ring += event.ring;
    ring_writer_add_pending(writer, &event);
}

/* The interface is described in the segment. False when a new segment is needed for it. */
static bool described(struct ring_writer *writer, struct ring_segment *segment, uint32_t slot)
{
    if (segment->slot_idb[slot])
        return true;
    struct buf out;
    buf_init(&out, 64 * 1024);
    bool room = segment->idb_count < RING_MAX_SLOTS && ring_segment_has_room(segment, 2048);
    if (room && describe(writer, segment, &out, slot) == 0) {
        need_buffer_room(writer, segment, out.len);
        ring_segment_put_raw(segment, buf_slice(&out));
    }
    buf_done(&out);
    return room;
}

struct ring_flow_record *ring_series_put(struct ring_writer *writer, struct ring_series *series,
                                         const struct packet *packet,
                                         const struct ring_flow_key *key)
{
    struct ring_segment *segment = series->segment;
    size_t n = ring_epb_bytes(packet->captured_bytes);
    if (!segment) {
        lose(writer, packet, series->failed_mono_ns != 0);
        return NULL;
    }
    for (int tries = 0; tries < 2; tries++) {
        if (ring_segment_has_room(segment, n) && described(writer, segment, packet->interface)) {
            need_buffer_room(writer, segment, n);
            struct ring_flow_record *record;
            if (ring_segment_put_packet(segment, packet, key, &record)) {
                if (packet->ts_ns > series->covered_to_ns)
                    series->covered_to_ns = packet->ts_ns;
                return record;
            }
        }
        if (segment->now.packets == 0 || !next_segment(writer, series))
            break;
        segment = series->segment;
    }
    lose(writer, packet, series->segment == NULL);
    return NULL;
}

bool ring_series_put_note(struct ring_writer *writer, struct ring_series *series, int64_t ts_ns,
                          struct slice note)
{
    struct ring_segment *segment = series->segment;
    struct buf block;
    buf_init(&block, 2 * OWNER_NOTE_MAX_BYTES);
    bool fits = pcapng_put_note(&block, 0, ts_ns, note) == 0 &&
                segment->owner_bytes + block.len <= segment->max_bytes / 16 &&
                ring_segment_has_room(segment, block.len);
    if (fits) {
        need_buffer_room(writer, segment, block.len);
        ring_segment_put_raw(segment, buf_slice(&block));
        segment->owner_bytes += block.len;
    }
    buf_done(&block);
    return fits;
}

void ring_series_declare_pending(struct ring_writer *writer)
{
    struct ring_segment *segment = writer->series[0].segment;
    const struct ring_event_record *pending = &writer->pending;
    if (!segment || pending->to_ns == 0 || !ring_segment_has_room(segment, RING_ISB_MAX_BYTES))
        return;
    need_buffer_room(writer, segment, RING_ISB_MAX_BYTES);
    ring_segment_put_drops(segment, pending);
    writer->pending = (struct ring_event_record){0};
}

void ring_writer_add_pending(struct ring_writer *writer, const struct ring_event_record *event)
{
    struct ring_event_record *pending = &writer->pending;
    if (pending->to_ns == 0 || event->from_ns < pending->from_ns)
        pending->from_ns = event->from_ns;
    if (event->to_ns > pending->to_ns)
        pending->to_ns = event->to_ns;
    pending->kernel += event->kernel;
    pending->ring += event->ring;
    pending->disk += event->disk;
}
