/* What a MySQL client asks: login, commands, prepared statements by number, their parameters. */
#include <stdio.h>

#include "dissect/proto/mysql_call.h"

enum {
    ATTRIBUTES_MAX = 64,
    PARAM_KEPT = 4096,
    LONG_PARAMS_MAX = 64,
    NEW_TYPES = 1,
    PARAMETER_COUNT = 8, /* flag of COM_STMT_EXECUTE: query attributes follow */
    BULK_TYPES = 128,
    UNSIGNED_TYPE = 0x80
};

/* ── calls ── */

static void set_session(const struct my_state *state, struct my_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct my_session *s = &state->session;
    call->database = arena_dup(arena, slice_of(s->database, s->database_len));
    call->user = arena_dup(arena, slice_of(s->user, s->user_len));
}

struct my_call *my_begin_call(struct dissect_conn *conn, struct my_state *state, const char *name)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct my_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->name = name;
    set_session(state, call);
    state->any_entry = true;
    return call;
}

void my_send_off(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                 const char *status, const char *reason)
{
    for (int i = 0; i < 2; i++)
        if (state->side[i].call == call)
            state->side[i].call = NULL;
    if (state->alone == call)
        state->alone = NULL;
    uint8_t key[MY_KEY_BYTES];
    if (call->damaged || call->has_gap) {
        if (call->command == COM_STMT_PREPARE && call->has_statement)
            sql_statement_drop(&state->statements, my_statement_key(call->statement, key));
        state->names_lost = true;
        if (call->command == COM_INIT_DB || call->command == COM_QUERY || call->expect == MY_AUTH)
            state->session.database_len = 0;
    }
    if (call->text_lost && !reason)
        reason = dissect_is_late_join(conn) ? "window_start" : "capture_gap";
    mysql_emit(conn, call, status, reason);
}

void my_emit_oldest(struct dissect_conn *conn, struct my_state *state)
{
    struct my_call *call = state->oldest;
    state->oldest = call->next;
    if (!state->oldest)
        state->newest = NULL;
    if (call->damaged)
        my_send_off(conn, state, call, "incomplete", "capture_gap");
    else
        my_send_off(conn, state, call, call->failed ? "error" : "ok",
                    call->has_gap ? "capture_gap" : NULL);
}

void my_emit_alone(struct dissect_conn *conn, struct my_state *state)
{
    bool at_start = state->alone->window_start;
    my_send_off(conn, state, state->alone, "incomplete", at_start ? "window_start" : "capture_gap");
}

void my_give_up(struct dissect_conn *conn, struct my_state *state)
{
    while (state->oldest) {
        state->oldest->damaged = true;
        my_emit_oldest(conn, state);
    }
}

void my_damage_waiting(struct my_state *state)
{
    for (struct my_call *call = state->oldest; call; call = call->next)
        call->damaged = true;
}

void my_forget_session(struct my_state *state)
{
    /* Numbers may mean other statements by now. */
    sql_statements_clear(&state->statements);
    state->names_lost = true;
    state->long_params = 0;
    state->session.database_len = state->session.user_len = 0;
}

void my_lost(struct dissect_conn *conn, struct my_state *state, enum dissect_dir dir)
{
    struct my_side *side = &state->side[dir];
    *side = (struct my_side){.lost = true, .lost_some = true};
    if (dir == DIR_SERVER) {
        my_damage_waiting(state);
        if (state->alone)
            my_emit_alone(conn, state);
        return;
    }
    my_forget_session(state);
    /* The server was not found again since its own loss: whether that held the answer, and the next
     * one is that of what is missing here, nobody knows. */
    if (state->side[DIR_SERVER].lost_some)
        my_damage_waiting(state);
    if (state->newest && (state->newest->expect == MY_AUTH || state->newest->expect == MY_INFILE))
        state->newest->has_gap = true;
}

