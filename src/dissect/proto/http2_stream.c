/* HTTP/2 streams: which frame belongs to which call, header blocks as messages (RFC 9113 section
 * 8), and the status a call leaves with. Streams have numbers, so nothing is ever paired by order;
 * what has to be told apart is a stream whose beginning we missed from one that is over. */
#include "dissect/proto/http2_state.h"

enum {
    MAX_LINGERING = 16
};

static bool is_client_id(uint32_t id)
{
    return id & 1;
}

struct dissect_span *http2_span(struct http2_stream *s, enum dissect_dir dir)
{
    return dir == DIR_CLIENT ? dissect_entry_request(s->entry) : dissect_entry_response(s->entry);
}

/* ── the table ── */

static uint32_t bucket_of(uint32_t id)
{
    return id >> 1 & (HTTP2_BUCKETS - 1);
}

struct http2_stream *http2_stream_find(const struct http2_state *state, uint32_t id)
{
    struct http2_stream *s = state->buckets[bucket_of(id)];
    while (s && s->id != id)
        s = s->next_in_bucket;
    return s;
}

void http2_stream_forget(struct http2_state *state, const struct http2_stream *s)
{
    struct http2_stream **link = &state->buckets[bucket_of(s->id)];
    while (*link != s)
        link = &(*link)->next_in_bucket;
    *link = s->next_in_bucket;
    if (s->older)
        s->older->newer = s->newer;
    else
        state->oldest = s->newer;
    if (s->newer)
        s->newer->older = s->older;
    else
        state->newest = s->older;
    for (int dir = 0; dir < 2; dir++) {
        struct http2_side *side = &state->side[dir];
        if (side->at == s)
            side->at = NULL;
        if (side->block_stream == s)
            side->block_stream = NULL;
    }
    state->closed[state->closed_count++ % HTTP2_CLOSED_KEPT] = s->id;
}

static bool was_closed(const struct http2_state *state, uint32_t id)
{
    uint32_t n = state->closed_count < HTTP2_CLOSED_KEPT ? state->closed_count : HTTP2_CLOSED_KEPT;
    for (uint32_t i = 0; i < n; i++)
        if (state->closed[i] == id)
            return true;
    return false;
}

/* 1,024 calls are open: the oldest one leaves as far as it is known. */
static void make_room(struct dissect_conn *conn, struct http2_state *state)
{
    if (state->oldest)
        http2_emit(conn, state, state->oldest, true, END_OF_DATA);
}

static struct http2_stream *begin(struct dissect_conn *conn, struct http2_state *state, uint32_t id)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    if (!entry) {
        make_room(conn, state);
        entry = dissect_entry_begin(conn);
    }
    struct http2_stream *s = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *s) : NULL;
    if (!s) {
        dissect_entry_drop(conn, entry);
        return NULL;
    }
    s->id = id;
    s->entry = entry;
    s->next_in_bucket = state->buckets[bucket_of(id)];
    state->buckets[bucket_of(id)] = s;
    s->older = state->newest;
    if (state->newest)
        state->newest->newer = s;
    else
        state->oldest = s;
    state->newest = s;
    s->goaway = state->goaway;
    http2_window_begin(state, s);
    return s;
}

struct http2_stream *http2_stream_upgraded(struct dissect_conn *conn, struct http2_state *state)
{
    struct http2_stream *s = begin(conn, state, 1);
    state->first_client_id = state->max_client_id = 1;
    return s;
}

/* ── which stream ── */

/* Requests come in the order of their numbers: what was answered below a new one and has none yet,
 * has lost it. */
static void settle_lone(struct dissect_conn *conn, struct http2_state *state, uint32_t below)
{
    for (struct http2_stream *s = state->oldest, *next; s && state->lone_done; s = next) {
        next = s->newer;
        if (s->is_lone && s->id < below)
            http2_emit(conn, state, s, false, END_CLOSED);
    }
}

