/* `trawl export FILE… -o OUT`: merges and cuts capture files, no hub needed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/export_filter.h"
#include "cli/output_file.h"
#include "config/options.h"
#include "snapshot/export.h"

enum {
    MAX_TOLD_DAMAGES = 100
};

struct export_flags {
    char *output, *format, *from, *to, *bpf, *filter, *scope;
    struct option_list nodes;
};

static const struct option_def defs[] = {
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, output),
     .value_name = "FILE",
     .doc = "where to write; - or nothing: standard output, when it is no terminal"},
    {.name = "format",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, format),
     .default_value = "pcapng",
     .value_name = "pcapng|pcap",
     .doc = "pcap holds one link type only; both keep nanoseconds"},
    {.name = "from",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, from),
     .value_name = "TIME",
     .doc = "packets from this time on (-10m, 14:02, 2026-03-03 14:02, RFC 3339)"},
    {.name = "to",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, to),
     .value_name = "TIME",
     .doc = "packets before this time"},
    {.name = "bpf",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, bpf),
     .value_name = "EXPR",
     .doc = "only packets that match this pcap-filter expression"},
    {.name = "filter",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, filter),
     .value_name = "EXPR",
     .doc = "only what belongs to entries that match this display filter"},
    {.name = "scope",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_flags, scope),
     .default_value = "connections",
     .value_name = "connections|calls",
     .doc = "with --filter: their whole connections, or only the packets of the calls"},
    {.name = "nodes",
     .type = OPTION_LIST,
     .offset = offsetof(struct export_flags, nodes),
     .value_name = "A,B",
     .doc = "only interfaces of these nodes (\"node:interface\")"},
    {0},
};

static const struct option_spec spec = {
    .usage = "trawl export FILE… -o OUT [--format pcapng|pcap] [--from T] [--to T] [--bpf EXPR] "
             "[--filter EXPR [--scope connections|calls]] [--nodes A,B]",
    .summary = "Merges captures (pcapng, pcap; plain, gz, zst, lz4) strictly in time order.",
    .example = "trawl export a.pcapng b.pcap.gz -o both.pcapng --bpf 'tcp port 80'",
    .defs = defs,
    .operands = OPERANDS_ANY,
};

struct sink {
    int fd;
    unsigned damages; /* told so far */
};

static int write_out(void *ctx, const uint8_t *data, size_t n)
{
    const struct sink *sink = ctx;
    return io_write("export", sink->fd, data, n);
}

static void on_damage(void *ctx, const struct export_input *input, const struct error *error)
{
    struct sink *sink = ctx;
    char name[300];
    if (sink->damages++ < MAX_TOLD_DAMAGES)
        fprintf(stderr, "trawl export: %s: %s\n",
                text_escape(slice_str(input->path), name, sizeof name), error->text);
}

/* ── the output file ── */

static bool is_an_input(const char *path, const struct option_operands *files)
{
    struct stat out, in;
    if (stat(path, &out) < 0)
        return false;
    for (size_t i = 0; i < files->count; i++)
        if (stat(files->items[i], &in) == 0 && in.st_ino == out.st_ino && in.st_dev == out.st_dev)
            return true;
    return false;
}

/* file->fd: standard output, or the file that -o names. */
static int open_target(const struct export_flags *flags, const struct option_operands *files,
                       struct output_file *file, struct error *reterr)
{
    *file = (struct output_file){.fd = STDOUT_FILENO};
    if (!flags->output || strcmp(flags->output, "-") == 0) {
        if (isatty(STDOUT_FILENO))
            return error_set(reterr, -EINVAL,
                             "Name a file with -o OUT: a capture would spoil the terminal.");
        return 0;
    }
    if (is_an_input(flags->output, files))
        return error_set(reterr, -EINVAL, "%s is one of the inputs: choose another output.",
                         flags->output);
    return output_file_open(file, flags->output, "export", reterr);
}

/* ── the display filter ── */

