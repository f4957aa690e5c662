#include "snapshot/snapshot_body.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json_writer.h"
#include "dissect/body_decoder.h"
#include "dissect/run.h"
#include "snapshot/snapshot_changed.h"
#include "snapshot/snapshot_pcap.h"

enum {
    SLACK_NS = 1000 * 1000 * 1000 /* behind the call: its last bytes may have been sent again */
};

/* ── the job ── */

struct body_job {
    json_t *request;
    struct body_tap tap;
    uint64_t wanted; /* bytes on the wire */
    const char *codings;
    struct body_decoder *decoder;
    struct error error;
};

static int write_out(void *ctx, const uint8_t *data, size_t n)
{
    (void)ctx;
    return io_write("body", JOB_FIRST_FD + 1, data, n);
}

static int take_piece(void *ctx, const uint8_t *data, size_t n)
{
    struct body_job *j = ctx;
    return body_decoder_add(j->decoder, slice_of(data, n), &j->error);
}

static int no_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    (void)ctx;
    (void)entry;
    (void)reterr;
    return 0;
}

static int parse_request(struct body_job *j, struct slice text, struct error *reterr)
{
    j->request = json_loadb((const char *)text.data, text.len, 0, NULL);
    j->tap.protocol = json_string_value(json_object_get(j->request, "protocol"));
    j->tap.id = json_string_value(json_object_get(j->request, "id"));
    j->tap.of_request = json_is_true(json_object_get(j->request, "of_request"));
    j->codings = json_string_value(json_object_get(j->request, "codings"));
    json_int_t bytes = json_integer_value(json_object_get(j->request, "bytes"));
    if (!j->tap.protocol || !j->tap.id || !j->codings || bytes <= 0)
        return error_set(reterr, -EPROTO, "the job's request makes no sense.");
    j->wanted = (uint64_t)bytes;
    j->tap.write = take_piece;
    j->tap.ctx = j;
    return 0;
}

static int read_body(struct body_job *j, struct error *reterr)
{
    struct dissect_input input = {.fd = JOB_FIRST_FD, .name = "packets"};
    struct dissect_run_options options = {
        .inputs = &input, .input_count = 1, .threads = 1, .tap = &j->tap, .spill_fd = -1};
    struct dissect_sink sink = {.entry = no_entry};
    struct dissect_statistics statistics = {0};
    int r = key_store_new(&options.keys); /* secrets come with the packets */
    if (r == 0)
        r = dissect_run(&options, &sink, &statistics, reterr);
    key_store_free(options.keys);
    if (j->tap.result < 0) {
        if (reterr)
            *reterr = j->error;
        return j->error.code ? j->error.code : j->tap.result;
    }
    if (r < 0)
        return r;
    if (j->tap.bytes == 0)
        return error_set(reterr, -ENODATA,
                         "This body is not found in the packets again: where a key log decrypted "
                         "it, that log was not kept.");
    if (j->tap.bytes != j->wanted)
        return error_set(reterr, -ENODATA,
                         "The packets hold %llu of the %llu bytes of this body: the others were "
                         "not recorded.",
                         (unsigned long long)j->tap.bytes, (unsigned long long)j->wanted);
    return body_decoder_end(j->decoder, reterr);
}

static int job_main_body(struct job_context *ctx)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct body_job j = {0};
    int r = parse_request(&j, ctx->request, &err);
    if (r == 0)
        r = body_decoder_new(slice_str(j.codings), write_out, NULL, &j.decoder, &err);
    if (r == 0)
        r = job_enter_sandbox(ctx, &err);
    if (r == 0)
        r = read_body(&j, &err);
    body_decoder_free(j.decoder);
    json_decref(j.request);
    return r < 0 ? job_fail(ctx, &err) : 0;
}

const struct job_kind job_kind_body = {.name = "body", .run = job_main_body};

/* ── the caller ── */

