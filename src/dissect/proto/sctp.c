/* SCTP (RFC 9260): the chunks of the packets between two addresses. One entry a user message
 * (sctp_data.c), a control chunk with its answer (INIT, COOKIE ECHO, HEARTBEAT, SHUTDOWN), or a
 * control chunk that has none. Acknowledgements (SACK), padding and the like are no entries. */
#include "base/hash.h"
#include "dissect/proto/sctp_state.h"

enum {
    CHUNK_HEADER_BYTES = 4,
    MAX_CHUNKS = 1024 /* of a packet */
};

static const struct field_def rows[] = {
    [SCTP_ROW_CHUNK_TYPE] = {"sctp_chunk_type", FIELD_INT, FIELD_GUARD_ZERO, 0,
                             "type of the chunk (0: DATA)", "sctp && sctp_chunk_type == 6"},
    [SCTP_ROW_CHUNK] = {"sctp_chunk", FIELD_TEXT, 0, 0, "name of that type",
                        "sctp_chunk == \"ABORT\""},
    [SCTP_ROW_LENGTH] = {"sctp_length", FIELD_INT, 0, 0,
                         "bytes of the SCTP packet that brought the chunk, its header included",
                         "sctp_length > 1400"},
    [SCTP_ROW_CHECKSUM] = {"sctp_checksum", FIELD_INT, 0, 0,
                           "CRC32c of that packet as it stands there", "sctp_checksum == 0"},
    [SCTP_ROW_TAG] = {"sctp_verification_tag", FIELD_INT, FIELD_GUARD_ZERO, 0,
                      "verification tag of that packet",
                      "sctp && sctp_verification_tag == 305419896"},
    [SCTP_ROW_TSN] = {"sctp_tsn", FIELD_INT, FIELD_GUARD_ZERO, 0,
                      "transmission sequence number of the message's first chunk",
                      "sctp_chunk == \"DATA\" && sctp_tsn == 1"},
    [SCTP_ROW_STREAM] = {"sctp_stream", FIELD_INT, FIELD_GUARD_ZERO, 0, "stream of the message",
                         "sctp_chunk == \"DATA\" && sctp_stream == 3"},
    [SCTP_ROW_SSN] = {"sctp_ssn", FIELD_INT, FIELD_GUARD_ZERO, 0,
                      "number of the message in its stream; unordered ones have none",
                      "sctp_chunk == \"DATA\" && sctp_ssn == 0"},
    [SCTP_ROW_PPID] = {"sctp_ppid", FIELD_INT, FIELD_GUARD_ZERO, 0,
                       "payload protocol identifier of the message",
                       "sctp_chunk == \"DATA\" && sctp_ppid == 46"},
};

/* ── chunks ── */

struct chunk_def {
    uint8_t type;
    uint8_t pair; /* 1 + index of its requests; 0: none */
    bool is_answer, is_silent;
    const char *name;
};

static const struct chunk_def chunks[] = {
    {SCTP_DATA, 0, false, false, "DATA"},
    {SCTP_INIT, 1, false, false, "INIT"},
    {SCTP_INIT_ACK, 1, true, false, "INIT ACK"},
    {SCTP_SACK, 0, false, true, "SACK"},
    {4, 2, false, false, "HEARTBEAT"},
    {5, 2, true, false, "HEARTBEAT ACK"},
    {SCTP_ABORT, 0, false, false, "ABORT"},
    {7, 3, false, false, "SHUTDOWN"},
    {8, 3, true, false, "SHUTDOWN ACK"},
    {SCTP_ERROR, 0, false, false, "ERROR"},
    {10, 4, false, false, "COOKIE ECHO"},
    {11, 4, true, false, "COOKIE ACK"},
    {12, 0, false, true, "ECNE"},
    {13, 0, false, true, "CWR"},
    {14, 0, false, false, "SHUTDOWN COMPLETE"},
    {15, 0, false, true, "AUTH"},           /* RFC 4895 */
    {64, 0, false, false, "I-DATA"},        /* RFC 8260 */
    {128, 0, false, false, "ASCONF ACK"},   /* RFC 5061 */
    {130, 0, false, false, "RE-CONFIG"},    /* RFC 6525 */
    {132, 0, false, true, "PAD"},           /* RFC 4820 */
    {192, 0, false, true, "FORWARD TSN"},   /* RFC 3758 */
    {193, 0, false, false, "ASCONF"},       /* RFC 5061 */
    {194, 0, false, true, "I-FORWARD TSN"}, /* RFC 8260 */
};

static const struct chunk_def *find_def(uint8_t type)
{
    static const struct chunk_def unknown = {0, 0, false, false, "unknown chunk"};
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
        if (chunks[i].type == type)
            return &chunks[i];
    return &unknown;
}

/* RFC 9260 section 3.3.10. */
static const char *cause_name(unsigned code)
{
    static const char *const names[] = {NULL,
                                        "invalid stream identifier",
                                        "missing mandatory parameter",
                                        "stale cookie",
                                        "out of resource",
                                        "unresolvable address",
                                        "unrecognized chunk type",
                                        "invalid mandatory parameter",
                                        "unrecognized parameters",
                                        "no user data",
                                        "cookie received while shutting down",
                                        "restart with new addresses",
                                        "user-initiated abort",
                                        "protocol violation"};
    return code < sizeof names / sizeof names[0] ? names[code] : NULL;
}

