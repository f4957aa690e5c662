/* Which answer belongs to which PostgreSQL request. The server answers in order: a Query up to its
 * ReadyForQuery, the messages of the extended protocol one by one; after an error it ignores
 * everything up to Sync (protocol-flow, "Extended Query"). */
#include "dissect/proto/postgresql_state.h"

enum {
    NAME_MAX_BYTES = 64,
    KEY_SCRATCH = SQL_STATEMENT_KEY_MAX + 1
};

/* ── calls ── */

struct pg_call *pg_begin_call(struct dissect_conn *conn, struct pg_state *state,
                              const char *command)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct pg_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->command = command;
    state->any_entry = true;
    return call;
}

/* Nobody may refer to a call that leaves. */
void pg_send_off(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                 const char *status, const char *reason)
{
    for (int i = 0; i < 2; i++)
        if (state->side[i].call == call)
            state->side[i].call = NULL;
    if (state->building == call)
        state->building = NULL;
    if (state->alone == call)
        state->alone = NULL;
    struct slice key = call->describe_key;
    struct sql_statement *s = key.len ? sql_statement_find(&state->statements, key) : NULL;
    if (s && (call->damaged || call->has_gap))
        s->param_count |= PG_DESCRIPTION_LOST;
    if (call->text_lost && !reason)
        reason = dissect_is_late_join(conn) ? "window_start" : "capture_gap";
    postgresql_emit(conn, call, &state->who, status, reason);
}

static struct pg_call *remove_oldest(struct pg_state *state)
{
    struct pg_call *call = state->oldest;
    state->oldest = call->next;
    if (!state->oldest)
        state->newest = NULL;
    return call;
}

void pg_emit_oldest(struct dissect_conn *conn, struct pg_state *state)
{
    struct pg_call *call = remove_oldest(state);
    if (call->damaged)
        pg_send_off(conn, state, call, "incomplete", "capture_gap");
    else
        pg_send_off(conn, state, call,
                    call->failed    ? "error"
                    : call->skipped ? "no_response"
                                    : "ok",
                    call->has_gap ? "capture_gap" : NULL);
}

void pg_emit_alone(struct dissect_conn *conn, struct pg_state *state)
{
    bool at_start = state->alone->window_start;
    pg_send_off(conn, state, state->alone, "incomplete", at_start ? "window_start" : "capture_gap");
}

void pg_give_up(struct dissect_conn *conn, struct pg_state *state)
{
    while (state->oldest) {
        state->oldest->damaged = true;
        pg_emit_oldest(conn, state);
    }
}

void pg_damage_waiting(struct pg_state *state)
{
    for (struct pg_call *call = state->oldest; call; call = call->next)
        call->damaged = true;
}

void pg_forget_names(struct pg_state *state)
{
    sql_statements_clear(&state->statements);
    state->names_lost = true;
}

void pg_lost(struct dissect_conn *conn, struct pg_state *state, enum dissect_dir dir)
{
    struct pg_side *side = &state->side[dir];
    side->lost = side->lost_some = true;
    side->in_message = false;
    side->call = NULL;
    if (dir == DIR_SERVER) {
        pg_damage_waiting(state);
        if (state->alone)
            pg_emit_alone(conn, state);
        return;
    }
    /* The call in hand lacks a part. */
    pg_forget_names(state);
    if (state->building)
        state->building->damaged = true;
    state->building = NULL;
    struct pg_call *call = state->newest;
    if (call && (pg_has_step(call, PG_STARTUP) || call->has_copy_in))
        call->has_gap = true;
}

