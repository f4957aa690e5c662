#include "dissect/drive.h"

#include <stdlib.h>

#include "base/clock.h"
#include "dissect/conn.h"
#include "dissect/registry.h"

enum {
    MAX_PIECE_BYTES = 64
};

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
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    if (!copy)
        return;
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
    if (options->skip_probe && index >= 0)
        conn_open(conn, index);
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

void dissect_drive_fuzz(const char *dissector, enum dissect_transport transport,
                        const uint8_t *data, size_t size)
{
    enum {
        MAX_STEPS = 256
    };
    struct drive_step steps[MAX_STEPS];
    struct cursor c = cursor_of(data, size);
    uint8_t flags = cursor_u8(&c);
    size_t count = 0;
    while (cursor_left(&c) && count < MAX_STEPS) {
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
        steps[count++] = step;
    }
    struct drive_options options = {.dissector = dissector,
                                    .skip_probe = flags & 1,
                                    .late_join = flags & 2,
                                    .transport = transport,
                                    .cut_seed = flags & 4 ? 1 : 0,
                                    .end = (enum dissect_end)(flags >> 4 & 3)};
    struct buf out;
    buf_init(&out, 64 * 1024 * 1024);
    (void)dissect_drive(&options, steps, count, &out);
    buf_done(&out);
}
