/* Kafka: headers of every version, flexible versions with tagged fields, ApiVersions' exception,
 * record batches and message sets with their codecs, acks 0, SASL tokens, pairing, losses, late
 * joins, hostile input; every script also cut in pieces. */
#include <lz4frame.h>

#include "dissect/proto/kafka_api.h"
#include "support_proto.h"
#include "unit/unit_test.h"

enum {
    MAX_BYTES = 2048
};

struct built {
    uint8_t bytes[MAX_BYTES];
    size_t len;
};

static void put(struct built *b, const void *data, size_t n)
{
    assert_true(b->len + n <= MAX_BYTES);
    memcpy(b->bytes + b->len, data, n);
    b->len += n;
}

static void put_be(struct built *b, uint64_t v, int size)
{
    for (int i = size - 1; i >= 0; i--) {
        uint8_t byte = (uint8_t)(v >> (8 * i));
        put(b, &byte, 1);
    }
}

static void put_text(struct built *b, const char *text)
{
    put_be(b, strlen(text), 2);
    put(b, text, strlen(text));
}

static void set_be32(struct built *b, size_t at, uint32_t v)
{
    size_t len = b->len;
    b->len = at;
    put_be(b, v, 4);
    b->len = len;
}

static struct built request(int key, int version, uint32_t id, const char *client)
{
    struct built b = {.len = 0};
    put_be(&b, 0, 4);
    put_be(&b, (uint64_t)key, 2);
    put_be(&b, (uint64_t)version, 2);
    put_be(&b, id, 4);
    put_text(&b, client);
    return b;
}

static struct built response(uint32_t id)
{
    struct built b = {.len = 0};
    put_be(&b, 0, 4);
    put_be(&b, id, 4);
    return b;
}

static struct built finish(struct built b)
{
    set_be32(&b, 0, (uint32_t)b.len - 4);
    return b;
}

#define PUT(b, text) put((b), (text), sizeof(text) - 1)
#define BUILT(d, b)                                \
    {                                              \
        .dir = (d), .bytes = {(b).bytes, (b).len } \
    }
#define RUN(...) PROTO_RUN("kafka", __VA_ARGS__)

/* A record "k" → "value" with a header "h" → "v": offset delta 0, time delta 3. */
#define RECORD "\x20\0\6\0\2k\x0avalue\2\2h\2v"

static struct built batch(unsigned attributes, const void *records, size_t n, uint32_t count)
{
    struct built b = {.len = 0};
    put_be(&b, 100, 8);
    put_be(&b, 49 + n, 4);
    PUT(&b, "\0\0\0\0\2\0\0\0\0");
    put_be(&b, attributes, 2);
    put_be(&b, count - 1, 4);
    put_be(&b, 1000, 8);
    put_be(&b, 1003, 8);
    put_be(&b, UINT64_MAX, 8);
    PUT(&b, "\xff\xff\xff\xff\xff\xff");
    put_be(&b, count, 4);
    put(&b, records, n);
    return b;
}

static struct built produce(uint32_t id, int acks, const struct built *records)
{
    struct built b = request(0, 3, id, "app");
    put_be(&b, 0xffff, 2);
    put_be(&b, (uint64_t)acks, 2);
    put_be(&b, 1000, 4);
    put_be(&b, 1, 4);
    put_text(&b, "orders");
    put_be(&b, 1, 4);
    put_be(&b, 2, 4);
    put_be(&b, records->len, 4);
    put(&b, records->bytes, records->len);
    return finish(b);
}

static struct built produced(uint32_t id, int error)
{
    struct built b = response(id);
    put_be(&b, 1, 4);
    put_text(&b, "orders");
    put_be(&b, 1, 4);
    put_be(&b, 2, 4);
    put_be(&b, (uint64_t)error, 2);
    put_be(&b, 100, 8);
    put_be(&b, UINT64_MAX, 8);
    put_be(&b, 0, 4);
    return finish(b);
}

