#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "cli/command.h"
#include "cli/record_flags.h"
#include "config/options.h"
#include "worker/worker_protocol.h"
#include "worker/worker_supervisor.h"

struct worker_flags {
    char *hub, *node, *data, *listen, *token_file;
    struct record_flags record;
    bool no_capture;
};

#define FLAG(member) .offset = offsetof(struct worker_flags, member)
static const struct option_def defs[] = {
    {.name = "hub",
     .type = OPTION_TEXT,
     FLAG(hub),
     .value_name = "URL",
     .doc = "the hub, e.g. http://10.0.0.5:8899"},
    {.name = "node",
     .type = OPTION_TEXT,
     FLAG(node),
     .value_name = "NAME",
     .doc = "name of this node; default: the host's name"},
    {.name = "data",
     .type = OPTION_TEXT,
     FLAG(data),
     .value_name = "DIR",
     .doc = "data folder",
     .default_value = "/var/lib/trawl"},
    {.name = "listen",
     .type = OPTION_TEXT,
     FLAG(listen),
     .value_name = "ADDR:PORT",
     .doc = "where the hub reaches this worker",
     .default_value = "0.0.0.0:8898"},
    {.name = "token-file",
     .type = OPTION_TEXT,
     FLAG(token_file),
     .value_name = "FILE",
     .doc = "the hub's worker-token; or TRAWL_WORKER_TOKEN"},
    RECORD_OPTIONS(struct worker_flags),
    {.name = "no-capture",
     .type = OPTION_BOOL,
     FLAG(no_capture),
     .doc = "serve what is there, record nothing"},
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl worker --hub URL [options]",
    .summary = "Records this node into its ring and serves it to a hub.",
    .example = "trawl worker --hub http://10.0.0.5:8899 --token-file /etc/trawl/worker-token",
    .defs = defs,
};

/* The host's name as a node name: what is not allowed in one becomes a dash. */
static void default_name(char out[WORKER_NAME_MAX + 1])
{
    if (gethostname(out, WORKER_NAME_MAX) < 0)
        snprintf(out, WORKER_NAME_MAX, "node");
    out[WORKER_NAME_MAX] = '\0';
    for (char *c = out; *c; c++)
        if (!isalnum((unsigned char)*c) && !byte_is_in((uint8_t)*c, "._-"))
            *c = '-';
    if (!worker_name_valid(out))
        snprintf(out, WORKER_NAME_MAX, "node");
}

/* "host:port" of the hub's URL, so that our own talk with it is not recorded. */
static int exclude_hub(const char *url, struct option_list *excluded)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/");
    char text[300];
    bool has_port = len && isdigit((unsigned char)host[len - 1]) && memchr(host, ':', len);
    snprintf(text, sizeof text, "%.*s%s", (int)(len < 250 ? len : 250), host,
             has_port                        ? ""
             : strncmp(url, "https", 5) == 0 ? ":443"
                                             : ":80");
    char **items = realloc(excluded->items, (excluded->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    excluded->items = items;
    items[excluded->count] = strdup(text);
    return items[excluded->count] ? (int)++excluded->count : -ENOMEM;
}

static int supervise(void *given, const struct option_operands *operands)
{
    struct worker_flags *flags = given;
    (void)operands;
    char name[WORKER_NAME_MAX + 1];
    const char *arguments[96];
    struct error error;
    default_name(name);
    struct record_flags *record = &flags->record;
    if (flags->node && !worker_name_valid(flags->node))
        return cli_fail("worker", 2, "%s", WORKER_NAME_RULE);
    if (record_flags_check(record, NULL, &error) < 0)
        return cli_fail_error("worker", 2, &error);
    if (flags->hub && exclude_hub(flags->hub, &record->excluded) < 0)
        return cli_fail("worker", 1, "out of memory.");
    if (record_flags_arguments(record, false, arguments, sizeof arguments / sizeof *arguments) < 0)
        return cli_fail("worker", 2, "Too many interfaces were given.");
    struct worker_supervisor_options options = {.name = flags->node ? flags->node : name,
                                                .data_dir = flags->data,
                                                .listen = flags->listen,
                                                .hub_url = flags->hub,
                                                .token_file = flags->token_file,
                                                .no_capture = flags->no_capture,
                                                .capturer_arguments = arguments,
                                                .excluded = &record->excluded};
    if (worker_supervise(&options, &error) < 0)
        return cli_fail_error("worker", 1, &error);
    return 0;
}

static int run(int argc, char **argv)
{
    struct worker_flags flags = {0};
    return cli_run("worker", &spec, argc, argv, &flags, supervise);
}

const struct command cmd_worker = {
    .name = "worker", .summary = "record this node and serve its ring to a hub", .run = run};
