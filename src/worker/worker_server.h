/* The worker server: one node's ring over HTTP (worker_protocol.h), and its registration with the
 * hub.
 *
 * In: a ring folder that a capturer writes (or wrote). Out: the routes of worker_protocol.h on the
 * listening socket. It holds no capability and opens no packet socket; it reads ring files, writes
 * requests and pins, listens, and connects to the hub. Thread: worker_server_run owns the process;
 * HTTP handlers run on the server's threads and share the reader and the control. */
#ifndef TRAWL_WORKER_WORKER_SERVER_H
#define TRAWL_WORKER_WORKER_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct worker_server_options {
    const char *name;       /* of the node */
    const char *data_dir;   /* holds ring/, worker-id, capturer-error */
    const char *listen;     /* "127.0.0.1:0" */
    const char *hub_url;    /* "http://127.0.0.1:8899"; NULL: nobody to register with */
    const char *token_file; /* first line: the token for registration; NULL = TRAWL_WORKER_TOKEN */
    bool no_capture;
    void (*on_listening)(void *ctx, uint16_t port); /* MAY be NULL */
    void *ctx;
    const volatile sig_atomic_t *stop; /* polled every 100 ms */
};

/* Until *stop. A negative errno with a sentence when it could not begin. */
int worker_server_run(const struct worker_server_options *options, struct error *reterr);

/* The folder's stable instance, made at first use: 32 hex digits in DATA/worker-id. */
int worker_instance(const char *data_dir, char ret_instance[33], struct error *reterr);

#endif
