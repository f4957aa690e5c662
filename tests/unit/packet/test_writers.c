/* What the writers put is what the reader reads; tests/golden asks tshark and capinfos too. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "packet/pcap_writer.h"
#include "packet/pcapng_writer.h"
#include "unit/packet/support_blocks.h"
#include "unit/unit_test.h"

#define START_NS (INT64_C(1763900000) * NS_PER_S + 123456789)

static struct reading read_buf(const struct buf *out)
{
    int fd = file_of(out->data, out->len);
    struct reading r = read_all(fd, NULL);
    close(fd);
    return r;
}

static void a_written_file_reads_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct packet_interface interface = {.link_type = 276,
                                         .snaplen_bytes = 262144,
                                         .name = "node-1:eth0",
                                         .description = "the first",
                                         .filter = "tcp port 80",
                                         .os = "Linux"};
    struct packet packet = {.ts_ns = START_NS,
                            .data = (const uint8_t *)"hello",
                            .captured_bytes = 5,
                            .original_bytes = 60,
                            .direction = PACKET_INBOUND};
    struct pcapng_statistics statistics = {START_NS, 10, UINT64_MAX, 3};
    struct pcapng_name names[] = {{4, {127, 0, 0, 1}, "shop.ns1.svc"}, {6, {0xfe, 0x80}, "six"}};
    assert_int_equal(pcapng_put_section(&out, "Linux", "trawl", NULL), 0);
    assert_int_equal(pcapng_put_interface(&out, &interface), 0);
    assert_int_equal(pcapng_put_names(&out, names, 2), 0);
    assert_int_equal(pcapng_put_secrets(&out, SLICE_LITERAL("CLIENT_RANDOM a b\n")), 0);
    assert_int_equal(pcapng_put_packet(&out, &packet, "a comment"), 0);
    assert_int_equal(pcapng_put_statistics(&out, 0, &statistics), 0);
    int fd = file_of(out.data, out.len);
    struct capture_reader *reader;
    struct packet p;
    assert_int_equal(capture_reader_open(fd, NULL, &reader, NULL), 0);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_INTERFACE);
    const struct packet_interface *read = capture_reader_interface(reader, 0);
    assert_int_equal(read->link_type, 276);
    assert_int_equal(read->snaplen_bytes, 262144);
    assert_string_equal(read->name, interface.name);
    assert_string_equal(read->description, interface.description);
    assert_string_equal(read->filter, interface.filter);
    assert_string_equal(read->os, interface.os);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_NAMES);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_SECRETS);
    assert_true(slice_eq_str(capture_reader_secrets(reader), "CLIENT_RANDOM a b\n"));
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_PACKET);
    assert_true(p.ts_ns == START_NS);
    assert_int_equal(p.original_bytes, 60);
    assert_int_equal(p.direction, PACKET_INBOUND);
    assert_memory_equal(p.data, "hello", 5);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_STATISTICS);
    const struct capture_statistics *s = capture_reader_statistics(reader);
    assert_true(s->ts_ns == START_NS && s->received == 10 && s->dropped_by_os == 3);
    assert_true(s->dropped_by_interface == UINT64_MAX);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_END);
    capture_reader_free(reader);
    close(fd);
    buf_done(&out);
}

static void the_size_of_a_packet_is_known_before(void **state)
{
    (void)state;
    static uint8_t data[PACKET_CAPTURED_BYTES_MAX + 1];
    static const uint32_t sizes[] = {0, 1, 2, 3, 4, 5, 60, 1513, 65535, PACKET_CAPTURED_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (uint8_t direction = 0; direction < 3; direction++) {
            struct buf out;
            buf_init(&out, 1 << 20);
            struct packet p = {.data = data,
                               .captured_bytes = sizes[i],
                               .original_bytes = sizes[i],
                               .direction = direction};
            assert_int_equal(pcapng_put_packet(&out, &p, NULL), 0);
            assert_int_equal(out.len, pcapng_packet_size(sizes[i]));
            buf_done(&out);
        }
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    static uint8_t data[PACKET_CAPTURED_BYTES_MAX + 1000];
    struct buf out;
    buf_init(&out, 8 << 20);
    char *text = malloc(100001);
    assert_non_null(text);
    memset(text, 'c', 100000);
    memcpy(text + 65534, "é", 2); /* the limit falls into it */
    text[100000] = 0;
    struct packet p = {.data = data, .captured_bytes = sizeof data, .original_bytes = sizeof data};
    struct packet_interface interface = {.link_type = 1, .name = text, .filter = text};
    pcapng_put_section(&out, text, text, text);
    pcapng_put_interface(&out, &interface);
    pcapng_put_packet(&out, &p, text);
    pcapng_put_packet(&out, &p, NULL);
    assert_int_equal(buf_failed(&out), 0);
    struct reading r = read_buf(&out);
    assert_int_equal(r.packets, 2);
    assert_int_equal(r.damages, 0);
    assert_int_equal(r.last.captured_bytes, PACKET_CAPTURED_BYTES_MAX);
    assert_int_equal(r.last.original_bytes, sizeof data);
    free(text);
    buf_done(&out);
}

