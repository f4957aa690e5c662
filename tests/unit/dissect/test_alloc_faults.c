/* Allocations of every fuzz seed fail, one at a time, alone and with all behind it (the first 64
 * each, then every eighth part further on): nothing crashes or leaks, and what comes out is as it
 * would have been or says incomplete (dissect_drive_fuzz aborts else). Then the same for whole
 * dissections of a capture. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "dissect/drive.h"
#include "dissect/registry.h"
#include "dissect/run.h"
#include "fuzz/alloc_faults.h"
#include "packet/pcapng_writer.h"
#include "unit/unit_test.h"

enum {
    MAX_SEED_BYTES = 128 * 1024,
    EVERY_ONE = 64, /* from here on the allocations that fail lie further apart */
    LINKTYPE_RAW = 101,
    FLOWS = 40 /* more than a slab of the flow table holds */
};

static uint64_t first, every;

static void plan(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    alloc_faults_plan(first, every);
}

static const struct drive_faults sweep = {
    .plan = plan, .resume = alloc_faults_resume, .pause = alloc_faults_pause};

struct target {
    const char *folder, *dissector;
    enum dissect_transport transport;
};

static void fail_each(const struct target *t, const uint8_t *data, size_t size, uint64_t *failed)
{
    for (int then_all = 0; then_all < 2; then_all++) {
        every = (uint64_t)then_all;
        first = 1;
        do {
            dissect_drive_fuzz(t->dissector, t->transport, data, size);
            *failed += alloc_faults_failed();
            first += first < EVERY_ONE ? 1 : first / 8;
        } while (alloc_faults_failed());
    }
}

static size_t read_seed(const char *folder, const char *name, uint8_t *to)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fuzz/seeds/%s/%s", TRAWL_SOURCE_DIR, folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(to, 1, MAX_SEED_BYTES, file);
    fclose(file);
    return n;
}

static void sweep_target(const struct target *t)
{
    static uint8_t seed[MAX_SEED_BYTES];
    char path[1024];
    uint64_t failed = 0;
    struct dirent **names;
    snprintf(path, sizeof path, "%s/tests/fuzz/seeds/%s", TRAWL_SOURCE_DIR, t->folder);
    int count = scandir(path, &names, NULL, alphasort);
    assert_true(count > 2);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            fail_each(t, seed, read_seed(t->folder, names[i]->d_name, seed), &failed);
        free(names[i]);
    }
    free(names);
    printf("%s: %d seeds, %llu allocations failed\n", t->folder, count - 2,
           (unsigned long long)failed);
    assert_true(failed > 0);
}

/* The folder has the name of the file, not of the protocol. */
static const char *seeds_of(const char *dissector)
{
    return strcmp(dissector, "http") == 0   ? "http1"
           : strcmp(dissector, "tlsx") == 0 ? "tls"
                                            : dissector;
}

static void test_dissectors(void **state)
{
    (void)state;
    dissect_drive_with_faults(&sweep);
    for (size_t i = 0; i < registry_count(); i++) {
        const struct dissector *d = registry_at(i);
        for (unsigned bit = DISSECT_TCP; bit <= DISSECT_SCTP_PACKETS; bit <<= 1)
            if (d->transports & bit)
                sweep_target(&(struct target){seeds_of(d->name), d->name, bit});
    }
    /* Those of ws also through the Upgrade. */
    sweep_target(&(struct target){"ws", NULL, DISSECT_TCP});
    dissect_drive_with_faults(NULL);
}

/* ── whole dissections ── */

struct side {
    uint8_t last_byte; /* of the address */
    uint16_t port;
    uint32_t seq;
};

static void put_be(uint8_t *p, uint32_t v, int bytes)
{
    while (bytes--) {
        p[bytes] = (uint8_t)v;
        v >>= 8;
    }
}

static void put_tcp(struct buf *out, int64_t *now_ns, const struct side *from,
                    const struct side *to, unsigned flags, const char *text)
{
    uint8_t p[512] = {0x45};
    size_t len = strlen(text);
    put_be(p + 2, (uint32_t)(40 + len), 2);
    p[8] = 64;
    p[9] = 6;
    memcpy(p + 12, (uint8_t[]){10, 0, 0, from->last_byte, 10, 0, 0, to->last_byte}, 8);
    put_be(p + 20, from->port, 2);
    put_be(p + 22, to->port, 2);
    put_be(p + 24, from->seq, 4);
    put_be(p + 28, to->seq, 4);
    p[32] = 0x50;
    p[33] = (uint8_t)flags;
    put_be(p + 34, 1000, 2);
    memcpy(p + 40, text, len);
    struct packet packet = {.ts_ns = *now_ns += NS_PER_MS,
                            .data = p,
                            .captured_bytes = (uint32_t)(40 + len),
                            .original_bytes = (uint32_t)(40 + len),
                            .link_type = LINKTYPE_RAW};
    assert_int_equal(pcapng_put_packet(out, &packet, NULL), 0);
}

