/* Whole dissections of captures made here: the same bytes for any number of threads, copies and
 * disorder change nothing, several inputs are merged, damage costs only what is damaged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "dissect/live.h"
#include "packet/pcapng_writer.h"
#include "unit/unit_test.h"

enum {
    FLOWS = 260,
    CALLS = 4,
    LINKTYPE_RAW = 101
};

/* ── captures ── */

struct capture {
    struct buf bytes;
    struct held {
        uint8_t data[2048];
        uint32_t len;
        int64_t ts_ns;
    } * packets;
    size_t count, cap;
};

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v & 0xffff);
}

struct end_points {
    unsigned client; /* number of the flow */
    bool from_client;
};

static void add_tcp(struct capture *c, struct end_points ends, int64_t ts_ns, unsigned flags,
                    uint32_t seq, uint32_t ack, const char *text)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        c->packets = realloc(c->packets, c->cap * sizeof *c->packets);
        assert_non_null(c->packets);
    }
    struct held *held = &c->packets[c->count++];
    size_t len = text ? strlen(text) : 0;
    uint8_t *p = held->data;
    assert_true(40 + len <= sizeof held->data);
    memset(p, 0, 40);
    p[0] = 0x45;
    put_be16(p + 2, (unsigned)(40 + len));
    put_be16(p + 4, (unsigned)c->count & 0xffff);
    p[8] = 64;
    p[9] = 6;
    unsigned port = 20000 + ends.client;
    uint8_t client[4] = {10, 0, (uint8_t)(ends.client >> 8), (uint8_t)ends.client};
    uint8_t server[4] = {10, 1, 0, 1};
    memcpy(p + 12, ends.from_client ? client : server, 4);
    memcpy(p + 16, ends.from_client ? server : client, 4);
    put_be16(p + 20, ends.from_client ? port : 45678);
    put_be16(p + 22, ends.from_client ? 45678 : port);
    put_be32(p + 24, seq);
    put_be32(p + 28, ack);
    p[32] = 0x50;
    p[33] = (uint8_t)flags;
    put_be16(p + 34, 1000);
    if (len)
        memcpy(p + 40, text, len);
    held->len = (uint32_t)(40 + len);
    held->ts_ns = ts_ns;
}

