/* MongoDB wire protocol: OP_MSG with its sections, checksums and flags, OP_COMPRESSED, the older
 * messages, BSON's types as relaxed Extended JSON, pairing, losses, late joins, hostile input;
 * every script also cut in pieces. */
#include <zlib.h>

#include "dissect/proto/snappy.h"
#include "support_proto.h"
#include "unit/unit_test.h"

enum {
    MAX_BYTES = 2048
};

/* A message as it is put together; lengths are filled in. */
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

static void put_u32(struct built *b, uint32_t v)
{
    const uint8_t le[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    put(b, le, 4);
}

static void set_u32(struct built *b, size_t at, uint32_t v)
{
    size_t len = b->len;
    b->len = at;
    put_u32(b, v);
    b->len = len;
}

/* Elements → a document with its length and final NUL. */
static void put_document(struct built *b, struct slice elements)
{
    put_u32(b, (uint32_t)elements.len + 5);
    put(b, elements.data, elements.len);
    put(b, "", 1);
}

static struct built begin(uint32_t id, uint32_t to, uint32_t opcode)
{
    struct built b = {.len = 0};
    put_u32(&b, 0);
    put_u32(&b, id);
    put_u32(&b, to);
    put_u32(&b, opcode);
    return b;
}

static struct built finish(struct built b)
{
    set_u32(&b, 0, (uint32_t)b.len);
    return b;
}

static struct built msg(uint32_t id, uint32_t to, uint32_t flags, struct slice elements)
{
    struct built b = begin(id, to, 2013);
    put_u32(&b, flags);
    put(&b, "\0", 1);
    put_document(&b, elements);
    return finish(b);
}

#define E(text) SLICE_LITERAL(text)
#define FIND    E("\2find\0\7\0\0\0orders\0\2$db\0\5\0\0\0shop\0")
#define OK      E("\1ok\0\0\0\0\0\0\0\xf0\x3f")
#define BUILT(d, b)                                \
    {                                              \
        .dir = (d), .bytes = {(b).bytes, (b).len } \
    }
#define RUN(...) PROTO_RUN("mongodb", __VA_ARGS__)

static void commands(void **state)
{
    (void)state;
    struct built find = msg(7, 0, 0, FIND), found = msg(9, 7, 0, OK);
    struct built ping = msg(8, 0, 0, E("\x10ping\0\1\0\0\0\2$db\0\6\0\0\0admin\0"));
    struct built failed = msg(10, 8, 0,
                              E("\1ok\0\0\0\0\0\0\0\0\0\2errmsg\0\3\0\0\0no\0\x10"
                                "code\0\x0d\0\0\0"
                                "\2codeName\0\x0d\0\0\0Unauthorized\0"));
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, find), BUILT(DIR_CLIENT, ping),
                                BUILT(DIR_SERVER, failed), BUILT(DIR_SERVER, found));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"ping admin → 13 Unauthorized no\"");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(
        run, 0,
        "\"mongodb_success\":false,\"mongodb_error_code\":13,\"mongodb_error_code_name\":\"Unauthorized\","
        "\"mongodb_error_message\":\"no\"");
    proto_has(run, 1, "\"summary\":\"find shop.orders → ok\"");
    proto_has(
        run, 1,
        "\"mongodb_command\":\"find\",\"mongodb_database\":\"shop\",\"mongodb_collection\":\"orders\","
        "\"mongodb_opcode\":\"OP_MSG\",\"mongodb_success\":true");
    proto_has(run, 1, "{\\\"find\\\":\\\"orders\\\",\\\"$db\\\":\\\"shop\\\"}");
    proto_has(run, 1, "\"body\":\"{\\\"ok\\\":1.0}\"");
    proto_run_free(run);
}