/* What a new command tells of those before it: a client that never pipelines had its answers. */
static struct my_call *new_call(struct dissect_conn *conn, struct my_state *state, const char *name)
{
    struct my_side *client = &state->side[DIR_CLIENT], *server = &state->side[DIR_SERVER];
    struct my_call *call = my_begin_call(conn, state, name);
    if (!call)
        return NULL;
    bool lost_answer = state->oldest && (state->oldest->damaged || state->oldest->end_unsure);
    if (state->alone) {
        state->unsure |= server->in_packet;
        my_emit_alone(conn, state);
    }
    if (state->unsure) {
        my_give_up(conn, state);
    } else if (state->oldest && client->lost_some) {
        state->unsure = state->pipelines || !lost_answer;
        my_give_up(conn, state);
    } else if (lost_answer) {
        state->unsure = state->pipelines;
        my_give_up(conn, state);
    } else if (state->oldest) {
        state->pipelines = true;
    } else if (client->lost_some && state->pipelines) {
        state->unsure = true;
    }
    client->lost_some = false;
    set_session(state, call); /* those that left may have changed it */
    call->damaged = state->unsure;
    call->next_seq = 1;
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
    return call;
}

bool my_client_begins(struct dissect_conn *conn, struct my_state *state, uint8_t seq)
{
    struct my_side *side = &state->side[DIR_CLIENT];
    if (state->phase != MY_COMMANDS && !state->oldest) {
        side->call = new_call(conn, state, "CONNECT");
        if (!side->call)
            return false;
        side->call->expect = MY_AUTH;
        side->call->version = arena_dup(dissect_entry_arena(side->call->entry),
                                        slice_of(state->version, state->version_len));
        state->phase = MY_LOGIN;
        return true;
    }
    bool belongs = state->phase != MY_COMMANDS || side->goes_on || seq != 0;
    side->call = belongs ? state->newest : new_call(conn, state, "");
    return belongs || side->call;
}

/* ── login ── */

static void keep_text(char *to, size_t size, uint16_t *ret_len, struct slice text)
{
    size_t n = text.len < size ? text.len : size;
    if (n)
        memcpy(to, text.data, n);
    *ret_len = (uint16_t)n;
}

static void set_identity(struct my_state *state, struct my_call *call, struct slice user,
                         struct slice database)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct my_session *s = &state->session;
    keep_text(s->user, sizeof s->user, &s->user_len, user);
    keep_text(s->database, sizeof s->database, &s->database_len, database);
    call->user = arena_dup(arena, user);
    call->database = arena_dup(arena, database);
}

static void on_login(struct my_state *state, struct my_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct my_login login;
    if (!my_parse_login(arena_dup(arena, body), &login))
        return;
    if (login.is_ssl_request) {
        state->wants_tls = true;
        call->name = "SSL_REQUEST";
        return;
    }
    struct my_session *s = &state->session;
    s->capabilities = login.capabilities;
    s->maria_capabilities = login.maria_capabilities & state->greeting.maria_capabilities;
    s->knows_capabilities = true;
    s->eof_is_known = true;
    s->eof_is_deprecated = login.capabilities & MY_DEPRECATE_EOF;
    set_identity(state, call, login.user, login.database);
    call->plugin = login.plugin;
    struct cursor c = cursor_of(login.attributes.data, login.attributes.len);
    call->attributes = arena_calloc(arena, ATTRIBUTES_MAX, sizeof *call->attributes);
    while (call->attributes && cursor_left(&c) && call->attribute_count < ATTRIBUTES_MAX) {
        struct entry_pair pair = {.key = my_lenenc_text(&c, NULL)};
        pair.value = my_lenenc_text(&c, NULL);
        if (c.bad)
            break;
        call->attributes[call->attribute_count++] = pair;
    }
}

static void on_change_user(struct my_state *state, struct my_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice copy = arena_dup(arena, body);
    struct cursor c = cursor_of(copy.data, copy.len);
    struct slice user = my_cstring(&c);
    cursor_skip(&c, cursor_u8(&c));
    struct slice database = my_cstring(&c);
    set_identity(state, call, user, database);
    call->expect = MY_AUTH;
}

