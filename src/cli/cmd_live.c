/* `trawl live`: the switch of live dissection. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"

struct live_flags {
    struct client_flags client;
};

static const struct option_def defs[] = {CLIENT_OPTIONS(struct live_flags), {0}};
static const struct option_spec spec = {
    .usage = "trawl live on | off | status [--json]",
    .summary =
        "Dissects what the nodes record while they record it; the calls are the source live.",
    .example = "trawl live on && trawl entries --source live --filter 'status_code >= 500'",
    .defs = defs,
    .operands = 1,
};

static void print_status(const json_t *answer)
{
    const char *state = client_text(answer, "state"), *reason = client_text(answer, "reason");
    char missed[24], text[400];
    bool is_on = strcmp(state, "on") == 0;
    printf("Live dissection is %.20s", is_on ? "on" : state);
    if (reason[0])
        printf(" (%s)", text_escape(slice_str(reason), text, sizeof text));
    if (is_on || client_int(answer, "entries")) /* a hub that has only begun has not counted yet */
        printf(". %lld calls so far, of which the newest are kept; packets read: %lld.\n",
               (long long)client_int(answer, "entries"), (long long)client_int(answer, "packets"));
    else
        printf(". What was dissected before is there: trawl entries --source live\n");
    if (client_int(answer, "damages"))
        printf("%lld places in what was read were damaged.\n",
               (long long)client_int(answer, "damages"));
    if (is_on)
        printf("It goes off when nobody looks for %lld seconds.\n",
               (long long)client_int(answer, "idle_off_s"));
    if (client_int(answer, "missed_bytes"))
        printf("%s were passed over, last at %.35s: the rings were faster.\n",
               text_format_size((uint64_t)client_int(answer, "missed_bytes"), missed),
               client_text(answer, "missed_at"));
}

static int live(void *given, const struct option_operands *operands)
{
    const struct live_flags *flags = given;
    const char *what = operands->items[0];
    const char *method = strcmp(what, "on") == 0       ? "POST"
                         : strcmp(what, "off") == 0    ? "DELETE"
                         : strcmp(what, "status") == 0 ? "GET"
                                                       : NULL;
    if (!method)
        return cli_fail("live", 2, "Say on, off or status.");
    struct client *client = client_open("live", &flags->client);
    json_t *answer = client ? client_json(client, method, "/api/v1/live", NULL) : NULL;
    int code = answer ? 0 : 1;
    if (answer && flags->client.json)
        client_print_json(answer);
    else if (answer)
        print_status(answer);
    json_decref(answer);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct live_flags flags = {0};
    return cli_run("live", &spec, argc, argv, &flags, live);
}

const struct command cmd_live = {
    .name = "live", .summary = "dissect what is being recorded", .run = run};
