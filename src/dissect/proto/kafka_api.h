/* Kafka's protocol as data: every API with its name, versions and the fields of its request and
 * response (Kafka protocol guide, up to 4.x), error names, and the interpreter that reads a message
 * by that table. Without connections. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_KAFKA_API_H
#define TRAWL_DISSECT_PROTO_KAFKA_API_H

#include "base/arena.h"
#include "base/cursor.h"
#include "base/json_writer.h"

enum {
    KAFKA_PRODUCE = 0,
    KAFKA_FETCH = 1,
    KAFKA_CONTROLLED_SHUTDOWN = 7,
    KAFKA_FIND_COORDINATOR = 10,
    KAFKA_SASL_HANDSHAKE = 17,
    KAFKA_API_VERSIONS = 18,
    KAFKA_NEVER = 127,     /* flexible from no version on */
    KAFKA_MAX_TOPICS = 64, /* kept of a message */
    KAFKA_MAX_PARTITIONS = 256
};

/* Fields: "name:type", with "@from" or "@from-to" the versions that have it. Types: i8 i16 i32 i64
 * bool uuid str bytes, secret (bytes not shown), rec (record batches), [type] and [fields …]
 * arrays. From the flexible version on lengths are compact and every structure ends with tagged
 * fields. "*": what follows is not described. */
struct kafka_api {
    int16_t key;
    int16_t flexible;    /* first version with compact types and tagged fields */
    int16_t max_version; /* up to which the fields are right */
    const char *name;
    const char *request, *response; /* NULL: not described */
};

/* NULL when there is none. */
const struct kafka_api *kafka_api_find(int16_t key);
/* "UNKNOWN_TOPIC_OR_PARTITION"; NULL when there is none. */
const char *kafka_error_name(int16_t code);

/* What a message is about, gathered while it is read. Text borrows from the message. */
struct kafka_facts {
    struct slice topics[KAFKA_MAX_TOPICS];
    int64_t partitions[KAFKA_MAX_PARTITIONS];
    uint32_t topic_count, partition_count;
    struct slice group;
    const char *compression;
    int64_t records;
    int16_t error_code; /* the first that is not 0 */
    int16_t acks;
    bool has_error_field, has_acks, more;
};

struct kafka_reader {
    struct cursor c;
    struct json_writer *w; /* NULL: only judged */
    struct arena *arena;   /* for what is decompressed; NULL: not looked into */
    struct kafka_facts *facts;
    int16_t version;
    bool flexible;
    bool open_ended; /* the description ended before the message */
};

/* ── kafka_read.c ── */

/* Reads the fields of `schema` into one JSON object. False: cut or broken. */
bool kafka_read_fields(struct kafka_reader *r, const char *schema);

/* ── kafka_records.c ── */

/* Record batches (v2) or a message set (v0, v1) as {"records": [...]}; counts into the facts.
 * False: cut or broken. */
bool kafka_write_records(struct kafka_reader *r, struct slice bytes);
uint32_t kafka_varint(struct cursor *c); /* unsigned */

#endif