static void note_client_id(struct dissect_conn *conn, struct http2_state *state, uint32_t id)
{
    if (state->side[DIR_CLIENT].had_gap && id > state->max_client_id + 2) {
        if (!state->lost_to)
            state->lost_from = state->max_client_id + 1;
        state->lost_to = id;
    }
    state->side[DIR_CLIENT].had_gap = false;
    if (!state->first_client_id)
        state->first_client_id = id;
    state->max_client_id = id;
    settle_lone(conn, state, id);
}

static bool began_before(const struct dissect_conn *conn, const struct http2_state *state,
                         uint32_t id)
{
    return dissect_is_late_join(conn) && (!state->first_client_id || id < state->first_client_id);
}

static bool may_be_lost(const struct http2_state *state, uint32_t id)
{
    return (id >= state->lost_from && id < state->lost_to) ||
           (state->side[DIR_CLIENT].had_gap && id > state->max_client_id);
}

/* From the client, with a number that is not open. */
static struct http2_stream *from_client(struct dissect_conn *conn, struct http2_state *state,
                                        const struct http2_frame *frame)
{
    uint32_t id = frame->stream_id;
    if (!is_client_id(id) || was_closed(state, id))
        return NULL;
    bool is_new = id > state->max_client_id;
    bool lost = may_be_lost(state, id);
    bool before = began_before(conn, state, id);
    if (frame->type == HTTP2_HEADERS && is_new) {
        note_client_id(conn, state, id);
        return begin(conn, state, id);
    }
    if (frame->type != HTTP2_DATA || !(lost || before))
        return NULL;
    struct http2_stream *s = begin(conn, state, id);
    if (s) {
        s->window_start = before;
        s->after_loss = !before;
    }
    return s;
}

static struct http2_stream *from_server(struct dissect_conn *conn, struct http2_state *state,
                                        uint32_t id)
{
    if (was_closed(state, id))
        return NULL;
    bool before = began_before(conn, state, id);
    bool lost = may_be_lost(state, id);
    bool early = id > state->max_client_id; /* its request may be read later */
    if (!is_client_id(id)) {
        before = dissect_is_late_join(conn) && id > state->max_server_id;
        lost = state->side[DIR_SERVER].had_gap && id > state->max_server_id;
        early = false;
    }
    if (!before && !lost && !early)
        return NULL;
    struct http2_stream *s = begin(conn, state, id);
    if (!s)
        return NULL;
    s->window_start = before;
    s->after_loss = !before && lost;
    s->pushed = !is_client_id(id);
    if (s->pushed)
        state->max_server_id = id;
    return s;
}

struct http2_stream *http2_stream_of(struct dissect_conn *conn, struct http2_state *state,
                                     enum dissect_dir dir, const struct http2_frame *frame)
{
    struct http2_stream *s = http2_stream_find(state, frame->stream_id);
    if (!state->sides_known || (!s && http2_tunnel_find(state, frame->stream_id)))
        return NULL;
    if (s && dir == DIR_CLIENT && !s->message[dir].begun && frame->type == HTTP2_HEADERS &&
        frame->stream_id > state->max_client_id) { /* it was answered early */
        state->lone_done -= s->is_lone;
        state->lingering -= s->is_lingering;
        s->is_lone = false;
        note_client_id(conn, state, frame->stream_id);
    }
    if (!s)
        s = dir == DIR_CLIENT ? from_client(conn, state, frame)
                              : from_server(conn, state, frame->stream_id);
    /* Behind its own end nothing follows (section 5.1). */
    return s && s->message[dir].done ? NULL : s;
}

struct http2_stream *http2_stream_promised(struct dissect_conn *conn, struct http2_state *state,
                                           uint32_t id)
{
    if (!state->sides_known || is_client_id(id) || id == 0 || id <= state->max_server_id)
        return NULL;
    state->max_server_id = id;
    struct http2_stream *s = begin(conn, state, id);
    if (s)
        s->pushed = true;
    return s;
}

/* ── header blocks ── */