/* What a new request tells of those before it. False: there is no room for it yet. */
static struct pg_call *new_call(struct dissect_conn *conn, struct pg_state *state,
                                const char *command)
{
    struct pg_side *client = &state->side[DIR_CLIENT];
    struct pg_call *call = pg_begin_call(conn, state, command);
    if (!call)
        return NULL;
    bool lost_answer = state->oldest && state->oldest->damaged;
    state->batches |= state->building && state->oldest != state->newest;
    /* What was lost is not answered yet, or not to its end, and more is asked: answers to it will
     * come. */
    bool may_be_ready = state->is_ready || (!state->batches && state->side[DIR_SERVER].lost);
    if (client->lost_some && (state->silent_since_gap || !may_be_ready))
        state->unsure = true;
    if (state->alone) { /* it asks before it has the answer to what was not seen */
        state->unsure = true;
        pg_emit_alone(conn, state);
    }
    if (state->unsure) {
        pg_give_up(conn, state);
    } else if (state->oldest && client->lost_some) {
        state->unsure = state->pipelines || !lost_answer;
        pg_give_up(conn, state);
    } else if (lost_answer && !state->building) {
        /* A client that never pipelines had its answers before it went on. */
        state->unsure = state->pipelines;
        pg_give_up(conn, state);
    } else if (state->oldest && !state->building) {
        state->pipelines = true;
    } else if (client->lost_some && state->pipelines) {
        state->unsure = true;
    }
    client->lost_some = false;
    state->any_request = true;
    call->damaged = state->unsure || (state->oldest && state->oldest->damaged);
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
    return call;
}

bool pg_has_step(const struct pg_call *call, enum pg_step step)
{
    for (unsigned i = 0; i < call->step_count; i++)
        if (call->steps[i] == step)
            return true;
    return false;
}

static void add_step(struct pg_call *call, enum pg_step step)
{
    if (call->step_count < PG_STEPS_MAX)
        call->steps[call->step_count++] = (uint8_t)step;
}

/* May a message of the extended protocol still belong to the call in hand? One Parse, one Bind and
 * one Execute are one entry. */
static bool fits_building(const struct pg_call *call, uint8_t type)
{
    if (!call || pg_has_step(call, PG_CLOSE) || pg_has_step(call, PG_EXECUTE))
        return false;
    switch (type) {
    case 'B':
        return !pg_has_step(call, PG_BIND);
    case 'D':
        return call->step_count < PG_STEPS_MAX - 3;
    case 'E':
        return true;
    default:
        return false;
    }
}

static struct pg_call *copying(const struct pg_state *state)
{
    struct pg_call *call = state->newest;
    return call && (pg_has_step(call, PG_EXECUTE) || pg_has_step(call, PG_QUERY)) ? call : NULL;
}

bool pg_client_begins(struct dissect_conn *conn, struct pg_state *state, uint8_t type,
                      struct pg_call **ret_call)
{
    struct pg_call *call = NULL;
    const char *command = NULL;
    *ret_call = NULL;
    switch (type) {
    case 'X':
        return true;
    case 'p':
        *ret_call = state->newest && pg_has_step(state->newest, PG_STARTUP) ? state->newest : NULL;
        return true;
    case 'd':
    case 'c':
    case 'f':
        *ret_call = copying(state);
        return true;
    case 'H':
        *ret_call = state->building;
        return true;
    case 'S':
        call = state->building;
        if (!call && copying(state) && state->newest->has_copy_in)
            call = state->newest;
        command = "Sync";
        break;
    case 'Q':
    case 'F':
        state->building = NULL;
        command = type == 'F' ? "FunctionCall" : NULL;
        break;
    case 'P':
    case 'C':
        call = NULL;
        command = type == 'C' ? "Close" : NULL;
        break;
    default:
        call = fits_building(state->building, type) ? state->building : NULL;
        break;
    }
    if (!call)
        call = new_call(conn, state, command);
    if (!call)
        return false;
    state->building = type == 'Q' || type == 'F' || type == 'S' ? NULL : call;
    *ret_call = call;
    return true;
}

bool pg_startup_begins(struct dissect_conn *conn, struct pg_state *state, uint32_t code,
                       struct pg_call **ret_call)
{
    const char *command = code == PG_CODE_SSL      ? "SSLRequest"
                          : code == PG_CODE_GSSENC ? "GSSENCRequest"
                          : code == PG_CODE_CANCEL ? "CancelRequest"
                                                   : "Startup";
    *ret_call = new_call(conn, state, command);
    state->startup_code = code;
    return *ret_call != NULL;
}

/* ── what the client says ── */

