/* LDAP calls on one connection: which request a response answers, what is certain after a loss, and
 * when a call is over (RFC 4511 section 4.1.1.1: message ids). */
#include "dissect/proto/ldap_state.h"

enum {
    MAX_WAITING = 900 /* a connection has 1,024 open entries */
};

/* ── calls ── */

static struct ldap_call **bucket_of(struct ldap_state *state, uint32_t id)
{
    return &state->buckets[id % LDAP_BUCKETS];
}

struct ldap_call *ldap_find_waiting(struct ldap_state *state, uint32_t id)
{
    for (struct ldap_call *call = *bucket_of(state, id); call; call = call->next)
        if (call->id == id)
            return call;
    return NULL;
}

static void wait(struct ldap_state *state, struct ldap_call *call)
{
    struct ldap_call **bucket = bucket_of(state, call->id);
    call->next = *bucket;
    *bucket = call;
    call->is_waiting = true;
    call->older = state->newest;
    if (state->newest)
        state->newest->newer = call;
    else
        state->oldest = call;
    state->newest = call;
    state->waiting++;
}

static void unlink_call(struct ldap_state *state, struct ldap_call *call)
{
    struct ldap_call **at = bucket_of(state, call->id);
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->older)
        call->older->newer = call->newer;
    else
        state->oldest = call->newer;
    if (call->newer)
        call->newer->older = call->older;
    else
        state->newest = call->older;
    call->is_waiting = false;
    state->waiting--;
}

void ldap_release(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call,
                  const char *status, const char *reason)
{
    if (call->is_waiting)
        unlink_call(state, call);
    if (state->start_tls == call)
        state->start_tls = NULL;
    for (int i = 0; i < 2; i++)
        if (state->side[i].call == call)
            state->side[i].call = NULL;
    ldap_emit(conn, call, status, reason);
}

/* The directions are read one at a time: a loss may be noticed before the request is read that was
 * sent before it. */
bool ldap_lost_since(const struct ldap_state *state, const struct ldap_call *call,
                     enum dissect_dir dir)
{
    bool was_late = dir == DIR_SERVER && call->has_request &&
                    state->gap_ns >= dissect_entry_request(call->entry)->first_ns;
    return was_late || state->gaps[dir] != call->gaps[dir];
}

void ldap_note_loss(struct ldap_state *state, enum dissect_dir dir)
{
    state->gaps[dir]++;
    state->gap_ends |= dir == DIR_SERVER;
}

void ldap_give_up(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call,
                  const char *status, const char *reason)
{
    bool any_loss = state->gaps[0] || state->gaps[1] || !dissect_is_late_join(conn);
    if (!call->has_request)
        ldap_release(conn, state, call, "incomplete", any_loss ? "capture_gap" : "window_start");
    else if (call->is_unsure || call->has_gap || ldap_lost_since(state, call, DIR_SERVER))
        ldap_release(conn, state, call, "incomplete", "capture_gap");
    else if (call->is_abandoned)
        ldap_release(conn, state, call, "no_response", "client_cancel");
    else
        ldap_release(conn, state, call, status, reason);
}

struct ldap_call *ldap_begin_call(struct dissect_conn *conn, struct ldap_state *state,
                                  const struct ldap_head *head)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct ldap_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->id = head->id;
    call->op = head->op;
    call->code = -1;
    for (int i = 0; i < 2; i++)
        call->gaps[i] = state->gaps[i];
    state->any_entry = true;
    return call;
}

/* ── requests ── */

/* An id is not used again before its call is answered (RFC 4511, 4.1.1.1): where it is, the answer
 * was lost, or nobody can tell whose answer comes. */
static void make_room(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call)
{
    struct ldap_call *same = ldap_find_waiting(state, call->id);
    if (same) {
        call->is_unsure =
            same->has_request && !same->is_abandoned && !ldap_lost_since(state, same, DIR_SERVER);
        ldap_give_up(conn, state, same, "no_response", NULL);
    }
    if (state->waiting >= MAX_WAITING)
        ldap_give_up(conn, state, state->oldest, "open", NULL);
}

static void on_abandon(struct ldap_state *state, const struct ldap_call *call)
{
    struct ldap_message m;
    int64_t id;
    if (!ldap_parse(gather_slice(&call->request), &m) || !ber_int(m.body, &id) || id <= 0)
        return;
    struct ldap_call *target = ldap_find_waiting(state, (uint32_t)id);
    if (target)
        target->is_abandoned = true;
}

