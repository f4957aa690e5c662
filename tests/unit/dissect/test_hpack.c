/* HPACK: the examples of RFC 7541 appendix C, and nghttp2's encoder and decoder beside ours, from
 * the beginning, from the middle, after a loss, and on bytes that mean nothing. */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dissect/dissector.h"
#include "dissect/proto/hpack.h"
#include "unit/unit_test.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024,
    MAX_FIELDS = 24,
    BLOCKS = 400
};

struct rig {
    struct arena conn, block;
    struct hpack_decoder decoder;
};

static void rig_init(struct rig *rig, bool late)
{
    arena_init(&rig->conn, ARENA_BYTES);
    arena_init(&rig->block, ARENA_BYTES);
    hpack_init(&rig->decoder, &rig->conn, late);
}

static void rig_done(struct rig *rig)
{
    arena_done(&rig->conn);
    arena_done(&rig->block);
}

static int decode(struct rig *rig, struct slice block, struct hpack_fields *fields)
{
    arena_reset(&rig->block);
    /* A block of its own: the sanitizer sees every overread. */
    uint8_t *copy = malloc(block.len ? block.len : 1);
    assert_non_null(copy);
    if (block.len)
        memcpy(copy, block.data, block.len);
    int r = hpack_decode(&rig->decoder, slice_of(copy, block.len), &rig->block, fields);
    free(copy);
    return r;
}

/* "name: value|name: value" */
static void expect(struct rig *rig, const char *hex, const char *wanted)
{
    uint8_t block[512];
    struct hpack_fields fields;
    char text[1024] = "";
    int len = text_unhex(hex, block, sizeof block);
    assert_true(len >= 0);
    assert_int_equal(decode(rig, slice_of(block, (size_t)len), &fields), 0);
    size_t used = 0;
    for (size_t i = 0; i < fields.count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s: %.*s", i ? "|" : "",
                                 SLICE_ARGS(fields.list[i].name), SLICE_ARGS(fields.list[i].value));
    assert_string_equal(text, wanted);
}

static void examples_of_the_rfc(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, false);
    expect(&rig, "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
           "custom-key: custom-header");
    expect(&rig, "040c2f73616d706c652f70617468", ":path: /sample/path");
    expect(&rig, "100870617373776f726406736563726574", "password: secret");
    expect(&rig, "82", ":method: GET");
    expect(&rig, "be", "custom-key: custom-header");
    assert_int_equal(rig.decoder.size, 55);
    rig_done(&rig);
}

static void requests_of_the_rfc(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"};
    static const char *const huffman[] = {"828684418cf1e3c2e5f23a6ba0ab90f4ff",
                                          "828684be5886a8eb10649cbf",
                                          "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"};
    static const char *const wanted[] = {
        ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
        ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
        ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: "
        "custom-value"};
    static const size_t sizes[] = {57, 110, 164};
    for (int way = 0; way < 2; way++) {
        struct rig rig;
        rig_init(&rig, false);
        for (int i = 0; i < 3; i++) {
            expect(&rig, way ? huffman[i] : plain[i], wanted[i]);
            assert_int_equal(rig.decoder.size, sizes[i]);
        }
        rig_done(&rig);
    }
}

/* Sections C.5 and C.6: a table of 256 bytes, from which entries leave. */
static void responses_of_the_rfc(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "3fe101"
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f"
        "3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076"
        "657273696f6e3d31"};
    static const char *const huffman[] = {
        "3fe101"
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f"
        "0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335df"
        "dfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"};
    static const char *const wanted[] = {
        ":status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: "
        "https://www.example.com",
        ":status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|location: "
        "https://www.example.com",
        ":status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|location: "
        "https://www.example.com|content-encoding: gzip|set-cookie: "
        "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"};
    static const size_t sizes[] = {222, 222, 215};
    for (int way = 0; way < 2; way++) {
        struct rig rig;
        rig_init(&rig, false);
        for (int i = 0; i < 3; i++) {
            expect(&rig, way ? huffman[i] : plain[i], wanted[i]);
            assert_int_equal(rig.decoder.size, sizes[i]);
            assert_int_equal(rig.decoder.count, i == 2 ? 3 : 4);
        }
        rig_done(&rig);
    }
}

/* ── beside nghttp2 ── */

static unsigned draw(unsigned *random, unsigned below)
{
    *random = *random * 1103515245u + 12345u;
    return (*random >> 8) % below;
}

struct list {
    nghttp2_nv nv[MAX_FIELDS];
    uint8_t text[MAX_FIELDS][2][600];
    size_t count;
};