/* 'S' or 'P' and a name: statements and portals have name spaces of their own. */
static struct slice key_of(uint8_t kind, struct slice name, uint8_t *scratch)
{
    if (name.len > SQL_STATEMENT_KEY_MAX - 1) /* too long to be remembered: no key fits */
        return slice_of(NULL, 0);
    scratch[0] = kind;
    if (name.len)
        memcpy(scratch + 1, name.data, name.len);
    return slice_of(scratch, name.len + 1);
}

/* A portal's description has no parameters. */
static bool lacks_description(const struct sql_statement *s)
{
    unsigned all = PG_COLUMNS_TOLD;
    if (s->part[SQL_KEY].data[0] == 'S')
        all |= PG_TYPES_TOLD;
    return s->param_count & PG_DESCRIPTION_LOST && (s->param_count & all) != all;
}

/* What is known under the key becomes the call's. */
static void recall(const struct pg_state *state, struct pg_call *call, struct slice key)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct sql_statement *s = key.len ? sql_statement_find(&state->statements, key) : NULL;
    if (!s || lacks_description(s))
        call->text_lost = state->names_lost || s;
    if (!s)
        return;
    call->query = arena_dup(arena, s->part[SQL_TEXT]);
    call->truncated |= s->text_cut;
    call->types = arena_dup(arena, s->part[SQL_TYPES]);
    call->columns = arena_dup(arena, s->part[SQL_COLUMNS]);
    call->formats_are_of_bind = true;
}

static void remember(struct dissect_conn *conn, struct pg_state *state, const struct pg_call *call,
                     struct slice key)
{
    struct arena *arena = dissect_arena(conn);
    struct sql_statement *s = key.len ? sql_statement_put(&state->statements, arena, key) : NULL;
    if (!s)
        return;
    sql_statement_set(&state->statements, arena, s, SQL_TEXT, call->query);
    sql_statement_set(&state->statements, arena, s, SQL_TYPES, call->types);
    sql_statement_set(&state->statements, arena, s, SQL_COLUMNS, call->columns);
}

static void on_parse(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                     struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(body.data, body.len);
    struct slice name, text;
    uint8_t scratch[KEY_SCRATCH];
    pg_cstring(&c, &name);
    if (!pg_cstring(&c, &text))
        text = slice_of(c.pos, cursor_left(&c)); /* longer than what is kept */
    call->query = arena_dup(arena, text);
    call->names[0] = arena_dup(arena, slice_sub(name, 0, NAME_MAX_BYTES));
    size_t types = 4u * cursor_be16(&c);
    call->types = arena_dup(arena, cursor_slice(&c, types));
    call->columns = SLICE_NONE;
    call->text_lost = false;
    remember(conn, state, call, key_of('S', name, scratch));
}

static void on_bind(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                    struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    uint8_t scratch[KEY_SCRATCH];
    struct slice copy = arena_dup(arena, body);
    struct pg_bind bind;
    if (!pg_parse_bind(copy, &bind))
        call->truncated = true;
    call->has_bind = true;
    call->formats = bind.formats;
    call->values = bind.values;
    call->value_count = bind.value_count;
    call->result_formats = bind.result_formats;
    call->names[0] = slice_sub(bind.statement, 0, NAME_MAX_BYTES);
    call->names[1] = slice_sub(bind.portal, 0, NAME_MAX_BYTES);
    recall(state, call, key_of('S', bind.statement, scratch));
    if (bind.portal.len) /* a cursor: it may be executed again later */
        remember(conn, state, call, key_of('P', bind.portal, scratch));
}

static void on_execute(struct pg_state *state, struct pg_call *call, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct slice portal;
    uint8_t scratch[KEY_SCRATCH];
    pg_cstring(&c, &portal);
    if (call->has_bind)
        return;
    call->names[1] =
        arena_dup(dissect_entry_arena(call->entry), slice_sub(portal, 0, NAME_MAX_BYTES));
    recall(state, call, key_of('P', portal, scratch));
}

