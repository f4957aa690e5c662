/* Drives ring_writer_put with made-up connections, for callgrind to count (tests/e2e/ring_put.sh).
 * usage: bench_ring_put FOLDER KIND PACKETS      the ring is made in FOLDER
 * KIND: kept      both directions have their 16 KiB in the openings store
 *       download  the server's has, the client sends acknowledgements
 *       joined    their beginnings were never seen
 *       young     every packet is kept
 * A folder named `openings` in FOLDER leaves the ring without its openings store. The packets that
 * count are those put in bench_measured, the others only prepare. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "packet/packet.h"
#include "ring/ring_writer.h"

enum {
    FLOWS = 256,
    BYTES = 1000,
    PAYLOAD = BYTES - 54,
    BATCH = 64,
    PREPARE = 40, /* packets a direction: more than 16 KiB */
    SYN = 2,
    ACK = 16
};

struct bench {
    struct ring_writer *writer;
    int64_t now_ns, mono_ns;
    uint32_t made;
    bool acknowledges; /* the client sends no bytes */
    uint8_t data[BATCH][BYTES];
    struct packet packets[BATCH];
};

void bench_measured(struct bench *b);

static void make(struct bench *b, unsigned at, uint8_t flags, unsigned payload)
{
    uint8_t *p = b->data[at], *ip = p + 14, *tcp = p + 34;
    uint32_t n = b->made++;
    unsigned flow = n / 2 % FLOWS, total = 40 + payload;
    bool server = n & 1;
    memset(p, 0, 54);
    memcpy(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45", 15);
    ip[2] = (uint8_t)(total >> 8);
    ip[3] = (uint8_t)total;
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + (server ? 16 : 12), "\x0a\x09\x00", 3);
    ip[server ? 19 : 15] = (uint8_t)flow;
    memcpy(ip + (server ? 12 : 16), "\x0a\x01\x00\x01", 4);
    uint8_t *client = tcp + (server ? 2 : 0), *service = tcp + (server ? 0 : 2);
    client[0] = (uint8_t)((20000 + flow) >> 8);
    client[1] = (uint8_t)(20000 + flow);
    service[1] = 80;
    tcp[12] = 0x50;
    tcp[13] = flags;
    b->packets[at] = (struct packet){.ts_ns = b->now_ns++,
                                     .data = p,
                                     .captured_bytes = 54 + payload,
                                     .original_bytes = 54 + payload,
                                     .link_type = 1,
                                     .direction = PACKET_INBOUND};
}

static void make_batch(struct bench *b, uint8_t flags, unsigned payload)
{
    for (unsigned i = 0; i < BATCH; i++) {
        bool client = !(b->made & 1);
        make(b, i, flags == SYN && !client ? SYN | ACK : flags,
             client && b->acknowledges ? 0 : payload);
    }
}

static void prepare(struct bench *b, uint8_t flags, unsigned payload)
{
    for (unsigned done = 0; done < 2 * FLOWS; done += BATCH) {
        make_batch(b, flags, payload);
        ring_writer_put(b->writer, b->packets, BATCH);
    }
}

static void tick(struct bench *b)
{
    b->now_ns += NS_PER_MS;
    b->mono_ns += NS_PER_MS;
    ring_writer_tick(b->writer, b->now_ns, b->mono_ns, b->now_ns);
}

/* The only function that callgrind looks at. */
__attribute__((noinline)) void bench_measured(struct bench *b)
{
    ring_writer_put(b->writer, b->packets, BATCH);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_ring_put FOLDER kept|download|joined|young PACKETS\n");
        return 2;
    }
    static struct bench b;
    bool joined = strcmp(argv[2], "joined") == 0, young = strcmp(argv[2], "young") == 0;
    b.acknowledges = strcmp(argv[2], "download") == 0;
    struct ring_writer_options options = {.dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY),
                                          .ring_dir = argv[1],
                                          .budget_bytes = UINT64_C(2) << 30,
                                          .segment_bytes = UINT64_C(64) << 20,
                                          .floor_bytes = 1};
    struct error error = {.text = ""};
    b.now_ns = clock_now_ns();
    b.mono_ns = clock_mono_ns();
    if (ring_writer_open(&options, b.now_ns, b.mono_ns, &b.writer, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct ring_writer_interface interface = {"eth0", 1, true, true};
    ring_writer_set_interface(b.writer, 0, &interface);
    if (!joined)
        prepare(&b, SYN, 0);
    for (unsigned i = 0; !young && i < PREPARE; i++)
        prepare(&b, ACK, PAYLOAD);
    tick(&b);
    for (unsigned long left = strtoul(argv[3], NULL, 10); left >= BATCH; left -= BATCH) {
        make_batch(&b, ACK, PAYLOAD);
        bench_measured(&b);
        tick(&b);
    }
    ring_writer_close(b.writer, b.now_ns);
    return 0;
}
