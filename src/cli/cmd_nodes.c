/* `trawl nodes`: who records, and how far back it reaches. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"

struct nodes_flags {
    struct client_flags client;
};

static const struct option_def defs[] = {CLIENT_OPTIONS(struct nodes_flags), {0}};
static const struct option_spec spec = {
    .usage = "trawl nodes [--json]",
    .summary = "Shows every node: whether it records, its rate, drops and how far back it reaches.",
    .example = "trawl nodes",
    .defs = defs,
};

/* How long ago it was heard, by the hub's clock: what it says of itself is that old. */
static void format_heartbeat(const json_t *node, const char *now, char out[CLOCK_TEXT_SIZE])
{
    int64_t now_ns = 0, at_ns = 0;
    char age[CLOCK_TEXT_SIZE];
    const char *at = json_string_value(json_object_get(node, "heartbeat_at"));
    if (!at || clock_parse_rfc3339(at, &at_ns) < 0 || clock_parse_rfc3339(now, &now_ns) < 0) {
        snprintf(out, CLOCK_TEXT_SIZE, "never");
        return;
    }
    int64_t seconds = now_ns > at_ns ? (now_ns - at_ns) / NS_PER_S : 0;
    clock_format_duration(seconds * NS_PER_S, age);
    snprintf(out, CLOCK_TEXT_SIZE, seconds ? "%.20s ago" : "now", age);
}

static void print_node(const json_t *node, const char *now)
{
    const json_t *ring = json_object_get(node, "ring"), *drops = json_object_get(node, "drops");
    char used[24], budget[24], bytes[70], retention[CLOCK_TEXT_SIZE], heartbeat[CLOCK_TEXT_SIZE];
    client_print_text(client_text(node, "name"), 24);
    (void)putchar(' ');
    client_print_text(client_text(node, "state"), 14);
    format_heartbeat(node, now, heartbeat);
    printf(" %-12s", heartbeat);
    snprintf(bytes, sizeof bytes, "%s of %s",
             text_format_size((uint64_t)client_int(ring, "bytes"), used),
             text_format_size((uint64_t)client_int(ring, "budget_bytes"), budget));
    clock_format_duration((int64_t)(client_number(ring, "retention_s") * 1e9), retention);
    printf(" %10.0f %12lld  %-24s %-14s", client_number(node, "packets_per_s"),
           (long long)(client_int(drops, "kernel") + client_int(drops, "ring") +
                       client_int(drops, "disk")),
           bytes, retention);
    client_print_text(client_text(node, "state_detail"), 0);
    (void)putchar('\n');
}

static int show(void *given, const struct option_operands *operands)
{
    const struct nodes_flags *flags = given;
    (void)operands;
    struct client *client = client_open("nodes", &flags->client);
    json_t *answer = client ? client_json(client, "GET", "/api/v1/nodes", NULL) : NULL;
    int code = answer ? 0 : 1;
    size_t i;
    const json_t *node, *nodes = json_object_get(answer, "nodes");
    if (answer && flags->client.json) {
        client_print_json(answer);
    } else if (answer && !json_array_size(nodes)) {
        printf("No node has announced itself yet.\n");
    } else if (answer) {
        printf("%-24s %-14s %-12s %10s %12s  %-24s %s\n", "NODE", "STATE", "HEARTBEAT", "PACKETS/S",
               "DROPPED", "RING", "REACHES BACK");
        json_array_foreach(nodes, i, node)
        {
            print_node(node, client_text(answer, "now"));
        }
    }
    json_decref(answer);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct nodes_flags flags = {0};
    return cli_run("nodes", &spec, argc, argv, &flags, show);
}

const struct command cmd_nodes = {
    .name = "nodes", .summary = "who records, at what rate, how far back", .run = run};
