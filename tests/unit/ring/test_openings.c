/* The openings store: what is kept of a long-lived connection, for how long, within which bounds,
 * and what is left of it after crashes and hostile bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "packet/capture_reader.h"
#include "packet/frame.h"
#include "ring/ring_openings_format.h"
#include "unit/ring/support_ring.h"
#include "unit/unit_test.h"

enum {
    SYN = 2,
    ACK = 16,
    FIN = 1,
    RST = 4,
    PIECE = 1000
};

struct peer {
    uint16_t port;
    uint32_t seq[2]; /* client, server */
};

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The n-th byte of a direction's stream. */
static uint8_t byte_at(const struct peer *peer, bool server, uint32_t n)
{
    return (uint8_t)(n * 7 + n / 251 + peer->port + server * 101u);
}

static void send_packet(struct ring_fixture *f, struct peer *peer, bool server, uint8_t flags,
                        unsigned payload)
{
    static uint8_t data[54 + 65000];
    memset(data, 0, 54);
    memcpy(data, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45", 15);
    uint8_t *ip = data + 14, *tcp = data + 34;
    unsigned total = 40 + payload;
    ip[2] = (uint8_t)(total >> 8);
    ip[3] = (uint8_t)total;
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + (server ? 16 : 12), "\x0a\x09\x00\x01", 4);
    memcpy(ip + (server ? 12 : 16), "\x0a\x09\x00\x02", 4);
    uint8_t *client_port = tcp + (server ? 2 : 0), *server_port = tcp + (server ? 0 : 2);
    client_port[0] = (uint8_t)(peer->port >> 8);
    client_port[1] = (uint8_t)peer->port;
    server_port[0] = 5432 >> 8;
    server_port[1] = 5432 & 255;
    put32(tcp + 4, peer->seq[server]);
    put32(tcp + 8, peer->seq[!server]);
    tcp[12] = 0x50;
    tcp[13] = flags;
    uint32_t base = peer->seq[server] - 1000u * peer->port - server - 1;
    for (unsigned i = 0; i < payload; i++)
        data[54 + i] = byte_at(peer, server, base + i);
    peer->seq[server] += payload + !!(flags & (SYN | FIN));
    struct packet packet = {.ts_ns = f->now_ns,
                            .data = data,
                            .captured_bytes = 54 + payload,
                            .original_bytes = 54 + payload,
                            .interface = 1,
                            .link_type = 1,
                            .direction = server ? PACKET_INBOUND : PACKET_OUTBOUND};
    ring_writer_put(f->writer, &packet, 1);
    f->now_ns += NS_PER_MS;
    f->mono_ns += NS_PER_MS;
    ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
}

static struct peer connect_peer(struct ring_fixture *f, uint16_t port)
{
    struct peer peer = {.port = port, .seq = {1000u * port, 1000u * port + 1}};
    send_packet(f, &peer, false, SYN, 0);
    send_packet(f, &peer, true, SYN | ACK, 0);
    send_packet(f, &peer, false, ACK, 0);
    return peer;
}

static void talk(struct ring_fixture *f, struct peer *peer, unsigned pieces)
{
    for (unsigned i = 0; i < pieces; i++)
        for (int server = 0; server < 2; server++)
            send_packet(f, peer, server, ACK, PIECE);
}

struct seen {
    uint64_t packets;
    uint64_t bytes[2]; /* of the streams of one port, checked byte by byte */
    unsigned connections;
};

static int to_file(void *ctx, const uint8_t *data, size_t n)
{
    return io_write("test", *(int *)ctx, data, n);
}

