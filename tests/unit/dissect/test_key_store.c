/* Key logs: what is a secret, what is not, limits. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dissect/key_store.h"
#include "unit/unit_test.h"

#define RANDOM "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct slice random_of(uint8_t first)
{
    static uint8_t bytes[32];
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    bytes[0] = first;
    return slice_of(bytes, sizeof bytes);
}

static void lines_are_secrets_or_refused(void **state)
{
    (void)state;
    struct key_store *store;
    assert_int_equal(key_store_new(&store), 0);
    const char *log = "# a comment\n"
                      "\n"
                      "CLIENT_RANDOM " RANDOM " 0A0b\r\n"
                      "CLIENT_RANDOM " RANDOM " ffff\n" /* the first one stays */
                      "EXPORTER_SECRET " RANDOM " 01\n"
                      "CLIENT_RANDOM " RANDOM "\n"      /* no secret */
                      "CLIENT_RANDOM " RANDOM " 0\n"    /* half a byte */
                      "CLIENT_RANDOM " RANDOM "00 01\n" /* 33 bytes */
                      "CLIENT_RANDOM " RANDOM " 0g\n"
                      "CLIENT_RANDOM " RANDOM " 01 02\n"
                      "A_LABEL_OF_MORE_THAN_FORTY_CHARACTERS_IS_NONE " RANDOM " 01\n"
                      "SERVER_TRAFFIC_SECRET_0\t" RANDOM "\t02"; /* without a newline */
    assert_int_equal(key_store_add_log(store, slice_str(log)), 0);
    struct key_store_counts counts = key_store_counts(store);
    assert_int_equal(counts.secrets, 3);
    assert_int_equal(counts.repeated, 1);
    assert_int_equal(counts.refused, 6);
    struct slice secret;
    assert_true(key_store_find(store, 3, slice_str("CLIENT_RANDOM"), random_of(0), &secret));
    assert_int_equal(secret.len, 2);
    assert_memory_equal(secret.data, "\x0a\x0b", 2);
    assert_true(
        key_store_find(store, 3, slice_str("SERVER_TRAFFIC_SECRET_0"), random_of(0), &secret));
    assert_false(
        key_store_find(store, 2, slice_str("SERVER_TRAFFIC_SECRET_0"), random_of(0), &secret));
    assert_false(key_store_find(store, 3, slice_str("CLIENT_RANDOM"), random_of(1), &secret));
    assert_false(key_store_find(store, 3, slice_str("CLIENT_RANDO"), random_of(0), &secret));
    char long_label[100] = "CLIENT_RANDOM";
    assert_false(key_store_find(store, 3, slice_of((uint8_t *)long_label, sizeof long_label),
                                random_of(0), &secret));
    key_store_free(store);
}

static void many_are_found_again_and_the_limit_holds(void **state)
{
    (void)state;
    struct key_store *store;
    assert_int_equal(key_store_new(&store), 0);
    char line[128];
    for (uint32_t i = 0; i < KEY_STORE_MAX_SECRETS + 10; i++) {
        snprintf(line, sizeof line, "CLIENT_RANDOM %08x %08x\n", i, i ^ 0xffffffffU);
        assert_int_equal(key_store_add_log(store, slice_str(line)), 0);
    }
    struct key_store_counts counts = key_store_counts(store);
    assert_int_equal(counts.secrets, KEY_STORE_MAX_SECRETS);
    assert_int_equal(counts.refused, 10);
    for (uint32_t i = 0; i < KEY_STORE_MAX_SECRETS; i += 997) {
        uint8_t random[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        struct slice secret;
        assert_true(key_store_find(store, counts.secrets, slice_str("CLIENT_RANDOM"),
                                   slice_of(random, 4), &secret));
        assert_int_equal(secret.data[3], (uint8_t)~random[3]);
    }
    key_store_free(store);
}

static void a_file_is_read_in_parts_and_long_lines_are_stepped_over(void **state)
{
    (void)state;
    struct key_store *store;
    assert_int_equal(key_store_new(&store), 0);
    FILE *file = tmpfile();
    assert_non_null(file);
    for (int i = 0; i < 200000; i++)
        fputc('a', file);
    fputc('\n', file);
    for (int i = 0; i < 5000; i++)
        fprintf(file, "CLIENT_RANDOM %08x 01\n", (unsigned)i);
    fprintf(file, "CLIENT_RANDOM %08x 01", 5000U);
    rewind(file);
    assert_int_equal(key_store_add_file(store, fileno(file)), 0);
    fclose(file);
    struct key_store_counts counts = key_store_counts(store);
    assert_int_equal(counts.secrets, 5001);
    assert_int_equal(counts.refused, 1);
    assert_int_equal(key_store_add_file(store, -1), -9);
    key_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_secrets_or_refused),
        cmocka_unit_test(many_are_found_again_and_the_limit_holds),
        cmocka_unit_test(a_file_is_read_in_parts_and_long_lines_are_stepped_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
