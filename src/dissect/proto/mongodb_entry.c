/* From MongoDB messages to the fields of their entry (filter.md, row MongoDB). */
#include "dissect/proto/mongodb_call.h"

enum {
    NAME_SHOWN = 120,
    FIRST_JSON_BYTES = 512
};

enum mongodb_field {
    COMMAND,
    DATABASE,
    COLLECTION,
    OPCODE,
    SUCCESS,
    ERROR_CODE,
    ERROR_CODE_NAME,
    ERROR_MESSAGE,
    COMPRESSOR,
    DOCUMENTS,
    MORE_TO_COME,
    FIELDS
};
_Static_assert(FIELDS == (int)MONGODB_FIELD_COUNT, "the table is as long as its enum");

const struct field_def mongodb_fields[MONGODB_FIELD_COUNT] = {
    [COMMAND] = {"mongodb_command", FIELD_TEXT, 0, 0, "command: find, insert, hello …",
                 "mongodb_command == \"find\""},
    [DATABASE] = {"mongodb_database", FIELD_TEXT, 0, 0, "database", "mongodb_database == \"shop\""},
    [COLLECTION] = {"mongodb_collection", FIELD_TEXT, 0, 0, "collection",
                    "mongodb_collection == \"orders\""},
    [OPCODE] = {"mongodb_opcode", FIELD_TEXT, 0, 0,
                "kind of message (of what OP_COMPRESSED carries): OP_MSG, OP_QUERY …",
                "mongodb_opcode == \"OP_QUERY\""},
    [SUCCESS] = {"mongodb_success", FIELD_BOOL, FIELD_GUARD_ZERO, 0, "the reply tells of no error",
                 "mongodb && !mongodb_success"},
    [ERROR_CODE] = {"mongodb_error_code", FIELD_INT, 0, 0, "error code of the server",
                    "mongodb_error_code == 11000"},
    [ERROR_CODE_NAME] = {"mongodb_error_code_name", FIELD_TEXT, 0, 0, "its name",
                         "mongodb_error_code_name == \"DuplicateKey\""},
    [ERROR_MESSAGE] = {"mongodb_error_message", FIELD_TEXT, 0, 0, "its text",
                       "mongodb_error_message.contains(\"timed out\")"},
    [COMPRESSOR] = {"mongodb_compressor", FIELD_TEXT, 0, 0, "snappy, zlib or zstd",
                    "mongodb_compressor == \"zstd\""},
    [DOCUMENTS] = {"mongodb_documents", FIELD_INT, 0, 0,
                   "documents that came back, or that were written", "mongodb_documents > 1000"},
    [MORE_TO_COME] = {"mongodb_more_to_come", FIELD_BOOL, 0, 0,
                      "a reply that others follow unasked", "mongodb_more_to_come"},
};

/* ── what a message says ── */

/* Commands whose first value names a collection. */
static bool is_about_collection(struct slice command)
{
    static const char *const names[] = {
        "find",
        "insert",
        "update",
        "delete",
        "aggregate",
        "count",
        "distinct",
        "findAndModify",
        "findandmodify",
        "create",
        "drop",
        "createIndexes",
        "dropIndexes",
        "deleteIndexes",
        "listIndexes",
        "mapReduce",
        "mapreduce",
        "collMod",
        "collStats",
        "compact",
        "convertToCapped",
        "reIndex",
        "validate",
        "killCursors",
        "planCacheClear",
        "planCacheListFilters",
        "planCacheSetFilter",
        "planCacheClearFilters",
        "cloneCollectionAsCapped",
        "createSearchIndexes",
        "updateSearchIndex",
        "dropSearchIndex",
        "geoNear",
        "geoSearch",
        "parallelCollectionScan",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_eq_str(command, names[i]))
            return true;
    return false;
}

static struct slice keep(struct arena *arena, struct slice text)
{
    return text.len ? arena_dup(arena, text) : SLICE_NONE;
}

