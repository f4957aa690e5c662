/* `trawl dissect`: capture files to entries, offline. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/command.h"
#include "config/options.h"
#include "dissect/run.h"
#include "entries/writer.h"
#include "filter/filter.h"

enum {
    FLUSH_BYTES = 256 * 1024,
    MAX_OUT_BYTES = 64 * 1024 * 1024,
    MAX_DEFAULT_THREADS = 8
};

struct dissect_args {
    bool jsonl, stats;
    struct option_list protocols, openings, lead_in;
    char *filter;
    char *out_dir;
    char *keys;
    int64_t threads;
};

#define ARG(member) offsetof(struct dissect_args, member)
static const struct option_def defs[] = {
    {.name = "jsonl",
     .type = OPTION_BOOL,
     .offset = ARG(jsonl),
     .doc = "entries as JSON, one a line, in order of their requests"},
    {.name = "filter",
     .type = OPTION_TEXT,
     .offset = ARG(filter),
     .value_name = "EXPR",
     .doc = "only entries that match this display filter"},
    {.name = "protocols",
     .type = OPTION_LIST,
     .offset = ARG(protocols),
     .value_name = "LIST",
     .doc = "only entries of these protocols: http,dns,conn …"},
    {.name = "keys",
     .type = OPTION_TEXT,
     .offset = ARG(keys),
     .value_name = "FILE",
     .doc = "TLS secrets to decrypt with: a key log as SSLKEYLOGFILE makes it"},
    {.name = "openings",
     .type = OPTION_LIST,
     .offset = ARG(openings),
     .value_name = "LIST",
     .doc =
         "captures of before the window: they help to read connections that go on in the others, "
         "and give no entries"},
    {.name = "lead-in",
     .type = OPTION_LIST,
     .offset = ARG(lead_in),
     .value_name = "LIST",
     .doc = "captures that end where the others begin: calls that began there are whole, others "
            "give no entries"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = ARG(out_dir),
     .value_name = "DIR",
     .doc = "write the entries into this folder as an entry store"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = ARG(threads),
     .default_value = "0",
     .min = 0,
     .max = DISSECT_MAX_THREADS,
     .value_name = "N",
     .doc = "threads; the result is the same for any number (0: one a processor, at most 8)"},
    {.name = "stats",
     .type = OPTION_BOOL,
     .offset = ARG(stats),
     .doc = "packets, bytes, entries per protocol and seconds as JSON on stderr"},
    {.name = NULL},
};

static const struct option_spec spec = {
    .usage = "trawl dissect FILE… [--jsonl] [--filter EXPR] [--protocols LIST] [--keys FILE] "
             "[--openings LIST] [--lead-in LIST] [-o DIR] [--threads N] [--stats]",
    .summary = "Reads capture files (pcapng, pcap, also gz, zst, lz4; - is standard input) and "
               "prints the calls in them.",
    .example = "trawl dissect capture.pcapng --jsonl --filter 'http && status_code >= 500'",
    .defs = defs,
    .operands = OPERANDS_ANY,
};

/* Where the entries go. */
struct output {
    const struct dissect_args *args;
    struct entry_files files;
    struct entries_writer *writer;
    struct filter *filter; /* NULL: everything */
    struct filter_scratch *scratch;
    struct buf text;
    uint64_t written, not_judged;
    bool damaged;
};

static int flush(struct output *out, struct error *reterr)
{
    int r = io_write("dissect-output", STDOUT_FILENO, out->text.data, out->text.len);
    buf_reset(&out->text);
    if (r < 0)
        return error_set(reterr, r, "the entries could not be written to standard output: %s",
                         strerror(-r));
    return 0;
}

static struct slice text_field(const struct entry *entry, field_id field)
{
    const struct entry_value *value = entry_find(entry, field);
    return value ? value->text : SLICE_NONE;
}

/* One line for a person; captured text is escaped. */
static void put_line(struct buf *out, const struct entry *entry)
{
    char time[CLOCK_TEXT_SIZE], from[64], to[64], summary[200], status[32];
    const struct entry_value *elapsed = entry_find(entry, FIELD_ELAPSED_TIME_ID);
    buf_printf(out, "%s  %-10s %-15s → %-15s  %-11s", clock_format(entry->timestamp_ns, time),
               entry->protocol, text_escape(text_field(entry, FIELD_SRC_IP_ID), from, sizeof from),
               text_escape(text_field(entry, FIELD_DST_IP_ID), to, sizeof to),
               text_escape(text_field(entry, FIELD_STATUS_ID), status, sizeof status));
    if (elapsed)
        buf_printf(out, " %9.3f ms", (double)elapsed->integer / 1000.0);
    else
        buf_printf(out, " %12s", "");
    buf_printf(out, "  %s\n",
               text_escape(text_field(entry, FIELD_SUMMARY_ID), summary, sizeof summary));
}