/* Two pipelined calls; the second half of the requests comes first. */
static void put_flow(struct buf *out, unsigned n, int64_t *now_ns)
{
    static const char first_half[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HT";
    static const char second_half[] = "TP/1.1\r\nHost: h\r\n\r\n";
    static const char answers[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
                                  "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\ntwo";
    struct side client = {1, (uint16_t)(20000 + n), 1000}, server = {2, 8080, 5000};
    put_tcp(out, now_ns, &client, &server, 0x02, "");
    client.seq++;
    put_tcp(out, now_ns, &server, &client, 0x12, "");
    server.seq++;
    client.seq += (uint32_t)sizeof first_half - 1;
    put_tcp(out, now_ns, &client, &server, 0x18, second_half);
    client.seq -= (uint32_t)sizeof first_half - 1;
    put_tcp(out, now_ns, &client, &server, 0x18, first_half);
    client.seq += (uint32_t)(sizeof first_half + sizeof second_half) - 2;
    put_tcp(out, now_ns, &server, &client, 0x18, answers);
    server.seq += (uint32_t)sizeof answers - 1;
    put_tcp(out, now_ns, &client, &server, 0x11, "");
    client.seq++;
    put_tcp(out, now_ns, &server, &client, 0x11, "");
}

static int make_capture(void)
{
    struct buf out;
    struct packet_interface interface = {.link_type = LINKTYPE_RAW};
    int64_t now_ns = 1700000000 * NS_PER_S;
    buf_init(&out, 1 << 20);
    pcapng_put_section(&out, "Linux", "test", NULL);
    pcapng_put_interface(&out, &interface);
    for (unsigned n = 0; n < FLOWS; n++)
        put_flow(&out, n, &now_ns);
    int fd = memfd_create("capture", MFD_CLOEXEC);
    assert_int_equal(io_write("test", fd, out.data, out.len), 0);
    buf_done(&out);
    return fd;
}

static int keep_line(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct json_writer w;
    struct entry shown = *entry;
    shown.index = 0; /* that of later entries follows from the earlier ones */
    alloc_faults_pause();
    json_init(&w, ctx);
    entry_write_json(&shown, NULL, &w);
    buf_append_u8(ctx, '\n');
    alloc_faults_resume();
    (void)reterr;
    return 0;
}

static int dissect(int fd, struct buf *lines, struct dissect_statistics *stats)
{
    struct dissect_input input = {.fd = fd, .name = "capture"};
    struct dissect_run_options options = {.inputs = &input, .input_count = 1, .spill_fd = -1};
    struct dissect_sink sink = {.entry = keep_line, .ctx = lines};
    struct error error = {.text = ""};
    buf_init(lines, 1 << 20);
    int r = dissect_run(&options, &sink, stats, &error);
    alloc_faults_pause();
    assert_true(r == 0 || (r == -ENOMEM && strstr(error.text, "memory")));
    buf_append_u8(lines, 0);
    return r;
}

/* Every line is one of the undisturbed ones or says incomplete. */
static void assert_nothing_made_up(char *lines, const char *whole)
{
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strstr(line, "\"incomplete\":true") && !strstr(whole, line)) {
            print_error("made up: %s\n", line);
            fail();
        }
}

static void test_whole_dissections(void **state)
{
    (void)state;
    struct buf whole, lines;
    struct dissect_statistics stats;
    unsigned whole_runs = 0, ended = 0, incomplete = 0;
    int fd = make_capture();
    alloc_faults_plan(0, 0);
    assert_int_equal(dissect(fd, &whole, &stats), 0);
    assert_int_equal(stats.entries, FLOWS * 3);
    for (uint64_t nth = 1; alloc_faults_failed() || nth == 1; nth++) {
        alloc_faults_plan(nth, 0);
        alloc_faults_resume();
        int r = dissect(fd, &lines, &stats);
        bool same = strcmp((char *)lines.data, (char *)whole.data) == 0;
        ended += r < 0;
        whole_runs += same;
        incomplete += r == 0 && strstr((char *)lines.data, "\"incomplete\":true");
        assert_true(r < 0 || same || stats.failed_allocations > 0);
        assert_true(r < 0 || stats.entries + stats.entries_lost + 4 >= FLOWS * 3);
        assert_nothing_made_up((char *)lines.data, (char *)whole.data);
        buf_done(&lines);
    }
    printf("%u runs ended for want of memory, %u had incomplete entries, %u were whole\n", ended,
           incomplete, whole_runs);
    assert_true(ended && incomplete && whole_runs);
    buf_done(&whole);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dissectors),
        cmocka_unit_test(test_whole_dissections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
