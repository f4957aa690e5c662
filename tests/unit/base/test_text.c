#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/json_writer.h"
#include "base/string_map.h"
#include "base/text.h"
#include "unit/unit_test.h"

static void test_utf8_follows_rfc3629(void **state)
{
    (void)state;
    assert_true(text_is_utf8(slice_str("plain ascii, grüße, 漢字, 🎣")));
    assert_false(text_is_utf8(SLICE_LITERAL("\xc0\x80")));         /* overlong */
    assert_false(text_is_utf8(SLICE_LITERAL("\xed\xa0\x80")));     /* surrogate */
    assert_false(text_is_utf8(SLICE_LITERAL("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(text_is_utf8(SLICE_LITERAL("cut \xe6\xbc")));
}

static void test_escape_makes_captured_bytes_harmless(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(text_escape(SLICE_LITERAL("a\x1b[31m\xff"), out, sizeof out),
                        "a\\x1b[31m\\xff");
    assert_string_equal(text_escape(slice_str("x\u202ey"), out, sizeof out), "x\\u{202e}y");
    assert_string_equal(text_escape(slice_str("grüße"), out, sizeof out), "grüße");
    char small[8];
    assert_string_equal(text_escape(slice_str("abcdefghij"), small, sizeof small), "abcd…");
}

static void check_base64(const char *plain, const char *encoded)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(text_base64_encode(slice_str(plain), &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), encoded));
    buf_reset(&out);
    assert_int_equal(text_base64_decode(slice_str(encoded), &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), plain));
    buf_done(&out);
}

static void test_base64_vectors_of_rfc4648(void **state)
{
    (void)state;
    check_base64("", "");
    check_base64("f", "Zg==");
    check_base64("fo", "Zm8=");
    check_base64("foo", "Zm9v");
    check_base64("foobar", "Zm9vYmFy");
    struct buf out;
    buf_init(&out, 10);
    assert_int_equal(text_base64_decode(slice_str("Zg="), &out), -EINVAL);
    assert_int_equal(text_base64_decode(slice_str("Zg!="), &out), -EINVAL);
    buf_done(&out);
}

static void test_base32hex_vectors_of_rfc4648(void **state)
{
    (void)state;
    char out[32];
    text_base32hex((const uint8_t *)"foobar", 6, out, sizeof out);
    assert_string_equal(out, "CPNMUOJ1E8");
    text_base32hex((const uint8_t *)"f", 1, out, sizeof out);
    assert_string_equal(out, "CO");
}

static void test_sizes(void **state)
{
    (void)state;
    uint64_t v;
    char out[24];
    assert_int_equal(text_parse_size("1GiB", &v), 0);
    assert_int_equal(v, 1 << 30);
    assert_int_equal(text_parse_size("500k", &v), 0);
    assert_int_equal(v, 500000);
    assert_int_equal(text_parse_size("1.5 MiB", &v), 0);
    assert_int_equal(v, 3 << 19);
    assert_int_equal(text_parse_size("-1", &v), -EINVAL);
    assert_int_equal(text_parse_size("1e400", &v), -EINVAL);
    assert_int_equal(text_parse_size("12 parsecs", &v), -EINVAL);
    assert_string_equal(text_format_size(1288490189, out), "1.20 GiB");
    assert_string_equal(text_format_size(999, out), "999 B");
    assert_string_equal(text_format_size(1023, out), "1.00 KiB");
    assert_string_equal(text_format_size(0, out), "0 B");
}

static void test_times_of_people(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    int64_t now;
    int64_t t;
    assert_int_equal(clock_parse_rfc3339("2026-11-23T11:25:42.123456789Z", &now), 0);
    char text[CLOCK_TEXT_SIZE];
    assert_string_equal(clock_format(now, text), "2026-11-23T11:25:42.123456789Z");
    assert_int_equal(clock_parse_human("-10m", now, &t, NULL), 0);
    assert_int_equal(now - t, 600 * NS_PER_S);
    assert_int_equal(clock_parse_human("14:02", now, &t, NULL), 0);
    assert_string_equal(clock_format(t, text), "2026-11-23T14:02:00.000000000Z");
    assert_int_equal(clock_parse_human("2026-03-03 14:02", now, &t, NULL), 0);
    assert_string_equal(clock_format(t, text), "2026-03-03T14:02:00.000000000Z");
    assert_int_equal(clock_parse_rfc3339("2026-03-03T14:02:00+02:00", &t), 0);
    assert_string_equal(clock_format(t, text), "2026-03-03T12:02:00.000000000Z");
    assert_int_equal(clock_parse_rfc3339("2026-02-30T00:00:00Z", &t), -EINVAL);
    assert_int_equal(clock_parse_rfc3339("9999-01-01T00:00:00Z", &t), -ERANGE);
    struct error e;
    assert_int_equal(clock_parse_human("yesterday-ish", now, &t, &e), -EINVAL);
}

