/* User messages of SCTP (RFC 9260 sections 3.3.1 and 6.9): a message is one DATA chunk, or several
 * with consecutive TSNs from the one with B to the one with E. A TSN that was seen is a
 * retransmission and no message. Each message goes to the layer and is an entry. */
#include "dissect/proto/sctp_state.h"

enum {
    FLAG_END = 1,
    FLAG_BEGIN = 2,
    FLAG_UNORDERED = 4,
    DATA_HEADER_BYTES = 12,
    TSN_JUMP = 1 << 16 /* further apart: another association */
};

/* IANA, SCTP payload protocol identifiers: those met most. */
static const struct {
    uint32_t ppid;
    const char *name;
} protocols[] = {{1, "IUA"},          {2, "M2UA"},           {3, "M3UA"},
                 {4, "SUA"},          {5, "M2PA"},           {7, "H.248"},
                 {18, "S1AP"},        {19, "RUA"},           {20, "HNBAP"},
                 {24, "SBc-AP"},      {25, "NBAP"},          {27, "X2AP"},
                 {29, "LCS-AP"},      {46, "Diameter"},      {47, "Diameter over DTLS"},
                 {50, "WebRTC DCEP"}, {51, "WebRTC string"}, {53, "WebRTC binary"},
                 {60, "NGAP"},        {61, "XnAP"},          {62, "F1AP"},
                 {64, "E1AP"}};

static const char *protocol_name(uint32_t ppid)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (protocols[i].ppid == ppid)
            return protocols[i].name;
    return NULL;
}

/* ── which TSNs were seen ── */

static void begin_window(struct sctp_dir *dir, uint32_t tsn)
{
    memset(dir->seen, 0, sizeof dir->seen);
    dir->known = true;
    dir->highest_tsn = tsn;
}

static bool mark_seen(struct sctp_dir *dir, uint32_t tsn)
{
    uint64_t *word = &dir->seen[tsn % SCTP_TSN_WINDOW / 64], bit = UINT64_C(1) << tsn % 64;
    bool is_new = !(*word & bit);
    *word |= bit;
    return is_new;
}

/* False: it was seen before. */
static bool note_tsn(struct sctp_dir *dir, uint32_t tsn)
{
    int32_t apart = (int32_t)(tsn - dir->highest_tsn);
    if (!dir->known || apart > TSN_JUMP || apart < -TSN_JUMP)
        begin_window(dir, tsn);
    else if (apart <= -SCTP_TSN_WINDOW)
        return false;
    else if (apart >= SCTP_TSN_WINDOW)
        begin_window(dir, tsn);
    else
        for (; (int32_t)(tsn - dir->highest_tsn) > 0;) {
            uint32_t next = ++dir->highest_tsn;
            dir->seen[next % SCTP_TSN_WINDOW / 64] &= ~(UINT64_C(1) << next % 64);
        }
    return mark_seen(dir, tsn);
}

/* ── messages ── */

static struct sctp_fragment *slot_of(struct sctp_dir *dir, uint32_t tsn)
{
    return &dir->fragments[tsn % SCTP_FRAGMENTS];
}

static struct sctp_fragment *find(struct sctp_dir *dir, uint32_t tsn)
{
    struct sctp_fragment *f = slot_of(dir, tsn);
    return f->entry && f->tsn == tsn ? f : NULL;
}

/* Of the same message as its neighbour, which stands in front of it. */
static bool goes_on(const struct sctp_fragment *f, const struct sctp_fragment *next)
{
    return !(f->flags & FLAG_END) && !(next->flags & FLAG_BEGIN) && f->stream == next->stream &&
           f->ssn == next->ssn && !((f->flags ^ next->flags) & FLAG_UNORDERED);
}

static void append_refs(struct arena *arena, struct dissect_span *to,
                        const struct dissect_span *from)
{
    for (uint32_t i = 0; i < from->ref_count; i++) {
        if (to->ref_count == ENTRY_MAX_PACKETS) {
            to->refs_truncated = true;
            return;
        }
        if (to->ref_count == to->ref_cap) {
            uint32_t cap = to->ref_cap ? to->ref_cap * 2 : 4;
            struct packet_ref *refs = arena_alloc(arena, cap * sizeof *refs);
            if (!refs) {
                to->refs_truncated = true;
                return;
            }
            if (to->ref_count)
                memcpy(refs, to->refs, to->ref_count * sizeof *refs);
            to->refs = refs;
            to->ref_cap = cap;
        }
        to->refs[to->ref_count++] = from->refs[i];
    }
}