static bool is_match(struct output *out, const struct entry *entry)
{
    enum filter_result result = filter_match(out->filter, entry, out->scratch);
    out->not_judged += result == FILTER_ERROR || result == FILTER_DOUBT;
    return result == FILTER_YES;
}

static int on_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct output *out = ctx;
    if (out->filter && !is_match(out, entry))
        return 0;
    out->written++;
    if (out->writer) {
        int r = entries_writer_append(out->writer, entry, reterr);
        if (r < 0 || !out->args->jsonl)
            return r;
    }
    if (out->args->jsonl) {
        struct json_writer w;
        json_init(&w, &out->text);
        entry_write_json(entry, &out->files, &w);
        buf_append_u8(&out->text, '\n');
    } else {
        put_line(&out->text, entry);
    }
    int r = buf_failed(&out->text);
    if (r < 0)
        return error_set(reterr, r, "an entry is too large to be written");
    return out->text.len >= FLUSH_BYTES ? flush(out, reterr) : 0;
}

static void on_damage(void *ctx, const struct dissect_input *input, const struct error *error)
{
    struct output *out = ctx;
    out->damaged = true;
    char name[300];
    cli_fail("dissect", 1, "%s: %s", text_escape(slice_str(input->name), name, sizeof name),
             error->text);
}

static void print_stats(const struct output *output, const struct dissect_statistics *stats,
                        int64_t started_ns)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1024 * 1024);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_uint(&w, "packets", stats->packets);
    json_member_uint(&w, "bytes", stats->bytes);
    json_member_uint(&w, "entries", stats->entries);
    json_key(&w, "protocols");
    json_begin_object(&w);
    for (size_t i = 0; i < stats->protocol_count; i++)
        json_member_uint(&w, stats->protocols[i].protocol, stats->protocols[i].entries);
    json_end_object(&w);
    if (output->filter) {
        json_member_uint(&w, "matched", output->written);
        json_member_uint(&w, "not_judged", output->not_judged);
    }
    json_member_uint(&w, "connections", stats->connections);
    json_member_uint(&w, "copies", stats->copies);
    json_member_uint(&w, "undecodable", stats->undecodable);
    json_member_uint(&w, "fragments_lost", stats->fragments_lost);
    json_member_uint(&w, "evictions", stats->evictions);
    json_member_uint(&w, "failed_allocations", stats->failed_allocations);
    json_member_uint(&w, "entries_lost", stats->entries_lost);
    json_member_uint(&w, "damages", stats->damages);
    json_key(&w, "seconds");
    json_double(&w, (double)(clock_mono_ns() - started_ns) / 1e9);
    json_end_object(&w);
    fprintf(stderr, "%.*s\n", (int)out.len, (const char *)out.data);
    buf_done(&out);
}

/* ── inputs ── */

struct inputs {
    struct dissect_input *list;
    struct entry_file *files;
    size_t count;
};

static void close_inputs(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->list[i].fd > STDERR_FILENO)
            close(inputs->list[i].fd);
    free(inputs->list);
    free(inputs->files);
}

static int open_inputs(const struct option_operands *operands, const struct dissect_args *args,
                       struct inputs *inputs, struct error *reterr)
{
    const struct option_list *openings = &args->openings, *lead_in = &args->lead_in;
    size_t lead_in_at = operands->count + openings->count, count = lead_in_at + lead_in->count;
    inputs->list = calloc(count, sizeof *inputs->list);
    inputs->files = calloc(count, sizeof *inputs->files);
    if (!inputs->list || !inputs->files)
        return error_set(reterr, -ENOMEM, "there is not enough memory");
    for (size_t i = 0; i < count; i++) {
        bool outside = i >= operands->count;
        const char *path = i >= lead_in_at ? lead_in->items[i - lead_in_at]
                           : outside       ? openings->items[i - operands->count]
                                           : operands->items[i];
        bool standard = strcmp(path, "-") == 0;
        int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            char shown[300];
            return error_set(reterr, -errno, "%s cannot be opened: %s",
                             text_escape(slice_str(path), shown, sizeof shown), strerror(errno));
        }
        inputs->list[i] = (struct dissect_input){.fd = fd,
                                                 .name = standard ? "standard input" : path,
                                                 .outside = outside,
                                                 .lead_in = i >= lead_in_at,
                                                 .sequence = i};
        /* A capture does not say which node recorded it, and its name may be any. */
        inputs->files[i] = (struct entry_file){.node = "file", .sequence = i};
        inputs->count++;
    }
    return 0;
}

