/* `trawl ring status|list|verify`: what a ring folder holds, seen from its files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/data_dir.h"
#include "cli/ring_flows_list.h"
#include "config/options.h"
#include "hub/data_dir.h"
#include "ring/ring_json.h"

extern const struct command cmd_ring;

#define SHORT_RETENTION_NS (15 * 60 * NS_PER_S)

enum {
    JSON_BYTES_MAX = 64 << 20,
    SIZE_TEXT = 24,
    LAST_GAPS = 10
};

struct flags {
    char *data_dir;
    bool json, flows;
};

static const struct option_def defs[] = {
    DATA_OPTION(struct flags, data_dir),
    {.name = "json",
     .type = OPTION_BOOL,
     .offset = offsetof(struct flags, json),
     .doc = "one JSON document instead of text"},
    {.name = "flows",
     .type = OPTION_BOOL,
     .offset = offsetof(struct flags, flows),
     .doc = "list: the connections of sealed segments and their processes; with --json one a line"},
    {0},
};

static const struct option_spec spec = {
    .usage = "trawl ring status|list|verify [--flows] [--data DIR] [--json]",
    .summary = "Shows what the ring of this machine holds, or checks every byte of it.",
    .example = "trawl ring status --data ./data",
    .defs = defs,
    .operands = 1,
    .wanted = "say what: trawl ring status, list or verify",
};

static int print_json(struct buf *out, struct json_writer *w)
{
    json_end_object(w);
    buf_append_u8(out, '\n');
    if (buf_failed(out))
        return cli_fail("ring", 1, "not enough memory for the answer");
    return fwrite(out->data, 1, out->len, stdout) == out->len ? 0 : 1;
}

/* ── status ── */

static int64_t shortest_retention(const struct ring_status *status)
{
    return status->recycling ? status->retention_ns : status->expected_retention_ns;
}

static bool is_short(const struct ring_status *status)
{
    int64_t ns = shortest_retention(status);
    return ns > 0 && ns < SHORT_RETENTION_NS;
}

/* What only the state file tells is 0 when that is damaged or missing. */
static void member_known(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    if (v)
        json_uint(w, v);
    else
        json_none(w);
}

static int status_json(const struct ring_status *status, const struct ring_list *list)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, JSON_BYTES_MAX);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_str(&w, "state", ring_status_state(status));
    json_member_str(&w, "state_detail", status->detail);
    json_member_int(&w, "capturer_pid", status->capturer_pid);
    ring_json_time(&w, RING_JSON_TEXT, "oldest", status->oldest_ns);
    ring_json_time(&w, RING_JSON_TEXT, "newest", status->newest_ns);
    json_key(&w, "retention_s");
    json_double(&w, (double)status->retention_ns / 1e9);
    json_key(&w, "expected_retention_s");
    if (status->expected_retention_ns)
        json_double(&w, (double)status->expected_retention_ns / 1e9);
    else
        json_none(&w);
    json_member_bool(&w, "recycling", status->recycling);
    json_member_uint(&w, "bytes", status->used_bytes);
    member_known(&w, "budget_bytes", status->budget_bytes);
    member_known(&w, "segment_bytes", status->segment_bytes);
    json_member_uint(&w, "hour_budget_bytes", status->hour_budget_bytes);
    json_member_uint(&w, "segments", status->segment_count);
    ring_json_capture(&w, RING_JSON_TEXT, status);
    ring_json_coverage(&w, RING_JSON_TEXT, list);
    int code = print_json(&out, &w);
    buf_done(&out);
    return code;
}

static void print_drops(const char *label, const struct ring_drops *drops)
{
    printf("%-12s", label);
    if (drops->kernel + drops->ring + drops->disk == 0)
        printf("none\n");
    else
        printf("%" PRIu64 " by the kernel, %" PRIu64 " by us, %" PRIu64 " by the disk\n",
               drops->kernel, drops->ring, drops->disk);
}

static void print_retention(const struct ring_status *status)
{
    char reach[CLOCK_TEXT_SIZE], expected[CLOCK_TEXT_SIZE], size[SIZE_TEXT];
    printf("reaches back %s", clock_format_duration(status->retention_ns, reach));
    if (!status->recycling && status->expected_retention_ns)
        printf(", %s when full at the present rate",
               clock_format_duration(status->expected_retention_ns, expected));
    printf("\n");
    if (is_short(status) && status->hour_budget_bytes)
        printf("warning     that is under 15 min: --ring-size %s would hold an hour\n",
               text_format_size(status->hour_budget_bytes, size));
    else if (is_short(status))
        printf("warning     that is under 15 min: give the ring more with --ring-size\n");
}

