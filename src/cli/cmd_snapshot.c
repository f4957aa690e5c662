/* `trawl snapshot VERB`: what the Snapshots page of the dashboard does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/snapshot_verbs.h"

static const char usage[] =
    "usage: trawl snapshot VERB [options]\n\n"
    "  create NAME       take a snapshot of a window, after the fact\n"
    "  list              all snapshots, newest first\n"
    "  show ID           one snapshot with its nodes, gaps and files\n"
    "  wait ID           until it is taken (and dissected, when that was asked for)\n"
    "  rename ID NAME    another name\n"
    "  verify ID | FILE  read every byte and compare the checksums\n"
    "  delete ID         delete it and say what that freed\n"
    "  lock ID, unlock ID   protect it from deletion\n"
    "  cancel ID, retry ID  stop taking it; take a failed one again\n"
    "  dissect ID        find the API calls in it\n"
    "  pcap ID           its packets in time order, for Wireshark\n"
    "  estimate ID       how large that would be\n"
    "  download ID       the whole snapshot as one file\n"
    "  import FILE       take such a file, or any pcap or pcapng\n\n"
    "ID is an id, the beginning of one, a name, or @latest.\n"
    "`trawl snapshot VERB --help` shows the options of each.\n\n"
    "Example:\n  trawl snapshot create incident --last 10m --dissect --wait\n";

void snapshot_path(struct buf *out, const char *ref, const char *rest)
{
    buf_reset(out);
    buf_append_str(out, "/api/v1/snapshots/");
    client_escape(out, ref);
    buf_append_str(out, rest);
    buf_append_u8(out, 0); /* for C strings; not counted */
    if (buf_failed(out)) { /* longer than any id: one that nothing has */
        buf_reset(out);
        buf_append_str(out, "/api/v1/snapshots/-");
        buf_append_u8(out, 0);
    }
    out->len--;
}

bool snapshot_named(const char *command, const char *ref)
{
    if (ref[0])
        return true;
    cli_fail(command, 2, "Say which snapshot: an id, the beginning of one, a name, or @latest.");
    return false;
}

