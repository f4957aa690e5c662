/* HTTP/1 calls on one connection: who answers whom, what is still certain after a loss, and the
 * status a call leaves with (RFC 9112 section 9.3.2: answers come in the order of requests). */
#include "dissect/proto/http1_state.h"
#include "dissect/proto/http2_upgrade.h"
#include "dissect/proto/http_websocket.h"

enum {
    REQUEST_TIMEOUT = 408 /* all that a server says unasked */
};

/* ── exchanges ── */

static struct exchange *exchange_begin(struct dissect_conn *conn, struct http1_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    if (!entry)
        return NULL;
    struct exchange *x = arena_zalloc(dissect_entry_arena(entry), sizeof *x);
    if (!x) {
        dissect_entry_drop(conn, entry);
        return NULL;
    }
    x->entry = entry;
    if (state->newest)
        state->newest->next = x;
    else
        state->oldest = x;
    state->newest = x;
    state->any_entry = true;
    return x;
}

static void exchange_unlink(struct http1_state *state, const struct exchange *gone)
{
    struct exchange *before = NULL;
    for (struct exchange *x = state->oldest; x; before = x, x = x->next) {
        if (x != gone)
            continue;
        if (before)
            before->next = x->next;
        else
            state->oldest = x->next;
        if (state->newest == x)
            state->newest = before;
        return;
    }
}

static void drop(struct dissect_conn *conn, struct http1_state *state, struct exchange *x)
{
    exchange_unlink(state, x);
    dissect_entry_drop(conn, x->entry);
}

static void set_answered_status(struct exchange *x, bool over, enum dissect_end end)
{
    const char *by_code = http_status_by_code(&x->response);
    bool gap = x->request.has_gap || x->response.has_gap;
    if (gap || x->after_loss)
        dissect_set_status(
            x->entry,
            x->response.done && !x->response.cut_short && !x->after_loss ? by_code : "incomplete",
            "capture_gap");
    else if (x->window_start)
        dissect_set_status(x->entry, "incomplete", "window_start");
    else if (x->response.done || !over)
        dissect_set_status(x->entry, by_code, NULL);
    else if (end == END_OF_DATA)
        dissect_set_status(x->entry, "open", "window_end");
    else if (end == END_RESET_BY_CLIENT)
        dissect_set_status(x->entry, by_code, "client_cancel");
    else
        dissect_set_status(x->entry, "error", dissect_end_reason(end));
}

static void fill_entry(struct dissect_conn *conn, struct exchange *x)
{
    struct arena *arena = dissect_entry_arena(x->entry);
    struct http_message *request = &x->request, *response = &x->response;
    if (request->grpc)
        grpc_reader_finish(request->grpc, arena, request);
    if (response->grpc)
        grpc_reader_finish(response->grpc, arena, response);
    http_fill_entry(conn, x->entry, request, response);
    if (!grpc_is_call(request, response))
        return;
    /* The status may stand in what is missing. */
    struct grpc_call call = {
        .request = request, .response = response, .unknown = response->truncated};
    response->has_errors = strcmp(grpc_outcome(&call), "error") == 0;
    grpc_fill_entry(x->entry, &call);
}

/* Sends the exchange off. `over`: the connection ended as `end` says. */
void http1_emit(struct dissect_conn *conn, struct http1_state *state, struct exchange *x, bool over,
                enum dissect_end end)
{
    if (state->side[DIR_SERVER].at == x && state->side[DIR_SERVER].interim)
        memset(&x->response, 0, sizeof x->response);
    for (int dir = 0; dir < 2; dir++)
        if (state->side[dir].at == x)
            state->side[dir].at = NULL;
    exchange_unlink(state, x);
    state->client_next |= state->client_full;
    struct arena *arena = dissect_entry_arena(x->entry);
    if (x->request.begun && !x->request.head_done)
        http1_parse_headers(&x->request, arena);
    if (x->response.begun && !x->response.head_done)
        http1_parse_headers(&x->response, arena);
    fill_entry(conn, x);
    if (x->response.begun)
        set_answered_status(x, over, end);
    else if (x->request.has_gap || x->unpaired || x->answer_lost || !over)
        dissect_set_status(x->entry, "incomplete", "capture_gap");
    else if (end == END_OF_DATA)
        dissect_set_status(x->entry, "open", x->request.done ? NULL : "window_end");
    else
        dissect_set_status(x->entry, "no_response", dissect_end_reason(end));
    dissect_entry_emit(conn, x->entry);
}