static void print_gaps(const struct ring_list *list)
{
    size_t first = list->gap_count > LAST_GAPS ? list->gap_count - LAST_GAPS : 0;
    if (first)
        printf("%-12s%zu in all, --json has them; the last %d:\n", "gaps", list->gap_count,
               LAST_GAPS);
    for (size_t i = first; i < list->gap_count; i++) {
        char from[CLOCK_TEXT_SIZE], length[CLOCK_TEXT_SIZE];
        const struct ring_gap *gap = &list->gaps[i];
        printf("%-12s%s for %s: %s\n", i == 0 ? "gaps" : "", clock_format(gap->from_ns, from),
               clock_format_duration(gap->to_ns - gap->from_ns, length),
               ring_gap_reason_name(gap->reason));
    }
}

static void status_text(const struct ring_status *status, const struct ring_list *list)
{
    char used[SIZE_TEXT], budget[SIZE_TEXT], rate[SIZE_TEXT], text[CLOCK_TEXT_SIZE];
    char state[32];
    snprintf(state, sizeof state, "%s", ring_status_state(status));
    for (char *c = state; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    printf("%s%s%s\n", state, status->detail[0] ? ": " : "", status->detail);
    bool known = status->budget_bytes > 0; /* what the state file tells */
    printf("ring        %s of %s in %u segments\n", text_format_size(status->used_bytes, used),
           known ? text_format_size(status->budget_bytes, budget) : "an unknown budget",
           status->segment_count);
    if (status->oldest_ns)
        printf("oldest      %s\n", clock_format(status->oldest_ns, text));
    print_retention(status);
    if (status->alive)
        printf("traffic     %.0f packets/s, %s/s\n", status->packets_per_s,
               text_format_size((uint64_t)status->bytes_per_s, rate));
    if (known) {
        printf("packets     %" PRIu64 " since the start, %" PRIu64 " of our own left out\n",
               status->packets, status->excluded_packets);
        print_drops("dropped", &status->drops);
        print_drops("  in 5 min", &status->drops_5min);
    } else { /* the last start's figures are lost; what the segments declare is not */
        print_drops("dropped", &list->drops);
    }
    for (uint32_t i = 0; i < status->interface_count; i++) {
        char name[4 * RING_INTERFACE_NAME_SIZE];
        printf("%-12s%-16s %12" PRIu64 " packets%s\n", i == 0 ? "interfaces" : "",
               text_escape(slice_str(status->interfaces[i].name), name, sizeof name),
               status->interfaces[i].packets, status->interfaces[i].up ? "" : "  (down)");
    }
    print_gaps(list);
}

static int run_status(struct ring_reader *reader, bool json)
{
    struct ring_status *status = calloc(1, sizeof *status);
    struct ring_list list = {0};
    struct error error = {0};
    int r = status ? ring_reader_status(reader, status, &error) : -ENOMEM;
    if (r == 0)
        r = ring_reader_list(reader, INT64_MIN, INT64_MAX, &list, &error);
    int code = 0;
    if (r < 0)
        code = cli_fail_error("ring", 1, &error);
    else if (json)
        code = status_json(status, &list);
    else
        status_text(status, &list);
    ring_list_done(&list);
    free(status);
    return code;
}

/* ── list ── */

static int list_json(const struct ring_list *list)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, JSON_BYTES_MAX);
    json_init(&w, &out);
    json_begin_object(&w);
    ring_json_segments(&w, RING_JSON_TEXT, list);
    ring_json_coverage(&w, RING_JSON_TEXT, list);
    ring_json_drop_events(&w, RING_JSON_TEXT, list);
    int code = print_json(&out, &w);
    buf_done(&out);
    return code;
}

static void list_text(const struct ring_list *list)
{
    printf("%-24s %-6s %10s %12s  %-30s  %s\n", "segment", "", "size", "packets", "from", "to");
    for (size_t i = 0; i < list->segment_count; i++) {
        const struct ring_segment_info *segment = &list->segments[i];
        char size[SIZE_TEXT], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
        printf("%-24s %-6s %10s %12" PRIu64 "  %-30s  %s\n", segment->name,
               segment->sealed ? "sealed" : "open", text_format_size(segment->size_bytes, size),
               segment->packets, clock_format(segment->covered_from_ns, from),
               clock_format(segment->covered_to_ns, to));
    }
    print_gaps(list);
    print_drops("dropped", &list->drops);
}

