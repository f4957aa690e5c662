/* The processes of a worker: this supervisor, `trawl capturer` (the ring, CAP_NET_RAW) and the
 * server (HTTP, no capability).
 *
 * Each child is restarted on its own with back-off; the capturer goes on when the server dies. The
 * capturer's last line on stderr is kept in DATA/capturer-error, so that status can say why nothing
 * is recorded. Thread: owner of the process. */
#ifndef TRAWL_WORKER_WORKER_SUPERVISOR_H
#define TRAWL_WORKER_WORKER_SUPERVISOR_H

#include <stdbool.h>

#include "base/error.h"
#include "config/options.h"

struct worker_supervisor_options {
    const char *name, *data_dir, *listen, *hub_url, *token_file;
    bool no_capture;
    /* Handed on to `trawl capturer` (NULL-terminated "--flag", "value" …), without --data and
     * --exclude. */
    const char *const *capturer_arguments;
    /* ADDR:PORT of sockets that are ours: the hub's, and what the user names. */
    const struct option_list *excluded;
};

/* Until SIGTERM or SIGINT: the server ends, then the capturer seals; at most 5 s; a second signal
 * exits now. */
int worker_supervise(const struct worker_supervisor_options *options, struct error *reterr);

#endif
