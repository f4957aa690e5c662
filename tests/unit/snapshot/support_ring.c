#include "unit/snapshot/support_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "packet/capture_reader.h"
#include "packet/pcapng_writer.h"
#include "snapshot/snapshot_hash.h"
#include "unit/unit_test.h"

enum {
    PACKET_BYTES = 200,
    NUMBER_AT = 42 /* behind Ethernet, IPv4 and UDP headers */
};

static void packet_bytes(uint8_t data[PACKET_BYTES], uint64_t number)
{
    static const uint8_t head[NUMBER_AT] = {
        2, 0,  0,  0, 0, 1,  2, 0, 0, 0,  0, 2, 8, 0,    0x45, 0,    0,    186, 0,   0, 0,
        0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0x1f, 0x90, 0,   166, 0, 0};
    memcpy(data, head, sizeof head);
    data[35] = (uint8_t)(0x40 + number % 10); /* ten flows */
    for (int i = 0; i < 8; i++)
        data[NUMBER_AT + i] = (uint8_t)(number >> (8 * i));
    for (size_t i = NUMBER_AT + 8; i < PACKET_BYTES; i++)
        data[i] = (uint8_t)(number * 31 + i);
}

uint64_t packet_number(const struct packet *packet)
{
    uint64_t number = 0;
    assert_true(packet->captured_bytes == PACKET_BYTES);
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)packet->data[NUMBER_AT + i] << (8 * i);
    return number;
}

int64_t fake_time(const struct fake_ring *ring, uint64_t packet)
{
    return RING_T0 + (int64_t)packet * MS + ring->offset_ns;
}

