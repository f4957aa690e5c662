#include "worker/worker_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define FIELD(name) offsetof(struct worker_options, name)

#define OPTION_DATA                                                                          \
    {                                                                                        \
        .name = "data", .type = OPTION_TEXT, .offset = FIELD(data_dir), .value_name = "DIR", \
        .doc = "where everything is kept (default /var/lib/trawl, or ~/.local/state/trawl)"  \
    }

#define OPTIONS_CAPTURE                                                                         \
    {.name = "iface",                                                                           \
     .type = OPTION_LIST,                                                                       \
     .offset = FIELD(interfaces),                                                               \
     .value_name = "NAME",                                                                      \
     .doc = "interface to record; may repeat (default any: all of them)"},                      \
        {.name = "bpf",                                                                         \
         .type = OPTION_TEXT,                                                                   \
         .offset = FIELD(filter),                                                               \
         .value_name = "EXPR",                                                                  \
         .doc = "record only what matches this pcap-filter expression"},                        \
        {.name = "snaplen",                                                                     \
         .type = OPTION_INT,                                                                    \
         .offset = FIELD(snaplen),                                                              \
         .default_value = "262144",                                                             \
         .min = 64,                                                                             \
         .max = 262144,                                                                         \
         .value_name = "BYTES",                                                                 \
         .doc = "bytes to keep of each packet"},                                                \
        {.name = "promiscuous",                                                                 \
         .type = OPTION_BOOL,                                                                   \
         .offset = FIELD(promiscuous),                                                          \
         .doc = "also record frames for other hosts (named interfaces only)"},                  \
        {.name = "ring-size",                                                                   \
         .type = OPTION_SIZE,                                                                   \
         .offset = FIELD(ring_bytes),                                                           \
         .value_name = "SIZE",                                                                  \
         .doc = "disk space of the ring (default: 5 % of the disk, 1 to 64 GiB)"},              \
        {.name = "segment-size",                                                                \
         .type = OPTION_SIZE,                                                                   \
         .offset = FIELD(segment_bytes),                                                        \
         .value_name = "SIZE",                                                                  \
         .doc = "size of its files (default: a 16th of the ring, at most 64 MiB)"},             \
        {.name = "buffer",                                                                      \
         .type = OPTION_SIZE,                                                                   \
         .offset = FIELD(buffer_bytes),                                                         \
         .default_value = "64MiB",                                                              \
         .value_name = "SIZE",                                                                  \
         .doc = "memory in which the kernel keeps packets until they are written"},             \
    {                                                                                           \
        .name = "exclude", .type = OPTION_LIST, .offset = FIELD(excludes),                      \
        .value_name = "ADDR:PORT", .doc = "leave out TCP connections with this end; may repeat" \
    }

#define OPTIONS_SERVER                                                                       \
    {.name = "hub",                                                                          \
     .type = OPTION_TEXT,                                                                    \
     .offset = FIELD(hub_url),                                                               \
     .value_name = "URL",                                                                    \
     .doc = "the hub to register with"},                                                     \
        {.name = "node",                                                                     \
         .type = OPTION_TEXT,                                                                \
         .offset = FIELD(node),                                                              \
         .value_name = "NAME",                                                               \
         .doc = "name of this node (default: the host's name)"},                             \
        {.name = "listen",                                                                   \
         .type = OPTION_TEXT,                                                                \
         .offset = FIELD(listen),                                                            \
         .default_value = "127.0.0.1:0",                                                     \
         .value_name = "ADDR:PORT",                                                          \
         .doc = "where the hub reaches this worker"},                                        \
        {.name = "token-file",                                                               \
         .type = OPTION_TEXT,                                                                \
         .offset = FIELD(token_file),                                                        \
         .value_name = "FILE",                                                               \
         .doc = "file with the token for the hub (default DATA/worker-token)"},              \
    {                                                                                        \
        .name = "worker-token", .type = OPTION_TEXT, .offset = FIELD(token), .secret = true, \
        .doc = "the token itself"                                                            \
    }

