#include "ring/ring_segment.h"

#include <stdlib.h>

struct ring_segment *ring_segment_new(uint64_t max_bytes)
{
    struct ring_segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return NULL;
    segment->fd = -1;
    segment->max_bytes = max_bytes;
    segment->chunk_cap = (uint32_t)(max_bytes / RING_CHUNK_BYTES) + 2;
    segment->chunks = calloc(segment->chunk_cap, sizeof *segment->chunks);
    segment->events = calloc(RING_MAX_EVENTS, sizeof *segment->events);
    segment->idbs = calloc(RING_MAX_SLOTS, sizeof *segment->idbs);
    segment->sha = EVP_MD_CTX_new();
    if (ring_flows_init(&segment->flows) < 0 || !segment->chunks || !segment->events ||
        !segment->idbs || !segment->sha) {
        ring_segment_free(segment);
        return NULL;
    }
    ring_owners_init(&segment->owners);
    ring_segment_reset(segment);
    return segment;
}

void ring_segment_free(struct ring_segment *segment)
{
    if (!segment)
        return;
    ring_flows_done(&segment->flows);
    ring_owners_done(&segment->owners);
    free(segment->chunks);
    free(segment->events);
    free(segment->idbs);
    EVP_MD_CTX_free(segment->sha);
    free(segment);
}

void ring_segment_reset(struct ring_segment *segment)
{
    memset(&segment->now, 0, sizeof segment->now);
    memset(segment->slot_idb, 0, sizeof segment->slot_idb);
    ring_flows_reset(&segment->flows);
    ring_owners_reset(&segment->owners);
    segment->owners_asked = 0;
    segment->owner_bytes = 0;
    segment->unsorted = false;
    segment->idb_count = 0;
    segment->chunk_count = 0;
    segment->event_count = 0;
    segment->buffer = NULL;
    segment->dirty = false;
    segment->opened = segment->failed = false;
    segment->disk_bytes = segment->written_bytes = segment->synced_bytes = 0;
    segment->written_covered_to_ns = 0;
    segment->written_drops = (struct ring_drops){0};
    atomic_store(&segment->failed_flag, false);
    EVP_DigestInit_ex(segment->sha, EVP_sha256(), NULL);
}

static uint8_t *room(struct ring_segment *segment)
{
    return segment->buffer->data + segment->buffer->fill_bytes;
}

static void advance(struct ring_segment *segment, size_t n)
{
    segment->buffer->fill_bytes += n;
    segment->now.length_bytes += n;
    segment->dirty = true;
}

void ring_segment_put_raw(struct ring_segment *segment, struct slice bytes)
{
    memcpy(room(segment), bytes.data, bytes.len);
    advance(segment, bytes.len);
}

static inline void count_times(int64_t *first_ns, int64_t *last_ns, int64_t ts_ns, bool first)
{
    if (first || ts_ns < *first_ns)
        *first_ns = ts_ns;
    if (first || ts_ns > *last_ns)
        *last_ns = ts_ns;
}

static void count_chunk(struct ring_segment *segment, uint64_t offset, int64_t ts_ns)
{
    struct ring_chunk_record *chunk =
        segment->chunk_count ? &segment->chunks[segment->chunk_count - 1] : NULL;
    if (!chunk ||
        (offset - chunk->offset >= RING_CHUNK_BYTES && segment->chunk_count < segment->chunk_cap)) {
        chunk = &segment->chunks[segment->chunk_count++];
        *chunk = (struct ring_chunk_record){.offset = offset};
    }
    count_times(&chunk->min_ns, &chunk->max_ns, ts_ns, chunk->packets == 0);
    chunk->packets++;
}

bool ring_segment_put_packet(struct ring_segment *segment, const struct packet *packet,
                             const struct ring_flow_key *key, struct ring_flow_record **ret_record)
{
    struct ring_segment_figures *now = &segment->now;
    struct ring_buffer *buffer = segment->buffer;
    uint32_t idb = segment->slot_idb[packet->interface] - 1u;
    if (!ring_flows_add(&segment->flows, key, packet, now->length_bytes, ret_record))
        return false;
    ring_put_epb(room(segment), packet, idb);
    segment->unsorted |= now->packets && packet->ts_ns < now->last_ns;
    count_chunk(segment, now->length_bytes, packet->ts_ns);
    count_times(&now->first_ns, &now->last_ns, packet->ts_ns, now->packets == 0);
    count_times(&buffer->first_ns, &buffer->last_ns, packet->ts_ns, buffer->packets == 0);
    buffer->packets++;
    now->packets++;
    now->captured_bytes += packet->captured_bytes;
    segment->idbs[idb].packets++;
    advance(segment, ring_epb_bytes(packet->captured_bytes));
    return true;
}