/* "shop.orders" → shop, orders. */
static void split_name(struct mongodb_part *part, struct slice name, struct arena *arena)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    size_t n = dot ? (size_t)(dot - name.data) : name.len;
    part->database = keep(arena, slice_sub(name, 0, n));
    part->collection = keep(arena, slice_sub(name, n + 1, SIZE_MAX));
}

static void read_command(struct mongodb_part *part, struct slice document, struct arena *arena)
{
    struct cursor c = cursor_of(document.data, document.len);
    struct bson_element first, element;
    if (!bson_next(&c, &first))
        return;
    /* {explain: {find: …}}, {$query: {find: …}} */
    bool is_wrapped = slice_eq_str(first.name, "$query") || slice_eq_str(first.name, "query");
    if (is_wrapped && bson_inside(&first).len) {
        struct slice inside = bson_inside(&first);
        c = cursor_of(inside.data, inside.len);
        if (!bson_next(&c, &first))
            return;
    }
    part->command = keep(arena, first.name);
    struct slice collection = SLICE_NONE;
    if (is_about_collection(first.name)) {
        collection = bson_text(&first);
    } else if (slice_eq_str(first.name, "getMore")) {
        if (bson_find(document, "collection", &element))
            collection = bson_text(&element);
    } else if (slice_eq_str(first.name, "explain")) {
        struct slice inside = bson_inside(&first);
        c = cursor_of(inside.data, inside.len);
        if (bson_next(&c, &element) && is_about_collection(element.name))
            collection = bson_text(&element);
    }
    if (collection.len)
        part->collection = keep(arena, collection);
    if (bson_find(document, "$db", &element) && bson_text(&element).len)
        part->database = keep(arena, bson_text(&element));
}

static void read_request(struct mongodb_part *part, const struct mongodb_message *m,
                         struct arena *arena)
{
    static const struct {
        uint32_t opcode;
        const char *command;
    } old[] = {{OP_INSERT, "insert"},    {OP_UPDATE, "update"}, {OP_DELETE, "delete"},
               {OP_GET_MORE, "getMore"}, {OP_QUERY, "find"},    {OP_KILL_CURSORS, "killCursors"}};
    if (m->name.len)
        split_name(part, m->name, arena);
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        if (old[i].opcode == m->opcode)
            part->command = slice_str(old[i].command);
    bool on_cmd = slice_eq_str(part->collection, "$cmd");
    if (on_cmd)
        part->collection = SLICE_NONE;
    if (m->opcode == OP_MSG || m->opcode == OP_COMMAND || on_cmd)
        read_command(part, m->document, arena);
    if (m->opcode == OP_COMMAND && m->command.len)
        part->command = keep(arena, m->command);
}

