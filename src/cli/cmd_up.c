/* `trawl up`: worker and hub on this machine, in one command. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "capture/capture.h"
#include "cli/command.h"
#include "cli/data_dir.h"
#include "cli/record_flags.h"
#include "hub/data_dir.h"
#include "hub/supervisor.h"
#include "worker/worker_protocol.h"

struct up_flags {
    char *data, *listen, *node, *quota;
    struct record_flags record;
    struct option_list host_names;
    bool no_capture;
};

#define FLAG(member) .offset = offsetof(struct up_flags, member)
static const struct option_def defs[] = {
    DATA_OPTION(struct up_flags, data),
    {.name = "listen",
     .type = OPTION_TEXT,
     FLAG(listen),
     .default_value = "127.0.0.1:8899",
     .value_name = "ADDR:PORT",
     .doc = "where the dashboard and the API are served"},
    RECORD_OPTIONS(struct up_flags),
    {.name = "node",
     .type = OPTION_TEXT,
     FLAG(node),
     .value_name = "NAME",
     .doc = "name of this node; default: the host's name"},
    {.name = "quota",
     .type = OPTION_TEXT,
     FLAG(quota),
     .value_name = "SIZE",
     .doc = "space for snapshots; default: what the disk has"},
    {.name = "host-name",
     .type = OPTION_LIST,
     FLAG(host_names),
     .value_name = "NAME",
     .doc = "a name under which browsers reach the hub, repeatable"},
    {.name = "no-capture",
     .type = OPTION_BOOL,
     FLAG(no_capture),
     .doc = "serve what is there, record nothing"},
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl up [--data DIR] [--iface NAME|any] [--listen ADDR:PORT] [--ring-size SIZE] "
             "[options]",
    .summary = "Records this machine into a bounded ring and serves the dashboard.",
    .example = "trawl up --data ./data --ring-size 4GiB",
    .defs = defs,
};

struct arguments {
    struct supervisor_child *child;
    size_t n;
    bool full;
};

static void add(struct arguments *a, const char *name, const char *value)
{
    if (!value)
        return;
    if (a->n + 3 > SUPERVISOR_MAX_ARGS) {
        a->full = true;
        return;
    }
    a->child->argv[a->n++] = name;
    a->child->argv[a->n++] = value;
}

static void add_all(struct arguments *a, const char *name, const struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add(a, name, list->items[i]);
}

static void add_flag(struct arguments *a, const char *name, bool given)
{
    if (given && a->n + 2 <= SUPERVISOR_MAX_ARGS)
        a->child->argv[a->n++] = name;
}

/* Where this machine reaches what listens there: also on every address. */
static void hub_url(const char *listen_at, char out[200])
{
    const char *colon = strrchr(listen_at, ':');
    int host = colon ? (int)(colon - listen_at) : 0;
    const char *port = colon ? colon : ":8899";
    if (strncmp(listen_at, "0.0.0.0:", 8) == 0 || host == 0)
        snprintf(out, 200, "http://127.0.0.1%.20s", port);
    else if (strncmp(listen_at, "[::]:", 5) == 0)
        snprintf(out, 200, "http://[::1]%.20s", port);
    else
        snprintf(out, 200, "http://%.*s%.20s", host < 100 ? host : 100, listen_at, port);
}

static bool fill_hub(const struct up_flags *f, const char *data, struct supervisor_child *child)
{
    *child = (struct supervisor_child){.name = "hub", .argv = {"trawl", "hub"}};
    struct arguments a = {.child = child, .n = 2};
    add(&a, "--data", data);
    add(&a, "--listen", f->listen);
    add(&a, "--quota", f->quota);
    add_all(&a, "--host-name", &f->host_names);
    return !a.full;
}

static bool fill_worker(const struct up_flags *f, const char *data, const char *url,
                        const char *token_file, struct supervisor_child *child)
{
    *child = (struct supervisor_child){.name = "worker", .argv = {"trawl", "worker"}};
    struct arguments a = {.child = child, .n = 2};
    add(&a, "--data", data);
    add(&a, "--hub", url);
    add(&a, "--token-file", token_file);
    add(&a, "--listen", "127.0.0.1:0");
    add(&a, "--node", f->node);
    /* wherever browsers reach the hub: that traffic is ours too */
    add(&a, "--exclude", f->listen);
    add_flag(&a, "--no-capture", f->no_capture);
    return !a.full && record_flags_arguments(&f->record, true, child->argv + a.n,
                                             SUPERVISOR_MAX_ARGS - a.n) >= 0;
}

static void warn_without_capability(const struct up_flags *flags)
{
    char sentence[CAPTURE_SENTENCE_SIZE];
    capture_capability_sentence(sentence);
    if (!flags->no_capture && !ring_owner_has_net_raw())
        fprintf(stderr, "trawl up: Nothing is recorded. %s The dashboard runs all the same.\n",
                sentence);
}

static int check_flags(const struct up_flags *f, struct error *reterr)
{
    char shown[60];
    uint64_t bytes;
    if (f->quota && text_parse_size(f->quota, &bytes) < 0)
        return error_set(reterr, -EINVAL, "--quota takes a size like 50GiB, not \"%s\".",
                         text_escape(slice_str(f->quota), shown, sizeof shown));
    if (f->node && !worker_name_valid(f->node))
        return error_set(reterr, -EINVAL, "%s", WORKER_NAME_RULE);
    return record_flags_check(&f->record, NULL, reterr);
}

static int run_up(void *given, const struct option_operands *operands)
{
    const struct up_flags *flags = given;
    (void)operands;
    char data[DATA_DIR_PATH_SIZE], token_file[DATA_DIR_PATH_SIZE + 20], url[200];
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct ring_owner owner;
    struct supervisor_child children[2];
    int lock_fd = -1;
    int64_t port;
    const char *colon = strrchr(flags->listen, ':');
    if (!colon || text_parse_int(colon + 1, 1, 65535, &port) < 0)
        return cli_fail("up", 2,
                        "\"%.60s\" is not an address to listen on; write it as "
                        "127.0.0.1:8899.",
                        flags->listen);
    if (check_flags(flags, &err) < 0)
        return cli_fail_error("up", 2, &err);
    (void)umask(077);
    if (data_dir_choose(flags->data, data, &err) < 0 ||
        data_dir_take(data, "trawl up", &lock_fd, &owner, &err) < 0 ||
        data_dir_give(data, &owner, &err) < 0)
        return cli_fail_error("up", 1, &err);
    hub_url(flags->listen, url);
    snprintf(token_file, sizeof token_file, "%s/worker-token", data);
    if (!fill_hub(flags, data, &children[0]) ||
        !fill_worker(flags, data, url, token_file, &children[1]))
        return cli_fail("up", 2, "Too many interfaces, names or exclusions were given.");
    warn_without_capability(flags);
    /* Only the capturer and its look-out for processes will hold them; they pass through us. */
    unsigned keep = flags->no_capture ? 0 : RING_KEEP_NET_RAW | RING_KEEP_PROCESSES;
    if (ring_owner_become(&owner, keep, keep != 0, &err) < 0)
        return cli_fail_error("up", 1, &err);
    struct supervisor_options options = {.children = children, .count = 2, .lock_fd = lock_fd};
    return supervisor_run(&options);
}

static int run(int argc, char **argv)
{
    struct up_flags flags = {0};
    return cli_run("up", &spec, argc, argv, &flags, run_up);
}

const struct command cmd_up = {
    .name = "up", .summary = "record this machine and serve the dashboard", .run = run};