static void write_segment(struct fake_ring *ring, size_t index, size_t packets)
{
    struct ring_segment_info *s = &ring->segments[index];
    struct buf out;
    buf_init(&out, 256 * 1024 * 1024);
    pcapng_put_section(&out, "Linux", "trawl test", NULL);
    struct packet_interface iface = {.link_type = 1, .snaplen_bytes = 262144, .name = "eth0"};
    pcapng_put_interface(&out, &iface);
    uint64_t first = index * packets;
    for (uint64_t i = first; i < first + packets; i++) {
        uint8_t data[PACKET_BYTES];
        packet_bytes(data, i);
        struct packet p = {.ts_ns = fake_time(ring, i),
                           .data = data,
                           .captured_bytes = PACKET_BYTES,
                           .original_bytes = PACKET_BYTES,
                           .link_type = 1};
        pcapng_put_packet(&out, &p, NULL);
    }
    assert_int_equal(buf_failed(&out), 0);
    *s = (struct ring_segment_info){.sequence = index + 1,
                                    .series = 1,
                                    .link_type = 1,
                                    .sealed = true,
                                    .has_sha256 = true,
                                    .size_bytes = out.len,
                                    .packets = packets,
                                    .captured_bytes = packets * PACKET_BYTES,
                                    .first_ns = fake_time(ring, first),
                                    .last_ns = fake_time(ring, first + packets - 1),
                                    .covered_from_ns = fake_time(ring, first),
                                    .covered_to_ns = fake_time(ring, first + packets)};
    snprintf(s->name, sizeof s->name, "00001-%010zu.pcapng", index + 1);
    char hex[SNAPSHOT_SHA256_SIZE], path[1024];
    assert_int_equal(snapshot_hash_bytes(buf_slice(&out), hex), 0);
    text_unhex(hex, s->sha256, sizeof s->sha256);
    snprintf(path, sizeof path, "%s/%s", ring->dir, s->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    size_t at = 0;
    while (at < out.len) {
        ssize_t n = write(fd, out.data + at, out.len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    close(fd);
    buf_done(&out);
    char index_path[1024];
    snprintf(index_path, sizeof index_path, "%s/%.16s.idx", ring->dir, s->name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    /* a child that is to fail somewhere finds it made: its writes count as points of failure */
    int index_fd = open(index_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (index_fd >= 0) {
        assert_int_equal(ring_index_make(fd, index_fd), 0);
        close(index_fd);
    }
    close(fd);
}

/* ── the source ── */

static int fake_status(void *ctx, struct snapshot_source_status *ret, struct error *reterr)
{
    struct fake_ring *ring = ctx;
    if (ring->unreachable)
        return error_set(reterr, -EHOSTUNREACH, "The node does not answer.");
    static const struct packet_interface iface = {
        .link_type = 1, .snaplen_bytes = 262144, .name = "eth0", .filter = "not port 8899"};
    *ret = (struct snapshot_source_status){.recording = true,
                                           .captured_until_ns = INT64_MAX,
                                           .clock_offset_ns = ring->offset_ns,
                                           .clock_source = "http round trip",
                                           .interfaces = &iface,
                                           .interface_count = 1};
    return 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int fake_list(void *ctx, int64_t from, int64_t to, struct ring_list *ret,
                     struct error *reterr)
{
    (void)reterr;
    struct fake_ring *ring = ctx;
    struct ring_list list = {.segments = calloc(FAKE_MAX_SEGMENTS, sizeof *list.segments),
                             .covered = calloc(8, sizeof *list.covered),
                             .gaps = calloc(8, sizeof *list.gaps),
                             .drops = ring->drops};
    for (size_t i = 0; i < ring->count; i++)
        if (ring->segments[i].covered_from_ns < to && ring->segments[i].covered_to_ns > from)
            list.segments[list.segment_count++] = ring->segments[i];
    for (size_t i = 0; i < ring->covered_count; i++)
        if (ring->covered[i].from_ns < to && ring->covered[i].to_ns > from)
            list.covered[list.covered_count++] = (struct ring_interval){
                later(ring->covered[i].from_ns, from), sooner(ring->covered[i].to_ns, to)};
    for (size_t i = 0; i < ring->gap_count; i++)
        if (ring->gaps[i].from_ns < to && ring->gaps[i].to_ns > from)
            list.gaps[list.gap_count++] =
                (struct ring_gap){later(ring->gaps[i].from_ns, from),
                                  sooner(ring->gaps[i].to_ns, to), ring->gaps[i].reason};
    *ret = list;
    return 0;
}

static int fake_rotate(void *ctx, struct error *reterr)
{
    (void)reterr;
    struct fake_ring *ring = ctx;
    ring->rotations++;
    for (size_t i = 0; i < ring->count; i++)
        ring->segments[i].sealed = true;
    return 0;
}

static int fake_pin(void *ctx, int64_t from, int64_t to, char ret_pin[SNAPSHOT_PIN_SIZE],
                    struct error *reterr)
{
    (void)from;
    (void)to;
    (void)reterr;
    struct fake_ring *ring = ctx;
    snprintf(ret_pin, SNAPSHOT_PIN_SIZE, "pin-%u", ++ring->pins);
    return 0;
}

static int fake_renew(void *ctx, const char *pin, struct error *reterr)
{
    (void)ctx;
    (void)pin;
    (void)reterr;
    return 0;
}

static int fake_release(void *ctx, const char *pin, struct error *reterr)
{
    (void)pin;
    (void)reterr;
    ((struct fake_ring *)ctx)->releases++;
    return 0;
}

static int find(const struct fake_ring *ring, const char *name)
{
    for (size_t i = 0; i < ring->count; i++)
        if (strcmp(ring->segments[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int fake_fetch(void *ctx, const char *name, uint64_t offset, uint64_t length,
                      snapshot_sink sink, void *sink_ctx, struct error *reterr)
{
    struct fake_ring *ring = ctx;
    int index = find(ring, name);
    if (index < 0 || index == ring->gone)
        return error_set(reterr, -ENOENT, "The segment is gone.");
    if (ring->dies_at >= 0 && index >= ring->dies_at)
        return error_set(reterr, -ECONNRESET, "The node closed the connection.");
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", ring->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    int r = 0;
    while (length > 0 && r == 0) {
        static __thread uint8_t data[50000];
        size_t want = length < sizeof data ? (size_t)length : sizeof data;
        ssize_t n = pread(fd, data, want, (off_t)offset);
        if (n <= 0)
            break;
        if (index == ring->corrupt)
            data[n / 2] ^= 1;
        r = sink(sink_ctx, data, (size_t)n);
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    close(fd);
    return r;
}

static int fake_link(void *ctx, const char *name, int dir, const char *to_name,
                     struct error *reterr)
{
    struct fake_ring *ring = ctx;
    if (ring->remote)
        return -EOPNOTSUPP;
    int index = find(ring, name);
    if (index < 0 || index == ring->gone)
        return error_set(reterr, -ENOENT, "The segment is gone.");
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", ring->dir, name);
    return io_link("snapshot-link", AT_FDCWD, path, dir, to_name);
}

static int fake_link_index(void *ctx, const char *name, int dir, const char *to_name,
                           struct error *reterr)
{
    (void)reterr;
    const struct fake_ring *ring = ctx;
    char path[1024];
    snprintf(path, sizeof path, "%s/%.16s.idx", ring->dir, name);
    return ring->remote ? -EOPNOTSUPP : io_link("snapshot-link", AT_FDCWD, path, dir, to_name);
}

void fake_ring_init(struct fake_ring *ring, const char *dir, size_t segments, size_t packets)
{
    int64_t offset = ring->offset_ns;
    *ring = (struct fake_ring){.offset_ns = offset, .gone = -1, .corrupt = -1, .dies_at = -1};
    snprintf(ring->dir, sizeof ring->dir, "%s", dir);
    (void)mkdir(dir, 0755);
    ring->count = segments;
    for (size_t i = 0; i < segments; i++)
        write_segment(ring, i, packets);
    if (segments) {
        ring->covered_count = 1;
        ring->covered[0] =
            (struct ring_interval){fake_time(ring, 0), fake_time(ring, segments * packets)};
        ring->gaps[ring->gap_count++] = (struct ring_gap){0, fake_time(ring, 0), RING_GAP_RECYCLED};
    }
    ring->source = (struct snapshot_source){.ctx = ring,
                                            .status = fake_status,
                                            .list = fake_list,
                                            .rotate = fake_rotate,
                                            .pin = fake_pin,
                                            .renew = fake_renew,
                                            .release = fake_release,
                                            .fetch = fake_fetch,
                                            .link = fake_link,
                                            .link_index = fake_link_index};
}

/* ── files ── */

size_t read_packets(const char *path, void (*each)(void *ctx, const struct packet *packet),
                    void *ctx)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct capture_reader *reader = NULL;
    struct error error = {.text = ""};
    struct capture_reader_options options = {.packets_only = true};
    int r = capture_reader_open(fd, &options, &reader, &error);
    if (r < 0)
        fail_msg("%s: %s", path, error.text);
    size_t count = 0;
    struct packet packet;
    while ((r = capture_reader_next(reader, &packet, &error)) == CAPTURE_PACKET) {
        count++;
        if (each)
            each(ctx, &packet);
    }
    if (r != CAPTURE_END)
        fail_msg("%s: %s", path, error.text);
    capture_reader_free(reader);
    close(fd);
    return count;
}

char *make_folder(char path[512])
{
    /* in memory where there is such a folder: thousands of fsyncs on a busy disk take minutes */
    const char *top = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): single thread
    if (!top)
        top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, 512, "%s/trawl-snapshot-XXXXXX", top);
    assert_non_null(mkdtemp(path));
    return path;
}

void remove_folder(const char *path)
{
    assert_int_equal(io_remove_tree("test", AT_FDCWD, path), 0);
}

int run_program(char *const argv[], char *out, size_t out_size)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    size_t got = 0;
    for (;;) {
        char spill[4096];
        bool room = out && got + 1 < out_size;
        ssize_t n =
            read(ends[0], room ? out + got : spill, room ? out_size - 1 - got : sizeof spill);
        if (n <= 0)
            break;
        got += room ? (size_t)n : 0;
    }
    if (out)
        out[got] = '\0';
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