/* The packets may have been taken away, or altered, while the entries stayed. */
static int check_files(struct snapshot_store *store, const struct snapshot *s, int64_t to_ns,
                       struct error *reterr)
{
    const struct snapshot_files_check all = {.from_ns = INT64_MIN, .to_ns = to_ns};
    int r = snapshot_files_check(store, s, &all, reterr);
    return r == -ESTALE ? error_set(reterr, r,
                                    "The packets of this snapshot are gone: of this body only what "
                                    "the entry keeps is left.")
                        : r;
}

static int start_reader(const struct snapshot_body_request *request, int in_fd, int out_fd,
                        struct job **ret_job, struct error *reterr)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 4096);
    json_init(&w, &text);
    json_begin_object(&w);
    json_member_str(&w, "protocol", request->protocol);
    json_member_str(&w, "id", request->id);
    json_member_bool(&w, "of_request", request->of_request);
    json_member_uint(&w, "bytes", request->bytes);
    json_member_str(&w, "codings", request->codings);
    json_end_object(&w);
    int fds[2] = {in_fd, out_fd};
    struct job_spec spec = {.kind = "body",
                            .request = buf_slice(&text),
                            .fds = fds,
                            .fd_count = 2,
                            .memory_bytes = UINT64_C(256) << 20,
                            .file_bytes = UINT64_MAX / 4,
                            .stdout_fd = -1};
    int r = buf_failed(&text) ? error_set(reterr, buf_failed(&text), "The request is too long.")
                              : job_start(&spec, ret_job, reterr);
    buf_done(&text);
    return r;
}

/* Stamps are those of the nodes' clocks. */
static int64_t last_of(const struct snapshot *s, int64_t end_ns)
{
    int64_t slack = SLACK_NS;
    for (size_t n = 0; n < s->manifest->node_count; n++) {
        int64_t offset = s->manifest->nodes[n].clock_offset_ns;
        if (offset > -INT64_MAX / 4 && offset < INT64_MAX / 4 && llabs(offset) + SLACK_NS > slack)
            slack = llabs(offset) + SLACK_NS;
    }
    return end_ns < INT64_MAX - slack ? end_ns + slack : INT64_MAX;
}

static int wait_for(struct job *reader, int copied, struct error *reterr)
{
    struct job_result result;
    if (copied) /* nobody wants the rest */
        job_cancel(reader);
    (void)job_wait(reader, &result);
    if (copied)
        return error_set(reterr, copied < 0 ? copied : -ECANCELED, "The client went away.");
    if (result.ok)
        return 0;
    if (reterr)
        *reterr = result.error;
    return result.error.code < 0 ? result.error.code : -EIO;
}

int snapshot_body(struct snapshot_store *store, const struct snapshot *snapshot,
                  const struct snapshot_body_request *request,
                  int (*write)(void *ctx, const void *data, size_t n), void *ctx,
                  struct error *reterr)
{
    const struct snapshot_pcap_request packets = {.selection = request->connection,
                                                  .from_ns = INT64_MIN,
                                                  .to_ns = last_of(snapshot, request->end_ns),
                                                  .secrets = true};
    struct job *exporter = NULL, *reader = NULL;
    int in[2], out[2] = {-1, -1};
    int r = check_files(store, snapshot, packets.to_ns, reterr);
    if (r < 0)
        return r;
    if (pipe2(in, O_CLOEXEC) < 0)
        return error_set(reterr, -errno, "There is no pipe: %s.", strerror(errno));
    r = pipe2(out, O_CLOEXEC) < 0
            ? error_set(reterr, -errno, "There is no pipe: %s.", strerror(errno))
            : snapshot_pcap_start(store, snapshot, &packets, in[1], &exporter, reterr);
    close(in[1]);
    if (r == 0)
        r = start_reader(request, in[0], out[1], &reader, reterr);
    close(in[0]);
    if (out[1] >= 0)
        close(out[1]);
    if (r == 0)
        r = wait_for(reader, job_copy(exporter, out[0], write, ctx), reterr);
    if (out[0] >= 0)
        close(out[0]);
    job_free(reader);
    job_free(exporter); /* ends what the reader did not want any more */
    return r;
}