void snapshot_say_warnings(struct client *client, const char *command, const char *ref)
{
    struct buf path, answer;
    buf_init(&path, 8192);
    buf_init(&answer, UINT32_C(16) << 20);
    snapshot_path(&path, ref, "");
    json_t *s = client_try(client, "GET", (const char *)path.data, &answer) == 200
                    ? json_loadb((const char *)answer.data, answer.len, 0, NULL)
                    : NULL;
    size_t i;
    const json_t *warning;
    char shown[1100];
    json_array_foreach(json_object_get(s, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        fprintf(stderr, "trawl %s: note: %s\n", command,
                text_escape(slice_str(text ? text : ""), shown, sizeof shown));
    }
    json_decref(s);
    buf_done(&answer);
    buf_done(&path);
}

/* ── verbs with an ID and little else ── */

struct verb_flags {
    struct client_flags client;
    char *search, *status;
    const struct verb *verb;
    const char *command; /* "snapshot list" … */
};

static const struct option_def plain_defs[] = {CLIENT_OPTIONS(struct verb_flags), {0}};
static const struct option_def list_defs[] = {
    CLIENT_OPTIONS(struct verb_flags),
    {.name = "search",
     .type = OPTION_TEXT,
     .offset = offsetof(struct verb_flags, search),
     .value_name = "TEXT",
     .doc = "part of a name, note, tag or id"},
    {.name = "status",
     .type = OPTION_TEXT,
     .offset = offsetof(struct verb_flags, status),
     .value_name = "STATUS",
     .doc = "Pending, In Progress, Completed, Dissected or Failed"},
    {0},
};

struct verb_context {
    struct client *client;
    const struct verb_flags *flags;
    const char *command; /* "snapshot show" */
    char **operands;
    struct buf path;
};

static const char *path_of(struct verb_context *v, const char *rest)
{
    snapshot_path(&v->path, v->operands[0], rest);
    return (const char *)v->path.data;
}

static void print_bytes(int64_t bytes, int width)
{
    char size[24];
    client_print_text(text_format_size(bytes > 0 ? (uint64_t)bytes : 0, size), width);
}

static void print_nodes(const json_t *snapshot)
{
    const json_t *nodes = json_object_get(snapshot, "nodes");
    size_t n = json_array_size(nodes);
    char text[300];
    if (!n)
        snprintf(text, sizeof text, "-");
    else if (n == 1)
        snprintf(text, sizeof text, "%.200s", client_text(json_array_get(nodes, 0), "name"));
    else
        snprintf(text, sizeof text, "%.200s +%zu", client_text(json_array_get(nodes, 0), "name"),
                 n - 1);
    client_print_text(text, 0);
}

/* The progress of the dissection under way that is furthest from its end; NULL: there is none. */
static const json_t *running_dissection(const json_t *s)
{
    size_t i;
    const json_t *d, *found = NULL;
    json_array_foreach(json_object_get(s, "dissections"), i, d)
    {
        const json_t *redo = json_object_get(d, "redo");
        const json_t *run = redo ? redo : json_object_get(d, "progress");
        bool runs = strcmp(client_text(redo ? redo : d, "state"), "running") == 0;
        if (runs && (!found || client_number(run, "percent") < client_number(found, "percent")))
            found = run;
    }
    return found;
}

/* The status; while a dissection runs, how far it is. */
static void print_status(const json_t *s, int width)
{
    char text[60];
    const json_t *running = running_dissection(s);
    if (running)
        snprintf(text, sizeof text, "Dissecting %d %%", (int)client_number(running, "percent"));
    else
        snprintf(text, sizeof text, "%.30s%s", client_text(s, "status"),
                 json_is_true(json_object_get(s, "partial")) ? " partial" : "");
    client_print_text(text, width);
}

/* What needs an eye, a line each. */
static void print_warnings(const json_t *s, const char *before)
{
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(s, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        printf("%s", before);
        client_print_text(text ? text : "", 0);
        (void)putchar('\n');
    }
}

static void print_row(const json_t *s)
{
    char from[24], to[24], coverage[16] = "-";
    client_print_text(client_text(s, "id"), 27);
    (void)putchar(' ');
    client_print_text(client_text(s, "name"), 24);
    (void)putchar(' ');
    print_status(s, 18);
    (void)putchar(' ');
    print_bytes(client_int(s, "size_bytes"), -9);
    if (json_is_string(json_object_get(s, "manifest_sha256")))
        snprintf(coverage, sizeof coverage, "%.1f %%", 100 * client_number(s, "coverage"));
    printf("  %-19s  %-19s  %8s  ", client_short_time(s, "from", from),
           client_short_time(s, "to", to), coverage);
    print_nodes(s);
    (void)putchar('\n');
    print_warnings(s, "  ! ");
}

static int list(struct verb_context *v)
{
    struct buf path;
    buf_init(&path, 4096);
    buf_append_str(&path, "/api/v1/snapshots");
    client_query(&path, "search", v->flags->search);
    client_query(&path, "status", v->flags->status);
    buf_append_u8(&path, 0);
    json_t *answer =
        buf_failed(&path) ? NULL : client_json(v->client, "GET", (const char *)path.data, NULL);
    buf_done(&path);
    if (!answer)
        return 1;
    if (v->flags->client.json) {
        client_print_json(answer);
    } else {
        size_t i;
        const json_t *s;
        printf("%-27s %-24s %-18s %9s  %-19s  %-19s  %8s  %s\n", "ID", "NAME", "STATUS", "SIZE",
               "FROM (UTC)", "TO (UTC)", "COVERAGE", "NODES");
        json_array_foreach(json_object_get(answer, "snapshots"), i, s) print_row(s);
    }
    json_decref(answer);
    return 0;
}

/* ── show ── */

static void show_member(const char *label, const char *text)
{
    printf("%-12s ", label);
    client_print_text(text[0] ? text : "-", 0);
    (void)putchar('\n');
}

static void show_nodes(const json_t *snapshot)
{
    size_t i, k;
    const json_t *node, *gap;
    json_array_foreach(json_object_get(snapshot, "nodes"), i, node)
    {
        const json_t *drops = json_object_get(node, "drops");
        printf("node         ");
        client_print_text(client_text(node, "name"), 0);
        printf(": %lld packets, dropped %lld by the kernel, %lld by the ring, %lld by the disk; "
               "clock offset %lld ns (",
               (long long)client_int(node, "packets"), (long long)client_int(drops, "kernel"),
               (long long)client_int(drops, "ring"), (long long)client_int(drops, "disk"),
               (long long)client_int(node, "clock_offset_ns"));
        client_print_text(client_text(node, "clock_source"), 0);
        printf(")\n");
        json_array_foreach(json_object_get(node, "gaps"), k, gap)
        {
            printf("  gap        %.35s to %.35s: ", client_text(gap, "from"),
                   client_text(gap, "to"));
            client_print_text(client_text(gap, "reason"), 0);
            (void)putchar('\n');
        }
        long long more = (long long)client_int(node, "gap_count") - (long long)k;
        if (more > 0)
            printf("  gap        and %lld more: the manifest has all of them\n", more);
    }
}

static void show_missing(const json_t *snapshot)
{
    size_t i;
    const json_t *m;
    json_array_foreach(json_object_get(snapshot, "missing"), i, m)
    {
        printf("missing      ");
        client_print_text(client_text(m, "node"), 0);
        printf(" %.35s to %.35s: ", client_text(m, "from"), client_text(m, "to"));
        client_print_text(client_text(m, "reason"), 0);
        (void)putchar('\n');
    }
    long long more = (long long)client_int(snapshot, "missing_count") - (long long)i;
    if (more > 0)
        printf("missing      and %lld more: the manifest has all of them\n", more);
}

/* It is, or was, made once more; the result above stays. */
static void show_redo(const json_t *redo)
{
    const char *state = client_text(redo, "state");
    if (!redo)
        return;
    if (strcmp(state, "running") == 0) {
        printf("             made again: running, %.0f %%\n", client_number(redo, "percent"));
        return;
    }
    printf("             made again at %.35s: %.20s: ", client_text(redo, "started_at"), state);
    client_print_text(client_text(redo, "reason"), 0);
    printf("; the result above stays\n");
}

static void show_dissections(const json_t *snapshot)
{
    size_t i;
    const json_t *d;
    json_array_foreach(json_object_get(snapshot, "dissections"), i, d)
    {
        const json_t *progress = json_object_get(d, "progress");
        printf("dissection   ");
        client_print_text(client_text(d, "name"), 0);
        printf(": %.20s, %lld entries, %.0f %%", client_text(d, "state"),
               (long long)client_int(progress, "entries"), client_number(progress, "percent"));
        const char *reason = client_text(d, "reason");
        if (reason[0]) {
            printf(": ");
            client_print_text(reason, 0);
        }
        (void)putchar('\n');
        show_redo(json_object_get(d, "redo"));
    }
}

static void show_verified(const json_t *snapshot)
{
    const json_t *v = json_object_get(snapshot, "verified");
    char text[120];
    if (!json_is_object(v))
        return;
    snprintf(text, sizeof text, "%s, %.40s",
             json_is_true(json_object_get(v, "ok")) ? "intact" : "damaged", client_text(v, "at"));
    show_member("verified", text);
}

void snapshot_signature_text(const json_t *owner, char out[160])
{
    const json_t *s = json_object_get(owner, "signature");
    const char *by = client_text(s, "by");
    const char *whose = strcmp(by, "own") == 0 ? "of this hub"
                        : by[0] ? "foreign: of another hub that this one does not know"
                                : "good, whose key it is only a hub can say";
    if (json_is_object(s))
        snprintf(out, 160, "%s, key %.16s", whose, client_text(s, "fingerprint"));
    else
        snprintf(out, 160, "none");
}

static int show(struct verb_context *v)
{
    json_t *s = client_json(v->client, "GET", path_of(v, ""), NULL);
    if (!s)
        return 1;
    if (v->flags->client.json) {
        client_print_json(s);
    } else {
        char text[80], size[24], gaps[CLOCK_TEXT_SIZE];
        show_member("id", client_text(s, "id"));
        show_member("name", client_text(s, "name"));
        printf("%-12s ", "status");
        print_status(s, 0);
        const char *detail = client_text(s, "status_detail");
        if (detail[0]) {
            printf(": ");
            client_print_text(detail, 0);
        }
        (void)putchar('\n');
        snprintf(text, sizeof text, "%.35s to %.35s", client_text(s, "from"), client_text(s, "to"));
        show_member("window", text);
        show_member("created at", client_text(s, "created_at"));
        show_member("size", text_format_size((uint64_t)client_int(s, "size_bytes"), size));
        snprintf(text, sizeof text, "%lld", (long long)client_int(s, "packets"));
        show_member("packets", text);
        int64_t gaps_ns = client_int(s, "gaps_total_ns");
        snprintf(text, sizeof text, "%.1f %% (gaps: %s)", 100 * client_number(s, "coverage"),
                 gaps_ns ? clock_format_duration(gaps_ns, gaps) : "none");
        show_member("coverage", text);
        show_nodes(s);
        show_missing(s);
        show_dissections(s);
        show_verified(s);
        print_warnings(s, "warning      ");
        show_member("manifest", client_text(s, "manifest_sha256"));
        char signature[160];
        snapshot_signature_text(s, signature);
        if (json_is_string(json_object_get(s, "manifest_sha256")))
            show_member("signature", signature);
    }
    json_decref(s);
    return 0;
}

/* ── changes ── */

static int finish(struct verb_context *v, json_t *answer, const char *sentence)
{
    if (!answer)
        return 1;
    if (v->flags->client.json)
        client_print_json(answer);
    else if (sentence)
        printf("%s\n", sentence);
    json_decref(answer);
    return 0;
}

static int patch(struct verb_context *v, const char *key, json_t *value)
{
    json_t *body = json_object();
    (void)json_object_set_new(body, key, value);
    json_t *answer = client_json(v->client, "PATCH", path_of(v, ""), body);
    json_decref(body);
    return finish(v, answer, NULL);
}

static int rename_it(struct verb_context *v)
{
    json_t *name = json_string(v->operands[1]);
    if (!name)
        return cli_fail(v->command, 2, "The name is not valid UTF-8.");
    return patch(v, "name", name);
}

static int lock(struct verb_context *v)
{
    return patch(v, "locked", json_true());
}

static int unlock(struct verb_context *v)
{
    return patch(v, "locked", json_false());
}

static int delete_it(struct verb_context *v)
{
    json_t *answer = client_json(v->client, "DELETE", path_of(v, ""), NULL);
    if (!answer)
        return 1;
    char text[160], size[24];
    snprintf(text, sizeof text,
             "Deleted; %s of the quota are free again (what the ring or other snapshots "
             "share leaves the disk with them).",
             text_format_size((uint64_t)client_int(answer, "freed_bytes"), size));
    return finish(v, answer, text);
}

static int cancel(struct verb_context *v)
{
    return finish(v, client_json(v->client, "POST", path_of(v, "/cancel"), NULL), "Cancelled.");
}

static int retry(struct verb_context *v)
{
    return finish(v, client_json(v->client, "POST", path_of(v, "/retry"), NULL), "Taken again.");
}

/* ── dispatch ── */

static const struct verb {
    const char *name, *usage, *summary, *example;
    int operands;
    int (*run)(struct verb_context *v);
    const struct option_def *defs;
} verbs[] = {
    {"list", "trawl snapshot list [--search TEXT] [--status STATUS]",
     "All snapshots, newest first.", "trawl snapshot list --status Failed", 0, list, list_defs},
    {"show", "trawl snapshot show ID", "One snapshot with its nodes, gaps and dissections.",
     "trawl snapshot show @latest --json", 1, show, plain_defs},
    {"rename", "trawl snapshot rename ID NAME", "Gives it another name.",
     "trawl snapshot rename @latest checkout-incident", 2, rename_it, plain_defs},
    {"lock", "trawl snapshot lock ID", "Protects it from deletion.", "trawl snapshot lock @latest",
     1, lock, plain_defs},
    {"unlock", "trawl snapshot unlock ID", "Allows its deletion again.",
     "trawl snapshot unlock @latest", 1, unlock, plain_defs},
    {"delete", "trawl snapshot delete ID", "Deletes it and says what that freed.",
     "trawl snapshot delete checkout-incident", 1, delete_it, plain_defs},
    {"cancel", "trawl snapshot cancel ID", "Stops taking it.", "trawl snapshot cancel @latest", 1,
     cancel, plain_defs},
    {"retry", "trawl snapshot retry ID", "Takes a failed one again.",
     "trawl snapshot retry @latest", 1, retry, plain_defs},
};

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} large_verbs[] = {
    {"create", snapshot_create}, {"wait", snapshot_wait},          {"dissect", snapshot_dissect},
    {"pcap", snapshot_pcap},     {"estimate", snapshot_estimate},  {"download", snapshot_download},
    {"import", snapshot_import}, {"verify", snapshot_verify_verb},
};

