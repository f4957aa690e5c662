#include "snapshot/snapshot_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "flow/flow.h"
#include "packet/capture_reader.h"
#include "snapshot/snapshot_pcap.h"

enum {
    CHUNK_BYTES = 64 * 1024,
    WAITING_BYTES = 16 * 1024 * 1024,
    TIMEOUT_S = 60
};

/* ── the job ── */

struct stream {
    struct json_writer w;
    struct buf out, chunk;
    uint8_t client_ip[16];
    uint16_t client_port;
    size_t left; /* bytes that may still be given out */
    bool chunk_from_client, truncated;
    int64_t chunk_ns;
    uint64_t gap[2]; /* lost before the next bytes: of the server, of the client */
};

static void flush_chunk(struct stream *s)
{
    uint64_t *gap = &s->gap[s->chunk_from_client];
    if (!s->chunk.len)
        return;
    json_begin_object(&s->w);
    json_member_str(&s->w, "direction", s->chunk_from_client ? "client" : "server");
    json_member_time(&s->w, "timestamp", s->chunk_ns);
    json_key(&s->w, "base64");
    json_base64(&s->w, buf_slice(&s->chunk));
    if (*gap)
        json_member_uint(&s->w, "gap_bytes", *gap);
    json_end_object(&s->w);
    *gap = 0;
    buf_reset(&s->chunk);
}

static bool is_client(const struct stream *s, const struct flow *flow, uint8_t side)
{
    return flow->key.port[side] == s->client_port &&
           memcmp(flow->key.ip[side], s->client_ip, 16) == 0;
}

static void on_bytes(void *ctx, struct flow *flow, uint8_t side, const struct flow_ref *ref,
                     struct slice bytes)
{
    struct stream *s = ctx;
    bool from_client = is_client(s, flow, side);
    if (bytes.len > s->left) {
        bytes.len = s->left;
        s->truncated = true;
    }
    s->left -= bytes.len;
    if (from_client != s->chunk_from_client)
        flush_chunk(s);
    s->chunk_from_client = from_client;
    while (bytes.len) {
        if (s->chunk.len == CHUNK_BYTES)
            flush_chunk(s);
        if (!s->chunk.len)
            s->chunk_ns = ref->ts_ns;
        size_t room = CHUNK_BYTES - s->chunk.len, n = bytes.len < room ? bytes.len : room;
        (void)buf_append(&s->chunk, bytes.data, n);
        bytes = slice_sub(bytes, n, bytes.len);
    }
}

static void on_datagram(void *ctx, struct flow *flow, uint8_t side,
                        const struct flow_packet *packet)
{
    on_bytes(ctx, flow, side, &packet->ref, packet->frame->payload);
}

static void on_gap(void *ctx, struct flow *flow, uint8_t side, uint64_t bytes)
{
    struct stream *s = ctx;
    bool from_client = is_client(s, flow, side);
    if (from_client == s->chunk_from_client)
        flush_chunk(s);
    s->gap[from_client] += bytes;
}

static void on_end_side(void *ctx, struct flow *flow, uint8_t side)
{
    (void)ctx;
    (void)flow;
    (void)side;
}

static void on_close(void *ctx, struct flow *flow, enum flow_end end)
{
    (void)ctx;
    (void)flow;
    (void)end;
}

static void on_forget(void *ctx, struct flow *flow)
{
    (void)ctx;
    (void)flow;
}

static int read_packets(struct stream *s, struct flow_table *table, struct capture_reader *reader,
                        struct error *reterr)
{
    struct packet packet;
    for (;;) {
        int event = capture_reader_next(reader, &packet, reterr);
        if (event < 0)
            return event;
        if (event == CAPTURE_END)
            return 0;
        if (event != CAPTURE_PACKET)
            continue;
        struct frame frame;
        frame_decode(&packet, &frame);
        if (frame.kind != FRAME_TCP && frame.kind != FRAME_UDP)
            continue;
        struct flow_packet in = {.frame = &frame,
                                 .ref = {.ts_ns = packet.ts_ns, .offset = packet.offset},
                                 .vantage = packet.interface};
        int e = flow_table_packet(table, &in);
        if (e)
            return error_set(reterr, e, "There is no memory for the connection.");
        flow_table_tick(table, packet.ts_ns);
        if (s->truncated) /* what comes would be left out */
            return 0;
    }
}

static int put_in_order(struct stream *s, struct error *reterr)
{
    const struct flow_handler handler = {.bytes = on_bytes,
                                         .datagram = on_datagram,
                                         .gap = on_gap,
                                         .end_side = on_end_side,
                                         .close = on_close,
                                         .forget = on_forget,
                                         .ctx = s};
    struct flow_table table;
    struct capture_reader *reader = NULL;
    const struct capture_reader_options options = {.packets_only = true};
    int e = flow_table_init(&table, &handler, WAITING_BYTES);
    if (e)
        return error_set(reterr, e, "There is no memory for the connection.");
    e = capture_reader_open(JOB_FIRST_FD, &options, &reader, reterr);
    if (!e)
        e = read_packets(s, &table, reader, reterr);
    if (!e && !s->truncated)
        flow_table_finish(&table);
    flush_chunk(s);
    capture_reader_free(reader);
    flow_table_done(&table);
    return e;
}

