/* What a MySQL server answers: OK, error, result sets with and without EOF packets, several of
 * them, prepared statements, requests for local files, authentication. */
#include "dissect/proto/mysql_call.h"
#include "dissect/proto/sql_template.h"

enum {
    HEAD_OK = 0x00,
    HEAD_MORE_DATA = 0x01,
    HEAD_INFILE = 0xfb,
    HEAD_EOF = 0xfe,
    HEAD_ERROR = 0xff,
    EOF_BYTES = 5, /* of an EOF packet; an OK packet that stands for it has 7 and more */
    PROGRESS_CODE = 0xffff,
    NAME_KEPT = 255
};

static bool is_eof(struct slice body)
{
    return body.len == EOF_BYTES && body.data[0] == HEAD_EOF;
}

bool my_server_begins(struct dissect_conn *conn, struct my_state *state, uint8_t seq)
{
    struct my_side *side = &state->side[DIR_SERVER];
    side->lost_some = false;
    side->call = state->unsure ? NULL : state->oldest;
    if (state->phase == MY_GREETING)
        return true;
    if (side->call && !side->goes_on && !side->call->damaged && seq != side->call->next_seq &&
        side->call->expect == MY_FIRST && !side->call->answered) {
        side->call->damaged = true; /* it answers something that was not seen */
        return true;
    }
    if (side->call && side->call->end_unsure && seq != side->call->next_seq)
        my_damage_waiting(state); /* that was the end, and this answers the next one */
    if (side->call)
        return true;
    if (!state->alone && (side->goes_on || seq != 1 || state->phase != MY_COMMANDS))
        return true; /* a straggler */
    if (!state->alone) {
        state->alone = my_begin_call(conn, state, "");
        if (!state->alone)
            return false;
        state->alone->is_alone = true;
        state->alone->window_start = dissect_is_late_join(conn) && !state->any_command;
    }
    side->call = state->alone;
    return true;
}

/* ── ends of answers ── */

static void set_database(struct my_state *state, struct slice name)
{
    struct my_session *s = &state->session;
    s->database_len = (uint16_t)(name.len < sizeof s->database ? name.len : sizeof s->database);
    if (s->database_len)
        memcpy(s->database, name.data, s->database_len);
}

/* USE `name`; */
static struct slice used_database(struct slice query)
{
    struct slice s = slice_trim(query);
    if (s.len < 5 || strncasecmp((const char *)s.data, "use", 3) != 0 || s.data[3] > ' ')
        return SLICE_NONE;
    s = slice_trim(slice_sub(s, 4, SIZE_MAX));
    while (s.len && (s.data[s.len - 1] == ';' || s.data[s.len - 1] == ' '))
        s.len--;
    if (s.len >= 2 && s.data[0] == '`' && s.data[s.len - 1] == '`')
        s = slice_of(s.data + 1, s.len - 2);
    return s;
}

/* The packet in hand is the last one: my_server_ends sends the entry off. */
static void answered(struct my_state *state, struct my_call *call)
{
    if (!call->failed && call->command == COM_INIT_DB)
        set_database(state, call->query);
    else if (!call->failed && call->command == COM_QUERY && used_database(call->query).len)
        set_database(state, used_database(call->query));
    call->is_done = true;
}

/* A statement or a result set has ended; another one may follow. */
static void part_done(struct my_state *state, struct my_call *call, uint16_t status)
{
    call->expect = MY_FIRST;
    call->columns = NULL;
    call->column_count = call->column_cap = 0;
    if (!(status & MY_MORE_RESULTS))
        answered(state, call);
}

static void on_ok(struct my_state *state, struct my_call *call, struct slice body)
{
    struct my_ok ok;
    struct arena *arena = dissect_entry_arena(call->entry);
    if (!my_parse_ok(body, state->session.capabilities, &ok)) {
        call->damaged = true;
        return;
    }
    call->rows += ok.affected_rows;
    call->has_rows |= ok.affected_rows || call->command == COM_QUERY || call->is_binary;
    call->insert_id = ok.insert_id ? ok.insert_id : call->insert_id;
    call->warnings += ok.warnings;
    if (ok.info.len)
        call->info = arena_dup(arena, ok.info);
    if (ok.schema.len)
        set_database(state, ok.schema);
    part_done(state, call, ok.status);
}