static void on_describe_or_close(struct pg_state *state, struct pg_call *call, uint8_t type,
                                 struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(body.data, body.len);
    uint8_t kind = cursor_u8(&c), scratch[KEY_SCRATCH];
    struct slice name;
    pg_cstring(&c, &name);
    struct slice key = key_of(kind, name, scratch);
    bool is_own = call->step_count == 0; /* not part of a Parse or Bind */
    if (is_own) {
        recall(state, call, key);
        call->names[kind == 'P'] = arena_dup(arena, slice_sub(name, 0, NAME_MAX_BYTES));
    }
    if (type == 'D') {
        call->describe_key = arena_dup(arena, key);
        if (is_own)
            call->command = "Describe";
    } else if (key.len) {
        sql_statement_drop(&state->statements, key);
    }
}

/* Names and values, each ended by a NUL, up to an empty name. */
static void on_startup(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                       struct slice body)
{
    enum {
        PARAMETERS_MAX = 64
    };
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice copy = arena_dup(arena, body);
    struct cursor c = cursor_of(copy.data, copy.len);
    struct entry_pair pair;
    call->parameters = arena_calloc(arena, PARAMETERS_MAX, sizeof pair);
    while (call->parameters && call->parameter_count < PARAMETERS_MAX &&
           pg_cstring(&c, &pair.key) && pair.key.len && pg_cstring(&c, &pair.value)) {
        call->parameters[call->parameter_count++] = pair;
        struct slice kept = slice_sub(pair.value, 0, 256);
        if (slice_eq_str(pair.key, "user"))
            state->who.user = arena_dup(dissect_arena(conn), kept);
        else if (slice_eq_str(pair.key, "database"))
            state->who.database = arena_dup(dissect_arena(conn), kept);
    }
    if (!state->who.database.len)
        state->who.database = state->who.user;
}

void pg_client_content(struct dissect_conn *conn, struct pg_state *state, struct slice body,
                       bool cut)
{
    struct pg_side *side = &state->side[DIR_CLIENT];
    struct pg_call *call = side->call;
    if (!call)
        return;
    struct arena *arena = dissect_entry_arena(call->entry);
    switch (side->type) {
    case 0:
        if (state->startup_code >> 16 == 3)
            on_startup(conn, state, call, body);
        break;
    case 'Q':
        if (body.len && body.data[body.len - 1] == 0)
            body.len--;
        call->query = arena_dup(arena, body);
        call->truncated |= cut;
        break;
    case 'P':
        on_parse(conn, state, call, body);
        call->truncated |= cut;
        break;
    case 'B':
        on_bind(conn, state, call, body);
        break;
    case 'E':
        on_execute(state, call, body);
        break;
    case 'D':
    case 'C':
        on_describe_or_close(state, call, side->type, body);
        break;
    case 'd':
        gather_add(&call->copied, arena, body, DISSECT_BODY_CAP);
        break;
    default:
        break;
    }
}

void pg_finish_if_done(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call)
{
    if (call == state->oldest && call->step_count && call->steps_done == call->step_count)
        pg_emit_oldest(conn, state);
}

void pg_client_ends(struct dissect_conn *conn, struct pg_state *state)
{
    static const uint8_t steps[128] = {
        ['P'] = PG_PARSE, ['B'] = PG_BIND, ['D'] = PG_DESCRIBE, ['E'] = PG_EXECUTE,
        ['C'] = PG_CLOSE, ['S'] = PG_SYNC, ['Q'] = PG_QUERY,    ['F'] = PG_FUNCTION};
    struct pg_side *side = &state->side[DIR_CLIENT];
    struct pg_call *call = side->call;
    side->call = NULL;
    if (!call)
        return;
    if (side->type == 0) {
        uint32_t code = state->startup_code;
        if (code == PG_CODE_CANCEL)
            add_step(call, PG_QUERY);
        else
            add_step(call, code >> 16 == 3 ? PG_STARTUP : PG_ENCRYPT);
        if (code == PG_CODE_CANCEL) { /* the server answers by closing */
            call->steps_done = 1;
            pg_finish_if_done(conn, state, call);
        }
        return;
    }
    if (side->type == 'c' || side->type == 'f')
        call->copy_ended = true;
    bool ignored = side->type == 'S' && call->has_copy_in && !call->copy_ended;
    if (steps[side->type & 0x7f] && !ignored)
        add_step(call, (enum pg_step)steps[side->type & 0x7f]);
    else
        pg_finish_if_done(conn, state, call);
}
