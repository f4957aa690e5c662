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
                "interfaces that say so"},                                                         \
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
    .positional = true,
};
static const struct option_def estimate_defs[] = {
    EXPORT_OPTIONS, CLIENT_OPTIONS(struct files_flags), {0}};
static const struct option_spec estimate_spec = {
    .usage = "trawl snapshot estimate ID [--filter EXPR] [--bpf EXPR] [options]",
    .summary = "Says how large the export of a snapshot would be.",
    .example = "trawl snapshot estimate @latest --bpf 'tcp port 443'",
    .defs = estimate_defs,
    .positional = true,
};
static const struct option_def download_defs[] = {
    OUTPUT_OPTION, CLIENT_OPTIONS(struct files_flags), {0}};
static const struct option_spec download_spec = {
    .usage = "trawl snapshot download ID [-o FILE]",
    .summary = "Writes the whole snapshot as one file, to keep or to import elsewhere.",
    .example = "trawl snapshot download @latest -o incident.trawl.tar",
    .defs = download_defs,
    .positional = true,
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
    .positional = true,
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

static int run(const struct option_spec *spec, const char *command, int argc, char **argv,
               int (*act)(struct client *client, const struct files_flags *f, const char *operand,
                          struct buf *path))
{
    struct files_flags flags = {0};
    struct option_operands operands;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = options_parse(spec, argc, argv, &flags, &operands, &err), code = 0;
    if (e < 0) {
        code = cli_fail_error(command, 2, &err);
    } else if (e == 0 && operands.count != 1) {
        code = cli_fail(command, 2, "usage: %s", spec->usage);
    } else if (e == 0 && !operands.items[0][0]) {
        code = 2;
        if (spec == &import_spec)
            cli_fail(command, 2, "Name the file to import.");
        else
            snapshot_named(command, "");
    } else if (e == 0) {
        struct buf path;
        buf_init(&path, 8000);
        struct client *client = client_open(command, &flags.client);
        code = client ? act(client, &flags, operands.items[0], &path) : 1;
        client_close(client);
        buf_done(&path);
    }
    options_done(spec, &flags);
    return code;
}

int snapshot_pcap(int argc, char **argv)
{
    return run(&pcap_spec, "snapshot pcap", argc, argv, run_pcap);
}

int snapshot_estimate(int argc, char **argv)
{
    return run(&estimate_spec, "snapshot estimate", argc, argv, run_estimate);
}

int snapshot_download(int argc, char **argv)
{
    return run(&download_spec, "snapshot download", argc, argv, run_download);
}

int snapshot_import(int argc, char **argv)
{
    return run(&import_spec, "snapshot import", argc, argv, run_import);
}
