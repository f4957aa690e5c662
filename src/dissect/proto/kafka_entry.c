/* From Kafka messages to the fields of their entry (filter.md, row Kafka). */
#include "dissect/proto/kafka_call.h"

enum {
    NAME_SHOWN = 100,
    TOPICS_SHOWN = 4,
    VERSION_SLACK = 4, /* newer versions than the table knows are named, not read */
    FIRST_JSON_BYTES = 512,
    ERROR_UNSUPPORTED_VERSION = 35
};

enum kafka_field {
    API_KEY,
    API_KEY_NAME,
    API_VERSION,
    CLIENT_ID,
    SIZE,
    REQUEST,
    RESPONSE,
    REQUEST_SUMMARY,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    TOPICS,
    PARTITIONS,
    GROUP_ID,
    ERROR_CODE,
    ERROR_NAME,
    CORRELATION_ID,
    RECORDS,
    COMPRESSION,
    ACKS,
    FIELDS
};
_Static_assert(FIELDS == (int)KAFKA_FIELD_COUNT, "the table is as long as its enum");

const struct field_def kafka_fields[KAFKA_FIELD_COUNT] = {
    [API_KEY] = {"kafka_api_key", FIELD_INT, FIELD_GUARD_ZERO, 0, "number of the API",
                 "kafka_api_key == 1"},
    [API_KEY_NAME] = {"kafka_api_key_name", FIELD_TEXT, 0, 0, "its name: Produce, Fetch …",
                      "kafka_api_key_name == \"Fetch\""},
    [API_VERSION] = {"kafka_api_version", FIELD_INT, FIELD_GUARD_ZERO, 0, "version of the request",
                     "kafka_api_version < 3"},
    [CLIENT_ID] = {"kafka_client_id", FIELD_TEXT, 0, 0, "name that the client gives itself",
                   "kafka_client_id == \"billing\""},
    [SIZE] = {"kafka_size", FIELD_INT, 0, 0, "bytes of request and response",
              "kafka_size > 1000000"},
    [REQUEST] = {"kafka_request", FIELD_BOOL, 0, 0, "the request was seen", "kafka_request"},
    [RESPONSE] = {"kafka_response", FIELD_BOOL, 0, 0, "the response was seen",
                  "kafka && !kafka_response"},
    [REQUEST_SUMMARY] = {"kafka_request_summary", FIELD_TEXT, 0, 0, "what was asked, in one line",
                         "kafka_request_summary.contains(\"orders\")"},
    [REQUEST_SIZE] = {"kafka_request_size", FIELD_INT, 0, 0, "bytes of the request",
                      "kafka_request_size > 1000000"},
    [RESPONSE_SIZE] = {"kafka_response_size", FIELD_INT, 0, 0, "bytes of the response",
                       "kafka_response_size > 1000000"},
    [TOPICS] = {"kafka_topics", FIELD_LIST, 0, 0, "topics asked about, else told of (at most 64)",
                "\"orders\" in kafka_topics"},
    [PARTITIONS] = {"kafka_partitions", FIELD_INT_LIST, 0, 0,
                    "partitions asked about (at most 256)", "0 in kafka_partitions"},
    [GROUP_ID] = {"kafka_group_id", FIELD_TEXT, 0, 0, "consumer group", "kafka_group_id == \"g1\""},
    [ERROR_CODE] = {"kafka_error_code", FIELD_INT, 0, -1,
                    "first error code of the response that is not 0", "kafka_error_code > 0"},
    [ERROR_NAME] = {"kafka_error_name", FIELD_TEXT, 0, 0, "its name",
                    "kafka_error_name == \"NOT_LEADER_OR_FOLLOWER\""},
    [CORRELATION_ID] = {"kafka_correlation_id", FIELD_INT, 0, 0,
                        "number that request and response share", "kafka_correlation_id == 7"},
    [RECORDS] = {"kafka_records", FIELD_INT, 0, 0, "records produced or fetched",
                 "kafka_records > 1000"},
    [COMPRESSION] = {"kafka_compression", FIELD_TEXT, 0, 0, "gzip, snappy, lz4 or zstd",
                     "kafka_compression == \"zstd\""},
    [ACKS] = {"kafka_acks", FIELD_INT, 0, 0, "acks that a Produce asks for: 0, 1 or -1 (all)",
              "kafka_api_key_name == \"Produce\" && kafka_acks == 0"},
};