void ring_segment_put_begin(struct ring_segment *segment, int64_t now_ns)
{
    struct ring_note note = {.magic = RING_NOTE_MAGIC,
                             .kind = RING_NOTE_BEGIN,
                             .gap_reason = (uint16_t)segment->gap_reason,
                             .from_ns = segment->covered_from_ns,
                             .to_ns = segment->previous_covered_to_ns};
    struct ring_isb isb = {.ts_ns = now_ns,
                           .start_ns = segment->covered_from_ns,
                           .received = UINT64_MAX,
                           .dropped_by_os = UINT64_MAX,
                           .note = &note};
    advance(segment, ring_put_isb(room(segment), &isb));
}

void ring_segment_put_drops(struct ring_segment *segment, const struct ring_event_record *event)
{
    struct ring_drops *drops = &segment->now.drops;
    drops->kernel += event->kernel;
    drops->ring += event->ring;
    drops->disk += event->disk;
    if (segment->event_count == RING_MAX_EVENTS) { /* merged into the last: longer, not lost */
        struct ring_event_record *last = &segment->events[RING_MAX_EVENTS - 1];
        last->from_ns = event->from_ns < last->from_ns ? event->from_ns : last->from_ns;
        last->to_ns = event->to_ns > last->to_ns ? event->to_ns : last->to_ns;
        last->kernel += event->kernel;
        last->ring += event->ring;
        last->disk += event->disk;
    } else {
        segment->events[segment->event_count++] = *event;
    }
    struct ring_note note = {.magic = RING_NOTE_MAGIC,
                             .kind = RING_NOTE_DROPS,
                             .from_ns = event->from_ns,
                             .to_ns = event->to_ns,
                             .kernel = event->kernel,
                             .ring = event->ring,
                             .disk = event->disk};
    struct ring_isb isb = {
        .ts_ns = event->to_ns, .received = UINT64_MAX, .dropped_by_os = UINT64_MAX, .note = &note};
    advance(segment, ring_put_isb(room(segment), &isb));
}

static struct ring_note progress_note(const struct ring_segment_figures *figures)
{
    return (struct ring_note){.magic = RING_NOTE_MAGIC,
                              .kind = RING_NOTE_PROGRESS,
                              .to_ns = figures->covered_to_ns,
                              .kernel = figures->drops.kernel,
                              .ring = figures->drops.ring,
                              .disk = figures->drops.disk,
                              .packets = figures->packets};
}

void ring_segment_put_end(struct ring_segment *segment, int64_t now_ns)
{
    struct ring_note note = progress_note(&segment->now);
    for (uint32_t i = 0; i < segment->idb_count; i++) {
        const struct ring_segment_idb *idb = &segment->idbs[i];
        if (i > 0 && idb->packets == 0 && idb->dropped == 0)
            continue;
        struct ring_isb isb = {.idb = i,
                               .ts_ns = now_ns,
                               .start_ns = segment->covered_from_ns,
                               .end_ns = segment->now.covered_to_ns,
                               .received = idb->packets + idb->dropped,
                               .dropped_by_os = idb->drops_known ? idb->dropped : UINT64_MAX,
                               .note = i == 0 ? &note : NULL};
        advance(segment, ring_put_isb(room(segment), &isb));
    }
}

size_t ring_buffer_pad(struct ring_buffer *buffer, const struct ring_segment_figures *figures)
{
    size_t end = (buffer->fill_bytes + RING_SECTOR_BYTES - 1) & ~(size_t)(RING_SECTOR_BYTES - 1);
    if (end == buffer->fill_bytes)
        return end;
    if (end - buffer->fill_bytes < RING_ISB_PAD_MIN)
        end += RING_SECTOR_BYTES;
    struct ring_note note = progress_note(figures);
    ring_put_pad(buffer->data + buffer->fill_bytes, end - buffer->fill_bytes, 0, &note);
    return end;
}