/* False: what is left is no chunk. */
static bool read_chunk(struct slice bytes, bool packet_is_cut, struct sctp_chunk *ret)
{
    if (bytes.len < CHUNK_HEADER_BYTES)
        return false;
    size_t length = (size_t)bytes.data[2] << 8 | bytes.data[3];
    if (length < CHUNK_HEADER_BYTES || (length > bytes.len && !packet_is_cut))
        return false;
    size_t padded = (length + 3) & ~(size_t)3;
    *ret = (struct sctp_chunk){
        .type = bytes.data[0],
        .flags = bytes.data[1],
        .value = slice_sub(bytes, CHUNK_HEADER_BYTES, length - CHUNK_HEADER_BYTES),
        .padded_bytes = padded < bytes.len ? padded : bytes.len,
        .is_cut = length > bytes.len};
    return true;
}

struct dissect_entry *sctp_begin(struct dissect_conn *conn, struct dissect_stream *stream,
                                 const struct sctp_chunk *chunk)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    if (!entry) {
        dissect_take(conn, stream, NULL, NULL, chunk->padded_bytes);
        return NULL;
    }
    const struct dissect_packet *packet = dissect_packet(conn);
    if (stream->dir == DIR_SERVER)
        dissect_entry_reverse(entry);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_CHUNK_TYPE), chunk->type);
    dissect_set_str(entry, OWN_FIELD(SCTP_ROW_CHUNK), find_def(chunk->type)->name);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_LENGTH), packet->length);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_CHECKSUM), packet->checksum);
    dissect_set_int(entry, OWN_FIELD(SCTP_ROW_TAG), packet->tag);
    dissect_take(conn, stream, dissect_entry_arena(entry), dissect_entry_request(entry),
                 chunk->padded_bytes);
    return entry;
}

static struct slice describe(struct arena *arena, const struct sctp_chunk *chunk)
{
    const struct chunk_def *def = find_def(chunk->type);
    struct cursor c = cursor_of(chunk->value.data, chunk->value.len);
    if (chunk->type == SCTP_ABORT || chunk->type == SCTP_ERROR) {
        unsigned code = cursor_be16(&c);
        if (c.bad)
            return slice_str(def->name);
        const char *cause = cause_name(code);
        return cause ? arena_printf(arena, "%s (%s)", def->name, cause)
                     : arena_printf(arena, "%s (cause %u)", def->name, code);
    }
    if (chunk->type == SCTP_INIT || chunk->type == SCTP_INIT_ACK) {
        cursor_skip(&c, 8);
        unsigned out = cursor_be16(&c), in = cursor_be16(&c);
        if (!c.bad)
            return arena_printf(arena, "%s %u streams out, %u in", def->name, out, in);
    }
    if (def->type != chunk->type)
        return arena_printf(arena, "%s %u", def->name, chunk->type);
    return slice_str(def->name);
}

static void emit(struct dissect_conn *conn, struct dissect_entry *entry, struct slice summary,
                 const char *status, const char *reason)
{
    dissect_set_text(entry, FIELD_SUMMARY_ID, summary);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}

/* ── control ── */

static void give_up(struct dissect_conn *conn, struct sctp_request *request, const char *status,
                    const char *reason)
{
    if (request->entry)
        emit(conn, request->entry, request->summary, status, reason);
    request->entry = NULL;
}

static void take_request(struct dissect_conn *conn, struct sctp_request *request,
                         struct dissect_stream *stream, const struct sctp_chunk *chunk)
{
    uint64_t hash = hash_bytes(hash_fixed_key, chunk->value.data, chunk->value.len);
    if (request->entry && request->hash == hash) { /* again: it was lost, or the answer */
        dissect_take(conn, stream, dissect_entry_arena(request->entry),
                     dissect_entry_request(request->entry), chunk->padded_bytes);
        return;
    }
    give_up(conn, request, "no_response", "timeout");
    struct cursor c = cursor_of(chunk->value.data, chunk->value.len);
    uint32_t tag = cursor_be32(&c);
    struct dissect_entry *entry = sctp_begin(conn, stream, chunk);
    if (!entry)
        return;
    *request = (struct sctp_request){.entry = entry,
                                     .hash = hash,
                                     .tag = c.bad ? 0 : tag,
                                     .summary = describe(dissect_entry_arena(entry), chunk)};
}

static bool is_answer_to(const struct dissect_conn *conn, const struct sctp_request *request,
                         const struct sctp_chunk *chunk)
{
    if (!request->entry)
        return false;
    if (chunk->type == SCTP_INIT_ACK)
        return dissect_packet(conn)->tag == request->tag || dissect_packet(conn)->tag == 0;
    if (chunk->type == 5) /* a heartbeat comes back as it was sent */
        return request->hash == hash_bytes(hash_fixed_key, chunk->value.data, chunk->value.len);
    return true;
}