/* Document sequences on both sides of the command, and a checksum. */
static void sections(void **state)
{
    (void)state;
    struct built b = begin(1, 0, 2013);
    put_u32(&b, 1);
    put(&b, "\1\x19\0\0\0documents\0", 15);
    put_document(&b, E("\x10"
                       "a\0\1\0\0\0"));
    set_u32(&b, 21, (uint32_t)(b.len - 21));
    put(&b, "\0", 1);
    put_document(&b, E("\2insert\0\2\0\0\0c\0\2$db\0\2\0\0\0d\0"));
    put_u32(&b, 0xdeadbeef);
    b = finish(b);
    struct built answer = msg(2, 1, 0, E("\x10n\0\1\0\0\0\1ok\0\0\0\0\0\0\0\xf0\x3f"));
    struct built errors = msg(4, 3, 0,
                              E("\x10n\0\0\0\0\0\4writeErrors\0\x27\0\0\0\3"
                                "0\0\x1f\0\0\0\x10"
                                "code\0\xf8\x2a\0\0"
                                "\2errmsg\0\4\0\0\0dup\0\0\0\1ok\0\0\0\0\0\0\0\xf0\x3f"));
    struct built again = msg(3, 0, 0, E("\2insert\0\2\0\0\0c\0"));
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, b), BUILT(DIR_SERVER, answer),
                                BUILT(DIR_CLIENT, again), BUILT(DIR_SERVER, errors));
    proto_count(run, 2);
    proto_has(run, 0,
              "{\\\"insert\\\":\\\"c\\\",\\\"$db\\\":\\\"d\\\",\\\"documents\\\":[{\\\"a\\\":1}]}");
    proto_has(run, 0, "\"mongodb_documents\":1");
    proto_lacks(run, 0, "truncated");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"mongodb_error_code\":11000,\"mongodb_error_code_name\":\"DuplicateKey\"");
    proto_run_free(run);
}

static void flags(void **state)
{
    (void)state;
    /* A write without an answer; an exhaust request whose replies answer each other. */
    struct built write = msg(1, 0, 2, FIND),
                 hello = msg(2, 0, 1 << 16, E("\x10hello\0\1\0\0\0\2$db\0\2\0\0\0a\0"));
    struct built first = msg(50, 2, 2, OK), second = msg(51, 50, 2, OK), third = msg(52, 51, 0, OK);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, write), BUILT(DIR_CLIENT, hello), BUILT(DIR_SERVER, first),
            BUILT(DIR_SERVER, second), BUILT(DIR_SERVER, third), CFIN, SFIN);
    proto_count(run, 4);
    proto_lacks(run, 0, "mongodb_success");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"mongodb_more_to_come\":true");
    proto_has(run, 2, "\"mongodb_command\":\"hello\"");
    proto_has(run, 3, "\"mongodb_command\":\"hello\"");
    proto_lacks(run, 3, "more_to_come");
    for (size_t i = 1; i < 4; i++)
        proto_has(run, i, "\"incomplete\":false");
    proto_run_free(run);
}

static void every_type(void **state)
{
    (void)state;
    struct built b = msg(1, 0, 0,
                         E("\1d\0\0\0\0\0\0\0\xf8\x3f"
                           "\2s\0\3\0\0\0hi\0"
                           "\3o\0\5\0\0\0\0"
                           "\4a\0\x0c\0\0\0\x10"
                           "0\0\5\0\0\0\0"
                           "\5b\0\3\0\0\0\x80"
                           "abc"
                           "\6u\0"
                           "\7i\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc"
                           "\x8t\0\1"
                           "\x9w\0\0\x68\xe5\xcf\x8b\1\0\0"
                           "\xan\0"
                           "\xbr\0^x\0i\0"
                           "\xcp\0\2\0\0\0c\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc"
                           "\xdj\0\2\0\0\0x\0"
                           "\xey\0\2\0\0\0y\0"
                           "\xfz\0\x13\0\0\0\2\0\0\0f\0\x9\0\0\0\x8"
                           "b\0\0\0"
                           "\x10k\0\xff\xff\xff\xff"
                           "\x11l\0\2\0\0\0\1\0\0\0"
                           "\x12m\0\0\0\0\0\1\0\0\0"
                           "\x13q\0\x7b\0\0\0\0\0\0\0\0\0\0\0\0\0\x3c\x30"
                           "\x13v\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf8"
                           "\xff"
                           "A\0"
                           "\x7f"
                           "B\0"
                           "\1e\0\0\0\0\0\0\0\xf0\xff"));
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, b));
    proto_count(run, 1);
    proto_has(run, 0, "{\\\"d\\\":1.5,\\\"s\\\":\\\"hi\\\",\\\"o\\\":{},\\\"a\\\":[5],");
    proto_has(
        run, 0,
        "\\\"b\\\":{\\\"$binary\\\":{\\\"base64\\\":\\\"YWJj\\\",\\\"subType\\\":\\\"80\\\"}}");
    proto_has(
        run, 0,
        "\\\"u\\\":{\\\"$undefined\\\":true},\\\"i\\\":{\\\"$oid\\\":\\\"0102030405060708090a0b0c\\\"},\\\"t\\\":true");
    proto_has(run, 0, "\\\"w\\\":{\\\"$date\\\":\\\"2023-11-14T22:13:20Z\\\"},\\\"n\\\":null");
    proto_has(
        run, 0,
        "{\\\"$regularExpression\\\":{\\\"pattern\\\":\\\"^x\\\",\\\"options\\\":\\\"i\\\"}}");
    proto_has(run, 0, "{\\\"$dbPointer\\\":{\\\"$ref\\\":\\\"c\\\",\\\"$id\\\":{\\\"$oid\\\":");
    proto_has(run, 0, "\\\"j\\\":{\\\"$code\\\":\\\"x\\\"},\\\"y\\\":{\\\"$symbol\\\":\\\"y\\\"}");
    proto_has(run, 0,
              "\\\"z\\\":{\\\"$code\\\":\\\"f\\\",\\\"$scope\\\":{\\\"b\\\":false}},\\\"k\\\":-1");
    proto_has(run, 0,
              "\\\"l\\\":{\\\"$timestamp\\\":{\\\"t\\\":1,\\\"i\\\":2}},\\\"m\\\":4294967296");
    proto_has(
        run, 0,
        "\\\"q\\\":{\\\"$numberDecimal\\\":\\\"1.23\\\"},\\\"v\\\":{\\\"$numberDecimal\\\":\\\"-Infinity\\\"}");
    proto_has(
        run, 0,
        "\\\"A\\\":{\\\"$minKey\\\":1},\\\"B\\\":{\\\"$maxKey\\\":1},\\\"e\\\":{\\\"$numberDouble\\\":\\\"-Infinity\\\"}}");
    proto_lacks(run, 0, "truncated");
    proto_run_free(run);
}