static void on_error(struct my_state *state, struct my_call *call, struct slice body)
{
    struct my_error error;
    if (!my_parse_error(arena_dup(dissect_entry_arena(call->entry), body), &error) ||
        error.code == PROGRESS_CODE) /* MariaDB: how far ALTER TABLE is */
        return;
    call->error = error;
    call->failed = true;
    answered(state, call);
}

/* ── result sets ── */

static void begin_columns(struct my_state *state, struct my_call *call, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    bool has_definitions = true;
    if (state->session.capabilities & MY_OPTIONAL_METADATA)
        has_definitions = cursor_u8(&c);
    uint64_t count = my_lenenc(&c);
    if (state->session.maria_capabilities & MARIA_CACHE_METADATA)
        has_definitions = cursor_u8(&c);
    if (c.bad || count == 0 || count > MY_COLUMNS_MAX) {
        call->damaged = true;
        return;
    }
    call->has_rows = true;
    if (has_definitions)
        call->column_count = 0;
    call->columns_left = has_definitions ? count : 0;
    call->keeps_columns = true;
    bool eof = !state->session.eof_is_deprecated && state->session.eof_is_known;
    call->expect = has_definitions ? MY_COLUMNS : eof ? MY_COLUMNS_END : MY_ROWS;
}

static void keep_column(struct my_call *call, const struct my_column *column)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (call->column_count == MY_COLUMNS_KEPT)
        return;
    if (call->column_count == call->column_cap) {
        uint32_t cap = call->column_cap ? 4 * call->column_cap : 16;
        struct my_column *columns = arena_alloc(arena, cap * sizeof *columns);
        if (!columns)
            return;
        if (call->column_count)
            memcpy(columns, call->columns, call->column_count * sizeof *columns);
        call->columns = columns;
        call->column_cap = cap;
    }
    struct my_column *kept = &call->columns[call->column_count++];
    *kept = *column;
    kept->name = arena_dup(arena, slice_sub(column->name, 0, NAME_KEPT));
}

static void prepared(struct dissect_conn *conn, struct my_state *state, struct my_call *call);

/* After the last definition of a part. */
static void columns_done(struct dissect_conn *conn, struct my_state *state, struct my_call *call)
{
    struct my_session *s = &state->session;
    bool eof = s->eof_is_known && !s->eof_is_deprecated;
    if (call->command == COM_STMT_PREPARE) {
        if (eof) {
            call->expect = call->keeps_columns ? MY_COLUMNS_END : MY_PARAMS_END;
        } else if (!call->keeps_columns && call->columns_after) {
            call->expect = s->eof_is_known ? MY_COLUMNS : MY_PARAMS_END;
            call->columns_left = call->columns_after;
            call->keeps_columns = true;
        } else {
            prepared(conn, state, call);
        }
        return;
    }
    call->expect = s->eof_is_known && s->eof_is_deprecated ? MY_ROWS : MY_COLUMNS_END;
}

static void on_column(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                      struct slice body)
{
    struct my_column column;
    if (call->command == COM_FIELD_LIST && body.len && body.data[0] == HEAD_EOF && body.len < 9) {
        answered(state, call);
        return;
    }
    if (!my_parse_column(body, state->session.maria_capabilities, &column)) {
        call->damaged = true;
        return;
    }
    if (call->keeps_columns)
        keep_column(call, &column);
    if (--call->columns_left == 0)
        columns_done(conn, state, call);
}

/* Rows end with EOF, or with an OK packet that begins like one; a row of that first byte is 16 MiB
 * long or more. */
static void on_row(struct my_state *state, struct my_call *call, struct slice body)
{
    struct my_side *side = &state->side[DIR_SERVER];
    if (body.len && body.data[0] == HEAD_EOF && !side->is_full) {
        struct cursor c = cursor_of(body.data + 1, body.len - 1);
        if (is_eof(body)) {
            cursor_skip(&c, 2);
            part_done(state, call, cursor_le16(&c));
            return;
        }
        if (body.len >= 7) {
            on_ok(state, call, body);
            return;
        }
    }
    call->rows++;
    my_add_row(call, body);
}