static void take_lone(struct dissect_conn *conn, struct dissect_stream *stream,
                      const struct sctp_chunk *chunk)
{
    enum dissect_dir dir = stream->dir;
    bool is_abort = chunk->type == SCTP_ABORT;
    bool is_error = is_abort || chunk->type == SCTP_ERROR;
    struct dissect_entry *entry = sctp_begin(conn, stream, chunk);
    if (!entry)
        return;
    struct slice summary = describe(dissect_entry_arena(entry), chunk);
    const char *who = dir == DIR_CLIENT ? "client_cancel" : "server_reset";
    if (find_def(chunk->type)->is_answer)
        emit(conn, entry, summary, "incomplete", "window_start");
    else
        emit(conn, entry, summary, is_error ? "error" : "ok", is_abort ? who : NULL);
}

static void answer(struct dissect_conn *conn, struct sctp_request *request,
                   struct dissect_stream *stream, const struct sctp_chunk *chunk)
{
    struct dissect_entry *entry = request->entry;
    struct arena *arena = dissect_entry_arena(entry);
    bool is_abort = chunk->type == SCTP_ABORT;
    struct slice said = describe(arena, chunk);
    dissect_take(conn, stream, arena, dissect_entry_response(entry), chunk->padded_bytes);
    request->entry = NULL;
    emit(conn, entry,
         arena_printf(arena, "%.*s → %.*s", SLICE_ARGS(request->summary), SLICE_ARGS(said)),
         is_abort ? "error" : "ok", is_abort ? "refused" : NULL);
}

/* What an ABORT refuses: an INIT or a COOKIE ECHO of the other side. */
static struct sctp_request *refused_by_abort(struct sctp_dir *other)
{
    struct sctp_request *init = &other->requests[0], *cookie = &other->requests[3];
    return init->entry ? init : cookie->entry ? cookie : NULL;
}

static void take_chunk(struct dissect_conn *conn, struct sctp_state *state,
                       struct dissect_stream *stream, const struct sctp_chunk *chunk)
{
    const struct chunk_def *def = find_def(chunk->type);
    enum dissect_dir dir = stream->dir;
    struct sctp_dir *mine = &state->dir[dir];
    struct sctp_dir *other = &state->dir[dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT];
    bool is_data = def->type == chunk->type && chunk->type == SCTP_DATA;
    if (is_data) {
        sctp_take_data(conn, state, stream, chunk);
        return;
    }
    if (def->is_silent) {
        dissect_take(conn, stream, NULL, NULL, chunk->padded_bytes);
        return;
    }
    if (chunk->type == SCTP_INIT || chunk->type == SCTP_INIT_ACK)
        sctp_restart(conn, state, dir);
    struct sctp_request *asked = NULL;
    if (def->is_answer && is_answer_to(conn, &other->requests[def->pair - 1], chunk))
        asked = &other->requests[def->pair - 1];
    else if (chunk->type == SCTP_ABORT)
        asked = refused_by_abort(other);
    if (asked)
        answer(conn, asked, stream, chunk);
    else if (def->pair && !def->is_answer)
        take_request(conn, &mine->requests[def->pair - 1], stream, chunk);
    else
        take_lone(conn, stream, chunk);
}

/* ── the dissector ── */

static enum probe_result sctp_probe(const struct probe_input *in)
{
    struct sctp_chunk chunk;
    return read_chunk(in->client, true, &chunk) || read_chunk(in->server, true, &chunk) ? PROBE_YES
                                                                                        : PROBE_NO;
}

static enum dissect_result sctp_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct sctp_state *state = opaque;
    struct sctp_chunk chunk;
    bool is_cut = dissect_packet(conn)->is_cut;
    if (!read_chunk(slice_of(stream->data, stream->len), is_cut, &chunk))
        return DISSECT_NOT_MINE;
    unsigned count = 0;
    do
        take_chunk(conn, state, stream, &chunk);
    while (++count < MAX_CHUNKS && read_chunk(slice_of(stream->data, stream->len), is_cut, &chunk));
    if (stream->len) /* no chunk any more */
        dissect_take(conn, stream, NULL, NULL, stream->len);
    return DISSECT_OK;
}

static void sctp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct sctp_state *state = opaque;
    state->layer = NULL; /* the engine closed it */
    state->layer_tried = true;
    bool is_open = end == END_OF_DATA;
    for (int i = 0; i < 2; i++) {
        enum dissect_dir dir = i == 0 ? DIR_CLIENT : DIR_SERVER;
        sctp_flush(conn, state, dir, is_open ? "window_end" : "capture_gap");
        for (int p = 0; p < SCTP_PAIRS; p++)
            give_up(conn, &state->dir[dir].requests[p], is_open ? "open" : "no_response",
                    is_open ? NULL : "timeout");
    }
}

const struct dissector dissector_sctp = {.name = "sctp",
                                         .spec = "RFC 9260",
                                         .transports = DISSECT_SCTP_PACKETS,
                                         .fields = rows,
                                         .field_count = SCTP_ROW_COUNT,
                                         .state_bytes = sizeof(struct sctp_state),
                                         .probe = sctp_probe,
                                         .data = sctp_data,
                                         .close = sctp_close};