static struct slice lower(struct arena *arena, struct slice name)
{
    size_t i = 0;
    while (i < name.len && (name.data[i] < 'A' || name.data[i] > 'Z'))
        i++;
    if (i == name.len)
        return name;
    struct slice copy = arena_dup(arena, name);
    uint8_t *p = (uint8_t *)(uintptr_t)copy.data;
    for (i = 0; i < copy.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] |= 0x20;
    return copy;
}

static int status_code(struct slice text)
{
    int code = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.len != 3 || text.data[i] < '0' || text.data[i] > '9')
            return 0;
        code = code * 10 + (text.data[i] - '0');
    }
    return code;
}

static void set_pseudo(struct http2_stream *s, struct http_message *m,
                       const struct hpack_field *field)
{
    static const char *const names[] = {":method", ":path", ":scheme", ":authority", ":protocol"};
    struct slice *const places[] = {&m->method, &m->target, &m->scheme, &m->authority,
                                    &s->connect_protocol};
    if (slice_eq_str(field->name, ":status"))
        m->status_code = status_code(field->value);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_eq_str(field->name, names[i]) && !places[i]->data)
            *places[i] = field->value;
}

/* Cookies may come in crumbs (section 8.2.3): they are one field. Returns the rows left. */
static size_t join_cookies(struct arena *arena, struct entry_pair *pairs, size_t count)
{
    size_t first = SIZE_MAX, total = 0, crumbs = 0;
    for (size_t i = 0; i < count; i++)
        if (slice_eq_str(pairs[i].key, "cookie")) {
            first = first == SIZE_MAX ? i : first;
            total += pairs[i].value.len + 2;
            crumbs++;
        }
    uint8_t *out = crumbs > 1 ? arena_alloc(arena, total) : NULL;
    if (!out)
        return count;
    size_t len = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq_str(pairs[i].key, "cookie")) {
            pairs[kept++] = pairs[i];
            continue;
        }
        if (len) {
            memcpy(out + len, "; ", 2);
            len += 2;
        }
        if (pairs[i].value.len)
            memcpy(out + len, pairs[i].value.data, pairs[i].value.len);
        len += pairs[i].value.len;
        if (i == first)
            pairs[kept++] = pairs[i];
    }
    pairs[first].value = slice_of(out, len);
    return kept;
}

/* The fields that are no pseudo-header fields, each name once. */
static size_t make_pairs(struct http2_stream *s, struct http_message *m,
                         const struct hpack_fields *fields, struct entry_pair **ret_pairs)
{
    struct arena *arena = dissect_entry_arena(s->entry);
    struct entry_pair *pairs = arena_alloc(arena, (fields->count + 1) * sizeof *pairs);
    size_t n = 0;
    if (!pairs) {
        m->truncated = true;
        return 0;
    }
    for (size_t i = 0; i < fields->count; i++) {
        const struct hpack_field *field = &fields->list[i];
        if (field->name.len && field->name.data[0] == ':')
            set_pseudo(s, m, field);
        else
            pairs[n++] = (struct entry_pair){lower(arena, field->name), field->value};
    }
    *ret_pairs = pairs;
    return http_join_repeats(arena, pairs, join_cookies(arena, pairs, n));
}

/* What a request must have (section 8.3.1) and is not among the fields we know, is unknown. */
static void complete_request(struct http_message *m, bool unknown)
{
    bool is_connect = slice_eq_str(m->method, "CONNECT");
    m->version = SLICE_LITERAL("2");
    if (unknown && !m->method.data)
        m->method = HPACK_UNKNOWN;
    if (unknown && !m->target.data && !is_connect)
        m->target = HPACK_UNKNOWN;
    if (is_connect && !m->target.data)
        m->target = m->authority;
}

static void find_grpc(struct http2_stream *s, enum dissect_dir dir)
{
    struct slice type = http_header(&s->message[dir], "content-type");
    if (!s->message[dir].grpc && type.data && grpc_is_content_type(type))
        s->message[dir].grpc = grpc_reader_new(dissect_entry_arena(s->entry), type,
                                               http_header(&s->message[dir], "grpc-encoding"));
}