static void test_siphash_vector(void **state)
{
    (void)state;
    /* The 15-byte vector of the SipHash paper's appendix A. */
    uint8_t in[15];
    for (uint8_t i = 0; i < sizeof in; i++)
        in[i] = i;
    struct hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    assert_int_equal(hash_bytes(key, in, sizeof in), UINT64_C(0xa129ca6149be45e5));
}

static void test_json_is_valid_whatever_goes_in(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "a\"b", SLICE_LITERAL("\x00\n\\\xff ü"));
    json_key(&w, "list");
    json_begin_array(&w);
    json_int(&w, INT64_MIN);
    json_uint(&w, UINT64_MAX);
    json_double(&w, 0.1);
    json_begin_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    assert_true(
        slice_eq_str(buf_slice(&out),
                     "{\"a\\\"b\":\"\\u0000\\n\\\\\xef\xbf\xbd ü\",\"list\":[-9223372036854775808,"
                     "18446744073709551615,0.1,{}]}"));
    buf_done(&out);
}

/* JSON lines are printed on terminals too: nothing in them acts on one, and the text is the same.
 */
static void test_json_holds_nothing_that_acts_on_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc2\x80", "\"\\u0080\""},
        {"\xc2\x9b", "\"\\u009b\""},
        {"\xc2\x9f", "\"\\u009f\""},
        {"\xc2\xa0", "\"\xc2\xa0\""},
        {"\u2027", "\"\u2027\""},
        {"\u2028x\u2029", "\"\\u2028x\\u2029\""},
        {"\u202a\u202e", "\"\\u202a\\u202e\""},
        {"\u202f", "\"\u202f\""},
        {"\u2065", "\"\u2065\""},
        {"\u2066\u2069", "\"\\u2066\\u2069\""},
        {"\u206a", "\"\u206a\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 2000);
        json_init(&w, &out);
        json_text(&w, slice_str(rows[i].text));
        assert_true(slice_eq_str(buf_slice(&out), rows[i].json));
        buf_done(&out);
    }
}

static void test_buffers_stop_at_their_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_append(&b, "0123456789", 10), 0);
    assert_int_equal(buf_append_u8(&b, 'x'), -ENOBUFS);
    assert_int_equal(b.len, 10);
    assert_int_equal(buf_failed(&b), -ENOBUFS);
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%d", 12345), 0);
    assert_true(slice_eq_str(buf_slice(&b), "12345"));
    buf_done(&b);
}

static void test_cursor_never_leaves_its_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3};
    struct cursor c = cursor_of(bytes, sizeof bytes);
    assert_int_equal(cursor_be16(&c), 0x0102);
    assert_int_equal(cursor_be32(&c), 0);
    assert_true(c.bad);
    assert_int_equal(cursor_u8(&c), 0); /* bad is sticky */
}

static void test_map_survives_removals_and_growth(void **state)
{
    (void)state;
    struct string_map map;
    string_map_init(&map);
    char key[16];
    for (int round = 0; round < 3; round++)
        for (intptr_t i = 1; i <= 1000; i++) {
            snprintf(key, sizeof key, "k%d", (int)i);
            assert_int_equal(string_map_set(&map, slice_str(key), (void *)i, NULL), 0);
            if (i % 3 == 0)
                assert_ptr_equal(string_map_remove(&map, slice_str(key)), (void *)i);
        }
    assert_int_equal(map.count, 667);
    assert_ptr_equal(string_map_get(&map, slice_str("k1000")), (void *)(intptr_t)1000);
    assert_null(string_map_get(&map, slice_str("k999")));
    size_t pos = 0;
    size_t seen = 0;
    while (string_map_next(&map, &pos))
        seen++;
    assert_int_equal(seen, 667);
    string_map_done(&map, NULL);
}

static void test_suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"status", "status_code", "path", NULL};
    assert_string_equal(text_suggest(slice_str("status_cod"), names), "status_code");
    assert_null(text_suggest(slice_str("zebra"), names));
}

static void test_byte_is_in(void **state)
{
    (void)state;
    assert_true(byte_is_in('a', "cba"));
    assert_false(byte_is_in('d', "cba"));
    assert_false(byte_is_in(0, "cba"));
    assert_false(byte_is_in(0, ""));
    assert_true(byte_is_in(0xff, "\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_follows_rfc3629),
        cmocka_unit_test(test_escape_makes_captured_bytes_harmless),
        cmocka_unit_test(test_base64_vectors_of_rfc4648),
        cmocka_unit_test(test_base32hex_vectors_of_rfc4648),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_times_of_people),
        cmocka_unit_test(test_siphash_vector),
        cmocka_unit_test(test_json_is_valid_whatever_goes_in),
        cmocka_unit_test(test_json_holds_nothing_that_acts_on_a_terminal),
        cmocka_unit_test(test_buffers_stop_at_their_maximum),
        cmocka_unit_test(test_cursor_never_leaves_its_bytes),
        cmocka_unit_test(test_map_survives_removals_and_growth),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_byte_is_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
