#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/snapshot_verbs.h"

enum {
    POLL_US = 150 * 1000,
    NO_LAST = -1
};

struct create_flags {
    struct client_flags client;
    int64_t last_ns;
    char *from, *to, *bpf;
    struct option_list nodes;
    bool max, dissect, wait, whole;
};

#define FLAG(member) .offset = offsetof(struct create_flags, member)
static const struct option_def create_defs[] = {
    {.name = "last",
     .type = OPTION_DURATION,
     FLAG(last_ns),
     .value_name = "DURATION",
     .doc = "the window ends now and is so long: 5m, 1h"},
    {.name = "from",
     .type = OPTION_TEXT,
     FLAG(from),
     .value_name = "TIME",
     .doc = "begin: -10m, 14:02, \"2026-03-03 14:02\" (local zone) or ISO 8601"},
    {.name = "to",
     .type = OPTION_TEXT,
     FLAG(to),
     .value_name = "TIME",
     .doc = "end; default: now; may lie in the future"},
    {.name = "max", .type = OPTION_BOOL, FLAG(max), .doc = "everything the rings hold"},
    {.name = "nodes",
     .type = OPTION_LIST,
     FLAG(nodes),
     .value_name = "A,B",
     .doc = "only these nodes"},
    {.name = "bpf",
     .type = OPTION_TEXT,
     FLAG(bpf),
     .value_name = "EXPR",
     .doc = "only packets that this libpcap expression matches"},
    {.name = "whole",
     .type = OPTION_BOOL,
     FLAG(whole),
     .doc = "refuse when a part of the window is no longer held"},
    {.name = "dissect",
     .type = OPTION_BOOL,
     FLAG(dissect),
     .doc = "dissect it as soon as it is taken"},
    {.name = "wait", .type = OPTION_BOOL, FLAG(wait), .doc = "return when it is done"},
    CLIENT_OPTIONS(struct create_flags),
    {0},
};
static const struct option_spec create_spec = {
    .usage = "trawl snapshot create NAME [--last 5m | --from TIME [--to TIME] | --max] [options]",
    .summary = "Takes a snapshot of a window, after the fact, and prints its id.",
    .example = "trawl snapshot create incident --from 14:02 --to 14:10 --dissect --wait",
    .defs = create_defs,
    .operands = 1,
    .wanted = "Give the snapshot one name: trawl snapshot create NAME --last 5m",
};

/* Adds the window; what a person typed is echoed in UTC. */
static bool add_window(json_t *body, const struct create_flags *f)
{
    char from[40], to[40];
    if (f->last_ns == 0) {
        cli_fail("snapshot create", 2, "A window of 0 s holds nothing: say --last 5m or the like.");
        return false;
    }
    if ((f->last_ns != NO_LAST) + (f->from != NULL) + f->max > 1 || (f->to && !f->from)) {
        cli_fail("snapshot create", 2,
                 "Say the window in one way: --last, --from and --to, or "
                 "--max.");
        return false;
    }
    if (f->max) {
        (void)json_object_set_new(body, "max", json_true());
    } else if (f->from) {
        if (!client_time("snapshot create", "from", f->from, from) ||
            (f->to && !client_time("snapshot create", "to", f->to, to)))
            return false;
        (void)json_object_set_new(body, "from", json_string(from));
        if (f->to)
            (void)json_object_set_new(body, "to", json_string(to));
        if (!f->client.json)
            fprintf(stderr, "Window: %s to %s\n", from, f->to ? to : "now");
    } else {
        int64_t last = f->last_ns != NO_LAST ? f->last_ns : 300 * NS_PER_S;
        (void)json_object_set_new(body, "last_s", json_real((double)last / 1e9));
    }
    return true;
}

static json_t *make_body(const char *name, const struct create_flags *f)
{
    json_t *body = json_object(), *text = json_string(name);
    if (!text) {
        cli_fail("snapshot create", 2, "The name is not valid UTF-8.");
        json_decref(body);
        return NULL;
    }
    (void)json_object_set_new(body, "name", text);
    if (f->bpf)
        (void)json_object_set_new(body, "filter", client_string(f->bpf));
    if (f->dissect)
        (void)json_object_set_new(body, "auto_dissect", json_true());
    if (f->whole)
        (void)json_object_set_new(body, "allow_partial", json_false());
    if (f->nodes.count) {
        json_t *nodes = json_array();
        for (size_t i = 0; i < f->nodes.count; i++)
            (void)json_array_append_new(nodes, client_string(f->nodes.items[i]));
        (void)json_object_set_new(body, "nodes", nodes);
    }
    if (add_window(body, f))
        return body;
    json_decref(body);
    return NULL;
}

static void show_progress(const json_t *s)
{
    const json_t *p = json_object_get(s, "progress"), *eta = json_object_get(p, "eta_s");
    char text[200], size[24], left[60] = "";
    if (json_is_number(eta)) {
        char duration[CLOCK_TEXT_SIZE];
        snprintf(left, sizeof left, ", %s left",
                 clock_format_duration((int64_t)(json_number_value(eta) * 1e9), duration));
    }
    snprintf(text, sizeof text, "%.20s: %lld of %lld nodes, %s%s", client_text(s, "status"),
             (long long)client_int(p, "nodes_done"), (long long)client_int(p, "nodes_total"),
             text_format_size((uint64_t)client_int(p, "bytes"), size), left);
    client_progress(text);
}

