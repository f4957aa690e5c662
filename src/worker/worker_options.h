/* The options of `trawl worker` and of its children `capturer` and `worker-server`, from one table
 * each. Thread: init-only. */
#ifndef TRAWL_WORKER_WORKER_OPTIONS_H
#define TRAWL_WORKER_WORKER_OPTIONS_H

#include "config/options.h"
#include "worker/capturer.h"

struct worker_options {
    char *data_dir; /* owned, as all strings here */
    char *hub_url, *node, *listen, *token_file, *token;
    struct option_list interfaces, excludes;
    char *filter;
    int64_t snaplen;
    bool promiscuous, no_capture;
    uint64_t ring_bytes, segment_bytes, buffer_bytes;
};

extern const struct option_spec worker_spec;
extern const struct option_spec worker_capturer_spec;
extern const struct option_spec worker_server_spec;

/* DATA when none was given: /var/lib/trawl as root, else $XDG_STATE_HOME/trawl. Owned. */
char *worker_default_data_dir(void);

/* What parses and stays borrowed from options; excludes need CAPTURE_MAX_EXCLUDES of room. -EINVAL
 * with a sentence. */
int worker_capturer_options(const struct worker_options *options, struct capture_exclude *excludes,
                            struct capturer_options *ret_options, struct error *reterr);

#endif