/* ── reading ── */

bool kafka_read_head(struct slice s, struct kafka_head *ret)
{
    struct cursor c = cursor_of(s.data, s.len);
    ret->size = cursor_be32(&c);
    ret->key = (int16_t)cursor_be16(&c);
    ret->version = (int16_t)cursor_be16(&c);
    ret->correlation = (int32_t)cursor_be32(&c);
    ret->client_len = (int16_t)cursor_be16(&c);
    ret->api = kafka_api_find(ret->key);
    bool is_first = ret->key == KAFKA_CONTROLLED_SHUTDOWN && ret->version == 0;
    if (is_first) /* its header has no client id */
        ret->client_len = -1;
    return !c.bad && ret->api && ret->version >= 0 &&
           ret->version <= ret->api->max_version + VERSION_SLACK &&
           ret->size >= KAFKA_HEAD_BYTES - KAFKA_SIZE_BYTES && ret->client_len >= -1;
}

static bool is_described(const struct kafka_head *head, const char *schema)
{
    return schema && head->version <= head->api->max_version;
}

static void skip_tags(struct cursor *c)
{
    uint32_t count = kafka_varint(c);
    while (count-- && !c->bad) {
        kafka_varint(c);
        cursor_skip(c, kafka_varint(c));
    }
}

static struct kafka_reader reader_of(struct slice bytes, const struct kafka_head *head,
                                     struct json_writer *w, struct kafka_facts *facts)
{
    return (struct kafka_reader){.c = cursor_of(bytes.data, bytes.len),
                                 .w = w,
                                 .facts = facts,
                                 .version = head->version,
                                 .flexible = head->version >= head->api->flexible};
}

/* The reader stands behind the header; true when that is there. */
static bool pass_request_head(struct kafka_reader *r, const struct kafka_head *head)
{
    bool has_client = !(head->key == KAFKA_CONTROLLED_SHUTDOWN && head->version == 0);
    cursor_skip(&r->c, has_client ? KAFKA_HEAD_BYTES : KAFKA_HEAD_BYTES - 2);
    if (head->client_len > 0)
        cursor_skip(&r->c, (size_t)head->client_len);
    if (r->flexible)
        skip_tags(&r->c);
    return !r->c.bad;
}

static bool pass_response_head(struct kafka_reader *r, const struct kafka_head *head)
{
    cursor_skip(&r->c, 2 * KAFKA_SIZE_BYTES);
    /* ApiVersions is asked before versions are known: its response header never has tags, and a
     * version that the broker does not know is answered in version 0. */
    if (head->key == KAFKA_API_VERSIONS) {
        struct cursor peek = r->c;
        if (cursor_be16(&peek) == ERROR_UNSUPPORTED_VERSION) {
            r->version = 0;
            r->flexible = false;
        }
    } else if (r->flexible) {
        skip_tags(&r->c);
    }
    return !r->c.bad;
}

/* Old clients send an empty list of API keys with ApiVersions. */
static bool is_at_end(const struct kafka_reader *r, const struct kafka_head *head)
{
    size_t left = cursor_left(&r->c);
    return left == 0 || r->open_ended || (head->key == KAFKA_API_VERSIONS && left == 4);
}

bool kafka_judge_request(struct slice bytes, const struct kafka_head *head)
{
    struct kafka_facts facts = {.topic_count = 0};
    struct kafka_reader r = reader_of(bytes, head, NULL, &facts);
    return is_described(head, head->api->request) && pass_request_head(&r, head) &&
           kafka_read_fields(&r, head->api->request) && is_at_end(&r, head);
}