/* A connection with CALLS requests; every response names its request. */
static void add_flow(struct capture *c, unsigned n, int64_t start_ns)
{
    uint32_t seq = 0xfffffff0u + n * 7919u, ack = 5000 + n;
    struct end_points client = {n, true}, server = {n, false};
    int64_t ts_ns = start_ns + n * 37 * NS_PER_US;
    add_tcp(c, client, ts_ns, 0x02, seq++, 0, NULL);
    add_tcp(c, server, ts_ns + 1000, 0x12, ack++, seq, NULL);
    add_tcp(c, client, ts_ns + 2000, 0x10, seq, ack, NULL);
    for (int call = 0; call < CALLS; call++) {
        char request[200], body[100], response[300];
        ts_ns += 3 * NS_PER_MS;
        snprintf(request, sizeof request, "GET /flow/%u/call/%d HTTP/1.1\r\nHost: a\r\n\r\n", n,
                 call);
        snprintf(body, sizeof body, "answer to %u/%d", n, call);
        snprintf(response, sizeof response, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        /* In two halves, so that reassembly has something to do. */
        char half[200];
        size_t cut = strlen(request) / 2;
        snprintf(half, sizeof half, "%.*s", (int)cut, request);
        add_tcp(c, client, ts_ns, 0x18, seq, ack, half);
        add_tcp(c, client, ts_ns + 5000, 0x18, seq + (uint32_t)cut, ack, request + cut);
        seq += (uint32_t)strlen(request);
        add_tcp(c, server, ts_ns + 900000, 0x18, ack, seq, response);
        ack += (uint32_t)strlen(response);
    }
    if (n % 5 == 0)
        return; /* stays open */
    ts_ns += 2 * NS_PER_MS;
    if (n % 5 == 1) {
        add_tcp(c, server, ts_ns, 0x14, ack, seq, NULL);
        return;
    }
    add_tcp(c, client, ts_ns, 0x11, seq, ack, NULL);
    add_tcp(c, server, ts_ns + 1000, 0x11, ack, seq + 1, NULL);
    add_tcp(c, client, ts_ns + 2000, 0x10, seq + 1, ack + 1, NULL);
}

static int compare_held(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    return (x->ts_ns > y->ts_ns) - (x->ts_ns < y->ts_ns);
}

static void make_packets(struct capture *c)
{
    *c = (struct capture){0};
    for (unsigned n = 0; n < FLOWS; n++)
        add_flow(c, n, 1700000000 * NS_PER_S);
    qsort(c->packets, c->count, sizeof *c->packets, compare_held);
}

/* Which packets go into a file. */
struct choice {
    unsigned part, parts;  /* every parts-th packet, beginning with part */
    bool disorder;         /* neighbours change places */
    const char *interface; /* its name */
    int64_t ahead_ns;      /* of the clock that stamped it */
};

static int write_file(const struct capture *c, struct choice choice)
{
    struct buf out;
    buf_init(&out, 256 << 20);
    struct packet_interface interface = {.link_type = LINKTYPE_RAW, .name = choice.interface};
    pcapng_put_section(&out, "Linux", "test", NULL);
    pcapng_put_interface(&out, &interface);
    for (size_t i = 0; i < c->count; i++) {
        size_t at = choice.disorder && (i ^ 1) < c->count ? i ^ 1 : i;
        if (choice.parts > 1 && at % choice.parts != choice.part)
            continue;
        const struct held *held = &c->packets[at];
        struct packet packet = {.ts_ns = held->ts_ns + choice.ahead_ns,
                                .data = held->data,
                                .captured_bytes = held->len,
                                .original_bytes = held->len,
                                .link_type = LINKTYPE_RAW};
        pcapng_put_packet(&out, &packet, NULL);
    }
    assert_int_equal(buf_failed(&out), 0);
    int fd = memfd_create("capture", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(io_write("test", fd, out.data, out.len), 0);
    buf_done(&out);
    return fd;
}

/* ── dissecting ── */

struct result {
    struct buf json;
    struct dissect_statistics stats;
    int damages;
    int cancel_after;
};

static int on_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct result *result = ctx;
    (void)reterr;
    struct json_writer w;
    json_init(&w, &result->json);
    /* How well the packets came is no part of what was said. */
    struct entry_value values[256];
    struct entry shown = *entry;
    shown.values = values;
    shown.value_count = 0;
    assert_true(entry->value_count <= sizeof values / sizeof values[0]);
    for (uint32_t i = 0; i < entry->value_count; i++)
        if (strcmp(entry->protocol, "tcp_conn") == 0 ||
            strncmp(field_at(entry->values[i].field)->name, "tcp_", 4) != 0)
            values[shown.value_count++] = entry->values[i];
    entry_write_json(&shown, NULL, &w);
    buf_append_u8(&result->json, '\n');
    return 0;
}

static void on_damage(void *ctx, const struct dissect_input *input, const struct error *error)
{
    struct result *result = ctx;
    assert_non_null(input->name);
    assert_true(error->text[0] != 0);
    result->damages++;
}

static const char *capture_name = "capture";

static struct result dissect(const int *fds, size_t count, unsigned threads,
                             const struct dissect_run_options *more)
{
    struct dissect_input inputs[8];
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++)
        inputs[i] = (struct dissect_input){.fd = fds[i], .name = capture_name, .sequence = i};
    struct dissect_run_options options = {0};
    if (more)
        options = *more;
    else
        options.spill_fd = -1;
    options.inputs = inputs;
    options.input_count = count;
    options.threads = threads;
    struct result result = {0};
    buf_init(&result.json, 256 << 20);
    struct dissect_sink sink = {.entry = on_entry, .damage = on_damage, .ctx = &result};
    struct error error;
    assert_int_equal(dissect_run(&options, &sink, &result.stats, &error), 0);
    assert_int_equal(buf_failed(&result.json), 0);
    return result;
}

