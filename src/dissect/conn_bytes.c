/* The unconsumed bytes of a connection's two directions, and which packets brought them. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dissect/conn.h"

enum {
    PENDING_KEEP_BYTES = 16 * 1024 /* an emptied buffer larger than this is given back */
};

struct conn_mark *conn_mark_at(const struct conn_side *side, uint32_t i)
{
    return &side->marks[(side->mark_head + i) % side->mark_cap];
}

static bool grow_marks(struct conn_side *side)
{
    uint32_t cap = side->mark_cap * 4;
    struct conn_mark *marks = malloc(cap * sizeof *marks);
    if (!marks) {
        memory_failed();
        return false;
    }
    for (uint32_t i = 0; i < side->mark_count; i++)
        marks[i] = *conn_mark_at(side, i);
    if (side->marks != side->inline_marks)
        free(side->marks);
    side->marks = marks;
    side->mark_head = 0;
    side->mark_cap = cap;
    return true;
}

static bool grow_refs(struct conn_side *side, uint32_t need)
{
    uint32_t cap = side->ref_cap ? side->ref_cap * 2 : 16;
    while (cap < need)
        cap *= 2;
    struct packet_ref *refs = malloc(cap * sizeof *refs);
    if (!refs) {
        memory_failed();
        return false;
    }
    for (uint32_t i = 0; i < side->ref_count; i++)
        refs[i] = side->refs[(side->ref_head + i) % side->ref_cap];
    free(side->refs);
    side->refs = refs;
    side->ref_head = 0;
    side->ref_cap = cap;
    return true;
}

/* The packets that carried the bytes of a layer go into the side's ring; beyond its cap the bytes
 * have none. */
static void set_origin(struct conn_side *side, struct conn_mark *mark,
                       const struct dissect_span *origin, size_t bytes)
{
    mark->ts_ns = origin->last_ns;
    mark->sequence = origin->first_sequence;
    mark->inner_bytes = (uint32_t)bytes;
    mark->grew = bytes > origin->bytes;
    mark->ref_count = 0;
    uint32_t need = side->ref_count + origin->ref_count;
    if (need > CONN_ORIGIN_REFS_CAP || (need > side->ref_cap && !grow_refs(side, need)))
        return;
    for (uint32_t i = 0; i < origin->ref_count; i++)
        side->refs[(side->ref_head + side->ref_count++) % side->ref_cap] = origin->refs[i];
    mark->ref_count = origin->ref_count & INT32_MAX;
}

void conn_mark_add(struct dissect_conn *conn, const struct conn_packet *packet, size_t bytes)
{
    struct conn_side *side = &conn->side[packet->side];
    uint64_t end = side->offset + (side->pending.len - side->start) + bytes;
    if (side->mark_count == side->mark_cap && !grow_marks(side)) {
        conn_mark_at(side, side->mark_count - 1)->end = end;
        return;
    }
    struct conn_mark mark = {.end = end,
                             .ts_ns = packet->ref.ts_ns,
                             .block_offset = packet->ref.offset,
                             .file = packet->ref.file,
                             .ordinal = conn->next_ordinal++};
    if (packet->origin)
        set_origin(side, &mark, packet->origin, bytes);
    side->mark_count++;
    *conn_mark_at(side, side->mark_count - 1) = mark;
}

static void pop_mark(const struct dissect_conn *conn, struct conn_side *side)
{
    if (conn->outer && side->ref_cap) {
        uint32_t n = conn_mark_at(side, 0)->ref_count;
        side->ref_head = (side->ref_head + n) % side->ref_cap;
        side->ref_count -= n;
    }
    side->mark_head = (side->mark_head + 1) % side->mark_cap;
    side->mark_count--;
}

static void add_ref(struct arena *arena, struct dissect_span *span, const struct packet_ref *ref)
{
    if (span->ref_count) {
        const struct packet_ref *last = &span->refs[span->ref_count - 1];
        if (last->offset == ref->offset && last->file == ref->file)
            return;
    }
    if (span->ref_count == ENTRY_MAX_PACKETS) {
        span->refs_truncated = true;
        return;
    }
    if (span->ref_count == span->ref_cap) {
        uint32_t cap = span->ref_cap ? span->ref_cap * 2 : 4;
        struct packet_ref *refs = arena ? arena_alloc(arena, cap * sizeof *refs) : NULL;
        if (!refs) {
            span->refs_truncated = true;
            return;
        }
        if (span->ref_count)
            memcpy(refs, span->refs, span->ref_count * sizeof *refs);
        span->refs = refs;
        span->ref_cap = cap;
    }
    span->refs[span->ref_count++] = *ref;
}

static void begin_span(struct dissect_span *span, int64_t ts_ns, uint64_t offset, uint32_t sequence)
{
    if (span->bytes || span->first_ns)
        return;
    span->first_ns = ts_ns;
    span->first_offset = offset;
    span->first_sequence = sequence;
}

/* The first unconsumed byte of the layer, as a number that no other byte of the connection has. */
static uint32_t inner_sequence(const struct conn_mark *mark, uint64_t offset)
{
    uint32_t at = (uint32_t)(offset - (mark->end - mark->inner_bytes));
    if (!mark->grew)
        return mark->sequence + at;
    uint32_t key[2] = {mark->sequence, at};
    return (uint32_t)hash_bytes(hash_fixed_key, key, sizeof key);
}