bool kafka_judge_response(struct slice bytes, const struct kafka_head *head)
{
    struct kafka_facts facts = {.topic_count = 0};
    struct kafka_reader r = reader_of(bytes, head, NULL, &facts);
    return is_described(head, head->api->response) && pass_response_head(&r, head) &&
           kafka_read_fields(&r, head->api->response) && (cursor_left(&r.c) == 0 || r.open_ended);
}

/* Texts of the facts borrow from the message: into the arena with them. */
static void keep_facts(struct kafka_facts *facts, struct arena *arena)
{
    for (uint32_t i = 0; i < facts->topic_count; i++)
        facts->topics[i] = arena_dup(arena, facts->topics[i]);
    facts->group = facts->group.len ? arena_dup(arena, facts->group) : SLICE_NONE;
}

static void read_part(struct kafka_call *call, struct slice bytes, bool is_response)
{
    struct kafka_part *part = is_response ? &call->response : &call->request;
    struct kafka_facts *facts = is_response ? &call->told : &call->asked;
    const char *schema = is_response ? call->head.api->response : call->head.api->request;
    struct arena *arena = dissect_entry_arena(call->entry);
    struct json_writer w;
    struct buf text;
    part->is_read = true;
    if (!is_described(&call->head, schema))
        return;
    buf_init(&text, DISSECT_BODY_CAP);
    buf_reserve(&text, FIRST_JSON_BYTES);
    json_init(&w, &text);
    struct kafka_reader r = reader_of(bytes, &call->head, &w, facts);
    r.arena = arena;
    bool whole =
        is_response ? pass_response_head(&r, &call->head) : pass_request_head(&r, &call->head);
    whole = kafka_read_fields(&r, schema) && whole;
    part->truncated = !whole || buf_failed(&text) || !is_at_end(&r, &call->head);
    part->json = arena_dup(arena, buf_slice(&text));
    part->truncated |= !part->json.data;
    buf_done(&text);
    keep_facts(facts, arena);
}

void kafka_fill_request(struct kafka_call *call, struct slice bytes)
{
    if (call->head.client_len > 0)
        call->client = arena_dup(dissect_entry_arena(call->entry),
                                 slice_sub(bytes, KAFKA_HEAD_BYTES, (size_t)call->head.client_len));
    read_part(call, bytes, false);
}

void kafka_fill_response(struct kafka_call *call, struct slice bytes)
{
    read_part(call, bytes, true);
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

/* Topics asked about; a question about all is answered with them. */
static const struct kafka_facts *about(const struct kafka_call *call)
{
    return call->asked.topic_count ? &call->asked : &call->told;
}

static struct slice asked_text(struct arena *arena, const struct kafka_call *call)
{
    const struct kafka_facts *facts = about(call);
    struct slice text = slice_str(call->head.api ? call->head.api->name : "response");
    for (uint32_t i = 0; i < facts->topic_count && i < TOPICS_SHOWN; i++)
        text = arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(text), i ? "," : " ",
                            SLICE_ARGS(shorten(facts->topics[i])));
    if (facts->topic_count > TOPICS_SHOWN)
        text = arena_printf(arena, "%.*s,…", SLICE_ARGS(text));
    if (call->asked.group.len)
        text = arena_printf(arena, "%.*s group %.*s", SLICE_ARGS(text),
                            SLICE_ARGS(shorten(call->asked.group)));
    if (call->head.key == KAFKA_PRODUCE && call->head.api)
        text = arena_printf(arena, "%.*s, %lld record%s", SLICE_ARGS(text),
                            (long long)call->asked.records, call->asked.records == 1 ? "" : "s");
    return text;
}