static const char *code_name(int64_t code)
{
    static const struct {
        int64_t code;
        const char *name;
    } names[] = {
        {1, "InternalError"},
        {2, "BadValue"},
        {8, "UnknownError"},
        {9, "FailedToParse"},
        {11, "UserNotFound"},
        {13, "Unauthorized"},
        {14, "TypeMismatch"},
        {18, "AuthenticationFailed"},
        {20, "IllegalOperation"},
        {26, "NamespaceNotFound"},
        {43, "CursorNotFound"},
        {48, "NamespaceExists"},
        {50, "MaxTimeMSExpired"},
        {59, "CommandNotFound"},
        {64, "WriteConcernFailed"},
        {66, "ImmutableField"},
        {67, "CannotCreateIndex"},
        {72, "InvalidOptions"},
        {85, "IndexOptionsConflict"},
        {86, "IndexKeySpecsConflict"},
        {91, "ShutdownInProgress"},
        {100, "UnsatisfiableWriteConcern"},
        {112, "WriteConflict"},
        {121, "DocumentValidationFailure"},
        {189, "PrimarySteppedDown"},
        {251, "NoSuchTransaction"},
        {10107, "NotWritablePrimary"},
        {11000, "DuplicateKey"},
        {11600, "InterruptedAtShutdown"},
        {13435, "NotPrimaryNoSecondaryOk"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

static void read_error(struct mongodb_part *part, struct slice document, struct arena *arena)
{
    static const char *const texts[] = {"errmsg", "$err", "err"};
    struct bson_element element;
    part->failed = true;
    if (bson_find(document, "code", &element))
        part->error_code = bson_number(&element);
    for (size_t i = 0; i < 3 && !part->error_message.len; i++)
        if (bson_find(document, texts[i], &element))
            part->error_message = keep(arena, bson_text(&element));
    if (bson_find(document, "codeName", &element))
        part->error_name = keep(arena, bson_text(&element));
    else if (part->error_code)
        part->error_name = slice_str(code_name(part->error_code));
}

/* {ok: 1, writeErrors: [{index, code, errmsg}]}, {writeConcernError: {code, errmsg}} */
static void read_write_errors(struct mongodb_part *part, struct slice document, struct arena *arena)
{
    struct bson_element element;
    if (bson_find(document, "writeErrors", &element)) {
        struct slice list = bson_inside(&element);
        struct cursor c = cursor_of(list.data, list.len);
        if (bson_next(&c, &element))
            read_error(part, bson_inside(&element), arena);
    } else if (bson_find(document, "writeConcernError", &element)) {
        read_error(part, bson_inside(&element), arena);
    }
}

static void read_counts(struct mongodb_part *part, const struct mongodb_message *m)
{
    struct bson_element element, batch;
    part->returned = part->affected = -1;
    if (bson_find(m->document, "cursor", &element)) {
        struct slice cursor = bson_inside(&element);
        if (bson_find(cursor, "firstBatch", &batch) || bson_find(cursor, "nextBatch", &batch)) {
            part->returned = bson_count(bson_inside(&batch));
            part->has_cursor = true;
        }
    } else if (bson_find(m->document, "n", &element)) {
        part->affected = bson_number(&element);
    }
}

static void read_reply(struct mongodb_part *part, const struct mongodb_message *m,
                       struct arena *arena)
{
    struct bson_element element;
    read_counts(part, m);
    part->documents = m->documents;
    bool has_ok = bson_find(m->document, "ok", &element);
    if ((has_ok && bson_number(&element) == 0) ||
        (m->opcode == OP_REPLY && m->flags & (REPLY_CURSOR_NOT_FOUND | REPLY_QUERY_FAILURE)))
        read_error(part, m->document, arena);
    else if (m->opcode == OP_REPLY && bson_find(m->document, "err", &element) &&
             element.type == BSON_STRING)
        read_error(part, m->document, arena); /* getLastError */
    else if (has_ok)
        read_write_errors(part, m->document, arena);
    if (m->opcode == OP_REPLY && m->flags & REPLY_CURSOR_NOT_FOUND && !part->error_code) {
        part->error_code = 43;
        part->error_name = slice_str(code_name(43));
    }
}

void mongodb_fill_part(struct mongodb_part *part, struct slice bytes, bool is_response,
                       struct arena *arena)
{
    struct mongodb_message message;
    struct json_writer w;
    struct buf text;
    mongodb_read(bytes, arena, &message);
    part->is_read = true;
    part->opcode = message.opcode;
    part->flags = message.flags;
    part->compressor = message.compressor;
    if (is_response)
        read_reply(part, &message, arena);
    else
        read_request(part, &message, arena);
    buf_init(&text, DISSECT_BODY_CAP);
    buf_reserve(&text, FIRST_JSON_BYTES);
    json_init(&w, &text);
    part->truncated = !mongodb_write_json(&message, &w) || buf_failed(&text);
    part->json = arena_dup(arena, buf_slice(&text));
    part->truncated |= !part->json.data;
    buf_done(&text);
}

/* ── the entry ── */

static struct slice shorten(struct slice text)
{
    if (text.len <= NAME_SHOWN)
        return text;
    text.len = NAME_SHOWN;
    while (text.len && (text.data[text.len] & 0xc0) == 0x80) /* never inside a character */
        text.len--;
    return text;
}

static struct slice outcome(struct arena *arena, const struct mongodb_part *reply)
{
    struct slice message = shorten(reply->error_message);
    if (!reply->is_read)
        return SLICE_NONE;
    if (reply->failed)
        return arena_printf(arena, " → %lld%s%.*s %.*s", (long long)reply->error_code,
                            reply->error_name.len ? " " : "", SLICE_ARGS(reply->error_name),
                            SLICE_ARGS(message));
    if (reply->returned >= 0)
        return arena_printf(arena, " → %lld document%s", (long long)reply->returned,
                            reply->returned == 1 ? "" : "s");
    if (reply->affected >= 0)
        return arena_printf(arena, " → n %lld", (long long)reply->affected);
    return SLICE_LITERAL(" → ok");
}

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static void set_summary(struct mongodb_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct mongodb_part *asked = &call->request;
    struct slice database = shorten(asked->database), collection = shorten(asked->collection);
    struct slice came = outcome(arena, &call->response);
    struct slice text =
        arena_printf(arena, "%.*s%s%.*s%s%.*s%.*s", SLICE_ARGS(shorten(asked->command)),
                     database.len ? " " : "", SLICE_ARGS(database),
                     !collection.len ? ""
                     : database.len  ? "."
                                     : " ",
                     SLICE_ARGS(collection), SLICE_ARGS(came));
    dissect_set_text(call->entry, FIELD_SUMMARY_ID, slice_trim(text));
}

static void set_reply(struct mongodb_call *call)
{
    struct dissect_entry *entry = call->entry;
    const struct mongodb_part *reply = &call->response;
    int64_t documents = reply->returned >= 0 ? reply->returned : reply->affected;
    if (!reply->is_read)
        return;
    dissect_set_bool(entry, OWN_FIELD(SUCCESS), !reply->failed);
    if (reply->failed) {
        dissect_set_int(entry, OWN_FIELD(ERROR_CODE), reply->error_code);
        set_text(entry, OWN_FIELD(ERROR_CODE_NAME), reply->error_name);
        set_text(entry, OWN_FIELD(ERROR_MESSAGE), reply->error_message);
    }
    if (documents >= 0)
        dissect_set_int(entry, OWN_FIELD(DOCUMENTS), documents);
    if (reply->opcode == OP_MSG && reply->flags & MSG_MORE_TO_COME)
        dissect_set_bool(entry, OWN_FIELD(MORE_TO_COME), true);
}

void mongodb_emit(struct dissect_conn *conn, struct mongodb_call *call, const char *status,
                  const char *reason)
{
    struct dissect_entry *entry = call->entry;
    const struct mongodb_part *asked = &call->request, *reply = &call->response;
    uint32_t opcode = asked->is_read ? asked->opcode : reply->opcode;
    const char *compressor = asked->compressor ? asked->compressor : reply->compressor;
    const char *name = mongodb_opcode_name(opcode);
    /* An old query is answered with documents, an old command with one that tells how it went. */
    bool is_old_query = (asked->opcode == OP_QUERY && asked->collection.len &&
                         slice_eq_str(asked->command, "find")) ||
                        asked->opcode == OP_GET_MORE;
    if (reply->opcode == OP_REPLY && !reply->failed && (is_old_query || reply->documents > 1))
        call->response.returned = reply->documents;
    set_text(entry, OWN_FIELD(COMMAND), asked->command);
    set_text(entry, OWN_FIELD(DATABASE), asked->database);
    set_text(entry, OWN_FIELD(COLLECTION), asked->collection);
    if (name)
        dissect_set_str(entry, OWN_FIELD(OPCODE), name);
    if (compressor)
        dissect_set_str(entry, OWN_FIELD(COMPRESSOR), compressor);
    set_reply(call);
    set_text(entry, FIELD_REQUEST_BODY_ID, asked->json);
    set_text(entry, FIELD_RESPONSE_BODY_ID, reply->json);
    if (asked->truncated)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (reply->truncated)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (asked->truncated || reply->truncated)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    set_summary(call);
    dissect_set_status(entry, status ? status : reply->failed ? "error" : "ok", reason);
    dissect_entry_emit(conn, entry);
}