/* May this be a row of the result in hand? */
static bool fits_row(const struct my_call *call, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    uint32_t n = call->column_count;
    if (call->is_binary)
        return n && body.len >= 1 + (n + 9) / 8 && body.data[0] == 0;
    for (uint32_t i = 0; i < n; i++)
        my_lenenc_text(&c, NULL);
    return n && !c.bad && (cursor_left(&c) == 0 || n == MY_COLUMNS_KEPT);
}

/* The packet before this one was lost. An end is followed by no other end; by the first packet of
 * another result, it may be. */
static void on_row_after_a_loss(struct my_state *state, struct my_call *call, struct slice body)
{
    bool is_end = body.len && body.data[0] == HEAD_EOF;
    call->end_unsure = false;
    if (!is_end && !fits_row(call, body)) {
        call->damaged = true;
        return;
    }
    call->rows++; /* the one that was lost */
    on_row(state, call, body);
}

/* What the end of the definitions said when nobody knows the capabilities: an EOF packet shows that
 * they are not deprecated. */
static void on_columns_end(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                           struct slice body)
{
    struct my_session *s = &state->session;
    if (!s->eof_is_known) {
        s->eof_is_known = true;
        s->eof_is_deprecated = !is_eof(body);
    }
    if (call->command == COM_STMT_PREPARE) {
        prepared(conn, state, call);
        return;
    }
    call->expect = MY_ROWS;
    if (!is_eof(body)) {
        on_row(state, call, body);
        return;
    }
    unsigned status = body.data[3] | (unsigned)body.data[4] << 8;
    if (status & MY_CURSOR_EXISTS) /* the rows are fetched later */
        part_done(state, call, (uint16_t)status);
}

/* ── prepared statements ── */

static void prepared(struct dissect_conn *conn, struct my_state *state, struct my_call *call)
{
    uint8_t key[MY_KEY_BYTES];
    struct sql_statement *s =
        sql_statement_find(&state->statements, my_statement_key(call->statement, key));
    if (s)
        my_remember_columns(conn, state, call, s);
    part_done(state, call, 0);
}

static void on_prepare_ok(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                          struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    uint8_t key[MY_KEY_BYTES];
    cursor_skip(&c, 1);
    call->statement = cursor_le32(&c);
    unsigned columns = cursor_le16(&c), params = cursor_le16(&c);
    cursor_skip(&c, 1);
    call->warnings = cursor_le16(&c);
    if (c.bad) {
        call->damaged = true;
        return;
    }
    bool has_definitions = true;
    if (state->session.capabilities & MY_OPTIONAL_METADATA && cursor_left(&c))
        has_definitions = cursor_u8(&c);
    call->has_statement = true;
    struct arena *arena = dissect_arena(conn);
    struct sql_statement *s =
        sql_statement_put(&state->statements, arena, my_statement_key(call->statement, key));
    if (s) {
        sql_statement_set(&state->statements, arena, s, SQL_TEXT, call->query);
        s->param_count = (uint16_t)params;
    }
    call->columns_left = params ? params : columns;
    call->columns_after = params ? columns : 0;
    call->keeps_columns = params == 0;
    if (!has_definitions || (params == 0 && columns == 0))
        prepared(conn, state, call);
    else
        call->expect = params ? MY_PARAMS : MY_COLUMNS;
}

/* The EOF behind the parameters' definitions; without it the columns have begun. */
static void on_params_end(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                          struct slice body)
{
    struct my_session *s = &state->session;
    if (!s->eof_is_known) {
        s->eof_is_known = true;
        s->eof_is_deprecated = !is_eof(body);
    }
    if (!call->keeps_columns && call->columns_after == 0) {
        prepared(conn, state, call);
        return;
    }
    call->expect = MY_COLUMNS;
    call->keeps_columns = true;
    if (call->columns_after)
        call->columns_left = call->columns_after;
    call->columns_after = 0;
    if (!is_eof(body))
        on_column(conn, state, call, body);
}

/* ── first packets ── */

static void on_first(struct dissect_conn *conn, struct my_state *state, struct my_call *call,
                     struct slice body)
{
    if (!body.len)
        return;
    switch (body.data[0]) {
    case HEAD_OK:
        if (call->command == COM_STMT_PREPARE)
            on_prepare_ok(conn, state, call, body);
        else if (state->session.capabilities & MY_OPTIONAL_METADATA && body.len < 7)
            begin_columns(state, call, body);
        else
            on_ok(state, call, body);
        break;
    case HEAD_INFILE: /* the name that the statement gave */
        call->expect = MY_INFILE;
        break;
    case HEAD_EOF:
        if (is_eof(body)) {
            part_done(state, call, 0);
            break;
        }
        on_ok(state, call, body);
        break;
    default:
        begin_columns(state, call, body);
        break;
    }
}

