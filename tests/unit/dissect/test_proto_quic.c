/* QUIC: the examples of RFC 9001 appendix A.1 and RFC 9369 appendix A.1, headers cut short. */
#include <stdio.h>

#include "dissect/proto/quic_packet.h"
#include "unit/unit_test.h"

static const uint8_t destination[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};

static void expect(uint32_t version, bool of_client, const char *key, const char *iv,
                   const char *header)
{
    struct quic_keys keys;
    char text[3 * 40 + 1];
    assert_true(
        quic_initial_keys(version, slice_of(destination, sizeof destination), of_client, &keys));
    const struct {
        const uint8_t *bytes;
        size_t len;
        const char *wanted;
    } rows[] = {{keys.key, sizeof keys.key, key},
                {keys.iv, sizeof keys.iv, iv},
                {keys.header, sizeof keys.header, header}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < rows[i].len; k++)
            snprintf(text + 2 * k, 3, "%02x", rows[i].bytes[k]);
        assert_string_equal(text, rows[i].wanted);
    }
}

static void initial_keys(void **state)
{
    (void)state;
    expect(1, true, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
           "9f50449e04a0e810283a1e9933adedd2");
    expect(1, false, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e",
           "c206b8d9b9f0f37644430b490eeaa314");
    expect(0x6b3343cf, true, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f",
           "45b95e15235d6f45a6b19cbcb0294ba9");
}

static void headers(void **state)
{
    (void)state;
    uint8_t packet[64] = {0xc0, 0, 0, 0, 1, 8};
    memcpy(packet + 6, destination, sizeof destination);
    packet[14] = 0;  /* no source */
    packet[15] = 0;  /* no token */
    packet[16] = 40; /* bytes behind */
    struct quic_packet parsed;
    assert_true(quic_parse(slice_of(packet, 57), &parsed));
    assert_int_equal(parsed.type, QUIC_INITIAL);
    assert_int_equal(parsed.number_at, 17);
    assert_int_equal(parsed.bytes, 57);
    for (size_t n = 0; n < 57; n++)
        assert_false(quic_parse(slice_of(packet, n), &parsed));
    packet[4] = 9; /* no version of it */
    assert_false(quic_parse(slice_of(packet, 57), &parsed));
    packet[4] = 1;
    packet[5] = 21; /* an id longer than any */
    assert_false(quic_parse(slice_of(packet, 57), &parsed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_keys),
        cmocka_unit_test(headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