static void produces(void **state)
{
    (void)state;
    struct built records = batch(0, RECORD, sizeof RECORD - 1, 1);
    struct built first = produce(7, 1, &records), silent = produce(8, 0, &records),
                 failed = produce(9, 1, &records);
    struct built ok = produced(7, 0), error = produced(9, 6);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, first), BUILT(DIR_CLIENT, silent), BUILT(DIR_CLIENT, failed),
            BUILT(DIR_SERVER, error), BUILT(DIR_SERVER, ok));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"Produce orders, 1 record\"");
    proto_has(run, 0, "\"kafka_acks\":0");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_lacks(run, 0, "kafka_response");
    proto_has(run, 1, "\"summary\":\"Produce orders, 1 record → 6 NOT_LEADER_OR_FOLLOWER\"");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"kafka_error_code\":6,\"kafka_error_name\":\"NOT_LEADER_OR_FOLLOWER\"");
    proto_has(run, 2, "\"kafka_correlation_id\":7");
    proto_has(run, 2, "\"kafka_topics\":[\"orders\"],\"kafka_partitions\":[2]");
    proto_has(
        run, 2,
        "[{\\\"offset\\\":100,\\\"timestamp\\\":1003,\\\"key\\\":\\\"k\\\",\\\"value\\\":\\\"value\\\","
        "\\\"headers\\\":{\\\"h\\\":\\\"v\\\"}}]");
    proto_lacks(run, 2, "truncated");
    proto_run_free(run);
}

static void codecs(void **state)
{
    (void)state;
    uint8_t packed[512];
    size_t n = LZ4F_compressFrame(packed, sizeof packed, RECORD, sizeof RECORD - 1, NULL);
    assert_false(LZ4F_isError(n));
    struct built lz4 = batch(3, packed, n, 1);
    /* snappy as Java clients frame it: a head of 16 bytes, then blocks with their length */
    struct built block = {.len = 0};
    PUT(&block, "\x82SNAPPY\0\0\0\0\1\0\0\0\1");
    put_be(&block, sizeof RECORD + 1, 4);
    const uint8_t literal[] = {sizeof RECORD - 1, (sizeof RECORD - 2) << 2};
    put(&block, literal, 2);
    put(&block, RECORD, sizeof RECORD - 1);
    struct built snappy = batch(2, block.bytes, block.len, 1), bad = batch(4, "no zstd", 7, 5),
                 unknown = batch(6, "", 0, 1);
    struct built a = produce(1, 0, &lz4), b = produce(2, 0, &snappy), c = produce(3, 0, &bad),
                 d = produce(4, 0, &unknown);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, a), BUILT(DIR_CLIENT, b), BUILT(DIR_CLIENT, c), BUILT(DIR_CLIENT, d));
    proto_count(run, 4);
    proto_has(run, 0, "\"kafka_compression\":\"lz4\"");
    proto_has(run, 1, "\"kafka_compression\":\"snappy\"");
    for (size_t i = 0; i < 2; i++) {
        proto_has(run, i, "\\\"value\\\":\\\"value\\\"");
        proto_has(run, i, "\"kafka_records\":1");
        proto_lacks(run, i, "truncated");
    }
    proto_has(run, 2, "\"kafka_records\":5");
    proto_has(run, 2, "\"truncated\":true");
    proto_has(run, 3, "\"truncated\":true");
    proto_run_free(run);
}