/* ── statements and parameters ── */

struct slice my_statement_key(uint32_t statement, uint8_t out[MY_KEY_BYTES])
{
    for (int i = 0; i < MY_KEY_BYTES; i++)
        out[i] = (uint8_t)(statement >> (8 * i));
    return slice_of(out, MY_KEY_BYTES);
}

static struct sql_statement *statement_of(const struct dissect_conn *conn, struct my_state *state,
                                          struct my_call *call, struct cursor *c)
{
    uint8_t key[MY_KEY_BYTES];
    call->statement = cursor_le32(c);
    call->has_statement = !c->bad;
    /* MariaDB: the statement that was prepared last. */
    struct sql_statement *s =
        call->statement == UINT32_MAX
            ? state->statements.newest
            : sql_statement_find(&state->statements, my_statement_key(call->statement, key));
    call->text_lost = !s && (state->names_lost || dissect_is_late_join(conn));
    if (s) {
        call->query = arena_dup(dissect_entry_arena(call->entry), s->part[SQL_TEXT]);
        call->truncated |= s->text_cut;
        my_recall_columns(call, s);
    }
    return s;
}

static void add_param(struct my_call *call, struct slice text)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (!call->params)
        call->params = arena_calloc(arena, MY_PARAMS_MAX, sizeof *call->params);
    if (!call->params || call->param_count == MY_PARAMS_MAX) {
        call->truncated = true;
        return;
    }
    call->truncated |= text.len > PARAM_KEPT;
    call->params[call->param_count++] = arena_dup(arena, slice_sub(text, 0, PARAM_KEPT));
}

/* Types of the parameters: with this execution, or those of an earlier one. */
static struct slice types_of(struct dissect_conn *conn, struct my_state *state,
                             struct sql_statement *s, struct cursor *c, unsigned count)
{
    struct slice types = cursor_slice(c, 2u * count);
    if (s && types.len)
        sql_statement_set(&state->statements, dissect_arena(conn), s, SQL_TYPES, types);
    return types;
}

static void decode_values(struct my_state *state, struct my_call *call, struct cursor *c,
                          struct slice nulls, struct slice types)
{
    char scratch[MY_TEXT_MAX];
    for (unsigned i = 0; 2 * (size_t)i + 1 < types.len; i++) {
        struct slice text = SLICE_NONE;
        bool is_long = state->long_statement == call->statement && i < LONG_PARAMS_MAX &&
                       state->long_params >> i & 1;
        bool is_null = i / 8 < nulls.len && nulls.data[i / 8] >> (i % 8) & 1;
        if (is_null)
            text = SLICE_LITERAL("NULL");
        else if (is_long)
            text = SLICE_LITERAL("(sent before)");
        else if (!my_binary_value(c, types.data[2 * i], types.data[2 * i + 1] & UNSIGNED_TYPE,
                                  scratch, &text)) {
            call->truncated = true;
            return;
        }
        add_param(call, text);
    }
}

static void on_execute(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                       struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct sql_statement *s = statement_of(conn, state, call, &c);
    uint8_t flags = cursor_u8(&c);
    cursor_skip(&c, 4); /* iterations: always 1 */
    uint64_t count = s ? s->param_count : 0;
    bool attributes = state->session.capabilities & MY_QUERY_ATTRIBUTES && flags & PARAMETER_COUNT;
    if (attributes)
        count = my_lenenc(&c);
    call->is_binary = true;
    if (count == 0 || count > UINT16_MAX || (!s && !attributes))
        return;
    struct slice nulls = cursor_slice(&c, (size_t)(count + 7) / 8);
    bool has_types = cursor_u8(&c) == NEW_TYPES;
    struct slice types = s ? s->part[SQL_TYPES] : SLICE_NONE;
    if (has_types && attributes) {
        uint8_t kept[2 * LONG_PARAMS_MAX]; /* each type has a name behind it */
        for (uint64_t i = 0; i < count && !c.bad; i++) {
            uint16_t type = cursor_le16(&c);
            my_lenenc_text(&c, NULL);
            if (i < LONG_PARAMS_MAX) {
                kept[2 * i] = (uint8_t)type;
                kept[2 * i + 1] = (uint8_t)(type >> 8);
            }
        }
        size_t n = count < LONG_PARAMS_MAX ? (size_t)count : (size_t)LONG_PARAMS_MAX;
        types = arena_dup(dissect_entry_arena(call->entry), slice_of(kept, 2 * n));
        if (s)
            sql_statement_set(&state->statements, dissect_arena(conn), s, SQL_TYPES, types);
    } else if (has_types) {
        types = types_of(conn, state, s, &c, (unsigned)count);
    }
    decode_values(state, call, &c, nulls, types);
    if (state->long_statement == call->statement)
        state->long_params = 0;
}