static void assert_same(const struct result *a, const struct result *b)
{
    assert_true(a->json.len > 1000);
    assert_int_equal(a->json.len, b->json.len);
    assert_memory_equal(a->json.data, b->json.data, a->json.len);
}

static uint64_t count_of(const struct result *result, const char *protocol)
{
    for (size_t i = 0; i < result->stats.protocol_count; i++)
        if (strcmp(result->stats.protocols[i].protocol, protocol) == 0)
            return result->stats.protocols[i].entries;
    return 0;
}

static void same_bytes_for_any_number_of_threads(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int fd = write_file(&c, (struct choice){0});
    struct result one = dissect(&fd, 1, 1, NULL);
    assert_int_equal(count_of(&one, "http"), FLOWS * CALLS);
    assert_int_equal(count_of(&one, "tcp_conn"), FLOWS);
    assert_int_equal(one.stats.entries, FLOWS * (CALLS + 1));
    static const char group[] = "\"conn_group_id\":\"";
    size_t groups = 0;
    const uint8_t *at = one.json.data, *end = at + one.json.len;
    while ((at = memmem(at, (size_t)(end - at), group, sizeof group - 1))) {
        groups++;
        at++;
    }
    assert_int_equal(groups, FLOWS);
    for (unsigned threads = 2; threads <= 7; threads += 5) {
        struct result many = dissect(&fd, 1, threads, NULL);
        assert_same(&one, &many);
        buf_done(&many.json);
    }
    /* Tight memory: runs are spilled and connections given up, the same way every time. */
    char name[] = "/tmp/trawl-run-XXXXXX";
    int spill = mkstemp(name);
    assert_true(spill >= 0);
    unlink(name);
    struct dissect_run_options tight = {
        .spill_fd = spill, .sort_memory_bytes = 64 * 1024, .flow_memory_bytes = 512 * 1024};
    struct result a = dissect(&fd, 1, 1, &tight), b = dissect(&fd, 1, 7, &tight);
    assert_true(a.stats.evictions > 0);
    assert_int_equal(a.stats.evictions, b.stats.evictions);
    assert_same(&a, &b);
    /* Want of memory is nothing that happened on the wire. */
    assert_null(memmem(one.json.data, one.json.len, "timed_out", 9));
    assert_null(memmem(a.json.data, a.json.len, "timed_out", 9));
    assert_null(memmem(a.json.data, a.json.len, "\"timeout\"", 9));
    buf_done(&a.json);
    buf_done(&b.json);
    buf_done(&one.json);
    close(spill);
    close(fd);
    free(c.packets);
}

/* Leaves of the JSON that speak of packets, not of calls. */
static void keep_calls(struct result *result)
{
    struct buf kept;
    buf_init(&kept, 256 << 20);
    const char *line = (const char *)result->json.data;
    const char *end = line + result->json.len;
    while (line < end) {
        const char *next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        const char *index = memmem(line, (size_t)(next - line), "\"index\":", 8);
        if (memmem(line, (size_t)(next - line), "\"protocol\":\"http\"", 17)) {
            /* The ordinal may change where connections differ. */
            const char *comma = memchr(index, ',', (size_t)(next - index));
            buf_append(&kept, line, (size_t)(index - line));
            const char *conn = memmem(comma, (size_t)(next - comma), "\"seen_at\":", 10);
            const char *after =
                conn ? (const char *)memchr(conn, ']', (size_t)(next - conn)) + 2 : comma;
            if (conn)
                buf_append(&kept, comma, (size_t)(conn - comma));
            buf_append(&kept, after, (size_t)(next - after));
        }
        line = next;
    }
    buf_done(&result->json);
    result->json = kept;
}