static void old_messages(void **state)
{
    (void)state;
    struct built query = begin(5, 0, 2004), reply = begin(6, 5, 1), insert = begin(7, 0, 2002),
                 more = begin(8, 0, 2005);
    struct built is_master = begin(9, 0, 2004), lost = begin(10, 8, 1), kill = begin(11, 0, 2007);
    put(&query, "\4\0\0\0d.c\0\0\0\0\0\1\0\0\0", 16);
    put_document(&query, E("\x10x\0\1\0\0\0"));
    put(&reply, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0", 20);
    put_document(&reply, E("\x10x\0\1\0\0\0"));
    put_document(&reply, E("\x10x\0\2\0\0\0"));
    put(&insert, "\0\0\0\0d.c\0", 8);
    put_document(&insert, E("\x10x\0\3\0\0\0"));
    put(&more, "\0\0\0\0d.c\0\0\0\0\0\x2a\0\0\0\0\0\0\0", 20);
    put(&lost, "\1\0\0\0\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    put(&is_master, "\0\0\0\0admin.$cmd\0\0\0\0\0\1\0\0\0", 23);
    put_document(&is_master, E("\x10isMaster\0\1\0\0\0"));
    put(&kill, "\0\0\0\0\1\0\0\0\x2a\0\0\0\0\0\0\0", 16);
    query = finish(query), reply = finish(reply), insert = finish(insert), more = finish(more),
    lost = finish(lost);
    is_master = finish(is_master), kill = finish(kill);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, query), BUILT(DIR_SERVER, reply), BUILT(DIR_CLIENT, insert),
            BUILT(DIR_CLIENT, more), BUILT(DIR_SERVER, lost), BUILT(DIR_CLIENT, kill),
            BUILT(DIR_CLIENT, is_master), CFIN, SFIN);
    proto_count(run, 5);
    proto_has(run, 0, "\"summary\":\"find d.c → 2 documents\"");
    proto_has(run, 0, "\"body\":\"[{\\\"x\\\":1},{\\\"x\\\":2}]\"");
    proto_has(run, 1, "\"mongodb_command\":\"insert\"");
    proto_has(run, 1, "\"mongodb_opcode\":\"OP_INSERT\"");
    proto_has(run, 2, "\"mongodb_error_code\":43,\"mongodb_error_code_name\":\"CursorNotFound\"");
    proto_has(run, 3, "\"mongodb_command\":\"killCursors\"");
    proto_has(run, 4, "\"mongodb_command\":\"isMaster\",\"mongodb_database\":\"admin\"");
    proto_has(run, 4, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void compressed(void **state)
{
    (void)state;
    struct built plain = msg(1, 0, 0, FIND);
    struct built packed = begin(1, 0, 2012), snappy = begin(2, 0, 2012), bad = begin(3, 0, 2012);
    uLongf n = MAX_BYTES;
    uint8_t deflated[MAX_BYTES];
    assert_int_equal(compress(deflated, &n, plain.bytes + 16, plain.len - 16), Z_OK);
    put_u32(&packed, 2013);
    put_u32(&packed, (uint32_t)plain.len - 16);
    put(&packed, "\2", 1);
    put(&packed, deflated, n);
    put_u32(&snappy, 2013);
    put_u32(&snappy, (uint32_t)plain.len - 16);
    const uint8_t head[] = {1, (uint8_t)(plain.len - 16), (uint8_t)((plain.len - 17) << 2)};
    put(&snappy, head, sizeof head);
    put(&snappy, plain.bytes + 16, plain.len - 16);
    put_u32(&bad, 2013);
    put_u32(&bad, 100);
    put(&bad, "\3not zstd at all", 16);
    packed = finish(packed), snappy = finish(snappy), bad = finish(bad);
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, packed), BUILT(DIR_CLIENT, snappy),
                                BUILT(DIR_CLIENT, bad), CFIN, SFIN);
    proto_count(run, 3);
    proto_has(run, 0, "\"mongodb_compressor\":\"zlib\"");
    proto_has(run, 0, "\"mongodb_opcode\":\"OP_MSG\"");
    proto_has(run, 0, "\"summary\":\"find shop.orders\"");
    proto_has(run, 1, "\"mongodb_compressor\":\"snappy\"");
    proto_has(run, 1, "\"summary\":\"find shop.orders\"");
    proto_has(run, 2, "\"truncated\":true");
    proto_run_free(run);
}