/* MariaDB: one statement, many rows of parameters, each with an indicator. */
static void on_bulk_execute(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                            struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct sql_statement *s = statement_of(conn, state, call, &c);
    uint16_t flags = cursor_le16(&c);
    unsigned count = s ? (unsigned)s->param_count : 0;
    char scratch[MY_TEXT_MAX];
    call->is_binary = true;
    if (!s || !count)
        return;
    struct slice types = s->part[SQL_TYPES];
    if (flags & BULK_TYPES)
        types = types_of(conn, state, s, &c, count);
    while (cursor_left(&c) && types.len && !call->truncated)
        for (unsigned i = 0; 2 * (size_t)i + 1 < types.len && cursor_left(&c); i++) {
            static const struct slice told[] = {{0},
                                                {(const uint8_t *)"NULL", 4},
                                                {(const uint8_t *)"DEFAULT", 7},
                                                {(const uint8_t *)"IGNORE", 6}};
            uint8_t indicator = cursor_u8(&c);
            struct slice text = indicator && indicator < 4 ? told[indicator] : SLICE_NONE;
            if (indicator == 0 &&
                !my_binary_value(&c, types.data[2 * i], types.data[2 * i + 1] & UNSIGNED_TYPE,
                                 scratch, &text))
                break;
            add_param(call, text);
        }
}

static void on_long_data(const struct dissect_conn *conn, struct my_state *state,
                         struct my_call *call, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    statement_of(conn, state, call, &c);
    uint16_t index = cursor_le16(&c);
    if (state->long_statement != call->statement)
        state->long_params = 0;
    state->long_statement = call->statement;
    if (index < LONG_PARAMS_MAX)
        state->long_params |= UINT64_C(1) << index;
    add_param(call, slice_of(c.pos, cursor_left(&c)));
}

/* ── commands ── */

/* Query attributes stand before the text: count, sets, and with a count null bits, types, names and
 * values (values are passed over by their types). */
static struct slice query_text(struct my_state *state, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    bool may_have = state->session.capabilities & MY_QUERY_ATTRIBUTES;
    if (!state->session.knows_capabilities)
        may_have = body.len >= 2 && body.data[0] == 0 && body.data[1] == 1;
    if (!may_have)
        return body;
    uint64_t count = my_lenenc(&c);
    my_lenenc(&c); /* sets: always 1 */
    if (count && count <= UINT16_MAX) {
        struct slice nulls = cursor_slice(&c, (size_t)(count + 7) / 8);
        cursor_skip(&c, 1);
        struct cursor types = c;
        for (uint64_t i = 0; i < count && !c.bad; i++) {
            cursor_skip(&c, 2);
            my_lenenc_text(&c, NULL);
        }
        for (uint64_t i = 0; i < count && !c.bad; i++) {
            char scratch[MY_TEXT_MAX];
            struct slice value;
            uint16_t type = cursor_le16(&types);
            my_lenenc_text(&types, NULL);
            if (!(nulls.data[i / 8] >> (i % 8) & 1))
                my_binary_value(&c, (uint8_t)type, type >> 15, scratch, &value);
        }
    }
    return c.bad ? body : slice_of(c.pos, cursor_left(&c));
}