static void append_span(struct arena *arena, struct dissect_span *to,
                        const struct dissect_span *from)
{
    if (from->first_ns < to->first_ns)
        to->first_ns = from->first_ns;
    if (from->last_ns > to->last_ns)
        to->last_ns = from->last_ns;
    to->bytes += from->bytes;
    to->refs_truncated |= from->refs_truncated;
    append_refs(arena, to, from);
}

static void feed_layer(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                       const struct sctp_fragment *f, struct slice bytes)
{
    if (!state->layer_tried) {
        struct dissect_layer_spec spec = {.transport = DISSECT_SCTP,
                                          .late_join = dissect_is_late_join(conn)};
        state->layer = dissect_layer_open(conn, &spec);
        state->layer_tried = true;
    }
    struct dissect_message message = {.ppid = f->ppid, .stream = f->stream};
    if (state->layer && bytes.len)
        dissect_layer_message(state->layer, dir, dissect_entry_request(f->entry), &message, bytes);
}

static void describe(const struct sctp_fragment *f, struct slice bytes)
{
    struct dissect_entry *entry = f->entry;
    const char *name = protocol_name(f->ppid);
    const char *how = f->flags & FLAG_UNORDERED ? " unordered" : "";
    struct arena *arena = dissect_entry_arena(entry);
    struct slice what = name ? slice_str(name) : arena_printf(arena, "ppid %u", f->ppid);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "DATA stream %u%s %.*s: %zu B", f->stream, how,
                                  SLICE_ARGS(what), bytes.len));
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_TSN), f->tsn);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_STREAM), f->stream);
    if (!(f->flags & FLAG_UNORDERED))
        dissect_set_int(entry, OWN_FIELD(SCTP_ROW_SSN), f->ssn);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_PPID), f->ppid);
    dissect_set_int(entry, FIELD_REQUEST_BODY_SIZE_ID, (int64_t)bytes.len);
    dissect_set_text(entry, FIELD_REQUEST_BODY_ID, bytes);
}

/* The fragments [first, first + count) in the entry of the first; it is emptied. */
static struct slice gather(struct sctp_dir *dir, struct sctp_fragment *first, uint32_t count,
                           struct dissect_conn *conn)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += slot_of(dir, first->tsn + i)->bytes.len;
    dir->held_bytes -= total;
    if (count == 1)
        return first->bytes;
    struct arena *arena = dissect_entry_arena(first->entry);
    uint8_t *bytes = arena_alloc(arena, total);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sctp_fragment *f = slot_of(dir, first->tsn + i);
        if (bytes && f->bytes.len)
            memcpy(bytes + at, f->bytes.data, f->bytes.len);
        at += f->bytes.len;
        if (i == 0)
            continue;
        append_span(arena, dissect_entry_request(first->entry), dissect_entry_request(f->entry));
        dissect_entry_drop(conn, f->entry);
        f->entry = NULL;
    }
    return bytes ? slice_of(bytes, total) : SLICE_NONE;
}

/* One run of fragments leaves; missing_end: why its last one is not there. */
static void emit_run(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                     struct sctp_fragment *first, uint32_t count, const char *missing_end)
{
    struct sctp_dir *d = &state->dir[dir];
    bool has_begin = first->flags & FLAG_BEGIN;
    bool has_end = slot_of(d, first->tsn + count - 1)->flags & FLAG_END;
    struct slice bytes = gather(d, first, count, conn);
    struct dissect_entry *entry = first->entry;
    describe(first, bytes);
    if (has_begin && has_end) {
        feed_layer(conn, state, dir, first, bytes);
        dissect_set_status(entry, "ok", NULL);
    } else {
        dissect_set_status(entry, "incomplete", has_begin ? missing_end : "window_start");
    }
    first->entry = NULL;
    dissect_entry_emit(conn, entry);
}

