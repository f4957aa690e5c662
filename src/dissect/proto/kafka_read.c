/* The interpreter of Kafka's field table (kafka_api.c): one message, read by version. */
#include "base/text.h"
#include "dissect/proto/kafka_api.h"

enum {
    MAX_DEPTH = 8 /* of arrays in the table */
};

struct field {
    struct slice name, type;
    int from, to;
};

static int number_at(const char **at)
{
    int number = 0;
    while (**at >= '0' && **at <= '9')
        number = number * 10 + (*(*at)++ - '0');
    return number;
}

/* The next field of the table's text; false at its end ("]" or the end of all). */
static bool next_field(const char **at, struct field *ret)
{
    while (**at == ' ')
        (*at)++;
    if (**at == 0 || **at == ']' || **at == '*')
        return false;
    const char *colon = strchr(*at, ':');
    ret->name = slice_of(*at, (size_t)(colon - *at));
    *at = colon + 1;
    const char *type = *at;
    int depth = 0;
    while (**at && (depth || (**at != ' ' && **at != '@' && **at != ']'))) {
        depth += (**at == '[') - (**at == ']');
        (*at)++;
    }
    ret->type = slice_of(type, (size_t)(*at - type));
    ret->from = 0;
    ret->to = INT16_MAX;
    if (**at == '@') {
        (*at)++;
        ret->from = number_at(at);
        if (**at == '-') {
            (*at)++;
            ret->to = number_at(at);
        }
    }
    return true;
}

uint32_t kafka_varint(struct cursor *c)
{
    uint64_t value = 0;
    for (int i = 0; i < 5; i++) {
        uint8_t b = cursor_u8(c);
        value |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            c->bad |= value > UINT32_MAX;
            return (uint32_t)value;
        }
    }
    c->bad = true;
    return 0;
}

static void skip_tags(struct kafka_reader *r)
{
    uint32_t count = kafka_varint(&r->c);
    while (count-- && !r->c.bad) {
        kafka_varint(&r->c);
        cursor_skip(&r->c, kafka_varint(&r->c));
    }
}

/* −1: null. */
static int64_t read_length(struct kafka_reader *r, bool is_string)
{
    if (r->flexible)
        return (int64_t)kafka_varint(&r->c) - 1;
    int64_t n = is_string ? (int16_t)cursor_be16(&r->c) : (int32_t)cursor_be32(&r->c);
    if (n < -1)
        r->c.bad = true;
    return r->c.bad ? -1 : n;
}

static struct slice read_run(struct kafka_reader *r, bool is_string, bool *ret_null)
{
    int64_t n = read_length(r, is_string);
    *ret_null = n < 0;
    if (n < 0)
        return SLICE_NONE;
    if ((uint64_t)n > cursor_left(&r->c)) {
        struct slice part = cursor_slice(&r->c, cursor_left(&r->c));
        r->c.bad = true;
        return part;
    }
    return cursor_slice(&r->c, (size_t)n);
}

static void note_topic(struct kafka_facts *facts, struct slice topic)
{
    for (uint32_t i = 0; i < facts->topic_count; i++)
        if (slice_eq(facts->topics[i], topic))
            return;
    if (facts->topic_count < KAFKA_MAX_TOPICS)
        facts->topics[facts->topic_count++] = topic;
    else
        facts->more = true;
}

static void note_text(struct kafka_facts *facts, struct slice name, struct slice text)
{
    if (slice_eq_str(name, "topic") || slice_eq_str(name, "topic_names") ||
        slice_eq_str(name, "subscribed_topic_names"))
        note_topic(facts, text);
    else if (slice_eq_str(name, "group_id") || slice_eq_str(name, "key") ||
             slice_eq_str(name, "coordinator_keys") || slice_eq_str(name, "groups_names"))
        facts->group = facts->group.len ? facts->group : text;
}

static void note_number(struct kafka_facts *facts, struct slice name, int64_t number)
{
    if (slice_eq_str(name, "partition") || slice_eq_str(name, "partitions")) {
        for (uint32_t i = facts->partition_count; i-- && facts->partition_count - i <= 16;)
            if (facts->partitions[i] == number)
                return;
        if (facts->partition_count < KAFKA_MAX_PARTITIONS)
            facts->partitions[facts->partition_count++] = number;
        else
            facts->more = true;
    } else if (slice_eq_str(name, "error_code")) {
        facts->has_error_field = true;
        if (!facts->error_code)
            facts->error_code = (int16_t)number;
    } else if (slice_eq_str(name, "acks")) {
        facts->has_acks = true;
        facts->acks = (int16_t)number;
    } else if (slice_eq_str(name, "key_type") && number != 0) {
        facts->group = SLICE_NONE; /* the coordinator of a transaction */
    }
}

static bool is_type(struct slice type, const char *name)
{
    return slice_eq_str(type, name);
}