/* What the store says of [from, to). Of `port` every byte is compared. */
static struct seen read_openings(struct ring_fixture *f, int64_t from_ns, int64_t to_ns,
                                 uint16_t port)
{
    struct seen seen = {0};
    char name[] = "/var/tmp/trawl-openings-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    struct error error = {.text = ""};
    struct ring_openings_window window = {from_ns, to_ns, 1};
    if (ring_reader_openings(f->reader, &window, to_file, &fd, &error) < 0)
        fail_msg("%s", error.text);
    struct peer peer = {.port = port};
    int64_t last_ns = 0;
    struct capture_reader *reader;
    struct capture_reader_options options = {0};
    if (lseek(fd, 0, SEEK_END) > 0) {
        lseek(fd, 0, SEEK_SET);
        assert_int_equal(capture_reader_open(fd, &options, &reader, &error), 0);
        struct packet packet;
        int event;
        while ((event = capture_reader_next(reader, &packet, &error)) != CAPTURE_END) {
            assert_int_not_equal(event, CAPTURE_DAMAGE);
            if (event != CAPTURE_PACKET)
                continue;
            assert_true(packet.ts_ns < from_ns);
            assert_true(packet.ts_ns >= last_ns);
            last_ns = packet.ts_ns;
            seen.packets++;
            struct frame frame;
            frame_decode(&packet, &frame);
            seen.connections += frame.tcp_flags == SYN;
            bool server = frame.src_port == 5432;
            if ((server ? frame.dst_port : frame.src_port) != port)
                continue;
            uint32_t base = frame.tcp_seq - 1000u * port - server - 1;
            for (uint32_t i = 0; i < frame.payload.len; i++)
                assert_int_equal(frame.payload.data[i], byte_at(&peer, server, base + i));
            seen.bytes[server] += frame.payload.len;
        }
        capture_reader_free(reader);
    }
    close(fd);
    return seen;
}

static void rotate(struct ring_fixture *f)
{
    ring_writer_rotate(f->writer, f->now_ns);
}

/* The opening is still there when the ring has long forgotten the beginning. */
static void test_outlives_the_ring(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    struct peer peer = connect_peer(f, 40000);
    talk(f, &peer, 20);
    ring_feed(f, 60000, 1000, NS_PER_MS / 10, 50);
    int64_t from_ns = f->now_ns;
    talk(f, &peer, 1);
    rotate(f);
    struct ring_list list = ring_list_all(f);
    assert_true(list.covered[0].from_ns > T0 + NS_PER_S);
    ring_list_done(&list);
    struct seen seen = read_openings(f, from_ns, f->now_ns, peer.port);
    assert_int_equal(seen.connections, 1);
    assert_int_equal(seen.bytes[0], RING_OPENING_SIDE_BYTES);
    assert_int_equal(seen.bytes[1], RING_OPENING_SIDE_BYTES);
    assert_true(ring_disk_bytes(f) <= f->budget_bytes);
    /* silent in the window: not alive in it */
    ring_pass(f, NS_PER_S);
    int64_t later_ns = f->now_ns;
    ring_feed(f, 100, 100, NS_PER_MS, 2);
    rotate(f);
    assert_int_equal(read_openings(f, later_ns, f->now_ns, peer.port).packets, 0);
    /* begun within the window: the window itself has it */
    assert_int_equal(read_openings(f, T0, f->now_ns, peer.port).packets, 0);
}

static void test_ends(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    struct peer brief = connect_peer(f, 40001), reset = connect_peer(f, 40002),
                long_lived = connect_peer(f, 40003);
    talk(f, &brief, 2);
    talk(f, &reset, 2);
    talk(f, &long_lived, 2);
    int64_t early_ns = f->now_ns;
    talk(f, &brief, 1);
    send_packet(f, &brief, false, FIN | ACK, 0);
    send_packet(f, &brief, true, FIN | ACK, 0);
    talk(f, &reset, 1);
    send_packet(f, &reset, false, RST, 0);
    rotate(f);
    assert_int_equal(read_openings(f, early_ns, f->now_ns, 1).connections, 0);
    ring_pass(f, 20 * NS_PER_S);
    int64_t during_ns = f->now_ns;
    talk(f, &long_lived, 1);
    send_packet(f, &long_lived, false, FIN | ACK, 0);
    talk(f, &long_lived, 0);
    send_packet(f, &long_lived, true, FIN | ACK, 0);
    rotate(f);
    assert_int_equal(read_openings(f, during_ns, f->now_ns, 40003).connections, 1);
    int64_t after_ns = f->now_ns;
    /* the same ports again: nothing of the old connection may be given to the new one */
    struct peer again = {.port = 40003, .seq = {77, 99}};
    send_packet(f, &again, false, SYN, 0);
    send_packet(f, &again, true, SYN | ACK, 0);
    rotate(f);
    assert_int_equal(read_openings(f, after_ns, f->now_ns, 1).packets, 0);
    int64_t new_ns = f->now_ns;
    send_packet(f, &again, false, ACK, 10);
    rotate(f);
    struct seen seen = read_openings(f, new_ns, f->now_ns, 1);
    assert_int_equal(seen.connections, 1);
    assert_int_equal(seen.packets, 2);
}

