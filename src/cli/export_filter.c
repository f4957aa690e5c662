#include "cli/export_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dissect/run.h"
#include "filter/filter.h"

enum {
    MAX_THREADS = 8
};

struct gathering {
    struct filter *filter;
    struct filter_scratch *scratch;
    struct selection *selection;
    struct export_filter_result *result;
};

static bool read_end(const struct entry *entry, field_id ip, field_id port, uint8_t *ret_version,
                     uint8_t ret_ip[16], uint16_t *ret_port)
{
    char text[64];
    const struct entry_value *address = entry_find(entry, ip), *number = entry_find(entry, port);
    if (!address || address->text.len == 0 || address->text.len >= sizeof text)
        return false;
    memcpy(text, address->text.data, address->text.len);
    text[address->text.len] = '\0';
    memset(ret_ip, 0, 16);
    *ret_port = number ? (uint16_t)number->integer : 0;
    *ret_version = strchr(text, ':') ? 6 : 4;
    return inet_pton(*ret_version == 6 ? AF_INET6 : AF_INET, text, ret_ip) == 1;
}

static int gather_flow(struct selection *selection, const struct entry *entry)
{
    struct selection_flow flow = {0};
    uint8_t version;
    if (!read_end(entry, FIELD_SRC_IP_ID, FIELD_SRC_PORT_ID, &flow.ip_version, flow.ip_a,
                  &flow.port_a) ||
        !read_end(entry, FIELD_DST_IP_ID, FIELD_DST_PORT_ID, &version, flow.ip_b, &flow.port_b))
        return 0;
    if (entry->transport == ENTRY_TRANSPORT_TCP)
        flow.ip_protocol = IPPROTO_TCP;
    else if (entry->transport == ENTRY_TRANSPORT_UDP)
        flow.ip_protocol = IPPROTO_UDP;
    else
        flow.ip_protocol = flow.ip_version == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    return selection_add_flow(selection, &flow);
}

static int gather_packets(struct gathering *g, const struct entry_packets *packets)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < packets->count; i++)
        r = selection_add_packet(g->selection, "", packets->refs[i].file, packets->refs[i].offset);
    g->result->packets_cut |= packets->truncated;
    return r;
}

static int on_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct gathering *g = ctx;
    enum filter_result judged = filter_match(g->filter, entry, g->scratch);
    g->result->not_judged += judged == FILTER_ERROR || judged == FILTER_DOUBT;
    if (judged != FILTER_YES)
        return 0;
    g->result->entries++;
    int r;
    if (selection_kind(g->selection) == SELECT_FLOWS) {
        r = gather_flow(g->selection, entry);
    } else {
        r = gather_packets(g, &entry->request);
        if (r == 0)
            r = gather_packets(g, &entry->response);
    }
    return r < 0 ? error_set(reterr, r, "The filter matches more than fits in memory.") : 0;
}

static int dissect_files(struct gathering *g, const struct dissect_input *inputs, size_t count,
                         struct error *reterr)
{
    int spill_fd = dissect_open_spill(NULL, reterr);
    if (spill_fd < 0)
        return spill_fd;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    struct dissect_run_options options = {.inputs = inputs,
                                          .input_count = count,
                                          .threads = threads < 1             ? 1
                                                     : threads > MAX_THREADS ? MAX_THREADS
                                                                             : (unsigned)threads,
                                          .capture_source = "file",
                                          .spill_fd = spill_fd};
    struct dissect_sink sink = {.entry = on_entry, .ctx = g};
    struct dissect_statistics statistics = {0};
    int r = dissect_run(&options, &sink, &statistics, reterr);
    close(spill_fd);
    return r;
}

static int open_files(const char *const *paths, size_t count, struct dissect_input *inputs,
                      struct error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return error_set(reterr, -errno, "%s cannot be opened: %s.", paths[i],
                             strerrordesc_np(errno));
        inputs[i] = (struct dissect_input){.fd = fd, .name = paths[i], .sequence = i};
    }
    return 0;
}

static int compile(struct gathering *g, const char *text, struct error *reterr)
{
    struct filter_diagnostic diagnostic;
    int r = filter_compile(slice_str(text), NULL, &g->filter, &diagnostic);
    if (r < 0) {
        filter_diagnostic_error(&diagnostic, reterr);
        return r;
    }
    g->scratch = filter_scratch_new();
    return g->scratch ? 0 : error_set(reterr, -ENOMEM, "There is no memory for the filter.");
}

int export_filter_files(const char *const *paths, size_t count, const char *filter,
                        enum selection_kind scope, struct selection **ret_selection,
                        struct export_filter_result *ret_result, struct error *reterr)
{
    struct gathering g = {.result = ret_result};
    *ret_result = (struct export_filter_result){0};
    struct dissect_input *inputs = calloc(count + 1, sizeof *inputs);
    int r = inputs && selection_new(scope, &g.selection) == 0
                ? compile(&g, filter, reterr)
                : error_set(reterr, -ENOMEM, "There is no memory for the filter.");
    for (size_t i = 0; inputs && i < count; i++)
        inputs[i].fd = -1;
    if (r == 0)
        r = open_files(paths, count, inputs, reterr);
    if (r == 0)
        r = dissect_files(&g, inputs, count, reterr);
    if (r == 0 && selection_seal(g.selection) < 0)
        r = error_set(reterr, -ENOMEM, "There is no memory for the filter.");
    for (size_t i = 0; inputs && i < count; i++)
        if (inputs[i].fd >= 0)
            close(inputs[i].fd);
    free(inputs);
    filter_scratch_free(g.scratch);
    filter_free(g.filter);
    if (r < 0)
        selection_free(g.selection);
    else
        *ret_selection = g.selection;
    return r;
}
