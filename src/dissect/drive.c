#include "dissect/drive.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "dissect/conn.h"
#include "dissect/registry.h"

enum {
    MAX_PIECE_BYTES = 64,
    MAX_OUTPUT_BYTES = 64 * 1024 * 1024,
    MAX_COMPARED_LINES = 4096,
    MAX_STEPS = 256 /* of a fuzzed script */
};

static const struct drive_faults *faults; /* fuzz targets and tests have one thread */

void dissect_drive_with_faults(const struct drive_faults *new_faults)
{
    faults = new_faults;
}

/* The driver's own memory is always there. */
static void *own_memory(size_t size)
{
    if (faults)
        faults->pause();
    void *p = malloc(size);
    if (faults)
        faults->resume();
    if (!p)
        abort();
    return p;
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static size_t piece_len(uint64_t seed, uint64_t *random, size_t left)
{
    if (seed == 0 || left == 0)
        return left;
    if (seed == 1)
        return 1;
    uint64_t r = next_random(random);
    /* Mostly short pieces, sometimes all that is left. */
    size_t n = (r & 7) == 0 ? left : 1 + (size_t)((r >> 3) % MAX_PIECE_BYTES);
    return n < left ? n : left;
}

static void give_bytes(struct dissect_conn *conn, const struct conn_packet *packet,
                       struct slice bytes)
{
    /* A block of its own: reads beyond it are seen by the sanitizer. */
    uint8_t *copy = own_memory(bytes.len ? bytes.len : 1);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    if (conn_is_datagram(conn))
        dissect_conn_datagram(conn, packet, slice_of(copy, bytes.len));
    else
        dissect_conn_bytes(conn, packet, slice_of(copy, bytes.len));
    free(copy);
}

static void run_steps(struct dissect_conn *conn, const struct drive_options *options,
                      const struct drive_step *steps, size_t count)
{
    uint64_t random = options->cut_seed;
    uint64_t block = 0;
    int64_t ts_ns = DRIVE_START_NS - NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        const struct drive_step *step = &steps[i];
        uint8_t side = step->dir == DIR_SERVER;
        ts_ns = step->ts_ns ? step->ts_ns : ts_ns + NS_PER_MS;
        if (step->kind == DRIVE_GAP) {
            dissect_conn_gap(conn, side, step->gap_bytes);
        } else if (step->kind == DRIVE_END) {
            dissect_conn_end_side(conn, side);
        } else {
            bool whole = conn_is_datagram(conn);
            for (size_t at = 0; at < step->bytes.len;) {
                size_t left = step->bytes.len - at;
                size_t n = whole ? left : piece_len(options->cut_seed, &random, left);
                struct conn_packet packet = {.ref = {.offset = ++block, .ts_ns = ts_ns},
                                             .side = side,
                                             .info = {.length = (uint32_t)n}};
                give_bytes(conn, &packet, slice_of(step->bytes.data + at, n));
                at += n;
            }
        }
    }
}

static struct conn_spec make_spec(const struct drive_options *options,
                                  const struct drive_step *steps, size_t count)
{
    struct conn_spec spec = {.transport = options->transport ? options->transport : DISSECT_TCP,
                             .ip_version = 4,
                             .ip = {{10, 0, 0, 1}, {10, 0, 0, 2}},
                             .late_join = options->late_join,
                             .base_seq = {1000, 2000},
                             .first_ns = count && steps[0].ts_ns ? steps[0].ts_ns : DRIVE_START_NS};
    spec.port[0] = options->client_port ? options->client_port : 40000;
    spec.port[1] = options->server_port ? options->server_port : 9999;
    return spec;
}

int dissect_drive_entries(const struct drive_options *options, const struct drive_step *steps,
                          size_t count, void (*emit)(void *ctx, const struct entry *entry),
                          void *ctx)
{
    struct dissect_host host = {.emit = emit, .ctx = ctx, .mask = UINT64_MAX};
    int index = -1;
    if (options->dissector) {
        index = registry_find(slice_str(options->dissector));
        if (index < 0)
            abort(); /* a mistake in the test: the name is not in registry.def */
        host.mask = UINT64_C(1) << index;
    }
    struct conn_spec spec = make_spec(options, steps, count);
    struct dissect_conn *conn = dissect_conn_new(&host, &spec);
    if (!conn)
        return -12;
    if (options->skip_probe && index >= 0) {
        conn_begin_work(conn);
        conn_open(conn, index);
        conn_end_work(conn);
    }
    run_steps(conn, options, steps, count);
    if (!options->no_close)
        dissect_conn_close(conn, options->end);
    dissect_conn_free(conn);
    dissect_host_done(&host);
    return 0;
}

static void emit_json(void *ctx, const struct entry *entry)
{
    struct buf *out = ctx;
    struct json_writer w;
    json_init(&w, out);
    entry_write_json(entry, NULL, &w);
    buf_append_u8(out, '\n');
}