/* Whoever sends SYNs from everywhere evicts himself. */
static void test_flood_and_bounds(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 16 << 20;
    f->segment_bytes = 1 << 20;
    ring_start(f);
    struct peer peer = connect_peer(f, 40004);
    talk(f, &peer, 20);
    uint64_t store = (uint64_t)f->budget_bytes / 64;
    for (unsigned i = 0; i < 5000; i++) {
        struct peer flood = {.port = (uint16_t)(i + 1), .seq = {i, 0}};
        send_packet(f, &flood, false, SYN, 0);
    }
    int64_t from_ns = f->now_ns;
    talk(f, &peer, 1);
    rotate(f);
    assert_int_equal(read_openings(f, from_ns, f->now_ns, 40004).bytes[0], RING_OPENING_SIDE_BYTES);
    /* more connections with data than fit: the silent ones go, what is left is whole */
    for (uint16_t port = 1000; port < 1100; port++) {
        struct peer other = connect_peer(f, port);
        talk(f, &other, 20);
    }
    from_ns = f->now_ns;
    struct peer last = {.port = 1099, .seq = {1000u * 1099 + 1 + 20 * PIECE, 1000u * 1099 + 2}};
    send_packet(f, &last, false, ACK, 1);
    rotate(f);
    struct seen seen = read_openings(f, from_ns, f->now_ns, 1099);
    assert_int_equal(seen.connections, 1);
    assert_int_equal(seen.bytes[0], RING_OPENING_SIDE_BYTES);
    off_t size = lseek(openat(f->dir_fd, RING_OPENINGS_FILE, O_RDONLY), 0, SEEK_END);
    assert_int_equal(size, store);
    assert_true(ring_disk_bytes(f) <= f->budget_bytes);
}

/* What the flow index remembers of a side is not believed for too long: new connections under the
 * same ports, ends, and use while others push. All within one segment. */
static void test_sides_that_are_passed_over(void **state)
{
    struct ring_fixture *f = *state;
    f->segment_bytes = 4 << 20;
    ring_start(f);
    /* seen in its middle, then begun under the same ports */
    struct peer peer = {.port = 40010, .seq = {1000u * 40010 + 1, 1000u * 40010 + 2}};
    talk(f, &peer, 3);
    peer = connect_peer(f, 40010);
    talk(f, &peer, 20);
    /* all is kept of both sides; then again, with another sequence number */
    struct peer again = {.port = 40010, .seq = {77, 78}};
    send_packet(f, &again, false, SYN, 0);
    send_packet(f, &again, true, SYN | ACK, 0);
    again.seq[0] = 1000u * 40010 + 1;
    again.seq[1] = 1000u * 40010 + 2;
    talk(f, &again, 2);
    /* only the server's side is full: the client's first bytes come late */
    struct peer late = connect_peer(f, 40011);
    for (unsigned i = 0; i < 20; i++) {
        send_packet(f, &late, true, ACK, PIECE);
        send_packet(f, &late, false, ACK, 0);
    }
    send_packet(f, &late, false, ACK, PIECE);
    int64_t from_ns = f->now_ns;
    talk(f, &again, 1);
    talk(f, &late, 1);
    rotate(f);
    struct seen seen = read_openings(f, from_ns, f->now_ns, 40010);
    assert_int_equal(seen.bytes[0], 2 * PIECE);
    assert_int_equal(seen.bytes[1], 2 * PIECE);
    seen = read_openings(f, from_ns, f->now_ns, 40011);
    assert_int_equal(seen.bytes[0], PIECE);
    assert_int_equal(seen.bytes[1], RING_OPENING_SIDE_BYTES);
    /* ends after all is kept */
    ring_pass(f, 11 * NS_PER_S);
    send_packet(f, &late, false, FIN | ACK, 0);
    send_packet(f, &late, true, FIN | ACK, 0);
    from_ns = f->now_ns;
    send_packet(f, &late, false, ACK, 0);
    rotate(f);
    assert_int_equal(read_openings(f, from_ns, f->now_ns, 40011).packets, 0);
}

