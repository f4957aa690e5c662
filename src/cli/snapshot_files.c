/* pcap, estimate, download, import: files out of and into a snapshot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/snapshot_verbs.h"

struct files_flags {
    struct client_flags client;
    char *output, *format, *from, *to, *bpf, *filter, *scope, *decrypted, *openings, *dissection,
        *name;
    struct option_list nodes;
    bool new_id;
    const char *command; /* "snapshot pcap" … */
    int (*act)(struct client *client, const struct files_flags *f, const char *operand,
               struct buf *path);
};

#define FLAG(member) .offset = offsetof(struct files_flags, member)
#define OUTPUT_OPTION                                                                             \
    {                                                                                             \
        .name = "output", .letter = 'o', .type = OPTION_TEXT, FLAG(output), .value_name = "FILE", \
        .doc = "where to; default: standard output when it is a pipe"                             \
    }
#define EXPORT_OPTIONS                                                                             \
    {.name = "format",                                                                             \
     .type = OPTION_TEXT,                                                                          \
     FLAG(format),                                                                                 \
     .value_name = "FORMAT",                                                                       \
     .doc = "pcapng (default) or pcap"},                                                           \
        {.name = "from",                                                                           \
         .type = OPTION_TEXT,                                                                      \
         FLAG(from),                                                                               \
         .value_name = "TIME",                                                                     \
         .doc = "from this time on"},                                                              \
        {.name = "to", .type = OPTION_TEXT, FLAG(to), .value_name = "TIME", .doc = "before this"}, \
        {.name = "nodes",                                                                          \
         .type = OPTION_LIST,                                                                      \
         FLAG(nodes),                                                                              \
         .value_name = "A,B",                                                                      \
         .doc = "only these nodes"},                                                               \
        {.name = "bpf",                                                                            \
         .type = OPTION_TEXT,                                                                      \
         FLAG(bpf),                                                                                \
         .value_name = "EXPR",                                                                     \
         .doc = "only packets that this libpcap expression matches"},                              \
        {.name = "filter",                                                                         \
         .type = OPTION_TEXT,                                                                      \
         FLAG(filter),                                                                             \
         .value_name = "EXPR",                                                                     \
         .doc = "only connections with calls that this display filter matches"},                   \
        {.name = "dissection",                                                                     \
         .type = OPTION_TEXT,                                                                      \
         FLAG(dissection),                                                                         \
         .value_name = "NAME",                                                                     \
         .doc = "whose calls --filter speaks of; default: the newest"},                            \
        {.name = "scope",                                                                          \
         .type = OPTION_TEXT,                                                                      \
         FLAG(scope),                                                                              \
         .value_name = "SCOPE",                                                                    \
         .doc = "with --filter: connections (default) or calls"},                                  \
        {.name = "openings",                                                                       \
         .type = OPTION_TEXT,                                                                      \
         FLAG(openings),                                                                           \
         .value_name = "WHAT",                                                                     \
         .doc = "none (default), or include: also what is kept from before the window, on "        \
                "interfaces or with comments that say so"},                                        \
    {                                                                                              \
        .name = "decrypted", .type = OPTION_TEXT, FLAG(decrypted), .value_name = "WHAT",           \
        .doc = "keys (default): with the decryption secrets of the captures; none: without"        \
    }

static const struct option_def pcap_defs[] = {
    OUTPUT_OPTION, EXPORT_OPTIONS, CLIENT_OPTIONS(struct files_flags), {0}};
static const struct option_spec pcap_spec = {
    .usage = "trawl snapshot pcap ID [-o FILE] [--filter EXPR] [--bpf EXPR] [options]",
    .summary = "Writes the packets of a snapshot in time order, for Wireshark.",
    .example = "trawl snapshot pcap @latest --filter 'http && status_code >= 500' | wireshark -k "
               "-i -",
    .defs = pcap_defs,
    .operands = 1,
};
static const struct option_def estimate_defs[] = {
    EXPORT_OPTIONS, CLIENT_OPTIONS(struct files_flags), {0}};
static const struct option_spec estimate_spec = {
    .usage = "trawl snapshot estimate ID [--filter EXPR] [--bpf EXPR] [options]",
    .summary = "Says how large the export of a snapshot would be.",
    .example = "trawl snapshot estimate @latest --bpf 'tcp port 443'",
    .defs = estimate_defs,
    .operands = 1,
};
static const struct option_def download_defs[] = {
    OUTPUT_OPTION, CLIENT_OPTIONS(struct files_flags), {0}};
static const struct option_spec download_spec = {
    .usage = "trawl snapshot download ID [-o FILE]",
    .summary = "Writes the whole snapshot as one file, to keep or to import elsewhere.",
    .example = "trawl snapshot download @latest -o incident.trawl.tar",
    .defs = download_defs,
    .operands = 1,
};
static const struct option_def import_defs[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     FLAG(name),
     .value_name = "NAME",
     .doc = "its name; default: that of the archive or file"},
    {.name = "new-id",
     .type = OPTION_BOOL,
     FLAG(new_id),
     .doc = "take an archive whose id is already used for something else"},
    CLIENT_OPTIONS(struct files_flags),
    {0},
};
static const struct option_spec import_spec = {
    .usage = "trawl snapshot import FILE [--name NAME] [--new-id]",
    .summary = "Takes a downloaded snapshot, or any pcap or pcapng, and prints its id.",
    .example = "trawl snapshot import incident.trawl.tar",
    .defs = import_defs,
    .operands = 1,
};