/* 0, or an exit code after its sentence. */
static int select_matching(const struct export_flags *flags, const struct option_operands *files,
                           struct selection **ret_selection)
{
    if (!flags->filter)
        return 0;
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct export_filter_result result;
    enum selection_kind scope = strcmp(flags->scope, "calls") == 0 ? SELECT_PACKETS : SELECT_FLOWS;
    int r = export_filter_files((const char *const *)files->items, files->count, flags->filter,
                                scope, ret_selection, &result, &e);
    if (r < 0)
        return cli_fail_error("export", r == -EINVAL ? 2 : 1, &e);
    if (result.not_judged)
        fprintf(stderr, "trawl export: %llu entries could not be judged by the filter.\n",
                (unsigned long long)result.not_judged);
    if (result.packets_cut)
        fputs("trawl export: a call has more packets than are kept of it: --scope connections has "
              "them all.\n",
              stderr);
    return 0;
}

/* ── options ── */

static int fill_options(const struct export_flags *flags, struct export_options *o,
                        struct error *reterr)
{
    int64_t now = clock_now_ns();
    o->from_ns = INT64_MIN;
    o->to_ns = INT64_MAX;
    o->bpf = flags->bpf;
    o->keep_secrets = true;
    o->pcap = strcmp(flags->format, "pcap") == 0;
    if (!o->pcap && strcmp(flags->format, "pcapng") != 0)
        return error_set(reterr, -EINVAL, "--format is pcapng or pcap.");
    if (strcmp(flags->scope, "connections") != 0 && strcmp(flags->scope, "calls") != 0)
        return error_set(reterr, -EINVAL, "--scope is connections or calls.");
    int r = flags->from ? clock_parse_human(flags->from, now, &o->from_ns, reterr) : 0;
    if (r == 0 && flags->to)
        r = clock_parse_human(flags->to, now, &o->to_ns, reterr);
    if (r == 0 && o->to_ns <= o->from_ns)
        r = error_set(reterr, -EINVAL, "--to must lie behind --from.");
    return r;
}

static int export_files(const struct export_flags *flags, const struct option_operands *files,
                        struct export_options *o)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct output_file target;
    int r = open_target(flags, files, &target, &e);
    if (r < 0)
        return cli_fail_error("export", r == -EINVAL ? 2 : 1, &e);
    struct export_result result = {0};
    struct sink sink = {.fd = target.fd};
    o->write = write_out;
    o->on_damage = on_damage;
    o->ctx = &sink;
    r = export_run(o, &result, &e);
    struct error close_error;
    int closed = output_file_close(&target, r == 0, &close_error);
    if (r < 0)
        return cli_fail_error("export", r == -EINVAL ? 2 : 1, &e);
    if (closed < 0)
        return cli_fail_error("export", 1, &close_error);
    if (result.damage)
        fprintf(stderr, "trawl export: %llu places could not be read and are left out.\n",
                (unsigned long long)result.damage);
    if (result.unordered)
        fprintf(stderr,
                "trawl export: %llu packets are not in time order: an input is out of order by "
                "more than fits in memory.\n",
                (unsigned long long)result.unordered);
    return result.damage ? 1 : 0;
}

static int run_with(void *given, const struct option_operands *files)
{
    const struct export_flags *flags = given;
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct export_options o = {0};
    if (fill_options(flags, &o, &e) < 0)
        return cli_fail_error("export", 2, &e);
    if (files->count == 0)
        return cli_fail("export", 2,
                        "Name at least one capture file; `trawl export --help` says "
                        "more.");
    struct export_input *inputs = calloc(files->count, sizeof *inputs);
    const char **nodes = calloc(flags->nodes.count + 1, sizeof(const char *));
    int code = 1;
    if (inputs && nodes) {
        for (size_t i = 0; i < files->count; i++)
            inputs[i] = (struct export_input){.path = files->items[i], .sequence = i};
        for (size_t i = 0; i < flags->nodes.count; i++)
            nodes[i] = flags->nodes.items[i];
        o.inputs = inputs;
        o.input_count = files->count;
        o.only_nodes = flags->nodes.count ? nodes : NULL;
        struct selection *selection = NULL;
        code = select_matching(flags, files, &selection);
        o.selection = selection;
        if (code == 0)
            code = export_files(flags, files, &o);
        selection_free(selection);
    } else {
        code = cli_fail("export", 1, "There is no memory.");
    }
    free(inputs);
    free(nodes);
    return code;
}

static int run(int argc, char **argv)
{
    struct export_flags flags = {0};
    return cli_run("export", &spec, argc, argv, &flags, run_with);
}

const struct command cmd_export = {
    .name = "export", .summary = "merge and cut capture files for Wireshark", .run = run};