/* Fetch v2 with messages of magic 0 and 1, one of them cut by the broker. */
static void message_sets(void **state)
{
    (void)state;
    struct built ask = request(1, 2, 5, "old"), answer = response(5), set = {.len = 0};
    put_be(&ask, UINT32_MAX, 4);
    put_be(&ask, 100, 4);
    put_be(&ask, 1, 4);
    put_be(&ask, 1, 4);
    put_text(&ask, "t");
    put_be(&ask, 1, 4);
    put_be(&ask, 0, 4);
    put_be(&ask, 40, 8);
    put_be(&ask, 1 << 20, 4);
    PUT(&set, "\0\0\0\0\0\0\0\x28\0\0\0\x12\1\2\3\4\0\0\xff\xff\xff\xff\0\0\0\4zero");
    PUT(&set, "\0\0\0\0\0\0\0\x29\0\0\0\x1a\1\2\3\4\1\0\0\0\0\0\0\0\0\7\0\0\0\1k\0\0\0\3one");
    PUT(&set, "\0\0\0\0\0\0\0\x2a\0\0\1\0cut");
    put_be(&answer, 0, 4);
    put_be(&answer, 1, 4);
    put_text(&answer, "t");
    put_be(&answer, 1, 4);
    put_be(&answer, 0, 4);
    put_be(&answer, 0, 2);
    put_be(&answer, 99, 8);
    put_be(&answer, set.len, 4);
    put(&answer, set.bytes, set.len);
    ask = finish(ask), answer = finish(answer);
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, ask), BUILT(DIR_SERVER, answer));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"Fetch t → 2 records\"");
    proto_has(
        run, 0,
        "[{\\\"offset\\\":40,\\\"key\\\":null,\\\"value\\\":\\\"zero\\\"},"
        "{\\\"offset\\\":41,\\\"timestamp\\\":7,\\\"key\\\":\\\"k\\\",\\\"value\\\":\\\"one\\\"}]");
    proto_run_free(run);
}

static void flexible_versions(void **state)
{
    (void)state;
    /* Heartbeat v4: compact strings, tagged fields in the header, in the body and in the answer. */
    struct built beat = request(12, 4, 3, "c"), beaten = response(3);
    PUT(&beat, "\1\x7f\3abc"
               "\7group1\0\0\0\5\3m1\0"
               "\0");
    PUT(&beaten, "\0\0\0\0\0\0\x1b\1\0\2xy");
    beat = finish(beat), beaten = finish(beaten);
    /* ApiVersions v3: its response header has no tags. */
    struct built versions = request(18, 3, 4, "c"), told = response(4), refused = response(5);
    PUT(&versions, "\0\5java\0043.0\0");
    PUT(&told, "\0\0\2\0\1\0\0\0\x0c\0\0\0\0\0\0");
    struct built newer = request(18, 4, 5, "c");
    PUT(&newer, "\0\5java\0044.0\0");
    PUT(&refused, "\0\x23\0\0\0\0");
    versions = finish(versions), told = finish(told), newer = finish(newer),
    refused = finish(refused);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, beat), BUILT(DIR_SERVER, beaten), BUILT(DIR_CLIENT, versions),
            BUILT(DIR_SERVER, told), BUILT(DIR_CLIENT, newer), BUILT(DIR_SERVER, refused));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"Heartbeat group group1 → 27 REBALANCE_IN_PROGRESS\"");
    proto_has(run, 0, "\"kafka_group_id\":\"group1\"");
    proto_has(run, 0, "\\\"member_id\\\":\\\"m1\\\",\\\"group_instance_id\\\":null");
    proto_has(
        run, 1,
        "{\\\"client_software_name\\\":\\\"java\\\",\\\"client_software_version\\\":\\\"3.0\\\"}");
    proto_has(run, 1, "[{\\\"api_key\\\":1,\\\"min_version\\\":0,\\\"max_version\\\":12}]");
    proto_has(run, 2, "\"kafka_error_name\":\"UNSUPPORTED_VERSION\"");
    for (size_t i = 0; i < 3; i++)
        proto_lacks(run, i, "truncated");
    proto_run_free(run);
}

static void names(void **state)
{
    (void)state;
    for (int16_t key = 0; key <= 92; key++) {
        const struct kafka_api *api = kafka_api_find(key);
        assert_non_null(api);
        assert_int_equal(api->key, key);
        assert_true(api->name[0] != 0);
    }
    assert_null(kafka_api_find(93));
    assert_null(kafka_api_find(-1));
    assert_string_equal(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kafka_error_name(0), "NONE");
    assert_string_equal(kafka_error_name(36), "TOPIC_ALREADY_EXISTS");
    assert_string_equal(kafka_error_name(79), "MEMBER_ID_REQUIRED");
    assert_string_equal(kafka_error_name(100), "UNKNOWN_TOPIC_ID");
    assert_string_equal(kafka_error_name(129), "REBOOTSTRAP_REQUIRED");
    assert_null(kafka_error_name(130 + 1000));
    assert_null(kafka_error_name(-2));
}