/* ── the command ── */

static int open_store(struct output *out, struct error *reterr)
{
    int r = io_make_dirs("dissect-output", out->args->out_dir, 0750);
    if (r < 0)
        return error_set(reterr, r, "the folder %s cannot be made: %s", out->args->out_dir,
                         strerror(-r));
    struct entries_writer_options options = {.dir = out->args->out_dir, .files = out->files};
    return entries_writer_open(&options, &out->writer, reterr);
}

static int compile_filter(struct output *out, struct error *reterr)
{
    if (!out->args->filter)
        return 0;
    struct filter_diagnostic diagnostic;
    int r = filter_compile(slice_str(out->args->filter), NULL, &out->filter, &diagnostic);
    if (r < 0) {
        filter_diagnostic_error(&diagnostic, reterr);
        return r;
    }
    out->scratch = filter_scratch_new();
    return out->scratch ? 0 : error_set(reterr, -ENOMEM, "there is not enough memory");
}

static unsigned thread_count(const struct dissect_args *args)
{
    if (args->threads > 0)
        return (unsigned)args->threads;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS : (unsigned)n;
}

/* The secrets of --keys, and room for those in the captures themselves. */
static int read_keys(const char *path, struct key_store **ret_keys, struct error *reterr)
{
    int r = key_store_new(ret_keys);
    if (r < 0)
        return error_set(reterr, r, "there is not enough memory");
    if (!path)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    r = fd < 0 ? -errno : key_store_add_file(*ret_keys, fd);
    if (fd >= 0)
        close(fd);
    char shown[300];
    text_escape(slice_str(path), shown, sizeof shown);
    if (r < 0)
        return error_set(reterr, r, "the key log %s cannot be read: %s", shown, strerror(-r));
    struct key_store_counts counts = key_store_counts(*ret_keys);
    if (counts.secrets == 0)
        return error_set(reterr, -EINVAL, "there is no TLS secret in the key log %s", shown);
    return 0;
}

static int dissect(const struct dissect_args *args, const struct inputs *inputs, struct output *out,
                   struct error *reterr)
{
    int64_t started_ns = clock_mono_ns();
    struct key_store *keys = NULL;
    int r = read_keys(args->keys, &keys, reterr);
    int spill_fd = r < 0 ? r : dissect_open_spill(NULL, reterr);
    if (spill_fd < 0) {
        key_store_free(keys);
        return spill_fd;
    }
    struct dissect_run_options options = {.inputs = inputs->list,
                                          .input_count = inputs->count,
                                          .threads = thread_count(args),
                                          .protocols = (const char *const *)args->protocols.items,
                                          .protocol_count = args->protocols.count,
                                          .keys = keys,
                                          .capture_source = "file",
                                          .spill_fd = spill_fd};
    struct dissect_sink sink = {.entry = on_entry, .damage = on_damage, .ctx = out};
    struct dissect_statistics stats = {0};
    r = dissect_run(&options, &sink, &stats, reterr);
    close(spill_fd);
    key_store_free(keys);
    if (r == 0 && out->writer)
        r = entries_writer_close(out->writer, reterr);
    if (r == 0)
        r = flush(out, reterr);
    if (r == 0 && args->stats)
        print_stats(out, &stats, started_ns);
    return r;
}

static int dissect_files(void *given, const struct option_operands *operands)
{
    struct dissect_args *args = given;
    struct inputs inputs = {0};
    struct output out = {.args = args};
    struct error error = {.offset = ERROR_NO_OFFSET};
    if (operands->count == 0)
        return cli_fail("dissect", 2, "name at least one capture file, or - for standard input");
    buf_init(&out.text, MAX_OUT_BYTES);
    int r = compile_filter(&out, &error);
    if (r == 0)
        r = open_inputs(operands, args, &inputs, &error);
    out.files = (struct entry_files){inputs.files, inputs.count};
    if (r == 0 && args->out_dir)
        r = open_store(&out, &error);
    if (r == 0)
        r = dissect(args, &inputs, &out, &error);
    entries_writer_free(out.writer);
    filter_free(out.filter);
    filter_scratch_free(out.scratch);
    buf_done(&out.text);
    close_inputs(&inputs);
    if (r < 0)
        return cli_fail_error("dissect", r == -EINVAL ? 2 : 1, &error);
    return out.damaged ? 1 : 0;
}

static int run(int argc, char **argv)
{
    struct dissect_args args = {0};
    return cli_run("dissect", &spec, argc, argv, &args, dissect_files);
}

const struct command cmd_dissect = {
    .name = "dissect", .summary = "read capture files and print the calls in them", .run = run};