static void on_command(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                       struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice rest = slice_sub(body, 1, SIZE_MAX);
    struct cursor c = cursor_of(rest.data, rest.len);
    call->command = body.len ? body.data[0] : 0;
    const char *name = mysql_command_name(call->command);
    call->name = name ? name : "COM_UNKNOWN";
    state->any_command = true;
    switch (call->command) {
    case COM_QUERY:
    case COM_STMT_PREPARE:
        call->query = arena_dup(arena, call->command == COM_QUERY ? query_text(state, rest) : rest);
        break;
    case COM_INIT_DB:
    case COM_FIELD_LIST:
        call->query = arena_dup(arena, call->command == COM_INIT_DB ? rest : my_cstring(&c));
        call->expect = call->command == COM_FIELD_LIST ? MY_COLUMNS : MY_FIRST;
        call->columns_left = UINT64_MAX;
        break;
    case COM_CHANGE_USER:
        on_change_user(state, call, rest);
        break;
    case COM_STMT_EXECUTE:
        on_execute(conn, state, call, rest);
        break;
    case COM_STMT_BULK_EXECUTE:
        on_bulk_execute(conn, state, call, rest);
        break;
    case COM_STMT_SEND_LONG_DATA:
        on_long_data(conn, state, call, rest);
        break;
    case COM_STMT_FETCH:
        call->is_binary = true;
        call->expect = MY_ROWS;
        statement_of(conn, state, call, &c);
        break;
    case COM_STMT_CLOSE:
    case COM_STMT_RESET:
        statement_of(conn, state, call, &c);
        break;
    case COM_STATISTICS:
        call->expect = MY_TEXT;
        break;
    case COM_BINLOG_DUMP:
    case COM_BINLOG_DUMP_GTID:
        call->expect = MY_EVENTS;
        break;
    default:
        break;
    }
}

void my_client_content(struct dissect_conn *conn, struct my_state *state, struct slice body,
                       bool cut)
{
    struct my_side *side = &state->side[DIR_CLIENT];
    struct my_call *call = side->call;
    if (!call || side->goes_on)
        return;
    call->truncated |= cut || side->is_full;
    if (call->expect == MY_INFILE)
        gather_add(&call->file, dissect_entry_arena(call->entry), body, DISSECT_BODY_CAP);
    else if (state->phase == MY_LOGIN && !call->answered && !state->session.knows_capabilities)
        on_login(state, call, body);
    else if (state->phase == MY_COMMANDS && side->seq == 0)
        on_command(conn, state, call, body);
}

/* COM_STMT_CLOSE and others have no answer. */
static bool is_silent(uint8_t command)
{
    return command == COM_STMT_CLOSE || command == COM_STMT_SEND_LONG_DATA || command == COM_QUIT;
}

void my_client_ends(struct dissect_conn *conn, struct my_state *state)
{
    struct my_side *side = &state->side[DIR_CLIENT];
    struct my_call *call = side->call;
    side->call = NULL;
    if (!call)
        return;
    call->next_seq = (uint8_t)(side->seq + 1);
    if (state->wants_tls) {
        my_emit_oldest(conn, state);
        dissect_switch(conn, "tlsx");
        return;
    }
    if (state->phase != MY_COMMANDS || side->seq != 0 || side->is_full || !is_silent(call->command))
        return;
    uint8_t key[MY_KEY_BYTES];
    if (call->command == COM_STMT_CLOSE)
        sql_statement_drop(&state->statements, my_statement_key(call->statement, key));
    /* The last one in the list: those before it still wait. */
    struct my_call **link = &state->oldest;
    struct my_call *before = NULL;
    while (*link && *link != call) {
        before = *link;
        link = &(*link)->next;
    }
    if (!*link)
        return;
    *link = NULL;
    state->newest = before;
    my_send_off(conn, state, call, call->damaged ? "incomplete" : "ok",
                call->damaged || call->has_gap ? "capture_gap" : NULL);
}