static void sasl(void **state)
{
    (void)state;
    struct built hello = request(17, 0, 1, "c"), mechanisms = response(1),
                 after = request(12, 0, 2, "c"), answer = response(2);
    put_text(&hello, "PLAIN");
    PUT(&mechanisms, "\0\0\0\0\0\1\0\5PLAIN");
    put_text(&after, "g");
    PUT(&after, "\0\0\0\1\0\1m");
    PUT(&answer, "\0\0");
    hello = finish(hello), mechanisms = finish(mechanisms), after = finish(after),
    answer = finish(answer);
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, hello), BUILT(DIR_SERVER, mechanisms),
                                C("\0\0\0\x0f\0joe\0topsecret1"), S("\0\0\0\0"),
                                BUILT(DIR_CLIENT, after), BUILT(DIR_SERVER, answer));
    proto_count(run, 2);
    proto_has(run, 0, "\\\"mechanism\\\":\\\"PLAIN\\\"");
    proto_has(run, 1, "\"summary\":\"Heartbeat group g → ok\"");
    proto_lacks(run, 0, "topsecret");
    proto_lacks(run, 1, "topsecret");
    proto_run_free(run);
}

static struct built beat(uint32_t id)
{
    struct built b = request(12, 0, id, "c");
    put_text(&b, "g");
    PUT(&b, "\0\0\0\1\0\1m");
    return finish(b);
}

static struct built beaten(uint32_t id)
{
    struct built b = response(id);
    PUT(&b, "\0\0");
    return finish(b);
}

static void losses(void **state)
{
    (void)state;
    struct built a = beat(100), b = beat(101), c = beat(102), ra = beaten(100), rb = beaten(101),
                 rc = beaten(102);
    /* The middle response is lost with the end of the first one; the third is found again. */
    struct drive_step head = {.dir = DIR_SERVER, .bytes = {ra.bytes, 9}};
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, a), BUILT(DIR_CLIENT, b), BUILT(DIR_CLIENT, c), head,
            SGAP(ra.len - 9 + rb.len + 3), S("\0\0\0\0\0\0\0"), BUILT(DIR_SERVER, rc), CFIN, SFIN);
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 0, "\"kafka_correlation_id\":100");
    proto_has(run, 1, "\"kafka_correlation_id\":102");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"kafka_correlation_id\":101");
    proto_has(run, 2, "\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* A request is lost: its response is not glued to another. */
    run = RUN(BUILT(DIR_CLIENT, a), CGAP(b.len), BUILT(DIR_CLIENT, c), BUILT(DIR_SERVER, ra),
              BUILT(DIR_SERVER, rb), BUILT(DIR_SERVER, rc));
    proto_count(run, 3);
    proto_has(run, 0, "\"kafka_correlation_id\":100");
    proto_has(run, 1, "\"kafka_correlation_id\":101");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "kafka_api_key");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* However little of a request is there: half a value is left out, and what is shown was sent. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    struct built a = beat(100);
    struct proto_run *whole = RUN(BUILT(DIR_CLIENT, a));
    proto_count(whole, 1);
    const char *shown = strstr(whole->lines[0], "\"body\":\"{");
    assert_non_null(shown);
    size_t bodies = 0;
    for (size_t n = 16; n < a.len; n++) {
        struct drive_step head = {.dir = DIR_CLIENT, .bytes = {a.bytes, n}};
        struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "kafka", .skip_probe = true),
                                               head, CGAP(a.len - n));
        const char *body = run->count ? strstr(run->lines[0], "\"body\":\"{") : NULL;
        for (size_t i = 0; i < run->count; i++)
            proto_lacks(run, i, "\"status\":\"ok\"");
        if (body) {
            size_t same = 0;
            bodies++;
            while (body[same] == shown[same])
                same++;
            assert_int_equal(strspn(body + same, "}]"), strcspn(body + same, "\","));
        }
        proto_run_free(run);
    }
    assert_true(bodies > 4);
    proto_run_free(whole);
}