/* The dissections: −1 one failed, 0 one is running, 1 all done, 2 there is none. */
static int dissections_state(const json_t *s, const char **ret_reason)
{
    size_t i;
    const json_t *d, *list = json_object_get(s, "dissections");
    int state = 2;
    json_array_foreach(list, i, d)
    {
        const json_t *redo = json_object_get(d, "redo");
        const json_t *run = redo ? redo : d;
        const char *text = client_text(run, "state");
        if (strcmp(text, "running") == 0)
            return 0;
        if (strcmp(text, "done") != 0) {
            *ret_reason = client_text(run, "reason");
            return -1;
        }
        state = 1;
    }
    return state;
}

/* 1 = go on waiting, else the exit code below. */
enum wait_result {
    WAIT_OK,
    WAIT_FAILED,
    WAIT_MORE
};

static enum wait_result judge(const json_t *s, const char *command, bool dissect)
{
    char shown[500];
    const char *status = client_text(s, "status"), *reason = "";
    if (strcmp(status, "Failed") == 0) {
        client_progress(NULL);
        cli_fail(command, 1, "It failed: %s",
                 text_escape(slice_str(client_text(s, "status_detail")), shown, sizeof shown));
        return WAIT_FAILED;
    }
    if (strcmp(status, "Completed") != 0 && strcmp(status, "Dissected") != 0)
        return WAIT_MORE;
    int state = dissections_state(s, &reason);
    if (state < 0) {
        client_progress(NULL);
        cli_fail(command, 1, "Its dissection failed: %s",
                 text_escape(slice_str(reason), shown, sizeof shown));
        return WAIT_FAILED;
    }
    return state == 0 || (dissect && state == 2) ? WAIT_MORE : WAIT_OK;
}

int snapshot_wait_for(struct client *client, const char *command, const char *id, bool dissect)
{
    struct buf path;
    buf_init(&path, 4096);
    snapshot_path(&path, id, "");
    char shown[100], again[140];
    snprintf(again, sizeof again, "trawl snapshot wait %s",
             text_escape(slice_str(id), shown, sizeof shown));
    enum wait_result result = WAIT_MORE;
    while (result == WAIT_MORE) {
        json_t *s = client_poll(client, (const char *)path.data, again);
        if (!s) {
            result = WAIT_FAILED;
            break;
        }
        show_progress(s);
        result = judge(s, command, dissect);
        json_decref(s);
        if (result == WAIT_MORE)
            usleep(POLL_US);
    }
    client_progress(NULL);
    buf_done(&path);
    return result == WAIT_OK ? 0 : 1;
}

static int create(void *given, const struct option_operands *operands)
{
    const struct create_flags *flags = given;
    const char *name = operands->items[0];
    json_t *body = make_body(name, flags);
    if (!body)
        return 2;
    struct client *client = client_open("snapshot create", &flags->client);
    json_t *answer = client ? client_json(client, "POST", "/api/v1/snapshots", body) : NULL;
    int code = answer ? 0 : 1;
    if (answer) {
        if (flags->client.json)
            client_print_json(answer);
        else
            printf("%s\n", client_text(answer, "id"));
        (void)fflush(stdout);
        if (flags->wait)
            code = snapshot_wait_for(client, "snapshot create", client_text(answer, "id"),
                                     flags->dissect);
    }
    json_decref(answer);
    json_decref(body);
    client_close(client);
    return code;
}

int snapshot_create(int argc, char **argv)
{
    struct create_flags flags = {.last_ns = NO_LAST};
    return cli_run("snapshot create", &create_spec, argc, argv, &flags, create);
}

/* ── wait ── */

struct wait_flags {
    struct client_flags client;
};

static const struct option_def wait_defs[] = {CLIENT_OPTIONS(struct wait_flags), {0}};
static const struct option_spec wait_spec = {
    .usage = "trawl snapshot wait ID",
    .summary = "Waits until a snapshot is taken, and dissected when that was asked for.",
    .example = "trawl snapshot wait @latest",
    .defs = wait_defs,
    .operands = 1,
    .wanted = "Say which snapshot: trawl snapshot wait ID",
};

static int wait_for(void *given, const struct option_operands *operands)
{
    const struct wait_flags *flags = given;
    if (!snapshot_named("snapshot wait", operands->items[0]))
        return 2;
    struct client *client = client_open("snapshot wait", &flags->client);
    int code = client ? snapshot_wait_for(client, "snapshot wait", operands->items[0], false) : 1;
    client_close(client);
    return code;
}

int snapshot_wait(int argc, char **argv)
{
    struct wait_flags flags = {0};
    return cli_run("snapshot wait", &wait_spec, argc, argv, &flags, wait_for);
}
