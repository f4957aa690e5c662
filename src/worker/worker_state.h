/* What the parts of the worker server share. Internal to src/worker.
 * Constant after start but for `hub` (registration thread only). Thread: any. */
#ifndef TRAWL_WORKER_WORKER_STATE_H
#define TRAWL_WORKER_WORKER_STATE_H

#include "base/json_writer.h"
#include "net/http_server.h"
#include "ring/ring_control.h"
#include "worker/worker_protocol.h"
#include "worker/worker_server.h"

enum {
    WORKER_NONCE_NAME_SIZE = 48
};

struct worker {
    const struct worker_server_options *options;
    char instance[WORKER_INSTANCE_SIZE];
    char callback_token[WORKER_TOKEN_SIZE];
    char nonce[WORKER_TOKEN_SIZE];
    char nonce_file[WORKER_NONCE_NAME_SIZE];
    char *ring_dir; /* absolute */
    int ring_fd;
    struct ring_reader *reader;
    struct ring_control *control;
    uint16_t port;
};

/* worker_routes.c: the http_handler. ctx: struct worker. */
void worker_handle(void *ctx, struct http_request *request);

/* worker_json.c: answers, each a whole JSON object. */
int worker_write_status(struct worker *worker, struct json_writer *w, struct error *reterr);
int worker_write_segments(struct worker *worker, int64_t from_ns, int64_t to_ns,
                          struct json_writer *w, struct error *reterr);

/* worker_register.c: one registration. 0; a negative errno with a sentence. */
struct http_client;
int worker_register(struct worker *worker, struct error *reterr);

#endif
