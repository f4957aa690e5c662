/* What the server's messages mean for the calls that wait: which step of which call each one
 * answers. After an error the server ignores everything up to Sync (protocol-flow, "Extended
 * Query"). */
#include "dissect/proto/postgresql_state.h"

enum {
    SETTINGS_MAX = 64
};

/* ── what the server says ── */

static bool is_waiting_for(const struct pg_call *call, enum pg_step step)
{
    return call->steps_done < call->step_count && call->steps[call->steps_done] == step;
}

bool pg_server_begins(struct dissect_conn *conn, struct pg_state *state, uint8_t type,
                      struct pg_call **ret_call)
{
    bool knows_all = !dissect_is_late_join(conn) && !state->side[DIR_CLIENT].lost_some &&
                     !state->side[DIR_SERVER].lost_some && !state->unsure;
    *ret_call = state->unsure ? NULL : state->oldest;
    if (type != 'A' && type != 'N' && type != 'S') /* those may come at any time */
        state->is_ready = type == 'Z';
    state->side[DIR_SERVER].lost_some = false;
    if (type == 'A') {
        struct pg_call *push = pg_begin_call(conn, state, "Notification");
        if (push)
            push->is_push = true;
        *ret_call = push;
        return push != NULL;
    }
    if (*ret_call || type == 'N' || type == 'S')
        return true;
    if (!state->alone) {
        struct pg_call *call = pg_begin_call(conn, state, type == 'E' ? "Error" : NULL);
        if (!call)
            return false;
        call->is_alone = true;
        call->is_push = type == 'E' && knows_all; /* "terminating connection due to …" */
        call->window_start = dissect_is_late_join(conn) && !state->any_request;
        state->alone = call;
    }
    *ret_call = state->alone;
    return true;
}

static void on_authentication(struct pg_call *call, struct slice body)
{
    static const char *const names[] = {
        [2] = "kerberos", [3] = "password", [5] = "md5",           [6] = "scm_credential",
        [7] = "gssapi",   [9] = "sspi",     [10] = "scram-sha-256"};
    struct cursor c = cursor_of(body.data, body.len);
    uint32_t kind = cursor_be32(&c);
    if (kind < sizeof names / sizeof names[0] && names[kind])
        call->authentication = names[kind];
}

static void on_setting(struct pg_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice copy = arena_dup(arena, body);
    struct cursor c = cursor_of(copy.data, copy.len);
    struct entry_pair pair;
    if (!call->settings)
        call->settings = arena_calloc(arena, SETTINGS_MAX, sizeof pair);
    if (call->settings && call->setting_count < SETTINGS_MAX && pg_cstring(&c, &pair.key) &&
        pg_cstring(&c, &pair.value))
        call->settings[call->setting_count++] = pair;
}

static void on_error(struct pg_call *call, struct slice body)
{
    if (call->failed) /* the first one is the cause */
        return;
    call->error = pg_parse_error(arena_dup(dissect_entry_arena(call->entry), body));
    call->failed = true;
}

/* Columns and types that a Describe of a statement told are remembered with it. */
static void learn(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                  enum sql_part part, struct slice bytes)
{
    struct slice key = call->describe_key;
    struct sql_statement *s = key.len ? sql_statement_find(&state->statements, key) : NULL;
    if (!s)
        return;
    s->param_count |= part == SQL_TYPES ? PG_TYPES_TOLD : PG_COLUMNS_TOLD;
    sql_statement_set(&state->statements, dissect_arena(conn), s, part, bytes);
}

static void on_columns(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                       struct slice body)
{
    call->columns = arena_dup(dissect_entry_arena(call->entry), body);
    bool of_statement = call->describe_key.len && call->describe_key.data[0] == 'S';
    call->formats_are_of_bind = of_statement;
    learn(conn, state, call, SQL_COLUMNS, body);
}