static void disorder_copies_and_several_files_give_the_same_calls(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int whole = write_file(&c, (struct choice){.interface = "eth0"});
    struct result plain = dissect(&whole, 1, 1, NULL);
    keep_calls(&plain);
    /* Neighbouring packets changed places. */
    int disordered = write_file(&c, (struct choice){.disorder = true, .interface = "eth0"});
    struct result a = dissect(&disordered, 1, 2, NULL);
    keep_calls(&a);
    assert_same(&plain, &a);
    /* The same packets seen at two places. */
    int other = write_file(&c, (struct choice){.interface = "veth1"});
    int both[] = {whole, other};
    struct result b = dissect(both, 2, 1, NULL);
    assert_int_equal(b.stats.copies, c.count);
    assert_int_equal(count_of(&b, "tcp_conn"), FLOWS);
    /* What they are called makes no difference. */
    capture_name = "another name";
    struct result renamed = dissect(both, 2, 1, NULL);
    capture_name = "capture";
    assert_same(&b, &renamed);
    static const char places[] = "\"file 0:eth0\",\"file 1:veth1\"";
    assert_non_null(memmem(b.json.data, b.json.len, places, sizeof places - 1));
    buf_done(&renamed.json);
    keep_calls(&b);
    assert_same(&plain, &b);
    /* One capture in six files, more than are opened at once. */
    int parts[6];
    for (unsigned i = 0; i < 6; i++)
        parts[i] = write_file(&c, (struct choice){.part = i, .parts = 6, .interface = "eth0"});
    struct result d = dissect(parts, 6, 1, NULL);
    assert_int_equal(d.stats.packets, c.count);
    keep_calls(&d);
    for (unsigned i = 0; i < 6; i++)
        close(parts[i]);
    buf_done(&plain.json);
    buf_done(&a.json);
    buf_done(&b.json);
    assert_int_equal(count_of(&d, "http"), FLOWS * CALLS);
    buf_done(&d.json);
    close(whole);
    close(other);
    close(disordered);
    free(c.packets);
}

static void only_the_protocols_that_were_asked_for(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int fd = write_file(&c, (struct choice){0});
    const char *const conn[] = {"conn"}, *const http[] = {"http"}, *const wrong[] = {"htpp"};
    struct dissect_run_options options = {.spill_fd = -1, .protocols = conn, .protocol_count = 1};
    struct result a = dissect(&fd, 1, 1, &options);
    assert_int_equal(a.stats.entries, FLOWS);
    options.protocols = http;
    struct result b = dissect(&fd, 1, 1, &options);
    assert_int_equal(b.stats.entries, FLOWS * CALLS);
    buf_done(&a.json);
    buf_done(&b.json);
    options.protocols = wrong;
    struct dissect_input input = {.fd = fd, .name = "capture"};
    options.inputs = &input;
    options.input_count = 1;
    struct dissect_sink sink = {.entry = on_entry};
    struct dissect_statistics stats;
    struct error error;
    assert_int_equal(dissect_run(&options, &sink, &stats, &error), -EINVAL);
    assert_non_null(strstr(error.text, "http"));
    close(fd);
    free(c.packets);
}

static void add_query(struct capture *c, unsigned client, int64_t ts_ns)
{
    static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                   "\x04test\x07"
                                   "example\x00\x00\x01\x00\x01";
    unsigned len = sizeof query - 1;
    add_tcp(c, (struct end_points){client, true}, ts_ns, 0, 0, 0, NULL);
    struct held *held = &c->packets[c->count - 1];
    uint8_t *p = held->data;
    put_be16(p + 2, 28 + len);
    p[9] = 17;
    put_be16(p + 22, 53);
    put_be16(p + 24, 8 + len);
    put_be16(p + 26, 0);
    memcpy(p + 28, query, len);
    held->len = 28 + len;
}

/* Nothing closes a conversation of datagrams: who is not answered has waited in vain. Until then
 * the call is open. */