/* A record goes to the span with all its packets: none of them can be read without the others. */
static void extend_inner(struct arena *arena, struct dissect_span *span,
                         const struct conn_side *side, uint64_t offset)
{
    const struct conn_mark *mark = conn_mark_at(side, 0);
    uint32_t n = mark->ref_count;
    const struct packet_ref *first = n ? &side->refs[side->ref_head] : NULL;
    begin_span(span, first ? first->ts_ns : mark->ts_ns, offset, inner_sequence(mark, offset));
    span->last_ns = mark->ts_ns;
    if (!n)
        return;
    const struct packet_ref *last = &side->refs[(side->ref_head + n - 1) % side->ref_cap];
    if (span->ref_count && span->refs[span->ref_count - 1].offset == last->offset &&
        span->refs[span->ref_count - 1].file == last->file)
        return;
    for (uint32_t i = 0; i < n; i++)
        add_ref(arena, span, &side->refs[(side->ref_head + i) % side->ref_cap]);
}

static void extend_span(struct arena *arena, struct dissect_span *span,
                        const struct conn_side *side, uint64_t offset)
{
    const struct conn_mark *mark = conn_mark_at(side, 0);
    begin_span(span, mark->ts_ns, offset, side->base_seq + (uint32_t)offset);
    span->last_ns = mark->ts_ns;
    struct packet_ref ref = {
        .file = mark->file, .offset = mark->block_offset, .ts_ns = mark->ts_ns};
    add_ref(arena, span, &ref);
}

struct slice conn_view(const struct conn_side *side)
{
    struct slice view = side->borrowed;
    if (side->pending.len > side->start)
        view = slice_of(side->pending.data + side->start, side->pending.len - side->start);
    if (side->limit - side->offset < view.len)
        view.len = (size_t)(side->limit - side->offset);
    return view;
}

static void consume(struct conn_side *side, size_t n)
{
    if (n == 0)
        return; /* borrowed.data may be NULL */
    if (side->pending.len > side->start)
        side->start += n;
    else
        side->borrowed = slice_of(side->borrowed.data + n, side->borrowed.len - n);
    side->offset += n;
}

void dissect_take(struct dissect_conn *conn, struct dissect_stream *stream, struct arena *arena,
                  struct dissect_span *span, size_t n)
{
    uint8_t index = stream->dir == DIR_CLIENT ? conn->client_side : conn->client_side ^ 1;
    struct conn_side *side = &conn->side[index];
    if (n > stream->len)
        n = stream->len;
    uint64_t offset = side->offset, end = offset + n;
    while (offset < end && side->mark_count) {
        const struct conn_mark *mark = conn_mark_at(side, 0);
        if (span && conn->outer)
            extend_inner(arena, span, side, offset);
        else if (span)
            extend_span(arena, span, side, offset);
        if (mark->end > end)
            break;
        offset = mark->end;
        pop_mark(conn, side);
    }
    if (span)
        span->bytes += n;
    consume(side, n);
    stream->data += n;
    stream->len -= n;
    stream->offset += n;
}

size_t dissect_bytes_before(struct dissect_conn *conn, const struct dissect_stream *stream,
                            int64_t ns)
{
    uint8_t index = stream->dir == DIR_CLIENT ? conn->client_side : conn->client_side ^ 1;
    const struct conn_side *side = &conn->side[index];
    size_t n = 0;
    for (uint32_t i = 0; i < side->mark_count && n < stream->len; i++) {
        const struct conn_mark *mark = conn_mark_at(side, i);
        if (mark->ts_ns >= ns)
            break;
        n = (size_t)(mark->end - stream->offset);
    }
    return n < stream->len ? n : stream->len;
}

void conn_discard(struct dissect_conn *conn, uint8_t index)
{
    struct conn_side *side = &conn->side[index];
    size_t n = side->pending.len - side->start + side->borrowed.len;
    side->offset += n;
    side->borrowed = SLICE_NONE;
    side->start = 0;
    buf_reset(&side->pending);
    side->retry_len = 0;
    while (side->mark_count && conn_mark_at(side, 0)->end <= side->offset)
        pop_mark(conn, side);
}

/* Keeps for later what the packet in hand still holds; the caller's bytes go away. */
void conn_settle(struct dissect_conn *conn, uint8_t index)
{
    struct conn_side *side = &conn->side[index];
    struct buf *pending = &side->pending;
    if (side->start == pending->len) {
        side->start = 0;
        buf_reset(pending);
        if (pending->cap > PENDING_KEEP_BYTES)
            buf_done(pending);
    } else if (side->start > pending->len / 2) {
        buf_drop_front(pending, side->start);
        side->start = 0;
    }
    if (side->borrowed.len == 0)
        return;
    struct slice left = side->borrowed;
    side->borrowed = SLICE_NONE;
    if (buf_append_slice(pending, left) < 0) {
        side->borrowed = left;
        side->broken = true;
        conn_discard(conn, index);
    }
}

bool conn_join(struct dissect_conn *conn, uint8_t index, struct slice bytes)
{
    struct conn_side *side = &conn->side[index];
    if (side->pending.len == side->start) {
        side->borrowed = bytes;
        return true;
    }
    return buf_append_slice(&side->pending, bytes) == 0;
}