static void on_tag(struct pg_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (body.len && body.data[body.len - 1] == 0)
        body.len--;
    call->tag = arena_dup(arena, body);
    int64_t rows = pg_tag_rows(body);
    sql_result_note(&call->result, arena, "tag", call->tag);
    if (rows >= 0 || call->has_rows || call->columns.len) {
        /* The server's own count; of what it does not count, what was seen. */
        call->tag_rows += rows >= 0 ? rows : call->rows;
        call->has_rows = true;
    }
    call->rows = 0;
}

static void on_notification(struct pg_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice copy = arena_dup(arena, body);
    struct cursor c = cursor_of(copy.data, copy.len);
    struct slice channel, payload;
    cursor_skip(&c, 4); /* process id of the notifier */
    pg_cstring(&c, &channel);
    pg_cstring(&c, &payload);
    call->names[0] = channel;
    call->query = payload;
}

void pg_server_content(struct dissect_conn *conn, struct pg_state *state, struct slice body,
                       bool cut)
{
    struct pg_side *side = &state->side[DIR_SERVER];
    struct pg_call *call = side->call;
    if (!call)
        return;
    struct arena *arena = dissect_entry_arena(call->entry);
    call->answered = true;
    switch (side->type) {
    case 'R':
        on_authentication(call, body);
        break;
    case 'S':
        on_setting(call, body);
        break;
    case 'E':
        on_error(call, body);
        break;
    case 'N': {
        struct pg_error notice = pg_parse_error(body);
        sql_result_note(&call->result, arena, "notice", notice.message);
        break;
    }
    case 't':
        call->types = arena_dup(arena, slice_sub(body, 2, SIZE_MAX));
        learn(conn, state, call, SQL_TYPES, call->types);
        break;
    case 'T':
        on_columns(conn, state, call, body);
        break;
    case 'D':
        call->truncated |= cut;
        postgresql_add_row(call, body);
        break;
    case 'd':
        sql_result_note(&call->result, arena, "copy", body);
        break;
    case 'C':
        on_tag(call, body);
        break;
    case 'V':
        if (body.len > 4)
            sql_result_note(&call->result, arena, "value", slice_sub(body, 4, SIZE_MAX));
        break;
    case 'A':
        on_notification(call, body);
        break;
    case 'Z':
        call->tx_state = body.len ? body.data[0] : 0;
        break;
    default:
        break;
    }
}

static void advance(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call)
{
    call->steps_done++;
    bool in_hand = state->side[DIR_CLIENT].call == call;
    if (!in_hand)
        pg_finish_if_done(conn, state, call);
}

static bool ends_with_ready(const struct pg_call *call)
{
    return pg_has_step(call, PG_SYNC) || pg_has_step(call, PG_QUERY) ||
           pg_has_step(call, PG_FUNCTION) || pg_has_step(call, PG_STARTUP);
}

/* ReadyForQuery, and which of what was sent before it was answered is not known. */
static void resolve_damaged(struct dissect_conn *conn, struct pg_state *state)
{
    unsigned groups = 0;
    for (const struct pg_call *call = state->oldest; call && groups < 2; call = call->next)
        groups += ends_with_ready(call);
    if (groups != 1) {
        state->unsure |= groups > 1;
        pg_give_up(conn, state);
        return;
    }
    while (state->oldest) {
        bool last = ends_with_ready(state->oldest);
        state->oldest->damaged = true;
        pg_emit_oldest(conn, state);
        if (last)
            return;
    }
}

static void on_ready(struct dissect_conn *conn, struct pg_state *state)
{
    struct pg_call *call = state->oldest;
    uint8_t tx_state = call->tx_state;
    while (state->skipping && state->oldest && !state->oldest->damaged) {
        call = state->oldest;
        bool last = ends_with_ready(call);
        call->skipped = !call->failed;
        if (last) {
            call->tx_state = tx_state;
            call->skipped &= !is_waiting_for(call, PG_SYNC); /* a Sync alone is answered */
            state->skipping = false;
        } else {
            call->tx_state = 0;
        }
        pg_emit_oldest(conn, state);
        if (last)
            return;
    }
    state->skipping = false;
    call = state->oldest;
    if (!call)
        return;
    bool fits = is_waiting_for(call, PG_SYNC) || is_waiting_for(call, PG_QUERY) ||
                is_waiting_for(call, PG_FUNCTION) || is_waiting_for(call, PG_STARTUP);
    if (fits && !call->damaged) {
        advance(conn, state, call);
        return;
    }
    pg_damage_waiting(state); /* nobody knows what belongs to whom, up to the next ReadyForQuery */
    resolve_damaged(conn, state);
}