/* True when it was a number. */
static bool read_number(struct kafka_reader *r, const struct field *f)
{
    int64_t number;
    if (is_type(f->type, "i32"))
        number = (int32_t)cursor_be32(&r->c);
    else if (is_type(f->type, "i16"))
        number = (int16_t)cursor_be16(&r->c);
    else if (is_type(f->type, "i64"))
        number = (int64_t)cursor_be64(&r->c);
    else if (is_type(f->type, "i8"))
        number = (int8_t)cursor_u8(&r->c);
    else
        return false;
    if (r->c.bad)
        number = 0;
    else
        note_number(r->facts, f->name, number);
    if (r->w)
        json_int(r->w, number);
    return true;
}

static void write_bytes(struct json_writer *w, struct slice bytes)
{
    if (text_is_utf8(bytes) && !memchr(bytes.data ? (const void *)bytes.data : "", 0, bytes.len)) {
        json_text(w, bytes);
        return;
    }
    json_begin_object(w);
    json_key(w, "base64");
    json_base64(w, bytes);
    json_end_object(w);
}

static void read_text(struct kafka_reader *r, const struct field *f)
{
    bool is_null, is_string = is_type(f->type, "str");
    struct slice text = read_run(r, is_string, &is_null);
    if (is_string && !is_null && !r->c.bad)
        note_text(r->facts, f->name, text);
    if (!r->w)
        return;
    if (is_null)
        json_none(r->w);
    else if (is_type(f->type, "secret"))
        json_str(r->w, "***");
    else
        write_bytes(r->w, text);
}

static void read_uuid(struct kafka_reader *r)
{
    char hex[33], text[37];
    const uint8_t *id = cursor_take(&r->c, 16);
    if (!r->w)
        return;
    if (!id) {
        json_none(r->w);
        return;
    }
    text_hex(id, 16, hex);
    for (int i = 0, o = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            text[o++] = '-';
        text[o++] = hex[i];
        text[o] = 0;
    }
    json_str(r->w, text);
}

static void read_value(struct kafka_reader *r, const struct field *f, unsigned depth);
/* The next field or element, with its name in a struct. Half a number or text is none: what ends in
 * its middle is left out. */
static void read_member(struct kafka_reader *r, const struct field *f, bool is_named,
                        unsigned depth)
{
    struct json_writer before = r->w ? *r->w : (struct json_writer){.out = NULL};
    size_t len = r->w ? r->w->out->len : 0;
    bool is_scalar = f->type.data[0] != '[' && !is_type(f->type, "rec");
    if (r->w && is_named)
        json_key_slice(r->w, f->name);
    read_value(r, f, depth);
    if (r->c.bad && is_scalar && r->w && r->w->out->len >= len) {
        *r->w = before;
        r->w->out->len = len;
    }
}

static void read_struct(struct kafka_reader *r, const char *schema, unsigned depth);

static void read_array(struct kafka_reader *r, const struct field *f, unsigned depth)
{
    int64_t count = read_length(r, false);
    struct slice inside = slice_of(f->type.data + 1, f->type.len - 2);
    bool of_structs = memchr(inside.data, ':', inside.len) != NULL;
    struct field item = {.name = f->name, .type = inside};
    if ((count < 0 && !r->c.bad) || depth >= MAX_DEPTH) {
        if (r->w)
            json_none(r->w);
        return;
    }
    if (r->w)
        json_begin_array(r->w);
    while (!r->c.bad && count-- && !(r->w && buf_failed(r->w->out))) {
        const uint8_t *before = r->c.pos;
        if (of_structs)
            read_struct(r, (const char *)inside.data, depth + 1);
        else
            read_member(r, &item, false, depth + 1);
        if (r->c.pos == before) /* nothing is that small */
            r->c.bad = true;
    }
    if (r->w)
        json_end_array(r->w);
}

static void read_value(struct kafka_reader *r, const struct field *f, unsigned depth)
{
    bool is_null;
    if (f->type.data[0] == '[') {
        read_array(r, f, depth);
    } else if (is_type(f->type, "uuid")) {
        read_uuid(r);
    } else if (is_type(f->type, "bool")) {
        bool v = cursor_u8(&r->c) != 0;
        if (r->w)
            json_bool(r->w, v);
    } else if (is_type(f->type, "rec")) {
        struct slice records = read_run(r, false, &is_null);
        if (r->w && is_null && r->c.bad) { /* their length is cut */
            json_begin_array(r->w);
            json_end_array(r->w);
        } else if (r->w && is_null) {
            json_none(r->w);
        } else if (r->w) {
            r->c.bad |= !kafka_write_records(r, records);
        }
    } else if (!read_number(r, f)) {
        read_text(r, f);
    }
}

static void read_struct(struct kafka_reader *r, const char *schema, unsigned depth)
{
    struct field f;
    if (r->w)
        json_begin_object(r->w);
    while (!r->c.bad && next_field(&schema, &f)) {
        if (r->version < f.from || r->version > f.to)
            continue;
        read_member(r, &f, true, depth);
    }
    if (*schema == '*')
        r->open_ended = true;
    else if (r->flexible && !r->c.bad)
        skip_tags(r);
    if (r->w)
        json_end_object(r->w);
}

bool kafka_read_fields(struct kafka_reader *r, const char *schema)
{
    read_struct(r, schema, 0);
    return !r->c.bad;
}