void http1_check(struct dissect_conn *conn, struct http1_state *state, struct exchange *x)
{
    bool request_over = x->request.done || !x->request.begun;
    if (request_over && (x->response.done || x->unpaired))
        http1_emit(conn, state, x, false, END_CLOSED);
}

struct exchange *http1_oldest_unanswered(const struct http1_state *state)
{
    for (struct exchange *x = state->oldest; x; x = x->next)
        if (!x->response.begun && !x->unpaired)
            return x;
    return NULL;
}

/* No answer can be told to belong to any request any more. */
static void stop_pairing(struct dissect_conn *conn, struct http1_state *state)
{
    state->unsure = true;
    for (struct exchange *x = state->oldest, *next; x; x = next) {
        next = x->next;
        if (x->response.begun)
            continue;
        x->unpaired = true;
        http1_check(conn, state, x);
    }
}

/* Requests whose answers are lost: a client that never pipelines sends the next one only when they
 * had come. */
static void give_up_lost_answers(struct dissect_conn *conn, struct http1_state *state)
{
    for (struct exchange *x = state->oldest, *next; x; x = next) {
        next = x->next;
        if (!x->answer_lost || x->response.begun || !x->request.done)
            continue;
        x->unpaired = true;
        http1_check(conn, state, x);
    }
}

/* ── message ends ── */

struct http_message *http1_message_of(struct exchange *x, enum dissect_dir dir)
{
    return dir == DIR_CLIENT ? &x->request : &x->response;
}

static bool upgrades_to(const struct exchange *x, const char *name)
{
    struct slice upgrade = http_header(&x->response, "upgrade");
    size_t len = strlen(name);
    return x->response.status_code == 101 && upgrade.len >= len &&
           strncasecmp((const char *)upgrade.data, name, len) == 0;
}

static void switch_protocols(struct dissect_conn *conn, struct http1_state *state,
                             struct exchange *x)
{
    if (upgrades_to(x, "websocket"))
        dissect_switch_with(
            conn, "ws",
            http_websocket_params(dissect_entry_arena(x->entry), &x->request, &x->response));
    else if (http2_is_upgrade(&x->request, &x->response))
        dissect_switch_with(conn, "http2",
                            http2_upgrade_pack(dissect_entry_arena(x->entry), &x->request,
                                               dissect_entry_request(x->entry)));
    else
        dissect_switch(conn, upgrades_to(x, "TLS") ? "tlsx" : NULL);
    http1_emit(conn, state, x, false, END_CLOSED);
    while (state->oldest)
        http1_emit(conn, state, state->oldest, true, END_CLOSED);
}

/* After the answer to a CONNECT or an Upgrade. */
static void answered_switch(struct dissect_conn *conn, struct http1_state *state,
                            struct exchange *x)
{
    int code = x->response.status_code;
    bool is_connect = x->request.begun && slice_eq_str(x->request.method, "CONNECT");
    if (code == 101 || (is_connect && code / 100 == 2)) {
        x->request.done = true;
        switch_protocols(conn, state, x);
        return;
    }
    if (state->side[DIR_CLIENT].phase == PHASE_WAIT)
        state->side[DIR_CLIENT].phase = PHASE_START;
    http1_check(conn, state, x);
}

void http1_message_done(struct dissect_conn *conn, struct http1_state *state, enum dissect_dir dir)
{
    struct side *side = &state->side[dir];
    struct exchange *x = side->at;
    side->at = NULL;
    if (side->phase != PHASE_LOST && side->phase != PHASE_BROKEN)
        side->phase = PHASE_START;
    if (!x)
        return;
    struct http_message *message = http1_message_of(x, dir);
    if (side->interim) {
        side->interim = false;
        memset(message, 0, sizeof *message);
        if (!x->request.begun)
            drop(conn, state, x);
        return;
    }
    message->done = true;
    if (dir == DIR_SERVER && (x->wants_switch || message->status_code == 101)) {
        answered_switch(conn, state, x);
        return;
    }
    if (dir == DIR_CLIENT && x->wants_switch && !x->response.done && side->phase == PHASE_START)
        side->phase = PHASE_WAIT;
    http1_check(conn, state, x);
}

/* Bytes of no known message are missing. */
static void lose_messages(struct dissect_conn *conn, struct http1_state *state,
                          enum dissect_dir dir)
{
    if (dir == DIR_CLIENT) {
        state->request_lost = state->any_request_lost = true;
        if (state->pipelines)
            stop_pairing(conn, state);
        return;
    }
    for (struct exchange *x = state->oldest; x; x = x->next)
        x->answer_lost |= !x->response.begun;
}