static void snappy_blocks(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out; /* NULL: damaged */
    } cases[] = {
        {E("\3\x08"
           "abc"),
         "abc"},
        {E("\x0b\x08"
           "abc\x11\3"),
         "abcabcabcab"}, /* a copy that overlaps itself: 4 + 4 bytes, 3 back */
        {E("\x06\x08"
           "abc\x0a\3\0"),
         "abcabc"},
        {E("\0"), ""},
        {E("\3\x08"
           "ab"),
         NULL},
        {E("\x08\x08"
           "abc\x11\4"),
         NULL}, /* before the beginning */
        {E("\xff\xff\xff\xff\xff\x01"), NULL},
        {E("\x04\x08"
           "abc"),
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct slice out;
        bool cut;
        arena_init(&arena, 1 << 20);
        int r = snappy_decode(&arena, cases[i].in, 1000, &out, &cut);
        assert_int_equal(r == 0, cases[i].out != NULL);
        assert_false(cut);
        if (cases[i].out)
            assert_true(slice_eq_str(out, cases[i].out));
        if (i == 1) {
            assert_int_equal(snappy_decode(&arena, cases[i].in, 5, &out, &cut), 0);
            assert_true(cut && slice_eq_str(out, "abcab"));
        }
        arena_done(&arena);
    }
}