static void logged_in(struct my_state *state, struct my_call *call, struct slice body)
{
    bool first_login = state->phase == MY_LOGIN;
    struct my_ok ok;
    if (my_parse_ok(body, state->session.capabilities, &ok) && ok.schema.len)
        set_database(state, ok.schema);
    state->phase = MY_COMMANDS;
    sql_statements_clear(&state->statements);
    answered(state, call);
    if (first_login)
        state->wants_compression = state->session.capabilities & (MY_COMPRESS | MY_ZSTD);
}

static void on_auth(struct my_state *state, struct my_call *call, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    uint8_t head = cursor_u8(&c);
    if (head == HEAD_OK) {
        logged_in(state, call, body);
    } else if (head == HEAD_ERROR) {
        on_error(state, call, body);
    } else if (head == HEAD_EOF && cursor_left(&c)) { /* another plugin is asked for */
        call->plugin = arena_dup(dissect_entry_arena(call->entry), my_cstring(&c));
    }
}

static void on_greeting(struct dissect_conn *conn, struct my_state *state, struct slice body)
{
    struct my_error error;
    if (my_parse_greeting(body, &state->greeting)) {
        struct slice version = slice_sub(state->greeting.version, 0, sizeof state->version);
        memcpy(state->version, version.data, version.len);
        state->version_len = (uint8_t)version.len;
        state->phase = MY_LOGIN;
        return;
    }
    struct my_call *call = my_begin_call(conn, state, "CONNECT");
    if (!call)
        return;
    state->alone = call;
    state->side[DIR_SERVER].call = call;
    if (my_parse_error(arena_dup(dissect_entry_arena(call->entry), body), &error))
        call->error = error;
    call->failed = true;
}

void my_server_content(struct dissect_conn *conn, struct my_state *state, struct slice body,
                       bool cut)
{
    struct my_side *side = &state->side[DIR_SERVER];
    struct my_call *call = side->call;
    if (state->phase == MY_GREETING) {
        on_greeting(conn, state, body);
        return;
    }
    if (!call || side->goes_on)
        return;
    call->truncated |= cut;
    if (call->damaged || call->is_alone) {
        call->answered = true;
        return;
    }
    call->next_seq = (uint8_t)(side->seq + 1);
    bool is_error = body.len >= 3 && body.data[0] == HEAD_ERROR && !side->is_full;
    call->answered = true;
    if (is_error && call->expect != MY_AUTH && call->expect != MY_TEXT) {
        call->end_unsure = false;
        on_error(state, call, body);
        return;
    }
    switch ((enum my_expect)call->expect) {
    case MY_FIRST:
    case MY_INFILE:
        on_first(conn, state, call, body);
        break;
    case MY_COLUMNS:
    case MY_PARAMS:
        on_column(conn, state, call, body);
        break;
    case MY_PARAMS_END:
        on_params_end(conn, state, call, body);
        break;
    case MY_COLUMNS_END:
        on_columns_end(conn, state, call, body);
        break;
    case MY_ROWS:
        if (call->end_unsure)
            on_row_after_a_loss(state, call, body);
        else
            on_row(state, call, body);
        break;
    case MY_AUTH:
        on_auth(state, call, body);
        break;
    case MY_EVENTS:
        if (is_eof(body))
            part_done(state, call, 0);
        else
            call->rows++;
        break;
    case MY_TEXT:
        call->info = arena_dup(dissect_entry_arena(call->entry), body);
        answered(state, call);
        break;
    }
}

void my_server_ends(struct dissect_conn *conn, struct my_state *state)
{
    struct my_call *call = state->side[DIR_SERVER].call;
    state->side[DIR_SERVER].call = NULL;
    if (call && call == state->alone && !call->is_alone) /* refused instead of greeted */
        my_send_off(conn, state, call, "error", NULL);
    else if (call && call->is_done && call == state->oldest)
        my_emit_oldest(conn, state);
}
