/* What a worker says is hostile: every answer is either taken whole and in range, or refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/worker_answer.h"
#include "unit/unit_test.h"

static const char good_status[] =
    "{\"name\":\"n\",\"state\":\"recording\",\"state_detail\":\"\",\"now_ns\":1764000000000000000,"
    "\"packets\":5,\"captured_bytes\":100,\"packets_per_s\":1.5,\"bytes_per_s\":30,"
    "\"drops\":{\"kernel\":1,\"ring\":2,\"disk\":3},"
    "\"drops_5min\":{\"kernel\":0,\"ring\":0,\"disk\":0},"
    "\"ring\":{\"oldest_ns\":null,\"newest_ns\":1764000000000000000,\"used_bytes\":7,"
    "\"budget_bytes\":8,\"segments\":1,\"retention_ns\":9,\"hour_budget_bytes\":0},"
    "\"interfaces\":[{\"name\":\"e\\u001b[31m\",\"link_type\":1,\"packets\":5,\"dropped\":null,"
    "\"up\":true}],\"gaps\":[{\"from_ns\":1,\"to_ns\":2,\"reason\":\"disk\"}]}";

static int take_status(const char *text, struct worker_status *s)
{
    json_t *object = json_loads(text, 0, NULL);
    int e = worker_answer_status(object, s);
    json_decref(object);
    return e;
}

static void a_status_is_taken(void **state)
{
    (void)state;
    struct worker_status s;
    assert_int_equal(take_status(good_status, &s), 0);
    assert_true(s.recording);
    assert_int_equal(s.drops.disk, 3);
    assert_int_equal(s.oldest_ns, 0);
    assert_int_equal(s.interfaces[0].dropped, -1);
    assert_null(strchr(s.interfaces[0].name, 0x1b)); /* inert before it is kept */
    assert_int_equal(s.gap_count, 1);
}

/* The status with one piece of it replaced. */
static char *with(const char *text, const char *what, const char *by)
{
    const char *at = strstr(text, what);
    assert_non_null(at);
    char *out = NULL;
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what)) > 0);
    return out;
}

static void a_broken_status_is_refused(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"state\":\"recording\"", "\"state\":7"},
        {"\"now_ns\":1764000000000000000", "\"now_ns\":-1"},
        {"\"now_ns\":1764000000000000000", "\"now_ns\":9223372036854775807"},
        {"\"packets\":5,\"cap", "\"packets\":-5,\"cap"},
        {"\"kernel\":1", "\"kernel\":\"1\""},
        {"\"newest_ns\":1764000000000000000", "\"newest_ns\":\"now\""},
        {"\"used_bytes\":7", "\"used_bytes\":-7"},
        {"\"segments\":1", "\"segments\":null"},
    };
    struct worker_status s;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char *text = with(good_status, changes[i][0], changes[i][1]);
        assert_int_equal(take_status(text, &s), -EPROTO);
        free(text);
    }
    assert_int_equal(take_status("{}", &s), -EPROTO);
    assert_int_equal(take_status("[]", &s), -EPROTO);
}

static void lists_in_a_status_are_bounded(void **state)
{
    (void)state;
    json_t *object = json_loads(good_status, 0, NULL);
    json_t *gaps = json_array(), *interfaces = json_array();
    for (int i = 0; i < 5000; i++) {
        (void)json_array_append_new(
            gaps, json_pack("{s:i,s:i,s:s}", "from_ns", i, "to_ns", i + 1, "reason", "disk"));
        (void)json_array_append_new(interfaces, json_pack("{s:s}", "name", "e"));
    }
    (void)json_object_set_new(object, "gaps", gaps);
    (void)json_object_set_new(object, "interfaces", interfaces);
    struct worker_status s;
    assert_int_equal(worker_answer_status(object, &s), 0);
    assert_int_equal(s.gap_count, WORKER_MAX_GAPS);
    assert_int_equal(s.gaps[WORKER_MAX_GAPS - 1].from_ns, 4999); /* the latest stay */
    assert_int_equal(s.interface_count, WORKER_MAX_INTERFACES);
    json_decref(object);
}

static const char good_list[] =
    "{\"now_ns\":3,\"segments\":[{\"name\":\"00001-0000000042.pcapng\",\"sequence\":42,"
    "\"series\":1,\"link_type\":1,\"sealed\":true,\"size_bytes\":100,\"packets\":2,"
    "\"captured_bytes\":60,\"first_ns\":10,\"last_ns\":20,\"covered_from_ns\":5,"
    "\"covered_to_ns\":30,\"drops\":{\"kernel\":0,\"ring\":0,\"disk\":0},\"sha256\":"
    "\"000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\"}],"
    "\"covered\":[{\"from_ns\":5,\"to_ns\":30}],"
    "\"gaps\":[{\"from_ns\":30,\"to_ns\":40,\"reason\":\"recycled\"}],"
    "\"drops\":{\"kernel\":1,\"ring\":0,\"disk\":0},"
    "\"drop_events\":[{\"from_ns\":6,\"to_ns\":7,\"kernel\":1,\"ring\":0,\"disk\":0}]}";

static int take_list(const char *text, struct ring_list *list)
{
    json_t *object = json_loads(text, 0, NULL);
    *list = (struct ring_list){0};
    int e = worker_answer_list(object, list);
    json_decref(object);
    return e;
}

static void a_list_is_taken(void **state)
{
    (void)state;
    struct ring_list list;
    assert_int_equal(take_list(good_list, &list), 0);
    assert_int_equal(list.segment_count, 1);
    assert_true(list.segments[0].has_sha256);
    assert_int_equal(list.segments[0].sha256[31], 0x0f);
    assert_int_equal(list.gaps[0].reason, RING_GAP_RECYCLED);
    assert_int_equal(list.drop_events[0].drops.kernel, 1);
    ring_list_done(&list);
}

static void a_broken_list_is_refused(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"00001-0000000042.pcapng", "../../../etc/passwd"},
        {"00001-0000000042.pcapng", "00001-0000000042.pcapng/x"},
        {"00001-0000000042.pcapng", "00001-0000000043.pcapng"}, /* not its sequence */
        {"\"series\":1", "\"series\":2"},
        {"\"size_bytes\":100", "\"size_bytes\":1099511627777"},
        {"\"size_bytes\":100", "\"size_bytes\":-1"},
        {"\"first_ns\":10", "\"first_ns\":null"},
        {"\"link_type\":1", "\"link_type\":70000"},
        {"{\"from_ns\":5,\"to_ns\":30}", "{\"from_ns\":30,\"to_ns\":5}"},
        {"{\"from_ns\":5,\"to_ns\":30}",
         "{\"from_ns\":5,\"to_ns\":30},{\"from_ns\":6,\"to_ns\":7}"},
        {"\"reason\":\"recycled\"", "\"reason\":\"because\""},
        {"\"covered\":", "\"covred\":"},
        {"\"segments\":[", "\"segments\":[null,"},
    };
    struct ring_list list;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char *text = with(good_list, changes[i][0], changes[i][1]);
        int e = take_list(text, &list);
        if (e != -EPROTO)
            print_message("%s\n", text);
        assert_int_equal(e, -EPROTO);
        ring_list_done(&list);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_taken),
        cmocka_unit_test(a_broken_status_is_refused),
        cmocka_unit_test(lists_in_a_status_are_bounded),
        cmocka_unit_test(a_list_is_taken),
        cmocka_unit_test(a_broken_list_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
