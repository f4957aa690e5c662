/* `trawl hold`: keeps what the rings hold now, before anybody has decided what to take. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/client.h"

#define MAX_HOLD_NS (24 * 3600 * NS_PER_S)

struct hold_flags {
    struct client_flags client;
    int64_t for_ns;
    bool release;
};

static const struct option_def defs[] = {
    {.name = "for",
     .type = OPTION_DURATION,
     .offset = offsetof(struct hold_flags, for_ns),
     .default_value = "1h",
     .value_name = "DURATION",
     .doc = "how long, at most 24h"},
    {.name = "release",
     .type = OPTION_BOOL,
     .offset = offsetof(struct hold_flags, release),
     .doc = "end the hold"},
    CLIENT_OPTIONS(struct hold_flags),
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl hold [--for 1h] | --release",
    .summary = "Keeps what all rings hold now from being recycled; recording goes on.",
    .example = "trawl hold --for 30m",
    .defs = defs,
};

static int hold(void *given, const struct option_operands *operands)
{
    const struct hold_flags *flags = given;
    (void)operands;
    if (!flags->release && (flags->for_ns < NS_PER_S || flags->for_ns > MAX_HOLD_NS))
        return cli_fail("hold", 2, "--for has to lie between 1s and 24h.");
    struct client *client = client_open("hold", &flags->client);
    json_t *body = NULL;
    if (!flags->release) {
        body = json_object();
        (void)json_object_set_new(body, "for_s", json_real((double)flags->for_ns / 1e9));
    }
    json_t *answer =
        client ? client_json(client, flags->release ? "DELETE" : "POST", "/api/v1/hold", body)
               : NULL;
    if (answer && flags->client.json)
        client_print_json(answer);
    else if (answer && flags->release)
        printf("Released.\n");
    else if (answer)
        printf("Held until %.35s.\n", client_text(answer, "hold_until"));
    int code = answer ? 0 : 1;
    json_decref(answer);
    json_decref(body);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct hold_flags flags = {0};
    return cli_run("hold", &spec, argc, argv, &flags, hold);
}

const struct command cmd_hold = {
    .name = "hold", .summary = "keep what the rings hold now", .run = run};