/* Path and query of an export into `path`, NUL-terminated. False after a message. */
static bool export_path(const char *command, const char *ref, const char *rest,
                        const struct files_flags *f, struct buf *path)
{
    char from[40], to[40], nodes[4096] = "";
    if ((f->from && !client_time(command, "from", f->from, from)) ||
        (f->to && !client_time(command, "to", f->to, to)))
        return false;
    for (size_t i = 0; i < f->nodes.count; i++) {
        size_t len = strlen(nodes);
        snprintf(nodes + len, sizeof nodes - len, "%s%s", i ? "," : "", f->nodes.items[i]);
    }
    snapshot_path(path, ref, rest);
    client_query(path, "format", f->format);
    client_query(path, "from", f->from ? from : NULL);
    client_query(path, "to", f->to ? to : NULL);
    client_query(path, "nodes", nodes[0] ? nodes : NULL);
    client_query(path, "bpf", f->bpf);
    client_query(path, "filter", f->filter);
    client_query(path, "dissection", f->dissection);
    client_query(path, "scope", f->scope);
    client_query(path, "decrypted", f->decrypted);
    client_query(path, "openings", f->openings);
    buf_append_u8(path, 0);
    if (!buf_failed(path))
        return true;
    cli_fail(command, 2, "The filter is too long for a download.");
    return false;
}

static int run_pcap(struct client *client, const struct files_flags *f, const char *ref,
                    struct buf *path)
{
    if (!export_path("snapshot pcap", ref, "/pcap", f, path))
        return 2;
    int code = client_download(client, "GET", (const char *)path->data, NULL, f->output);
    if (code == 0)
        snapshot_say_warnings(client, "snapshot pcap", ref);
    return code;
}

static int run_estimate(struct client *client, const struct files_flags *f, const char *ref,
                        struct buf *path)
{
    if (!export_path("snapshot estimate", ref, "/pcap/estimate", f, path))
        return 2;
    json_t *answer = client_json(client, "GET", (const char *)path->data, NULL);
    if (!answer)
        return 1;
    char size[24];
    if (f->client.json)
        client_print_json(answer);
    else
        printf("%s%lld packets, %s\n",
               json_is_true(json_object_get(answer, "exact")) ? "" : "at most ",
               (long long)client_int(answer, "packets"),
               text_format_size((uint64_t)client_int(answer, "bytes"), size));
    json_decref(answer);
    return 0;
}

static int run_download(struct client *client, const struct files_flags *f, const char *ref,
                        struct buf *path)
{
    snapshot_path(path, ref, "/archive");
    return client_download(client, "GET", (const char *)path->data, NULL, f->output);
}

static int run_import(struct client *client, const struct files_flags *f, const char *file,
                      struct buf *path)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    buf_append_str(path, "/api/v1/snapshots/import");
    client_query(path, "name", f->name);
    client_query(path, "file", strcmp(file, "-") == 0 ? NULL : base);
    client_query(path, "new_id", f->new_id ? "true" : NULL);
    buf_append_u8(path, 0);
    if (buf_failed(path))
        return cli_fail("snapshot import", 2, "The name is too long.");
    int status = 0;
    json_t *answer = client_upload(client, (const char *)path->data, file, &status);
    if (!answer)
        return 1;
    if (f->client.json)
        client_print_json(answer);
    else
        printf("%s\n", client_text(answer, "id"));
    if (status == 200)
        fprintf(stderr, "This snapshot is here already: nothing was imported.\n");
    json_decref(answer);
    return 0;
}

static int with_client(void *given, const struct option_operands *operands)
{
    struct files_flags *flags = given;
    const char *operand = operands->items[0];
    bool imports = flags->act == run_import;
    if (imports && !operand[0])
        return cli_fail(flags->command, 2, "Name the file to import.");
    if (!imports && !snapshot_named(flags->command, operand))
        return 2;
    struct buf path;
    buf_init(&path, 8000);
    struct client *client = client_open(flags->command, &flags->client);
    int code = client ? flags->act(client, flags, operand, &path) : 1;
    client_close(client);
    buf_done(&path);
    return code;
}

int snapshot_pcap(int argc, char **argv)
{
    struct files_flags flags = {.command = "snapshot pcap", .act = run_pcap};
    return cli_run(flags.command, &pcap_spec, argc, argv, &flags, with_client);
}

int snapshot_estimate(int argc, char **argv)
{
    struct files_flags flags = {.command = "snapshot estimate", .act = run_estimate};
    return cli_run(flags.command, &estimate_spec, argc, argv, &flags, with_client);
}

int snapshot_download(int argc, char **argv)
{
    struct files_flags flags = {.command = "snapshot download", .act = run_download};
    return cli_run(flags.command, &download_spec, argc, argv, &flags, with_client);
}

int snapshot_import(int argc, char **argv)
{
    struct files_flags flags = {.command = "snapshot import", .act = run_import};
    return cli_run(flags.command, &import_spec, argc, argv, &flags, with_client);
}