static const struct option_def worker_defs[] = {
    OPTIONS_SERVER,
    OPTION_DATA,
    OPTIONS_CAPTURE,
    {.name = "no-capture",
     .type = OPTION_BOOL,
     .offset = FIELD(no_capture),
     .doc = "serve what the ring holds, record nothing"},
    {0},
};

static const struct option_def capturer_defs[] = {OPTION_DATA, OPTIONS_CAPTURE, {0}};
static const struct option_def server_defs[] = {OPTION_DATA, OPTIONS_SERVER, {0}};

const struct option_spec worker_spec = {
    .usage = "trawl worker --hub URL [--node NAME] [--data DIR] [--iface NAME] [--ring-size SIZE]",
    .summary = "Record this node into a bounded ring and serve it to a hub.",
    .example = "trawl worker --hub http://hub.example:8899 --node rack-7 --ring-size 20GiB",
    .defs = worker_defs,
};

const struct option_spec worker_capturer_spec = {
    .usage = "trawl capturer [--data DIR] [--iface NAME] [--bpf EXPR] [--ring-size SIZE]",
    .summary = "Record packets into DATA/ring (the child of `trawl worker` that does it).",
    .example = "trawl capturer --data ./data --iface any",
    .defs = capturer_defs,
};

const struct option_spec worker_server_spec = {
    .usage = "trawl worker-server --hub URL [--node NAME] [--data DIR] [--listen ADDR:PORT]",
    .summary = "Serve DATA/ring to a hub (the child of `trawl worker` that does it).",
    .example = "trawl worker-server --hub http://127.0.0.1:8899 --data ./data",
    .defs = server_defs,
};

char *worker_default_data_dir(void)
{
    char path[4096];
    const char *state = getenv("XDG_STATE_HOME"); // NOLINT(concurrency-mt-unsafe): at the start
    const char *home = getenv("HOME");            // NOLINT(concurrency-mt-unsafe)
    if (geteuid() == 0)
        return strdup("/var/lib/trawl");
    if (state && state[0] == '/')
        snprintf(path, sizeof path, "%s/trawl", state);
    else
        snprintf(path, sizeof path, "%s/.local/state/trawl", home ? home : "");
    return strdup(path);
}

int worker_capturer_options(const struct worker_options *options, struct capture_exclude *excludes,
                            struct capturer_options *ret_options, struct error *reterr)
{
    if (options->excludes.count > CAPTURE_MAX_EXCLUDES)
        return error_set(reterr, -EINVAL, "at most %d --exclude can be given",
                         CAPTURE_MAX_EXCLUDES);
    for (size_t i = 0; i < options->excludes.count; i++) {
        char shown[80];
        if (capture_parse_exclude(options->excludes.items[i], &excludes[i]) < 0)
            return error_set(
                reterr, -EINVAL,
                "--exclude takes an address and a port like 127.0.0.1:8899 or [::1]:80, not \"%s\"",
                text_escape(slice_str(options->excludes.items[i]), shown, sizeof shown));
    }
    if (options->buffer_bytes < 64 * 1024 || options->buffer_bytes > UINT64_C(4) << 30)
        return error_set(reterr, -EINVAL, "--buffer must be between 64KiB and 4GiB");
    *ret_options = (struct capturer_options){
        .data_dir = options->data_dir,
        .capture = {.interfaces = (const char *const *)options->interfaces.items,
                    .interface_count = options->interfaces.count,
                    .filter = options->filter,
                    .snaplen_bytes = (uint32_t)options->snaplen,
                    .promiscuous = options->promiscuous,
                    .buffer_bytes = options->buffer_bytes,
                    .excludes = excludes,
                    .exclude_count = options->excludes.count},
        .ring_bytes = options->ring_bytes,
        .segment_bytes = options->segment_bytes};
    return 0;
}