static int run_verb_with(void *given, const struct option_operands *operands)
{
    struct verb_flags *flags = given;
    const struct verb *verb = flags->verb;
    if (verb->operands && !snapshot_named(flags->command, operands->items[0]))
        return 2;
    struct verb_context v = {.client = client_open(flags->command, &flags->client),
                             .flags = flags,
                             .command = flags->command,
                             .operands = operands->items};
    buf_init(&v.path, 8192);
    int code = v.client ? verb->run(&v) : 1;
    buf_done(&v.path);
    client_close(v.client);
    return code;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    char command[40];
    struct verb_flags flags = {.verb = verb, .command = command};
    const struct option_spec spec = {.usage = verb->usage,
                                     .summary = verb->summary,
                                     .example = verb->example,
                                     .defs = verb->defs,
                                     .operands = verb->operands};
    snprintf(command, sizeof command, "snapshot %s", verb->name);
    return cli_run(command, &spec, argc, argv, &flags, run_verb_with);
}

static int run(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        return fputs(usage, stdout) < 0;
    for (size_t i = 0; i < sizeof large_verbs / sizeof large_verbs[0]; i++)
        if (strcmp(large_verbs[i].name, verb) == 0)
            return large_verbs[i].run(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return run_verb(&verbs[i], argc - 1, argv + 1);
    if (!verb[0])
        return cli_fail("snapshot", 2, "Say what to do; `trawl snapshot --help` lists the verbs.");
    return cli_fail("snapshot", 2, "\"%.40s\" is no verb; `trawl snapshot --help` lists them.",
                    verb);
}

const struct command cmd_snapshot = {
    .name = "snapshot", .summary = "take, list, dissect, export and delete snapshots", .run = run};