bool http2_may_be_grpc(const struct http2_stream *s, enum dissect_dir dir)
{
    const struct http_message *m = &s->message[dir];
    return !m->grpc && m->body_size == 0 && (s->unknown_fields || !m->head_done) &&
           !http_header(m, "content-type").data;
}

void http2_guess_grpc(struct http2_stream *s, enum dissect_dir dir)
{
    struct grpc_reader *reader =
        grpc_reader_new(dissect_entry_arena(s->entry), SLICE_LITERAL("application/grpc"),
                        http_header(&s->message[dir], "grpc-encoding"));
    if (reader) /* messages may be among what was lost before */
        reader->cut = s->message[dir].has_gap;
    s->message[dir].grpc = reader;
}

static void add_headers(struct http2_stream *s, enum dissect_dir dir,
                        const struct hpack_fields *fields, bool after_loss)
{
    struct http_message *m = &s->message[dir];
    struct entry_pair *pairs = NULL;
    s->unknown_fields |= fields->unknown;
    s->after_loss |= fields->unknown && after_loss;
    m->truncated |= fields->truncated;
    m->lacks_fields |= fields->unknown;
    size_t count = make_pairs(s, m, fields, &pairs);
    if (m->head_done) {
        http_add_trailers(m, dissect_entry_arena(s->entry), pairs, count);
        return;
    }
    m->headers = pairs;
    m->header_count = count;
    m->head_done = true;
    if (dir == DIR_CLIENT)
        complete_request(m, fields->unknown);
    else
        m->version = SLICE_LITERAL("2");
    find_grpc(s, dir);
}

static bool is_interim(const struct hpack_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        if (slice_eq_str(fields->list[i].name, ":status")) {
            int code = status_code(fields->list[i].value);
            return code >= 100 && code < 200;
        }
    return false;
}

/* Nobody's block changes the table all the same. */
static void decode_for_table(struct dissect_conn *conn, const struct http2_state *state,
                             struct http2_side *side)
{
    struct hpack_fields fields;
    struct dissect_entry *entry = state->sides_known ? dissect_entry_begin(conn) : NULL;
    if (!entry) {
        hpack_forget(&side->hpack);
        return;
    }
    (void)hpack_decode(&side->hpack, gather_slice(&side->block), dissect_entry_arena(entry),
                       &fields);
    dissect_entry_drop(conn, entry);
}

void http2_block_done(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir)
{
    struct http2_side *side = &state->side[dir];
    struct http2_stream *s = side->block_stream;
    side->in_block = false;
    side->block_stream = NULL;
    if (!s) {
        struct http2_tunnel *tunnel = http2_tunnel_find(state, side->block_stream_id);
        decode_for_table(conn, state, side);
        if (tunnel && side->block_ends_stream)
            http2_tunnel_end(state, dir, tunnel);
        return;
    }
    struct hpack_fields fields;
    struct arena *arena = dissect_entry_arena(s->entry);
    int r = hpack_decode(&side->hpack, gather_slice(&side->block), arena, &fields);
    if (side->block.cut)
        hpack_forget(&side->hpack);
    fields.truncated |= side->block.cut;
    fields.unknown |= r < 0;
    enum dissect_dir to = side->block_is_promise ? DIR_CLIENT : dir;
    struct http_message *m = &s->message[to];
    if (!m->head_done && to == DIR_SERVER && is_interim(&fields) && !side->block_ends_stream) {
        *http2_span(s, DIR_SERVER) = (struct dissect_span){0}; /* the answer is still to come */
        m->begun = false;
        m->head_size = 0;
        return;
    }
    add_headers(s, to, &fields, side->lost_some);
    if (side->block_is_promise)
        m->done = true;
    else if (dir == DIR_SERVER && !side->block_ends_stream && http2_tunnel_begin(conn, state, s))
        return;
    else if (side->block_ends_stream)
        http2_end_stream(conn, state, dir, s);
}

