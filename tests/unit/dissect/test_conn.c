/* Connections without packets: detection by content, its independence of cuts and ports, late
 * joins, gaps, unknown protocols. */
#include <stdio.h>
#include <stdlib.h>

#include "dissect/drive.h"
#include "unit/unit_test.h"

#define C(text)                                         \
    {                                                   \
        .dir = DIR_CLIENT, .bytes = SLICE_LITERAL(text) \
    }
#define S(text)                                         \
    {                                                   \
        .dir = DIR_SERVER, .bytes = SLICE_LITERAL(text) \
    }
#define COUNT(steps) (sizeof steps / sizeof steps[0])

static const struct drive_step http[] = {
    C("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    C("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: x\r\n\r\n"),
    S("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    {.dir = DIR_CLIENT, .kind = DRIVE_END},
    {.dir = DIR_SERVER, .kind = DRIVE_END},
};

static const struct drive_step redis[] = {
    C("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
    S("$5\r\nvalue\r\n"),
    C("*1\r\n$4\r\nPING\r\n"),
    S("+PONG\r\n"),
};

static size_t lines_with(const struct buf *out, const char *text)
{
    size_t count = 0;
    const char *p = (const char *)out->data, *end = p + out->len;
    while (p < end && (p = memmem(p, (size_t)(end - p), text, strlen(text)))) {
        count++;
        p++;
    }
    return count;
}

static struct buf drive(const struct drive_options *options, const struct drive_step *steps,
                        size_t count)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    assert_int_equal(dissect_drive(options, steps, count, &out), 0);
    return out;
}

static void expect_same(const struct drive_options *options, const struct drive_step *steps,
                        size_t count, const struct buf *expected)
{
    struct buf out = drive(options, steps, count);
    assert_int_equal(out.len, expected->len);
    assert_memory_equal(out.data, expected->data, out.len);
    buf_done(&out);
}

static void content_decides_whatever_the_cuts_and_ports(void **state)
{
    (void)state;
    static const struct {
        const struct drive_step *steps;
        size_t count;
        const char *mark;
        size_t entries;
    } cases[] = {{http, COUNT(http), "\"protocol\":\"http\"", 3},
                 {redis, COUNT(redis), "\"protocol\":\"redis\"", 2}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct drive_options options = {0};
        struct buf whole = drive(&options, cases[i].steps, cases[i].count);
        assert_int_equal(lines_with(&whole, cases[i].mark), cases[i].entries);
        for (uint64_t seed = 1; seed < 60; seed++) {
            options.cut_seed = seed;
            expect_same(&options, cases[i].steps, cases[i].count, &whole);
        }
        buf_done(&whole);
        /* Ports of other protocols mislead nobody. */
        static const uint16_t ports[] = {53, 80, 443, 6379};
        for (size_t p = 0; p < COUNT(ports); p++) {
            struct drive_options hinted = {.server_port = ports[p]};
            struct buf out = drive(&hinted, cases[i].steps, cases[i].count);
            assert_int_equal(lines_with(&out, cases[i].mark), cases[i].entries);
            buf_done(&out);
        }
    }
}

static void unknown_bytes_give_no_calls(void **state)
{
    (void)state;
    static const struct drive_step noise[] = {C("\x01\x02\x03 what is this\x00\xff"),
                                              S("\x80\x81\x82 nobody knows")};
    struct drive_options options = {0};
    struct buf out = drive(&options, noise, COUNT(noise));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

static void joined_late_the_next_call_is_found(void **state)
{
    (void)state;
    static const struct drive_step late[] = {
        S("the end of a body that began before \x00\x01\x02"),
        C("GET /next HTTP/1.1\r\nHost: x\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    };
    struct drive_options options = {.late_join = true};
    struct buf out = drive(&options, late, COUNT(late));
    assert_int_equal(lines_with(&out, "\"path\":\"/next\""), 1);
    assert_int_equal(lines_with(&out, "\"status_code\":200"), 1);
    buf_done(&out);
}

static void after_a_gap_the_next_call_is_whole(void **state)
{
    (void)state;
    static const struct drive_step steps[] = {
        C("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhello"),
        {.dir = DIR_SERVER, .kind = DRIVE_GAP, .gap_bytes = 4995},
        C("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"),
        S("HTTP/1.1 204 No Content\r\n\r\n"),
    };
    struct drive_options options = {0};
    struct buf out = drive(&options, steps, COUNT(steps));
    assert_int_equal(lines_with(&out, "\"protocol\":\"http\""), 2);
    assert_int_equal(lines_with(&out, "\"gap_bytes\":4995"), 1);
    assert_int_equal(lines_with(&out, "\"status_code\":204"), 1);
    buf_done(&out);
}

/* What came before a hole decides, when it is enough. */
static void a_gap_in_front_of_the_decision(void **state)
{
    (void)state;
    static const struct drive_step steps[] = {
        C("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        {.dir = DIR_CLIENT, .kind = DRIVE_GAP, .gap_bytes = 100},
        S("HTTP/1.1 204 No Content\r\n\r\n"),
    };
    struct drive_options options = {.cut_seed = 1};
    struct buf out = drive(&options, steps, COUNT(steps));
    assert_int_equal(lines_with(&out, "\"path\":\"/1\""), 1);
    buf_done(&out);
}

/* What was lost before anybody knew the protocol stands between what came before and behind it: the
 * first of two pings is not the one that was answered. */
static void a_gap_before_the_decision_keeps_its_place(void **state)
{
    (void)state;
    static const struct drive_step steps[] = {
        C("\1\0\0\0\16"),
        {.dir = DIR_SERVER, .kind = DRIVE_GAP, .gap_bytes = 11},
        C("\1\0\0\0\16"),
        S("\7\0\0\1\0\0\0\2\0\0\0"),
    };
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct drive_options options = {.late_join = true, .cut_seed = seed};
        struct buf out = drive(&options, steps, COUNT(steps));
        assert_int_equal(lines_with(&out, "\"protocol\":\"mysql\""), 2);
        assert_int_equal(lines_with(&out, "\"status\":\"incomplete\""), 1);
        assert_int_equal(lines_with(&out, "\"summary\":\"COM_PING → ok\",\"status\":\"ok\""), 1);
        assert_int_equal(lines_with(&out, "\"elapsed_time\":1000,"), 1);
        buf_done(&out);
    }
}

/* Each of several: no answer between them is taken for one that nobody asked for. */
static void gaps_before_the_decision_keep_their_places(void **state)
{
    (void)state;
    static const char ok[] = "\7\0\0\1\0\0\0\2\0\0\0";
    static const struct drive_step steps[] = {
        {.dir = DIR_CLIENT, .kind = DRIVE_GAP, .gap_bytes = 5},
        {.dir = DIR_SERVER, .bytes = {(const uint8_t *)ok, sizeof ok - 1}},
        {.dir = DIR_CLIENT, .kind = DRIVE_GAP, .gap_bytes = 5},
        {.dir = DIR_SERVER, .bytes = {(const uint8_t *)ok, sizeof ok - 1}},
        C("\1\0\0\0\16"),
        {.dir = DIR_SERVER, .bytes = {(const uint8_t *)ok, sizeof ok - 1}},
    };
    struct drive_options options = {.late_join = true};
    struct buf out = drive(&options, steps, COUNT(steps));
    assert_int_equal(lines_with(&out, "\"summary\":\"COM_PING → ok\",\"status\":\"ok\""), 1);
    assert_int_equal(lines_with(&out, "\"status\":\"ok\""), 1);
    assert_int_equal(lines_with(&out, "\"elapsed_time\":1000,"), 1);
    buf_done(&out);
    /* Of the client nothing was recorded but that it said something. */
    static const struct drive_step one_sided[] = {
        S("\x1a\0\0\0\1\0\0\0\7\0\0\0\xdd\7\0\0\0\0\0\0\0\5\0\0\0\0"),
        {.dir = DIR_CLIENT, .kind = DRIVE_GAP, .gap_bytes = 334},
        {.dir = DIR_CLIENT, .kind = DRIVE_END},
        {.dir = DIR_SERVER, .kind = DRIVE_END},
    };
    options = (struct drive_options){0};
    out = drive(&options, one_sided, COUNT(one_sided));
    assert_int_equal(lines_with(&out, "\"status\":\"incomplete\""), 1);
    buf_done(&out);
}

/* A header that never ends, byte by byte, must neither pile up nor take quadratic time. */
static void endless_headers_are_cut_off(void **state)
{
    (void)state;
    enum {
        SIZE = 1200 * 1024
    };
    uint8_t *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    struct drive_step steps[] = {{.dir = DIR_CLIENT, .bytes = slice_of(text, SIZE)}};
    struct drive_options options = {.cut_seed = 2};
    struct buf out = drive(&options, steps, 1);
    assert_true(lines_with(&out, "\n") <= 1);
    buf_done(&out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_decides_whatever_the_cuts_and_ports),
        cmocka_unit_test(unknown_bytes_give_no_calls),
        cmocka_unit_test(joined_late_the_next_call_is_found),
        cmocka_unit_test(after_a_gap_the_next_call_is_whole),
        cmocka_unit_test(a_gap_in_front_of_the_decision),
        cmocka_unit_test(a_gap_before_the_decision_keeps_its_place),
        cmocka_unit_test(gaps_before_the_decision_keep_their_places),
        cmocka_unit_test(endless_headers_are_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