int dissect_drive(const struct drive_options *options, const struct drive_step *steps, size_t count,
                  struct buf *out_jsonl)
{
    int r = dissect_drive_entries(options, steps, count, emit_json, out_jsonl);
    return r < 0 ? r : buf_failed(out_jsonl);
}

/* ── fuzzing ── */

struct script {
    struct drive_options options;
    struct drive_step steps[MAX_STEPS];
    size_t count;
};

static void read_script(const uint8_t *data, size_t size, struct script *ret_script)
{
    struct cursor c = cursor_of(data, size);
    uint8_t flags = cursor_u8(&c);
    ret_script->options = (struct drive_options){.skip_probe = flags & 1,
                                                 .late_join = flags & 2,
                                                 .cut_seed = flags & 4 ? 1 : 0,
                                                 .end = (enum dissect_end)(flags >> 4 & 3)};
    ret_script->count = 0;
    while (cursor_left(&c) && ret_script->count < MAX_STEPS) {
        uint8_t head = cursor_u8(&c);
        size_t len = cursor_le16(&c);
        struct drive_step step = {.dir = head & 1 ? DIR_SERVER : DIR_CLIENT};
        if ((head & 0x70) == 0x70) {
            step.kind = head & 0x80 ? DRIVE_END : DRIVE_GAP;
            step.gap_bytes = len;
        } else {
            size_t left = cursor_left(&c);
            step.bytes = cursor_slice(&c, len < left ? len : left);
        }
        ret_script->steps[ret_script->count++] = step;
    }
}

static struct slice next_line(struct slice *text)
{
    const uint8_t *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    size_t n = end ? (size_t)(end - text->data) + 1 : text->len;
    struct slice line = slice_of(text->data, n);
    *text = slice_sub(*text, n, text->len);
    return line;
}

/* Takes out the hash of a line that is the same. */
static bool take_line(uint64_t *hashes, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++)
        if (hashes[i] == hash) {
            hashes[i] = 0;
            return true;
        }
    return false;
}

/* What was made with failures is as it would have been without, or says that something is missing.
 */
static void compare_lines(struct slice whole, struct slice faulted, bool any_failure)
{
    static const char incomplete[] = "\"incomplete\":true";
    static uint64_t hashes[MAX_COMPARED_LINES];
    size_t count = 0;
    bool same = slice_eq(whole, faulted);
    for (struct slice left = whole; left.len && count < MAX_COMPARED_LINES;) {
        struct slice line = next_line(&left);
        hashes[count++] = hash_bytes(hash_fixed_key, line.data, line.len);
    }
    while (count < MAX_COMPARED_LINES && faulted.len) {
        struct slice line = next_line(&faulted);
        if (take_line(hashes, count, hash_bytes(hash_fixed_key, line.data, line.len)) ||
            memmem(line.data, line.len, incomplete, sizeof incomplete - 1))
            continue;
        fprintf(stderr, "silently wrong without memory:\n%.*swithout failures:\n%.*s",
                SLICE_ARGS(line), SLICE_ARGS(whole));
        abort();
    }
    if (!same && !any_failure)
        abort(); /* the same script gave something else, or a failure was not counted */
}

static void drive_twice(const struct script *script, const uint8_t *data, size_t size)
{
    const struct drive_faults *in_force = faults;
    struct buf whole, faulted;
    faults = NULL;
    buf_init(&whole, MAX_OUTPUT_BYTES);
    buf_init(&faulted, MAX_OUTPUT_BYTES);
    int r = dissect_drive(&script->options, script->steps, script->count, &whole);
    faults = in_force;
    /* The harness's own output never lacks memory: an entry may come out in several parts. */
    if (r == 0 && buf_reserve(&faulted, whole.len * 2 + MAX_OUTPUT_BYTES / 64)) {
        uint64_t failures = memory_failures();
        faults->plan(data, size);
        faults->resume();
        r = dissect_drive(&script->options, script->steps, script->count, &faulted);
        faults->pause();
        if (!buf_failed(&faulted))
            compare_lines(buf_slice(&whole), buf_slice(&faulted), memory_failures() != failures);
    }
    buf_done(&whole);
    buf_done(&faulted);
}

void dissect_drive_fuzz(const char *dissector, enum dissect_transport transport,
                        const uint8_t *data, size_t size)
{
    struct script script;
    read_script(data, size, &script);
    script.options.dissector = dissector;
    script.options.transport = transport;
    if (faults) {
        drive_twice(&script, data, size);
        return;
    }
    struct buf out;
    buf_init(&out, MAX_OUTPUT_BYTES);
    (void)dissect_drive(&script.options, script.steps, script.count, &out);
    buf_done(&out);
}