static void long_lists_become_several_blocks(void **state)
{
    (void)state;
    enum {
        NAMES = 20000,
        LINES = 30000
    };
    struct buf out;
    struct buf keys;
    buf_init(&out, 32 << 20);
    buf_init(&keys, 32 << 20);
    struct pcapng_name *names = calloc(NAMES, sizeof *names);
    assert_non_null(names);
    for (size_t i = 0; i < NAMES; i++)
        names[i] = (struct pcapng_name){i % 2 ? 4 : 6,
                                        {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
                                        "a-name-of-some-length.in.a.namespace.svc.cluster.local"};
    for (int i = 0; i < LINES; i++)
        buf_append_str(&keys, "CLIENT_RANDOM 0123456789abcdef0123456789abcdef 0123456789abcdef\n");
    pcapng_put_section(&out, NULL, NULL, NULL);
    pcapng_put_names(&out, names, NAMES);
    pcapng_put_secrets(&out, buf_slice(&keys));
    assert_int_equal(buf_failed(&out), 0);
    int fd = file_of(out.data, out.len);
    struct capture_reader *reader;
    struct packet p;
    assert_int_equal(capture_reader_open(fd, NULL, &reader, NULL), 0);
    size_t name_blocks = 0;
    size_t key_bytes = 0;
    int event;
    while ((event = capture_reader_next(reader, &p, NULL)) > CAPTURE_END) {
        assert_true(event == CAPTURE_NAMES || event == CAPTURE_SECRETS);
        name_blocks += event == CAPTURE_NAMES;
        if (event == CAPTURE_SECRETS) {
            struct slice text = capture_reader_secrets(reader);
            assert_true(text.len <= 1 << 20);
            assert_int_equal(text.data[text.len - 1], '\n');
            assert_memory_equal(text.data, keys.data + key_bytes, text.len);
            key_bytes += text.len;
        }
    }
    assert_int_equal(event, CAPTURE_END);
    assert_int_equal(key_bytes, keys.len);
    assert_true(name_blocks >= 2);
    capture_reader_free(reader);
    close(fd);
    free(names);
    buf_done(&keys);
    buf_done(&out);
}

static void a_full_buffer_gets_no_half_of_a_block(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max++) {
        struct buf out;
        buf_init(&out, max);
        struct packet p = {.data = (const uint8_t *)"hello", .captured_bytes = 5};
        int code = 0;
        while (code == 0 && out.len < 1000) {
            size_t before = out.len;
            code = pcapng_put_packet(&out, &p, NULL);
            assert_int_equal(out.len - before, code == 0 ? pcapng_packet_size(5) : 0);
        }
        assert_true(code < 0);
        buf_done(&out);
    }
}

static void classic_pcap_reads_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    struct packet p = {.ts_ns = START_NS,
                       .data = (const uint8_t *)"hello",
                       .captured_bytes = 5,
                       .original_bytes = 60};
    assert_int_equal(pcap_put_header(&out, 113, 0), 0);
    assert_int_equal(pcap_put_packet(&out, &p), 0);
    p.ts_ns = -1;
    assert_int_equal(pcap_put_packet(&out, &p), 0);
    p.ts_ns = START_NS;
    assert_int_equal(pcap_put_packet(&out, &p), 0);
    struct reading r = read_buf(&out);
    assert_string_equal(r.text, "hello hello hello ");
    assert_true(r.last.ts_ns == START_NS);
    assert_int_equal(r.last.link_type, 113);
    assert_int_equal(r.last.original_bytes, 60);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_file_reads_back),
        cmocka_unit_test(the_size_of_a_packet_is_known_before),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(long_lists_become_several_blocks),
        cmocka_unit_test(a_full_buffer_gets_no_half_of_a_block),
        cmocka_unit_test(classic_pcap_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