/* Names and values repeat, so that the table is used; some values have every byte there is. */
static void make_list(struct list *list, unsigned *random)
{
    static const char *const names[] = {":path",  "cookie",     "x-trace",      "user-agent",
                                        "accept", "x-a-longer", "content-type", "date"};
    list->count = 1 + draw(random, MAX_FIELDS);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = names[draw(random, 8)];
        unsigned kind = draw(random, 8);
        size_t len = 0;
        uint8_t *value = list->text[i][1];
        if (kind < 5)
            len = (size_t)snprintf((char *)value, 600, "value-%u", draw(random, 12));
        else
            len = draw(random, kind == 7 ? 600 : 40);
        for (size_t k = 0; kind >= 5 && k < len; k++)
            value[k] = (uint8_t)(kind == 6 ? 'a' + draw(random, 26) : draw(random, 256));
        size_t name_len = (size_t)snprintf((char *)list->text[i][0], 600, "%s%s", name,
                                           kind == 4 && name[0] != ':' ? "-2" : "");
        list->nv[i] = (nghttp2_nv){list->text[i][0], value, name_len, len,
                                   draw(random, 9) == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : 0};
    }
}

static void expect_list(const struct hpack_fields *fields, const struct list *list, bool all)
{
    assert_int_equal(fields->count, list->count);
    assert_false(all && fields->unknown);
    for (size_t i = 0; i < list->count; i++) {
        const struct hpack_field *field = &fields->list[i];
        struct slice name = slice_of(list->nv[i].name, list->nv[i].namelen);
        struct slice value = slice_of(list->nv[i].value, list->nv[i].valuelen);
        bool no_name = field->unknown && slice_eq(field->name, HPACK_UNKNOWN);
        bool no_value = field->unknown && slice_eq(field->value, HPACK_UNKNOWN);
        assert_true(no_name || slice_eq(field->name, name));
        assert_true(no_value || slice_eq(field->value, value));
        assert_int_equal(field->unknown, no_name || no_value);
    }
}

/* Blocks of one encoder, which changes its table's size now and then; ours joins at block `from`
 * and loses what came before block `loss`. Returns how many fields were not known. */
static size_t run_beside(unsigned seed, size_t table, size_t from, size_t loss)
{
    struct rig rig;
    struct list *list = calloc(1, sizeof *list);
    nghttp2_hd_deflater *deflater;
    unsigned random = seed;
    size_t unknown = 0;
    assert_non_null(list);
    assert_int_equal(nghttp2_hd_deflate_new(&deflater, table), 0);
    rig_init(&rig, from > 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        uint8_t block[32 * 1024];
        struct hpack_fields fields;
        make_list(list, &random);
        if (draw(&random, 40) == 0)
            nghttp2_hd_deflate_change_table_size(deflater, draw(&random, (unsigned)table + 1));
        ssize_t len = nghttp2_hd_deflate_hd(deflater, block, sizeof block, list->nv, list->count);
        assert_true(len > 0);
        if (i < from)
            continue;
        if (i == loss) {
            hpack_forget(&rig.decoder);
            continue;
        }
        assert_int_equal(decode(&rig, slice_of(block, (size_t)len), &fields), 0);
        expect_list(&fields, list, from == 0 && loss > i);
        for (size_t k = 0; k < fields.count; k++)
            unknown += fields.list[k].unknown;
    }
    nghttp2_hd_deflate_del(deflater);
    free(list);
    rig_done(&rig);
    return unknown;
}

static void same_fields_as_nghttp2(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        assert_int_equal(run_beside(seed, 4096, 0, SIZE_MAX), 0);
        assert_int_equal(run_beside(seed, seed * 100, 0, SIZE_MAX), 0);
        assert_int_equal(run_beside(seed, 65536, 0, SIZE_MAX), 0);
    }
}

static void late_join_knows_what_came_since(void **state)
{
    (void)state;
    size_t unknown = 0;
    for (unsigned seed = 1; seed <= 12; seed++)
        unknown += run_beside(seed, 4096, 1 + seed * 7, SIZE_MAX);
    assert_true(unknown > 0);
}

static void a_loss_never_shifts_values(void **state)
{
    (void)state;
    size_t unknown = 0;
    for (unsigned seed = 1; seed <= 12; seed++)
        unknown += run_beside(seed, 4096, 0, 10 + seed * 11);
    assert_true(unknown > 0);
}

/* More than we keep: the oldest are unknown, never another's. */
static void a_table_larger_than_ours(void **state)
{
    (void)state;
    struct rig rig;
    struct hpack_fields fields;
    nghttp2_hd_deflater *deflater;
    enum {
        COUNT = 500,
        SIZE = 600
    };
    static uint8_t values[COUNT][SIZE];
    uint8_t block[4096];
    size_t unknown = 0;
    assert_int_equal(nghttp2_hd_deflate_new(&deflater, 1 << 20), 0);
    rig_init(&rig, false);
    nghttp2_hd_deflate_change_table_size(deflater, 1 << 20);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNT; i++) {
            int n = snprintf((char *)values[i], SIZE, "%d.", i);
            memset(values[i] + n, 'a' + i % 26, SIZE - (size_t)n);
            nghttp2_nv nv = {(uint8_t *)(uintptr_t) "x-large", values[i], 7, SIZE, 0};
            ssize_t len = nghttp2_hd_deflate_hd(deflater, block, sizeof block, &nv, 1);
            assert_int_equal(decode(&rig, slice_of(block, (size_t)len), &fields), 0);
            assert_int_equal(fields.count, 1);
            unknown += fields.list[0].unknown;
            if (!fields.list[0].unknown)
                assert_true(slice_eq(fields.list[0].value, slice_of(values[i], SIZE)));
        }
    assert_true(unknown >= COUNT / 2 && unknown <= COUNT);
    nghttp2_hd_deflate_del(deflater);
    rig_done(&rig);
}