static int run_list(struct ring_reader *reader, bool json)
{
    struct ring_list list;
    struct error error = {0};
    if (ring_reader_list(reader, INT64_MIN, INT64_MAX, &list, &error) < 0)
        return cli_fail_error("ring", 1, &error);
    int code = 0;
    if (json)
        code = list_json(&list);
    else
        list_text(&list);
    ring_list_done(&list);
    return code;
}

/* ── verify ── */

struct verification {
    struct json_writer *json; /* NULL = text */
    uint64_t segments, bytes;
};

static int on_segment(void *ctx, const struct ring_segment_info *segment,
                      const struct ring_problem *problem)
{
    struct verification *verification = ctx;
    verification->segments++;
    verification->bytes += segment->size_bytes;
    if (!problem)
        return 0;
    if (!verification->json) {
        printf("%s: %s\n", problem->name, problem->text);
        return 0;
    }
    json_begin_object(verification->json);
    json_member_str(verification->json, "file", problem->name);
    json_key(verification->json, "offset");
    if (problem->offset == ERROR_NO_OFFSET)
        json_none(verification->json);
    else
        json_uint(verification->json, problem->offset);
    json_member_str(verification->json, "text", problem->text);
    json_end_object(verification->json);
    return 0;
}

static int run_verify(struct ring_reader *reader, bool json)
{
    struct buf out;
    struct json_writer w;
    struct error error = {0};
    struct verification verification = {.json = json ? &w : NULL};
    buf_init(&out, JSON_BYTES_MAX);
    json_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "errors");
    json_begin_array(&w);
    int problems = ring_reader_verify(reader, on_segment, &verification, &error);
    json_end_array(&w);
    int code = problems == 0 ? 0 : 1;
    char size[SIZE_TEXT];
    if (problems < 0) {
        code = cli_fail_error("ring", 1, &error);
    } else if (json) {
        json_member_bool(&w, "ok", problems == 0);
        json_member_uint(&w, "segments", verification.segments);
        json_member_uint(&w, "bytes", verification.bytes);
        (void)print_json(&out, &w);
    } else if (problems == 0) {
        printf("%" PRIu64 " segments, %s: every byte is as it was recorded\n",
               verification.segments, text_format_size(verification.bytes, size));
    } else {
        (void)cli_fail("ring", 1, "%d of %" PRIu64 " segments are damaged, the rest is good",
                       problems, verification.segments);
    }
    buf_done(&out);
    return code;
}

/* ── the command ── */

static char *find_data_dir(void)
{
    char path[DATA_DIR_PATH_SIZE];
    return data_dir_find(NULL, "ring", path, NULL) == 0 ? strdup(path) : NULL;
}

static int run_verb(void *given, const struct option_operands *operands)
{
    struct flags *flags = given;
    const char *verb = operands->items[0];
    if (!flags->data_dir && !(flags->data_dir = find_data_dir()))
        return 1;
    static const char *const verbs[] = {"status", "list", "verify", NULL};
    static int (*const runs[])(struct ring_reader *, bool) = {run_status, run_list, run_verify};
    for (size_t i = 0; verbs[i]; i++) {
        if (strcmp(verb, verbs[i]) != 0)
            continue;
        char path[4200];
        struct ring_reader *reader;
        struct error error = {0};
        snprintf(path, sizeof path, "%.4000s/ring", flags->data_dir);
        if (ring_reader_open(AT_FDCWD, path, &reader, &error) < 0)
            return cli_fail("ring", 1, "%s; --data names the data folder", error.text);
        int code = flags->flows && i == 1 ? ring_flows_list(reader, flags->json)
                                          : runs[i](reader, flags->json);
        ring_reader_free(reader);
        return code;
    }
    char shown[64];
    const char *near = text_suggest(slice_str(verb), verbs);
    return cli_fail("ring", 2, "there is no \"%s\"%s%s%s; it takes status, list or verify",
                    text_escape(slice_str(verb), shown, sizeof shown),
                    near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

static int run(int argc, char **argv)
{
    struct flags flags = {0};
    return cli_run("ring", &spec, argc, argv, &flags, run_verb);
}

const struct command cmd_ring = {
    .name = "ring", .summary = "what this machine's ring holds; verify it", .run = run};