static void on_failed(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call)
{
    if (is_waiting_for(call, PG_STARTUP) || is_waiting_for(call, PG_ENCRYPT)) {
        call->steps_done = call->step_count;
        pg_finish_if_done(conn, state, call);
    } else if (!is_waiting_for(call, PG_QUERY) && !is_waiting_for(call, PG_FUNCTION)) {
        state->skipping = true;
    }
}

/* CopyInResponse: a Sync that was sent along with Execute is ignored while the client copies; it
 * sends another one at the end. */
static void on_copy_in(struct pg_state *state, struct pg_call *call)
{
    call->has_copy_in = true;
    if (!is_waiting_for(call, PG_EXECUTE) || call->step_count != call->steps_done + 2 ||
        call->steps[call->step_count - 1] != PG_SYNC || call != state->newest)
        return;
    call->step_count--;
    state->building = call;
}

static void step_answered(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                          enum pg_step step)
{
    if (is_waiting_for(call, step))
        advance(conn, state, call);
    else
        pg_damage_waiting(state);
}

static void answer_ended(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                         uint8_t type)
{
    bool is_query = is_waiting_for(call, PG_QUERY);
    switch (type) {
    case '1':
        step_answered(conn, state, call, PG_PARSE);
        break;
    case '2':
        step_answered(conn, state, call, PG_BIND);
        break;
    case '3':
        step_answered(conn, state, call, PG_CLOSE);
        break;
    case 'n': /* has no body */
        learn(conn, state, call, SQL_COLUMNS, SLICE_NONE);
        step_answered(conn, state, call, PG_DESCRIBE);
        break;
    case 'T':
        if (!is_query)
            step_answered(conn, state, call, PG_DESCRIBE);
        break;
    case 'C':
    case 's':
    case 'I':
        if (!is_query)
            step_answered(conn, state, call, PG_EXECUTE);
        break;
    case 'D':
    case 'd':
    case 'H':
        if (!is_query && !is_waiting_for(call, PG_EXECUTE))
            pg_damage_waiting(state);
        break;
    case 'G':
    case 'W':
        on_copy_in(state, call);
        break;
    case 'E':
        on_failed(conn, state, call);
        break;
    default:
        break;
    }
}

void pg_server_ends(struct dissect_conn *conn, struct pg_state *state)
{
    struct pg_side *side = &state->side[DIR_SERVER];
    struct pg_call *call = side->call;
    uint8_t type = side->type;
    side->call = NULL;
    if (!call)
        return;
    if (type == 'A') {
        pg_send_off(conn, state, call, "ok", call->has_gap ? "capture_gap" : NULL);
        return;
    }
    if (call->is_alone) {
        if (call->is_push)
            pg_send_off(conn, state, call, "error", NULL);
        else if (type == 'Z')
            pg_emit_alone(conn, state);
        return;
    }
    if (type == 'Z') {
        on_ready(conn, state);
        return;
    }
    if (!call->damaged)
        answer_ended(conn, state, call, type);
}

void pg_encryption_answered(struct dissect_conn *conn, struct pg_state *state, uint8_t answer)
{
    struct pg_call *call = state->oldest;
    call->tag = answer == 'N' ? SLICE_LITERAL("refused") : SLICE_LITERAL("accepted");
    call->answered = true;
    call->steps_done = call->step_count;
    pg_emit_oldest(conn, state);
}