/* In the middle of a connection an answer is not taken for a request, and zeros behind a loss name
 * no call. */
static void answers_in_the_middle(void **state)
{
    (void)state;
    struct built first = beat(0), ra = beaten(5);
    struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "kafka", .late_join = true),
                                           BUILT(DIR_CLIENT, ra), BUILT(DIR_CLIENT, ra));
    for (size_t i = 0; i < run->count; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
    run = RUN(BUILT(DIR_CLIENT, first), SGAP(20), S("\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
              CFIN, SFIN);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct built a = beat(100), ra = beaten(100), b = beat(101), rb = beaten(101);
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "kafka", .late_join = true), BUILT(DIR_SERVER, a),
                       BUILT(DIR_CLIENT, ra), BUILT(DIR_SERVER, b), BUILT(DIR_CLIENT, rb));
    proto_count(run, 2);
    for (size_t i = 0; i < 2; i++) {
        proto_has(run, i, "\"summary\":\"Heartbeat group g → ok\"");
        proto_has(run, i, "\"src\":{\"ip\":\"10.0.0.2\"");
    }
    proto_run_free(run);
}

static void bad_peers(void **state)
{
    (void)state;
    struct built a = beat(1), ra = beaten(1);
    struct built array = request(3, 1, 2, "c"), tags = request(12, 4, 3, "c"),
                 records = request(0, 3, 4, "c");
    PUT(&array, "\x7f\xff\xff\xff\0\1t");
    PUT(&tags, "\xff\xff\xff\xff\x0f\1");
    PUT(&records, "\xff\xff\0\1\0\0\0\1\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\0\x15"
                  "01234567\0\0\0\x09"
                  "0123\2");
    array = finish(array), tags = finish(tags), records = finish(records);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, a), BUILT(DIR_SERVER, ra), BUILT(DIR_CLIENT, array),
            BUILT(DIR_CLIENT, tags), BUILT(DIR_CLIENT, records), S("\x7f\xff\xff\xff\0\0\0\2"),
            CFIN, SFIN);
    proto_count(run, 4);
    size_t truncated = 0;
    for (size_t i = 0; i < run->count; i++)
        truncated += strstr(run->lines[i], "\"truncated\":true") != NULL;
    assert_int_equal(truncated, 3);
    proto_run_free(run);
    static const struct slice others[] = {
        SLICE_LITERAL("GET / HTTP/1.1\r\n\r\n"),
        SLICE_LITERAL("\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff extra"), /* size and fields disagree:
                                                                        another protocol */
        SLICE_LITERAL("\0\0\0\x20\0\x03\0\1\0\0\0\1\0\4ab\1d1234567890123456789012"),
        SLICE_LITERAL("\0\0\0\x10\0\x70\0\0\0\0\0\1\0\4abcd0123"),
        SLICE_LITERAL(
            "\0\0\0\x15\0\x0c\0\0\0\0\0\1\0\1c\0\1g\0\0\0\1\0\x09m"), /* fields run over the end */
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct drive_step step = {.dir = DIR_CLIENT, .bytes = others[i]};
        if (i == 1)
            step.bytes.len = 14 - 1;
        run = RUN(step, CFIN);
        proto_count(run, 0);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(produces),
        cmocka_unit_test(codecs),
        cmocka_unit_test(message_sets),
        cmocka_unit_test(flexible_versions),
        cmocka_unit_test(names),
        cmocka_unit_test(sasl),
        cmocka_unit_test(losses),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(answers_in_the_middle),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(bad_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
