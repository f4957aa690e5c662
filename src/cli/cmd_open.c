/* `trawl open` and `trawl look-back`: from a file, or from the last minutes, to calls on the screen
 * in one step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/snapshot_verbs.h"

struct open_flags {
    struct client_flags client;
    char *name, *filter;
    bool no_browser;
    const char *command; /* "open", "look-back" */
    int (*act)(struct client *client, const struct open_flags *flags, const char *operand);
};

#define FLAG(member) .offset = offsetof(struct open_flags, member)
#define SHARED_OPTIONS                                               \
    {.name = "name",                                                 \
     .type = OPTION_TEXT,                                            \
     FLAG(name),                                                     \
     .value_name = "NAME",                                           \
     .doc = "name of the snapshot"},                                 \
        {.name = "filter",                                           \
         .type = OPTION_TEXT,                                        \
         FLAG(filter),                                               \
         .value_name = "EXPR",                                       \
         .doc = "display filter that the dashboard begins with"},    \
    {                                                                \
        .name = "no-browser", .type = OPTION_BOOL, FLAG(no_browser), \
        .doc = "only print the address"                              \
    }

static const struct option_def defs[] = {SHARED_OPTIONS, CLIENT_OPTIONS(struct open_flags), {0}};
static const struct option_spec open_spec = {
    .usage = "trawl open FILE [--name NAME] [--filter EXPR] [--no-browser]",
    .summary = "Imports a capture or an archive, dissects it and opens its calls in the browser.",
    .example = "trawl open capture.pcapng --filter 'http && status_code >= 500'",
    .defs = defs,
    .operands = 1,
};
static const struct option_spec look_back_spec = {
    .usage = "trawl look-back DURATION [--name NAME] [--filter EXPR] [--no-browser]",
    .summary =
        "Takes a snapshot of the last minutes, dissects it and opens its calls in the browser.",
    .example = "trawl look-back 15m --filter 'http && status_code >= 500'",
    .defs = defs,
    .operands = 1,
};

/* ── the browser ── */

/* Its own messages are of no use here, and it may outlive us. */
static void start_browser(const char *address)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (setsid() < 0 || !freopen("/dev/null", "w", stdout) ||
            !freopen("/dev/null", "w", stderr))
            _exit(127);
        execlp("xdg-open", "xdg-open", address, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, WNOHANG);
}

static int show(const struct open_flags *flags, const char *command, const char *id)
{
    struct buf address;
    buf_init(&address, 64 * 1024);
    size_t hub = strlen(flags->client.hub);
    while (hub > 0 && flags->client.hub[hub - 1] == '/')
        hub--;
    buf_append(&address, flags->client.hub, hub);
    buf_printf(&address, "/#/stream?source=%s", id);
    if (flags->filter) {
        buf_append_str(&address, "&filter=");
        client_escape(&address, flags->filter);
    }
    buf_append_u8(&address, 0);
    if (buf_failed(&address)) {
        buf_done(&address);
        return cli_fail(command, 2, "The filter is too long.");
    }
    const char *text = (const char *)address.data;
    printf("%s\n", text);
    (void)fflush(stdout);
    bool has_screen = getenv("DISPLAY") || getenv("WAYLAND_DISPLAY");
    if (has_screen && !flags->no_browser)
        start_browser(text);
    buf_done(&address);
    return 0;
}

/* ── open ── */

static bool is_dissected(const json_t *snapshot)
{
    return json_array_size(json_object_get(snapshot, "dissections")) > 0;
}

static int dissect(struct client *client, const char *command, const char *id)
{
    struct buf path;
    buf_init(&path, 4096);
    snapshot_path(&path, id, "");
    json_t *snapshot = client_json(client, "GET", (const char *)path.data, NULL);
    int code = snapshot ? 0 : 1;
    if (snapshot && !is_dissected(snapshot)) {
        json_t *body = json_object();
        path.len = 0;
        snapshot_path(&path, id, "/dissections");
        json_t *answer = client_json(client, "POST", (const char *)path.data, body);
        code = answer ? 0 : 1;
        json_decref(answer);
        json_decref(body);
    }
    json_decref(snapshot);
    buf_done(&path);
    return code ? code : snapshot_wait_for(client, command, id, true);
}

static int open_file(struct client *client, const struct open_flags *flags, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct buf path;
    int status = 0;
    buf_init(&path, 8000);
    buf_append_str(&path, "/api/v1/snapshots/import");
    client_query(&path, "name", flags->name);
    client_query(&path, "file", strcmp(file, "-") == 0 ? NULL : slash ? slash + 1 : file);
    buf_append_u8(&path, 0);
    json_t *answer =
        buf_failed(&path) ? NULL : client_upload(client, (const char *)path.data, file, &status);
    int code = buf_failed(&path) ? cli_fail("open", 2, "The name is too long.") : answer ? 0 : 1;
    buf_done(&path);
    if (answer) {
        const char *id = client_text(answer, "id");
        code = dissect(client, "open", id);
        if (code == 0) {
            snapshot_say_warnings(client, "open", id);
            code = show(flags, "open", id);
        }
    }
    json_decref(answer);
    return code;
}

/* ── look-back ── */

static int look_back(struct client *client, const struct open_flags *flags, const char *duration)
{
    int64_t last_ns;
    if (clock_parse_duration(duration, &last_ns) < 0 || last_ns <= 0)
        return cli_fail("look-back", 2,
                        "\"%.40s\" is no time to look back: say 15m, 1h or the like.", duration);
    char name[80];
    snprintf(name, sizeof name, "look back %.40s", duration);
    json_t *body = json_object();
    (void)json_object_set_new(body, "name", client_string(flags->name ? flags->name : name));
    (void)json_object_set_new(body, "last_s", json_real((double)last_ns / 1e9));
    (void)json_object_set_new(body, "auto_dissect", json_true());
    json_t *answer = client_json(client, "POST", "/api/v1/snapshots", body);
    json_decref(body);
    if (!answer)
        return 1;
    const char *id = client_text(answer, "id");
    int code = snapshot_wait_for(client, "look-back", id, true);
    if (code == 0) {
        snapshot_say_warnings(client, "look-back", id);
        code = show(flags, "look-back", id);
    }
    json_decref(answer);
    return code;
}

/* ── both ── */

static int with_client(void *given, const struct option_operands *operands)
{
    struct open_flags *flags = given;
    struct client *client = client_open(flags->command, &flags->client);
    int code = client ? flags->act(client, flags, operands->items[0]) : 1;
    client_close(client);
    return code;
}

static int run_open(int argc, char **argv)
{
    struct open_flags flags = {.command = "open", .act = open_file};
    return cli_run("open", &open_spec, argc, argv, &flags, with_client);
}

static int run_look_back(int argc, char **argv)
{
    struct open_flags flags = {.command = "look-back", .act = look_back};
    return cli_run("look-back", &look_back_spec, argc, argv, &flags, with_client);
}

const struct command cmd_open = {.name = "open",
                                 .summary = "import a capture, dissect it, open it in the browser",
                                 .run = run_open};
const struct command cmd_look_back = {
    .name = "look-back",
    .summary = "snapshot of the last minutes, dissected and opened in the browser",
    .run = run_look_back};