void ldap_request_done(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call)
{
    call->sasl_step = call->op == LDAP_BIND ? state->sasl_step : 0;
    ldap_fill_request(call);
    const char *loss = call->has_gap ? "capture_gap" : NULL;
    if (call->op == LDAP_UNBIND || call->op == LDAP_ABANDON) {
        if (call->op == LDAP_ABANDON && !call->has_gap)
            on_abandon(state, call);
        ldap_release(conn, state, call, loss ? "incomplete" : "ok", loss);
        return;
    }
    make_room(conn, state, call);
    wait(state, call);
    if (call->is_start_tls)
        state->start_tls = call;
}

/* ── responses ── */

struct ldap_call *ldap_call_of_response(struct dissect_conn *conn, struct ldap_state *state,
                                        const struct ldap_head *head)
{
    struct ldap_call *call = head->id ? ldap_find_waiting(state, head->id) : NULL;
    if (call && !ldap_answers(head->op, call->op)) {
        if (call->has_request)
            call->is_unsure = true;
        else
            ldap_give_up(conn, state, call, NULL, NULL);
        call = NULL;
    }
    bool is_doubtful = call && call->has_request &&
                       (call->is_unsure || (ldap_lost_since(state, call, DIR_SERVER) &&
                                            ldap_lost_since(state, call, DIR_CLIENT)));
    if (is_doubtful) {
        call->is_unsure = true;
        ldap_give_up(conn, state, call, NULL, NULL);
        call = NULL;
    }
    if (call)
        return call;
    call = ldap_begin_call(conn, state, head);
    if (!call)
        return NULL;
    call->is_unasked = head->id == 0;
    if (call->is_unasked) {
        dissect_entry_reverse(call->entry);
        return call;
    }
    static const uint8_t requests[] = {LDAP_BIND,   LDAP_SEARCH,    LDAP_MODIFY,  LDAP_ADD,
                                       LDAP_DELETE, LDAP_MODIFY_DN, LDAP_COMPARE, LDAP_EXTENDED};
    for (size_t i = 0; head->op != LDAP_INTERMEDIATE && i < sizeof requests; i++)
        if (ldap_answers(head->op, requests[i]))
            call->op = requests[i];
    if (!ldap_find_waiting(state, call->id)) {
        if (state->waiting >= MAX_WAITING)
            ldap_give_up(conn, state, state->oldest, "open", NULL);
        wait(state, call);
    }
    return call;
}

static void bind_answered(struct ldap_state *state, const struct ldap_call *call)
{
    bool goes_on = call->code == LDAP_SASL_IN_PROGRESS;
    unsigned step = call->has_request && call->is_sasl ? call->sasl_step : 0;
    bool may_protect = call->is_sasl || !call->has_request;
    bool is_unknown = call->code < 0; /* the result is among what was lost */
    state->sasl_step = is_unknown ? 0 : !goes_on ? 1 : step ? step + 1 : 0;
    state->may_be_sealed |= may_protect && (is_unknown || call->code == LDAP_SUCCESS);
}

void ldap_response_done(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call)
{
    struct ldap_side *side = &state->side[DIR_SERVER];
    call->has_gap |= side->has_gap;
    call->is_cut |= side->bytes.cut;
    call->is_body_over |=
        call->entries + call->references > 0 && ldap_lost_since(state, call, DIR_SERVER);
    ldap_fill_response(call, gather_slice(&side->bytes));
    call->is_body_over |= side->has_gap || side->bytes.cut;
    if (call->is_unasked) {
        ldap_release(conn, state, call, side->has_gap ? "incomplete" : NULL,
                     side->has_gap ? "capture_gap" : NULL);
        return;
    }
    if (call->op == LDAP_BIND && ldap_is_final(side->head.op))
        bind_answered(state, call);
    bool is_over = ldap_is_final(side->head.op) || (!call->is_waiting && !call->has_request);
    if (!is_over)
        return;
    bool is_secured = call->is_start_tls && call->code == LDAP_SUCCESS;
    bool is_many = call->op == LDAP_SEARCH || call->intermediates;
    bool has_loss = call->has_gap || (is_many && ldap_lost_since(state, call, DIR_SERVER));
    if (!call->has_request || call->code < 0)
        ldap_give_up(conn, state, call, "error", NULL);
    else
        ldap_release(conn, state, call, NULL, has_loss ? "capture_gap" : NULL);
    if (is_secured)
        dissect_switch(conn, "tlsx");
}