/* One that is used stays, however many others fill the store, also when all of it is kept. */
static void test_used_ones_stay(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 64 << 20;
    f->segment_bytes = 8 << 20;
    ring_start(f);
    struct peer busy = {0};
    for (uint16_t port = 1000; port < 1150; port++) {
        struct peer other = connect_peer(f, port);
        talk(f, &other, 20);
        if (port == 1020) {
            busy = connect_peer(f, 40020);
            talk(f, &busy, 17);
        }
        if (port > 1020)
            talk(f, &busy, 1);
        ring_pass(f, 200 * NS_PER_MS);
    }
    int64_t from_ns = f->now_ns;
    talk(f, &busy, 1);
    rotate(f);
    assert_int_equal(read_openings(f, from_ns, f->now_ns, 40020).bytes[1], RING_OPENING_SIDE_BYTES);
}

/* Without its file the ring records all the same, and says that there are no openings. */
static void test_no_room(void **state)
{
    struct ring_fixture *f = *state;
    assert_int_equal(mkdirat(f->dir_fd, RING_OPENINGS_FILE, 0700), 0);
    ring_start(f);
    assert_non_null(strstr(ring_writer_openings_problem(f->writer), "openings"));
    struct peer peer = connect_peer(f, 40030);
    talk(f, &peer, 2);
    ring_stop(f);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(list.segments[0].packets, 7);
    ring_list_done(&list);
    assert_int_equal(unlinkat(f->dir_fd, RING_OPENINGS_FILE, AT_REMOVEDIR), 0);
    ring_start(f);
    assert_string_equal(ring_writer_openings_problem(f->writer), "");
}

/* Nothing behind what was captured is looked at: the block ends where the datagram does. */
static void test_short_datagrams(void **state)
{
    struct ring_fixture *f = *state;
    static const uint8_t head[] = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00"
                                  "\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x09\x00\x01\x0a\x09"
                                  "\x00\x02\x30\x39\x00\x09\x00\x08\x00\x00";
    ring_start(f);
    for (unsigned more = 0; more < 8; more++) {
        uint8_t *data = calloc(1, 42 + more);
        assert_non_null(data);
        memcpy(data, head, 42);
        data[35] = (uint8_t)more; /* a flow of its own */
        data[17] = (uint8_t)(28 + more);
        data[39] = (uint8_t)(8 + more);
        struct packet packet = {.ts_ns = f->now_ns,
                                .data = data,
                                .captured_bytes = 42 + more,
                                .original_bytes = 42 + more,
                                .interface = 1,
                                .link_type = 1};
        ring_writer_put(f->writer, &packet, 1);
        free(data);
    }
}

static struct buf read_store(const struct ring_fixture *f)
{
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    assert_int_equal(io_read_file(f->dir_fd, RING_OPENINGS_FILE, &bytes), 0);
    return bytes;
}

static void write_store(const struct ring_fixture *f, const uint8_t *data, size_t n)
{
    int fd = openat(f->dir_fd, RING_OPENINGS_FILE, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, 0), n);
    close(fd);
}