static void a_datagram_that_nobody_answers_timed_out(void **state)
{
    (void)state;
    struct capture c = {0};
    int64_t start = 1700000000 * NS_PER_S;
    add_query(&c, 1, start);
    add_query(&c, 2, start + 600 * NS_PER_S); /* the first one's conversation is long over: two */
    add_query(&c, 3, start + 601 * NS_PER_S); /* packets agree on the time */
    int fd = write_file(&c, (struct choice){0});
    struct result r = dissect(&fd, 1, 1, NULL);
    buf_append_u8(&r.json, 0);
    assert_int_equal(count_of(&r, "dns"), 3);
    const char *first = strstr((char *)r.json.data, "\"protocol\":\"dns\"");
    assert_non_null(first);
    const char *second = strstr(first + 1, "\"protocol\":\"dns\"");
    const char *status = strstr(first, "\"status\":\"no_response\""),
               *why = strstr(first, "\"status_reason\":\"timeout\"");
    assert_true(second && status && status < second && why && why < second);
    assert_non_null(strstr(second, "\"status\":\"open\""));
    assert_null(strstr(first, "\"closed\""));
    buf_done(&r.json);
    close(fd);
    free(c.packets);
}

static void damage_costs_only_what_is_damaged(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int fd = write_file(&c, (struct choice){0});
    struct result whole = dissect(&fd, 1, 1, NULL);
    off_t size = lseek(fd, 0, SEEK_END);
    /* A block's length in the middle is overwritten; the end is cut off; another input is noise. */
    uint8_t noise[64];
    memset(noise, 0xa5, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, size / 2), sizeof noise);
    assert_int_equal(ftruncate(fd, size - 5), 0);
    int garbage = memfd_create("noise", MFD_CLOEXEC);
    assert_int_equal(io_write("test", garbage, noise, sizeof noise), 0);
    int fds[] = {garbage, fd};
    struct result damaged = dissect(fds, 2, 2, NULL);
    assert_true(damaged.damages >= 3);
    assert_int_equal(damaged.stats.damages, damaged.damages);
    assert_true(damaged.stats.packets >= c.count - 10 && damaged.stats.packets < c.count);
    assert_true(count_of(&damaged, "http") >= FLOWS * CALLS - 10);
    assert_int_equal(count_of(&damaged, "tcp_conn"), FLOWS);
    buf_done(&whole.json);
    buf_done(&damaged.json);
    close(garbage);
    close(fd);
    free(c.packets);
}

static int refuse(void *ctx, const struct entry *entry, struct error *reterr)
{
    (void)ctx;
    (void)entry;
    return error_set(reterr, -EPIPE, "nobody listens");
}

static int cancel(void *ctx, const struct dissect_statistics *stats)
{
    (void)ctx;
    return stats->packets > 0;
}

static void the_sink_may_end_it(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int fd = write_file(&c, (struct choice){0});
    struct dissect_input input = {.fd = fd, .name = "capture"};
    struct dissect_run_options options = {
        .inputs = &input, .input_count = 1, .threads = 3, .spill_fd = -1};
    struct dissect_sink sink = {.entry = refuse};
    struct dissect_statistics stats;
    struct error error;
    assert_int_equal(dissect_run(&options, &sink, &stats, &error), -EPIPE);
    assert_string_equal(error.text, "nobody listens");
    sink.progress = cancel;
    int r = dissect_run(&options, &sink, &stats, &error);
    assert_true(r == -ECANCELED || c.count < 4096);
    close(fd);
    free(c.packets);
}

struct slow_sink {
    uint64_t taken, handed_before; /* of the last progress */
    unsigned reports;
};

static int take_slowly(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct slow_sink *slow = ctx;
    (void)entry;
    (void)reterr;
    if (slow->taken++ < 300)
        usleep(2000);
    return 0;
}

static int see_handed(void *ctx, const struct dissect_statistics *stats)
{
    struct slow_sink *slow = ctx;
    assert_true(stats->entries_handed >= slow->handed_before);
    assert_true(stats->entries_handed <= slow->taken + 1);
    if (!stats->entries_handed)
        return 0;
    assert_int_equal(stats->entries, FLOWS * (CALLS + 1)); /* all are found by then */
    assert_int_equal(stats->read_bytes, stats->total_bytes);
    slow->reports += stats->entries_handed > slow->handed_before;
    slow->handed_before = stats->entries_handed;
    return 0;
}