static void set_summary(struct kafka_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice asked = asked_text(arena, call), came = SLICE_NONE;
    const struct kafka_facts *told = &call->told;
    const char *error = kafka_error_name(told->error_code);
    if (call->response.is_read && told->error_code)
        came = arena_printf(arena, " → %d %s", told->error_code, error ? error : "");
    else if (call->response.is_read && call->head.key == KAFKA_FETCH)
        came = arena_printf(arena, " → %lld record%s", (long long)told->records,
                            told->records == 1 ? "" : "s");
    else if (call->response.is_read)
        came = SLICE_LITERAL(" → ok");
    dissect_set_text(call->entry, OWN_FIELD(REQUEST_SUMMARY), asked);
    dissect_set_text(call->entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%.*s", SLICE_ARGS(asked), SLICE_ARGS(came)));
}

static void set_facts(struct kafka_call *call)
{
    struct dissect_entry *entry = call->entry;
    const struct kafka_facts *facts = about(call);
    const char *packed = call->asked.compression ? call->asked.compression : call->told.compression;
    bool has_records =
        call->request.is_read && (call->head.key == KAFKA_PRODUCE || call->head.key == KAFKA_FETCH);
    if (facts->topic_count)
        dissect_set_list(entry, OWN_FIELD(TOPICS), facts->topics, facts->topic_count);
    if (call->asked.partition_count)
        dissect_set_int_list(entry, OWN_FIELD(PARTITIONS), call->asked.partitions,
                             call->asked.partition_count);
    if (call->asked.group.len)
        dissect_set_text(entry, OWN_FIELD(GROUP_ID), call->asked.group);
    if (call->asked.has_acks)
        dissect_set_int(entry, OWN_FIELD(ACKS), call->asked.acks);
    if (has_records)
        dissect_set_int(entry, OWN_FIELD(RECORDS), call->asked.records + call->told.records);
    if (packed)
        dissect_set_str(entry, OWN_FIELD(COMPRESSION), packed);
    if (!call->response.is_read || !is_described(&call->head, call->head.api->response))
        return;
    const char *error = kafka_error_name(call->told.error_code);
    dissect_set_int(entry, OWN_FIELD(ERROR_CODE), call->told.error_code);
    if (error)
        dissect_set_str(entry, OWN_FIELD(ERROR_NAME), error);
}

static void set_sizes(struct dissect_entry *entry)
{
    int64_t request = (int64_t)dissect_entry_request(entry)->bytes;
    int64_t response = (int64_t)dissect_entry_response(entry)->bytes;
    dissect_set_int(entry, OWN_FIELD(SIZE), request + response);
    if (request) {
        dissect_set_bool(entry, OWN_FIELD(REQUEST), true);
        dissect_set_int(entry, OWN_FIELD(REQUEST_SIZE), request);
    }
    if (response) {
        dissect_set_bool(entry, OWN_FIELD(RESPONSE), true);
        dissect_set_int(entry, OWN_FIELD(RESPONSE_SIZE), response);
    }
}

void kafka_emit(struct dissect_conn *conn, struct kafka_call *call, const char *status,
                const char *reason)
{
    struct dissect_entry *entry = call->entry;
    if (call->head.api) {
        dissect_set_int(entry, OWN_FIELD(API_KEY), call->head.key);
        dissect_set_str(entry, OWN_FIELD(API_KEY_NAME), call->head.api->name);
        dissect_set_int(entry, OWN_FIELD(API_VERSION), call->head.version);
    }
    dissect_set_int(entry, OWN_FIELD(CORRELATION_ID), call->head.correlation);
    if (call->client.len)
        dissect_set_text(entry, OWN_FIELD(CLIENT_ID), call->client);
    set_facts(call);
    set_sizes(entry);
    if (call->request.json.len)
        dissect_set_text(entry, FIELD_REQUEST_BODY_ID, call->request.json);
    if (call->response.json.len)
        dissect_set_text(entry, FIELD_RESPONSE_BODY_ID, call->response.json);
    if (call->request.truncated)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->response.truncated)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->request.truncated || call->response.truncated)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    set_summary(call);
    bool is_error = call->told.error_code != 0;
    dissect_set_status(entry, status ? status : is_error ? "error" : "ok", reason);
    dissect_entry_emit(conn, entry);
}