/* What stands on disk a second later is all of it, and a start goes on from there. */
static void test_start_again(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    struct peer peer = connect_peer(f, 40005);
    talk(f, &peer, 5);
    ring_pass(f, NS_PER_S);
    rotate(f);
    struct buf killed = read_store(f); /* what kill -9 would leave */
    talk(f, &peer, 1);
    ring_stop(f);
    write_store(f, killed.data, killed.len);
    buf_done(&killed);
    f->now_ns += 5 * NS_PER_S;
    ring_start(f);
    talk(f, &peer, 20);
    int64_t from_ns = f->now_ns;
    talk(f, &peer, 1);
    rotate(f);
    struct seen seen = read_openings(f, from_ns, f->now_ns, peer.port);
    assert_int_equal(seen.connections, 1);
    assert_int_equal(seen.bytes[0], RING_OPENING_SIDE_BYTES);
    assert_int_equal(seen.bytes[1], RING_OPENING_SIDE_BYTES);
    /* after more than a minute without recording other connections may have these ports */
    ring_stop(f);
    f->now_ns += 61 * NS_PER_S;
    ring_start(f);
    from_ns = f->now_ns;
    talk(f, &peer, 1);
    rotate(f);
    assert_int_equal(read_openings(f, from_ns, f->now_ns, peer.port).packets, 0);
}

/* Any damage takes bytes from the end of an opening, never gives wrong ones (read_openings compares
 * each); a start on it takes what is whole. */
static void test_damaged_store(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 16 << 20;
    f->segment_bytes = 1 << 20;
    ring_start(f);
    struct peer peer = connect_peer(f, 40006);
    talk(f, &peer, 20);
    int64_t from_ns = f->now_ns;
    talk(f, &peer, 1);
    ring_stop(f);
    struct buf whole = read_store(f);
    uint64_t random = 12345;
    unsigned shorter = 0;
    for (unsigned round = 0; round < 60; round++) {
        uint8_t *copy = malloc(whole.len);
        assert_non_null(copy);
        memcpy(copy, whole.data, whole.len);
        for (unsigned i = 0; i < 1 + round % 5; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = RING_OPENINGS_HEADER_BYTES + (random >> 33) % (20 * 2048);
            memset(copy + at, (int)(random >> 20), 1 + (random >> 50) % 64);
        }
        write_store(f, copy, whole.len);
        free(copy);
        struct seen seen = read_openings(f, from_ns, f->now_ns, peer.port);
        assert_true(seen.bytes[0] <= RING_OPENING_SIDE_BYTES);
        shorter += seen.bytes[0] < RING_OPENING_SIDE_BYTES;
        ring_start(f);
        send_packet(f, &peer, false, ACK, 1);
        rotate(f);
        struct seen after = read_openings(f, from_ns, f->now_ns, peer.port);
        assert_true(after.bytes[0] <= seen.bytes[0] + 1);
        ring_stop(f);
        peer.seq[0]--;
    }
    assert_true(shorter > 10);
    /* a header that says anything */
    for (unsigned i = 0; i < 24; i++) {
        struct buf copy = read_store(f);
        copy.data[i] ^= 0xff;
        write_store(f, copy.data, copy.len);
        struct ring_openings_window window = {from_ns, f->now_ns, 1};
        int fd = open("/dev/null", O_WRONLY);
        int r = ring_reader_openings(f->reader, &window, to_file, &fd, NULL);
        close(fd);
        assert_true(r == 0 || r == -EPROTO);
        copy.data[i] ^= 0xff;
        write_store(f, copy.data, copy.len);
        buf_done(&copy);
    }
    buf_done(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outlives_the_ring, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_ends, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_flood_and_bounds, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_sides_that_are_passed_over, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_used_ones_stay, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_no_room, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_short_datagrams, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_start_again, ring_setup, ring_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_store, ring_setup, ring_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