void http1_lose_side(struct dissect_conn *conn, struct http1_state *state, enum dissect_dir dir,
                     bool is_gap)
{
    struct side *side = &state->side[dir];
    side->phase = is_gap || !side->at ? PHASE_LOST : PHASE_BROKEN;
    side->scanned = 0;
    /* What begins like no message follows one whose end was taken for another place. */
    side->lost_some |= side->phase == PHASE_LOST;
    if (is_gap && side->at)
        http1_message_of(side->at, dir)->cut_short = true;
    if (is_gap)
        lose_messages(conn, state, dir);
    if (dir == DIR_SERVER && state->side[DIR_CLIENT].phase == PHASE_WAIT)
        state->side[DIR_CLIENT].phase = PHASE_START;
    http1_message_done(conn, state, dir);
}

/* ── message begins ── */

/* So many requests and no answer: the other direction was not recorded. */
static bool make_room(struct dissect_conn *conn, struct http1_state *state)
{
    struct exchange *x = state->oldest;
    if (!x || !x->request.done || x->response.begun)
        return false;
    x->unpaired = true;
    http1_emit(conn, state, x, false, END_CLOSED);
    stop_pairing(conn, state);
    return true;
}

/* A client sends its next request when the last one's answer has come (or is lost too), or it
 * pipelines: an answer that comes now may be that of a request which is lost. */
static bool may_be_out_of_step(const struct http1_state *state)
{
    return (state->request_lost && !state->side[DIR_SERVER].lost_some) ||
           (state->pipelines && state->any_request_lost);
}

bool http1_begin_request(struct dissect_conn *conn, struct http1_state *state,
                         const struct http_message *line, bool may_wait)
{
    struct side *side = &state->side[DIR_CLIENT];
    if (!state->pipelines)
        give_up_lost_answers(conn, state);
    const struct exchange *waiting = http1_oldest_unanswered(state);
    state->pipelines |= waiting && waiting->request.done;
    if (may_be_out_of_step(state))
        stop_pairing(conn, state);
    state->request_lost = false;
    struct exchange *x = exchange_begin(conn, state);
    if (!x && may_wait)
        state->client_full = true;
    else if (!x && make_room(conn, state))
        x = exchange_begin(conn, state);
    if (!x)
        return false;
    struct arena *arena = dissect_entry_arena(x->entry);
    x->request.method = arena_dup(arena, line->method);
    x->request.target = arena_dup(arena, line->target);
    x->request.version = arena_dup(arena, line->version);
    x->request.begun = true;
    x->unpaired = state->unsure;
    side->at = x;
    side->lost_some = false;
    state->any_request = true;
    return true;
}

bool http1_begin_response(struct dissect_conn *conn, struct http1_state *state,
                          const struct http_message *line)
{
    struct side *side = &state->side[DIR_SERVER];
    struct exchange *x = http1_oldest_unanswered(state);
    /* After a loss only a single candidate is certain. */
    if (x && side->lost_some) {
        bool other = false;
        for (const struct exchange *y = x->next; y; y = y->next)
            other |= !y->response.begun;
        if (other) {
            stop_pairing(conn, state);
            x = NULL;
        } else if (state->side[DIR_CLIENT].lost_some) {
            /* Its answer may be lost, and this be the answer to a request that is lost too. */
            x->unpaired = true;
            http1_check(conn, state, x);
            x = NULL;
        }
    }
    if (!x) {
        x = exchange_begin(conn, state);
        if (!x)
            return false;
        x->window_start = dissect_is_late_join(conn) && !state->any_request;
        const struct side *client = &state->side[DIR_CLIENT];
        /* That a request is missing may show in its own direction only later. */
        bool was_asked = line->status_code != REQUEST_TIMEOUT && client->phase != PHASE_BROKEN;
        x->after_loss = !x->window_start &&
                        (state->unsure || side->lost_some || client->lost_some || was_asked);
    }
    x->response.status_code = line->status_code;
    x->response.version =
        line->version.len ? arena_dup(dissect_entry_arena(x->entry), line->version) : SLICE_NONE;
    x->response.begun = true;
    side->at = x;
    side->lost_some = false;
    side->interim = line->status_code >= 100 && line->status_code < 200 && line->status_code != 101;
    state->request_lost &= side->interim;
    return true;
}