/* While a slow sink takes the entries, the figures go on. */
static void progress_goes_on_while_entries_are_handed_over(void **state)
{
    (void)state;
    struct capture c;
    make_packets(&c);
    int fd = write_file(&c, (struct choice){0});
    struct dissect_input input = {.fd = fd, .name = "capture"};
    struct dissect_run_options options = {.inputs = &input, .input_count = 1, .spill_fd = -1};
    struct slow_sink slow = {0};
    struct dissect_sink sink = {.entry = take_slowly, .progress = see_handed, .ctx = &slow};
    struct dissect_statistics stats;
    struct error error;
    assert_int_equal(dissect_run(&options, &sink, &stats, &error), 0);
    assert_true(slow.reports > 0);
    assert_int_equal(stats.entries, slow.taken);
    assert_int_equal(stats.entries_handed, slow.taken);
    close(fd);
    free(c.packets);
}

/* ── live ── */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void strip_number(char *line, const char *key)
{
    char *at = strstr(line, key);
    if (!at)
        return;
    at += strlen(key);
    memmove(at, at + strspn(at, "0123456789"), strlen(at + strspn(at, "0123456789")) + 1);
}

/* The entries in an order of their own, without the order in which they came. */
static void sort_lines(struct result *result)
{
    static char *lines[FLOWS * (CALLS + 1) + 1];
    size_t count = 0;
    struct buf sorted;
    buf_append_u8(&result->json, 0);
    for (char *at = (char *)result->json.data, *rest; (at = strtok_r(at, "\n", &rest)); at = NULL) {
        strip_number(at, "\"index\":");
        strip_number(at, "\"stream\":");
        assert_true(count < sizeof lines / sizeof *lines);
        lines[count++] = at;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    buf_init(&sorted, 256 << 20);
    for (size_t i = 0; i < count; i++)
        buf_printf(&sorted, "%s\n", lines[i]);
    buf_done(&result->json);
    result->json = sorted;
}

/* Where the block at `offset` ends. */
static uint64_t block_end(int fd, uint64_t offset)
{
    uint32_t length;
    if (pread(fd, &length, sizeof length, (off_t)offset + 4) != sizeof length)
        return 0;
    return offset + length;
}

/* Every other packet stamped by a clock that is ahead, or behind; the calls are whole all the same.
 */
static void clocks_that_differ_are_merged(void **state)
{
    static const int64_t ahead_ns[] = {300 * NS_PER_S, -300 * NS_PER_S};
    (void)state;
    struct capture c;
    make_packets(&c);
    for (size_t i = 0; i < sizeof ahead_ns / sizeof *ahead_ns; i++) {
        int fds[] = {
            write_file(&c, (struct choice){.part = 0, .parts = 2}),
            write_file(&c, (struct choice){.part = 1, .parts = 2, .ahead_ns = ahead_ns[i]})};
        struct result got = {0};
        struct dissect_input inputs[2] = {
            {.fd = fds[0], .name = "a", .sequence = 0},
            {.fd = fds[1], .name = "b", .sequence = 1, .ahead_ns = ahead_ns[i]}};
        struct dissect_run_options options = {.inputs = inputs, .input_count = 2, .spill_fd = -1};
        struct dissect_sink sink = {.entry = on_entry, .damage = on_damage, .ctx = &got};
        struct dissect_live *live;
        struct error error;
        buf_init(&got.json, 256 << 20);
        assert_int_equal(dissect_live_new(&options, &sink, 0, &live, &error), 0);
        for (size_t f = 0; f < 2; f++) {
            inputs[f].end_offset = (uint64_t)lseek(fds[f], 0, SEEK_END);
            assert_int_equal(dissect_live_grow(live, f, inputs[f].end_offset, true, &error), 0);
        }
        assert_int_equal(dissect_live_until(live, c.packets[c.count - 1].ts_ns + NS_PER_S, &error),
                         0);
        assert_true(dissect_live_statistics(live)->entries >= FLOWS * CALLS);
        assert_int_equal(dissect_live_finish(live, &error), 0);
        got.stats = *dissect_live_statistics(live);
        assert_int_equal(count_of(&got, "http"), FLOWS * CALLS);
        assert_int_equal(count_of(&got, "tcp_conn"), FLOWS);
        assert_null(memmem(got.json.data, got.json.len, "\"incomplete\":true", 17));
        dissect_live_free(live);
        buf_done(&got.json);
        close(fds[0]);
        close(fds[1]);
    }
    free(c.packets);
}

static void segments_that_grow_give_the_same_calls(void **state)
{
    enum {
        STEP = 97 /* packets */
    };
    (void)state;
    struct capture c;
    make_packets(&c);
    int fds[] = {write_file(&c, (struct choice){.part = 0, .parts = 2}),
                 write_file(&c, (struct choice){.part = 1, .parts = 2})};
    struct result expected = dissect(fds, 2, 1, NULL), got = {0};
    uint64_t ends[2] = {0};
    struct dissect_input inputs[2] = {{.fd = fds[0], .name = "a", .sequence = 0},
                                      {.fd = fds[1], .name = "b", .sequence = 1}};
    struct dissect_run_options options = {.inputs = inputs, .input_count = 2, .spill_fd = -1};
    struct dissect_sink sink = {.entry = on_entry, .damage = on_damage, .ctx = &got};
    struct dissect_live *live;
    struct error error;
    buf_init(&got.json, 256 << 20);
    assert_int_equal(dissect_live_new(&options, &sink, 7, &live, &error), 0);
    for (int i = 0; i < 2; i++)
        ends[i] = block_end(fds[i], block_end(fds[i], 0)); /* section and interface */
    for (size_t at = 0; at < c.count; at += STEP) {
        for (size_t k = at; k < at + STEP && k < c.count; k++)
            ends[k % 2] = block_end(fds[k % 2], ends[k % 2]);
        for (size_t i = 0; i < 2; i++) {
            inputs[i].end_offset = at ? inputs[i].end_offset : ends[i];
            assert_int_equal(dissect_live_grow(live, i, ends[i], at + STEP >= c.count, &error), 0);
        }
        /* what was captured later than this may still come in either of them */
        size_t next = at + STEP < c.count ? at + STEP - 1 : c.count - 1;
        assert_int_equal(dissect_live_until(live, c.packets[next].ts_ns, &error), 0);
    }
    /* a second later what is complete has been given out */
    assert_int_equal(dissect_live_until(live, c.packets[c.count - 1].ts_ns + NS_PER_S, &error), 0);
    assert_true(dissect_live_statistics(live)->entries >= FLOWS * CALLS);
    assert_int_equal(dissect_live_finish(live, &error), 0);
    assert_int_equal(dissect_live_statistics(live)->packets, c.count);
    assert_int_equal(dissect_live_statistics(live)->entries, FLOWS * (CALLS + 1));
    assert_int_equal(got.damages, 0);
    assert_non_null(memmem(got.json.data, got.json.len, "\"index\":7,", 10));
    dissect_live_free(live);
    sort_lines(&expected);
    sort_lines(&got);
    assert_same(&expected, &got);
    buf_done(&expected.json);
    buf_done(&got.json);
    close(fds[0]);
    close(fds[1]);
    free(c.packets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_for_any_number_of_threads),
        cmocka_unit_test(disorder_copies_and_several_files_give_the_same_calls),
        cmocka_unit_test(only_the_protocols_that_were_asked_for),
        cmocka_unit_test(a_datagram_that_nobody_answers_timed_out),
        cmocka_unit_test(damage_costs_only_what_is_damaged),
        cmocka_unit_test(the_sink_may_end_it),
        cmocka_unit_test(segments_that_grow_give_the_same_calls),
        cmocka_unit_test(clocks_that_differ_are_merged),
        cmocka_unit_test(progress_goes_on_while_entries_are_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