static void losses(void **state)
{
    (void)state;
    struct built find = msg(7, 0, 0, FIND), found = msg(9, 7, 0, OK);
    struct built second = msg(8, 0, 0, FIND), answer = msg(10, 8, 0, OK);
    /* Inside a message: its beginning is told, and what follows is whole. */
    struct drive_step head = {.dir = DIR_CLIENT, .bytes = {find.bytes, 50}};
    struct proto_run *run = RUN(head, CGAP(find.len - 50), BUILT(DIR_SERVER, found),
                                BUILT(DIR_CLIENT, second), BUILT(DIR_SERVER, answer));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 0, "\"mongodb_command\":\"find\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
    /* A reply is lost: only its request is incomplete, found again behind noise. */
    run = RUN(BUILT(DIR_CLIENT, find), BUILT(DIR_CLIENT, second), SGAP(found.len),
              S("noise \0\0\0"), BUILT(DIR_SERVER, answer), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

/* However little of a message is there: what it shows was sent, and half a value is left out. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    static const char elements[] = "\2insert\0\2\0\0\0a\0"
                                   "\2text\0\3\0\0\0xy\0"
                                   "\3inside\0\x0c\0\0\0\x10n\0\7\0\0\0\0"
                                   "\4list\0\x0c\0\0\0\x10"
                                   "0\0\7\0\0\0\0"
                                   "\x0f"
                                   "scoped\0\x1b\0\0\0\2\0\0\0f\0\x11\0\0\0\2x\0\5\0\0\0five\0\0"
                                   "\x12"
                                   "big\0\7\0\0\0\0\0\0\0";
    static const char shown[] =
        "{\\\"insert\\\":\\\"a\\\",\\\"text\\\":\\\"xy\\\",\\\"inside\\\":{\\\"n\\\":7},\\\"list\\\":[7],"
        "\\\"scoped\\\":{\\\"$code\\\":\\\"f\\\",\\\"$scope\\\":{\\\"x\\\":\\\"five\\\"}},\\\"big\\\":7}";
    struct built whole = msg(7, 0, 0, E(elements));
    struct proto_run *run = RUN(BUILT(DIR_CLIENT, whole));
    proto_count(run, 1);
    proto_has(run, 0, shown);
    proto_run_free(run);
    for (size_t n = 44; n < whole.len; n++) { /* fewer are not believed to be a message */
        struct drive_step head = {.dir = DIR_CLIENT, .bytes = {whole.bytes, n}};
        run = PROTO_RUN_WITH(OPTIONS(.dissector = "mongodb", .skip_probe = true), head,
                             CGAP(whole.len - n));
        proto_count(run, 1);
        proto_has(run, 0, "\"truncated\":true");
        const char *body = strstr(run->lines[0], "\"body\":\"{");
        if (body) {
            body += strlen("\"body\":\"");
            /* up to where things are ended that had no end yet it is the beginning of the whole */
            size_t same = 0;
            while (body[same] && body[same] == shown[same])
                same++;
            assert_int_equal(strspn(body + same, "}]"), strcspn(body + same, "\","));
        }
        proto_run_free(run);
    }
}

static void late_joins(void **state)
{
    (void)state;
    struct built found = msg(9, 7, 0, OK), second = msg(8, 0, 0, FIND), answer = msg(10, 8, 0, OK);
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "mongodb", .late_join = true), BUILT(DIR_CLIENT, found),
                       BUILT(DIR_SERVER, second), BUILT(DIR_CLIENT, answer));
    proto_count(run, 2);
    proto_has(run, 0, "\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"summary\":\"find shop.orders → ok\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void bad_peers(void **state)
{
    (void)state;
    struct built find = msg(7, 0, 0, FIND);
    /* Nested without end, lengths that lie, a type that is none, a huge message that ends. */
    struct built deep = begin(1, 0, 2013);
    put(&deep, "\0\0\0\0\0", 5);
    for (int i = 0; i < 120; i++)
        put(&deep,
            "\0\2\0\0\3"
            "a\0",
            7);
    struct built lies = msg(2, 0, 0,
                            E("\2find\0\xff\xff\xff\x7f"
                              "x"));
    struct built type = msg(3, 0, 0,
                            E("\2find\0\2\0\0\0c\0\x55"
                              "x\0"));
    deep = finish(deep);
    struct proto_run *run =
        RUN(BUILT(DIR_CLIENT, find), BUILT(DIR_CLIENT, deep), BUILT(DIR_CLIENT, lies),
            BUILT(DIR_CLIENT, type), C("\0\0\0\2\1\0\0\0\0\0\0\0\xdd\7\0\0"), CFIN, SFIN);
    proto_count(run, 4);
    size_t truncated = 0;
    for (size_t i = 0; i < run->count; i++)
        truncated += strstr(run->lines[i], "\"truncated\":true") != NULL;
    assert_int_equal(truncated, 3);
    proto_run_free(run);
    static const char *const others[] = {
        "GET / HTTP/1.1\r\nHost: mongo\r\n\r\n",
        "\x20\0\0\0\1\0\0\0\0\0\0\0\xd5\7\0\0????????????????",
        "\x1a\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\xff\0\0\0\0"};
    static const size_t sizes[] = {30, 32, 26};
    for (size_t i = 0; i < 3; i++) {
        run = RUN(CB(others[i], sizes[i]), CFIN);
        proto_count(run, 0);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(sections),
        cmocka_unit_test(flags),
        cmocka_unit_test(every_type),
        cmocka_unit_test(old_messages),
        cmocka_unit_test(compressed),
        cmocka_unit_test(snappy_blocks),
        cmocka_unit_test(losses),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(bad_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
