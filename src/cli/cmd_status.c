/* `trawl status`: the hub in a few lines. Exit code 1 when a node does not record. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"

struct status_flags {
    struct client_flags client;
};

static const struct option_def defs[] = {CLIENT_OPTIONS(struct status_flags), {0}};
static const struct option_spec spec = {
    .usage = "trawl status [--json]",
    .summary = "Says in a few lines whether everything records and how much space is left.",
    .example = "trawl status",
    .defs = defs,
};

static size_t count_recording(const json_t *nodes)
{
    size_t i, n = 0;
    const json_t *node;
    json_array_foreach(nodes, i, node)
    {
        n += strcmp(client_text(node, "state"), "recording") == 0;
    }
    return n;
}

/* Why a node does not record, or not all, a line each. */
static void print_others(const json_t *nodes)
{
    size_t i;
    const json_t *node;
    json_array_foreach(nodes, i, node)
    {
        char state[32];
        snprintf(state, sizeof state, "%s", client_text(node, "state"));
        if (strcmp(state, "recording") == 0 && !*client_text(node, "state_detail"))
            continue;
        for (char *c = state; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        printf("           ");
        client_print_text(client_text(node, "name"), 0);
        printf(": ");
        client_print_text(state, 0);
        printf(": ");
        client_print_text(client_text(node, "state_detail"), 0);
        printf("\n");
    }
}

static void print(const json_t *settings, const json_t *nodes, const json_t *snapshots)
{
    const json_t *quota = json_object_get(snapshots, "quota"),
                 *list = json_object_get(nodes, "nodes");
    char used[24], limit[24];
    printf("hub        version ");
    client_print_text(client_text(settings, "version"), 0);
    printf(", data in ");
    client_print_text(client_text(settings, "data_dir"), 0);
    printf("\nnodes      %zu of %zu record\n", count_recording(list), json_array_size(list));
    print_others(list);
    printf("snapshots  %lld, %s of %s used\n", (long long)client_int(snapshots, "total"),
           text_format_size((uint64_t)client_int(quota, "used_bytes"), used),
           text_format_size((uint64_t)client_int(quota, "limit_bytes"), limit));
}

static int show(void *given, const struct option_operands *operands)
{
    const struct status_flags *flags = given;
    (void)operands;
    struct client *client = client_open("status", &flags->client);
    json_t *settings = client ? client_json(client, "GET", "/api/v1/settings", NULL) : NULL;
    json_t *nodes = settings ? client_json(client, "GET", "/api/v1/nodes", NULL) : NULL;
    json_t *snapshots =
        nodes ? client_json(client, "GET", "/api/v1/snapshots?limit=1", NULL) : NULL;
    int code = 1;
    if (snapshots) {
        const json_t *list = json_object_get(nodes, "nodes");
        size_t all = json_array_size(list);
        code = all && count_recording(list) == all ? 0 : 1;
        if (flags->client.json) {
            json_t *whole = json_object();
            (void)json_object_set(whole, "settings", settings);
            (void)json_object_set(whole, "nodes", json_object_get(nodes, "nodes"));
            (void)json_object_set(whole, "quota", json_object_get(snapshots, "quota"));
            (void)json_object_set(whole, "snapshots", json_object_get(snapshots, "total"));
            client_print_json(whole);
            json_decref(whole);
        } else {
            print(settings, nodes, snapshots);
        }
    }
    json_decref(settings);
    json_decref(nodes);
    json_decref(snapshots);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct status_flags flags = {0};
    return cli_run("status", &spec, argc, argv, &flags, show);
}

const struct command cmd_status = {
    .name = "status", .summary = "whether everything records, and the space left", .run = run};