/* The run of fragments around one: its first, and how many. */
static struct sctp_fragment *run_around(struct sctp_dir *dir, struct sctp_fragment *f,
                                        uint32_t *ret_count)
{
    struct sctp_fragment *first = f, *last = f, *at;
    uint32_t count = 1;
    while (count < SCTP_FRAGMENTS && (at = find(dir, first->tsn - 1)) && goes_on(at, first)) {
        first = at;
        count++;
    }
    while (count < SCTP_FRAGMENTS && (at = find(dir, last->tsn + 1)) && goes_on(last, at)) {
        last = at;
        count++;
    }
    *ret_count = count;
    return first;
}

static void flush_around(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                         struct sctp_fragment *f, const char *missing_end)
{
    uint32_t count;
    struct sctp_fragment *first = run_around(&state->dir[dir], f, &count);
    emit_run(conn, state, dir, first, count, missing_end);
}

void sctp_flush(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                const char *missing_end)
{
    struct sctp_dir *d = &state->dir[dir];
    for (uint32_t i = 0; i < SCTP_FRAGMENTS; i++)
        if (d->fragments[i].entry)
            flush_around(conn, state, dir, &d->fragments[i], missing_end);
}

void sctp_restart(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir)
{
    sctp_flush(conn, state, dir, "capture_gap");
    state->dir[dir].known = false;
}

static void add_fragment(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                         const struct sctp_fragment *fragment)
{
    struct sctp_dir *d = &state->dir[dir];
    struct sctp_fragment *slot = slot_of(d, fragment->tsn);
    if (slot->entry)
        flush_around(conn, state, dir, slot, "capture_gap");
    if (d->held_bytes + fragment->bytes.len > SCTP_HELD_CAP)
        sctp_flush(conn, state, dir, "capture_gap");
    *slot = *fragment;
    d->held_bytes += fragment->bytes.len;
    /* In order only the last one completes a message. */
    const struct sctp_fragment *next = find(d, slot->tsn + 1);
    if (!(slot->flags & FLAG_END) && !(next && goes_on(slot, next)))
        return;
    uint32_t count;
    struct sctp_fragment *first = run_around(d, slot, &count);
    if (first->flags & FLAG_BEGIN && slot_of(d, first->tsn + count - 1)->flags & FLAG_END)
        emit_run(conn, state, dir, first, count, NULL);
}

void sctp_take_data(struct dissect_conn *conn, struct sctp_state *state,
                    struct dissect_stream *stream, const struct sctp_chunk *chunk)
{
    struct cursor c = cursor_of(chunk->value.data, chunk->value.len);
    struct sctp_fragment fragment = {.flags = chunk->flags};
    fragment.tsn = cursor_be32(&c);
    fragment.stream = cursor_be16(&c);
    fragment.ssn = cursor_be16(&c);
    fragment.ppid = cursor_be32(&c);
    struct slice bytes = slice_sub(chunk->value, DATA_HEADER_BYTES, SIZE_MAX);
    enum dissect_dir dir = stream->dir;
    if (c.bad || !note_tsn(&state->dir[dir], fragment.tsn)) {
        dissect_take(conn, stream, NULL, NULL, chunk->padded_bytes);
        return;
    }
    fragment.entry = sctp_begin(conn, stream, chunk);
    if (!fragment.entry)
        return;
    fragment.bytes = arena_dup(dissect_entry_arena(fragment.entry), bytes);
    bool is_whole = (chunk->flags & (FLAG_BEGIN | FLAG_END)) == (FLAG_BEGIN | FLAG_END);
    if (!is_whole && !chunk->is_cut) {
        add_fragment(conn, state, dir, &fragment);
        return;
    }
    describe(&fragment, fragment.bytes);
    if (chunk->is_cut)
        dissect_set_bool(fragment.entry, FIELD_TRUNCATED_ID, true);
    else
        feed_layer(conn, state, dir, &fragment, fragment.bytes);
    dissect_set_status(fragment.entry, chunk->is_cut ? "incomplete" : "ok",
                       chunk->is_cut ? "capture_gap" : NULL);
    dissect_entry_emit(conn, fragment.entry);
}