static int parse_request(struct slice text, struct stream *s)
{
    json_t *object = json_loadb((const char *)text.data, text.len, 0, NULL);
    const char *ip = json_string_value(json_object_get(object, "ip"));
    json_int_t port = json_integer_value(json_object_get(object, "port")),
               max = json_integer_value(json_object_get(object, "max_bytes"));
    bool good =
        ip && port >= 0 && port <= 65535 && max > 0 && max <= SNAPSHOT_STREAM_MAX_BYTES &&
        (inet_pton(AF_INET, ip, s->client_ip) == 1 || inet_pton(AF_INET6, ip, s->client_ip) == 1);
    s->client_port = (uint16_t)port;
    s->left = (size_t)max;
    json_decref(object);
    return good ? 0 : -EPROTO;
}

static int run(struct job_context *ctx, struct stream *s, struct error *reterr)
{
    if (parse_request(ctx->request, s) < 0)
        return error_set(reterr, -EPROTO, "The job's request makes no sense.");
    int e = job_enter_sandbox(ctx, reterr);
    if (e)
        return e;
    json_init(&s->w, &s->out);
    json_begin_object(&s->w);
    json_key(&s->w, "chunks");
    json_begin_array(&s->w);
    e = put_in_order(s, reterr);
    json_end_array(&s->w);
    json_member_bool(&s->w, "truncated", s->truncated);
    json_end_object(&s->w);
    if (!e && buf_failed(&s->out))
        e = error_set(reterr, buf_failed(&s->out), "The connection is too large to be shown.");
    return e ? e : job_report(ctx, buf_slice(&s->out));
}

static int job_main_stream(struct job_context *ctx)
{
    struct stream s = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    buf_init(&s.out, JOB_MAX_LINE_BYTES);
    buf_init(&s.chunk, CHUNK_BYTES);
    int e = run(ctx, &s, &err);
    buf_done(&s.chunk);
    buf_done(&s.out);
    return e < 0 ? job_fail(ctx, &err) : 0;
}

const struct job_kind job_kind_stream = {.name = "stream", .run = job_main_stream};

/* ── the caller ── */

static int start_reader(const struct snapshot_stream_request *request, int in_fd,
                        struct job **ret_job, struct error *reterr)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 1024);
    json_init(&w, &text);
    json_begin_object(&w);
    json_member_str(&w, "ip", request->client_ip);
    json_member_uint(&w, "port", request->client_port);
    json_member_uint(&w, "max_bytes",
                     request->max_bytes ? request->max_bytes : SNAPSHOT_STREAM_MAX_BYTES);
    json_end_object(&w);
    struct job_spec spec = {.kind = "stream",
                            .request = buf_slice(&text),
                            .fds = &in_fd,
                            .fd_count = 1,
                            .memory_bytes = UINT64_C(128) << 20,
                            .stdout_fd = -1};
    int e = buf_failed(&text) ? buf_failed(&text) : job_start(&spec, ret_job, reterr);
    buf_done(&text);
    return e;
}

static int take_answer(struct job *reader, struct buf *out, struct error *reterr)
{
    struct buf line;
    struct job_result result;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    int got = job_receive(reader, TIMEOUT_S * NS_PER_S, &line);
    bool answered = got == 1 && slice_starts_with(buf_slice(&line), SLICE_LITERAL("{\"chunks\":"));
    if (got == -ETIMEDOUT)
        job_cancel(reader);
    (void)job_wait(reader, &result);
    int e = 0;
    if (got == -ETIMEDOUT)
        e = error_set(reterr, -ETIMEDOUT, "Putting the connection in order took too long.");
    else if (!answered || !result.ok)
        e = error_set(reterr, result.error.code < 0 ? result.error.code : -EPROTO,
                      "The connection cannot be put in order: %s", result.error.text);
    else
        e = buf_append_slice(out, buf_slice(&line));
    buf_done(&line);
    return e;
}

int snapshot_stream(struct snapshot_store *store, const struct snapshot *snapshot,
                    const struct snapshot_stream_request *request, struct buf *out,
                    struct error *reterr)
{
    const struct snapshot_pcap_request packets = {.selection = request->connection};
    struct job *exporter = NULL, *reader = NULL;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(reterr, -errno, "There is no pipe: %s.", strerror(errno));
    int e = snapshot_pcap_start(store, snapshot, &packets, ends[1], &exporter, reterr);
    close(ends[1]);
    if (!e)
        e = start_reader(request, ends[0], &reader, reterr);
    close(ends[0]);
    if (!e)
        e = take_answer(reader, out, reterr);
    job_free(reader);
    job_free(exporter); /* ends what the reader did not want any more */
    return e;
}