/* ── bodies ── */

void http2_body(struct dissect_conn *conn, struct http2_stream *s, enum dissect_dir dir,
                struct slice bytes)
{
    struct http_message *m = &s->message[dir];
    dissect_body_piece(conn, s->entry, dir == DIR_CLIENT, bytes);
    struct arena *arena = dissect_entry_arena(s->entry);
    m->body_size += bytes.len;
    if (s->message[dir].grpc) {
        grpc_reader_data(s->message[dir].grpc, arena, bytes);
        return;
    }
    if (m->has_gap)
        m->truncated = true;
    else
        gather_add(&m->body, arena, bytes, DISSECT_BODY_CAP);
    m->truncated |= m->body.cut;
}

/* ── ends ── */

void http2_end_stream(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                      struct http2_stream *s)
{
    s->message[dir].done = true;
    const struct http_message *request = &s->message[DIR_CLIENT];
    if (!s->message[DIR_SERVER].done)
        return;
    if (request->begun ? request->done : s->id <= state->max_client_id || s->pushed)
        http2_emit(conn, state, s, false, END_CLOSED);
    else if (!request->begun && !s->is_lone) {
        s->is_lone = true;
        state->lone_done++;
    }
}

/* A server that needs no more of the request says so behind its whole answer (section 8.1); what
 * the client sent before it heard of it still counts. */
static void linger(struct dissect_conn *conn, struct http2_state *state, struct http2_stream *s)
{
    s->is_lingering = true;
    if (++state->lingering <= MAX_LINGERING)
        return;
    struct http2_stream *first = state->oldest;
    while (!first->is_lingering)
        first = first->newer;
    http2_emit(conn, state, first, false, END_CLOSED);
}

void http2_reset(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                 uint32_t id, uint32_t code)
{
    struct http2_stream *s = http2_stream_find(state, id);
    struct http2_tunnel *tunnel = s ? NULL : http2_tunnel_find(state, id);
    if (tunnel)
        http2_tunnel_reset(state, dir, tunnel);
    if (!s)
        return;
    s->has_reset = true;
    s->reset_by = dir;
    s->reset_code = code;
    s->reset_ns = dissect_now_ns(conn);
    const struct http_message *request = &s->message[DIR_CLIENT];
    if (dir == DIR_SERVER && code == HTTP2_NO_ERROR && s->message[DIR_SERVER].done &&
        request->begun && !request->done && !s->is_lingering)
        linger(conn, state, s);
    else
        http2_emit(conn, state, s, false, END_CLOSED);
}

/* Streams above last_id were not and will not be processed (section 6.8). */
void http2_goaway(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                  uint32_t last_id)
{
    state->goaway |= dir == DIR_SERVER;
    for (struct http2_stream *s = state->oldest, *next; s; s = next) {
        next = s->newer;
        s->goaway = true;
        if (dir != DIR_SERVER || !is_client_id(s->id) || s->id <= last_id ||
            s->message[DIR_SERVER].begun)
            continue;
        s->has_reset = true;
        s->reset_by = DIR_SERVER;
        s->reset_code = HTTP2_REFUSED_STREAM;
        s->reset_ns = dissect_now_ns(conn);
        http2_emit(conn, state, s, false, END_CLOSED);
    }
}

void http2_mark_loss(struct http2_state *state, enum dissect_dir dir)
{
    state->side[dir].had_gap = state->side[dir].lost_some = true;
    state->windows_known = false;
    http2_tunnel_lose(state, dir);
    for (struct http2_stream *s = state->oldest; s; s = s->newer) {
        /* What is not over may have lost bytes, its end or its beginning. */
        bool waits = !s->message[dir].done && (dir == DIR_SERVER || s->message[dir].begun);
        s->message[dir].has_gap |= waits;
        if (waits && s->message[dir].grpc)
            grpc_reader_lose(s->message[dir].grpc);
    }
}