/* What nghttp2's decoder takes, ours takes, with the same fields. */
static bool inflate_beside(nghttp2_hd_inflater *inflater, uint8_t *block, size_t len,
                           const struct hpack_fields *fields)
{
    size_t n = 0;
    for (size_t at = 0;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t r = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block + at, len - at, 1);
        if (r < 0)
            return false;
        at += (size_t)r;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (fields && !fields->truncated) {
                assert_true(n < fields->count);
                assert_true(slice_eq(fields->list[n].name, slice_of(nv.name, nv.namelen)));
                assert_true(slice_eq(fields->list[n].value, slice_of(nv.value, nv.valuelen)));
            }
            n++;
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
        if (r == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT))
            return false;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return true;
}

static void bytes_that_mean_nothing(void **state)
{
    (void)state;
    unsigned random = 7;
    unsigned accepted = 0;
    for (int i = 0; i < 60000; i++) {
        uint8_t block[64];
        struct rig rig;
        struct hpack_fields fields;
        nghttp2_hd_inflater *inflater, *first;
        size_t len = 1 + draw(&random, i % 3 ? 6 : sizeof block);
        for (size_t k = 0; k < len; k++)
            block[k] = (uint8_t)draw(&random, 256);
        rig_init(&rig, false);
        assert_int_equal(nghttp2_hd_inflate_new(&first), 0);
        bool ok = inflate_beside(first, block, len, NULL);
        int r = decode(&rig, slice_of(block, len), &fields);
        if (ok) {
            accepted++;
            assert_int_equal(r, 0);
            assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
            assert_true(inflate_beside(inflater, block, len, &fields));
            nghttp2_hd_inflate_del(inflater);
        }
        nghttp2_hd_inflate_del(first);
        rig_done(&rig);
    }
    assert_true(accepted > 1000);
}

static void faults(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "80",               /* index 0 */
        "be",               /* the table is empty */
        "ff808080808001",   /* no such integer */
        "7f8080808001",     /* the same for a name */
        "40",               /* cut */
        "400161",           /* no value */
        "40057a",           /* shorter than it says */
        "4001610281",       /* the same for a value */
        "0082ffff0161",     /* Huffman: more padding than a byte */
        "0084ffffffff0161", /* Huffman: EOS */
        "0081180161",       /* Huffman: padding that is not ones */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t block[32];
        struct rig rig;
        struct hpack_fields fields;
        rig_init(&rig, false);
        int len = text_unhex(bad[i], block, sizeof block);
        assert_true(len > 0);
        assert_int_equal(decode(&rig, slice_of(block, (size_t)len), &fields), -EBADMSG);
        rig_done(&rig);
    }
}

/* One byte that stands for a long field: what a block gives stays within bounds, and so does its
 * work. */
static void a_small_block_gives_no_large_list(void **state)
{
    (void)state;
    struct rig rig;
    struct hpack_fields fields;
    static uint8_t block[64 * 1024];
    rig_init(&rig, false);
    block[0] = 0x3f, block[1] = 0xe1, block[2] = 0xff, block[3] = 0x03; /* a table of 64 KiB */
    block[4] = 0x40, block[5] = 1, block[6] = 'x';
    block[7] = 0x7f, block[8] = 0x81, block[9] = 0xee, block[10] = 0x01; /* 30,592 bytes */
    memset(block + 11, 'v', 30592);
    assert_int_equal(decode(&rig, slice_of(block, 11 + 30592), &fields), 0);
    assert_int_equal(fields.count, 1);
    memset(block, 0xbe, sizeof block);
    assert_int_equal(decode(&rig, slice_of(block, 1000), &fields), 0);
    assert_true(fields.truncated);
    assert_true(rig.block.used_bytes < 512 * 1024);
    assert_int_equal(decode(&rig, slice_of(block, sizeof block), &fields), 0);
    assert_true(fields.truncated && fields.count <= DISSECT_MAX_HEADERS);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(requests_of_the_rfc),
        cmocka_unit_test(responses_of_the_rfc),
        cmocka_unit_test(same_fields_as_nghttp2),
        cmocka_unit_test(late_join_knows_what_came_since),
        cmocka_unit_test(a_loss_never_shifts_values),
        cmocka_unit_test(a_table_larger_than_ours),
        cmocka_unit_test(bytes_that_mean_nothing),
        cmocka_unit_test(faults),
        cmocka_unit_test(a_small_block_gives_no_large_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
