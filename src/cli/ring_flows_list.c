#include "cli/ring_flows_list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/command.h"

enum {
    LINE_BYTES_MAX = 64 * 1024,
    END_SIZE = INET6_ADDRSTRLEN + 10
};

static const char *protocol_name(uint8_t protocol, char out[8])
{
    switch (protocol) {
    case 6:
        return "tcp";
    case 17:
        return "udp";
    case 1:
        return "icmp";
    case 58:
        return "icmp6";
    case 132:
        return "sctp";
    default:
        snprintf(out, 8, "%u", protocol);
        return out;
    }
}

static void put_process(struct json_writer *w, const struct owner_process *p)
{
    if (!p)
        return;
    json_key(w, "process");
    json_begin_object(w);
    json_member_uint(w, "pid", p->pid);
    json_key(w, "name");
    json_text(w, p->name);
    if (p->exe.len) {
        json_key(w, "exe");
        json_text(w, p->exe);
    }
    if (p->started_ns)
        json_member_time(w, "started_at", p->started_ns);
    if (p->cgroup.len) {
        json_key(w, "cgroup");
        json_text(w, p->cgroup);
    }
    if (p->container.len) {
        json_key(w, "container");
        json_text(w, p->container);
    }
    json_end_object(w);
}

static void put_end(struct json_writer *w, const char *key, const struct ring_flow *flow,
                    const uint8_t *ip, uint16_t port, const struct owner_process *owner)
{
    char text[INET6_ADDRSTRLEN] = "";
    (void)inet_ntop(flow->ip_version == 6 ? AF_INET6 : AF_INET, ip, text, sizeof text);
    json_key(w, key);
    json_begin_object(w);
    json_member_str(w, "ip", text);
    json_member_uint(w, "port", port);
    put_process(w, owner);
    json_end_object(w);
}

static int print_json(const char *segment, const struct ring_flow *flow, struct buf *line)
{
    char number[8];
    struct json_writer w;
    buf_reset(line);
    json_init(&w, line);
    json_begin_object(&w);
    json_member_str(&w, "segment", segment);
    json_member_str(&w, "protocol", protocol_name(flow->ip_protocol, number));
    put_end(&w, "a", flow, flow->ip_a, flow->port_a, flow->owner_a);
    put_end(&w, "b", flow, flow->ip_b, flow->port_b, flow->owner_b);
    json_member_time(&w, "first", flow->first_ns);
    json_member_time(&w, "last", flow->last_ns);
    json_member_uint(&w, "packets", flow->packets);
    json_member_uint(&w, "bytes", flow->bytes);
    json_end_object(&w);
    buf_append_u8(line, '\n');
    if (buf_failed(line))
        return buf_failed(line);
    return fwrite(line->data, 1, line->len, stdout) == line->len ? 0 : -EIO;
}

static void print_end(const struct ring_flow *flow, const uint8_t *ip, uint16_t port,
                      const struct owner_process *owner)
{
    char address[INET6_ADDRSTRLEN] = "", end[END_SIZE], name[64], process[100] = "";
    (void)inet_ntop(flow->ip_version == 6 ? AF_INET6 : AF_INET, ip, address, sizeof address);
    snprintf(end, sizeof end, flow->ip_version == 6 ? "[%s]:%u" : "%s:%u", address, port);
    if (owner)
        snprintf(process, sizeof process, "%s[%u]", text_escape(owner->name, name, sizeof name),
                 owner->pid);
    printf("%-28s %-20s ", end, process);
}

static void print_text(const struct ring_flow *flow)
{
    char number[8], first[CLOCK_TEXT_SIZE];
    printf("%-6s", protocol_name(flow->ip_protocol, number));
    print_end(flow, flow->ip_a, flow->port_a, flow->owner_a);
    print_end(flow, flow->ip_b, flow->port_b, flow->owner_b);
    printf("%10" PRIu64 "  %s\n", flow->packets, clock_format(flow->first_ns, first));
}

static int list_segment(struct ring_reader *reader, const char *name, bool json, struct buf *line,
                        struct error *reterr)
{
    struct ring_index index;
    int r = ring_reader_index(reader, name, &index, reterr);
    if (r == -ENOENT)
        return 0; /* recycled meanwhile */
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < index.flow_count; i++) {
        if (json)
            r = print_json(name, &index.flows[i], line);
        else
            print_text(&index.flows[i]);
    }
    ring_index_done(&index);
    return r < 0 ? error_set(reterr, r, "the flows cannot be written: %s", strerror(-r)) : 0;
}

int ring_flows_list(struct ring_reader *reader, bool json)
{
    struct ring_list list;
    struct error error = {0};
    struct buf line;
    if (ring_reader_list(reader, INT64_MIN, INT64_MAX, &list, &error) < 0)
        return cli_fail_error("ring", 1, &error);
    buf_init(&line, LINE_BYTES_MAX);
    if (!json)
        printf("%-6s%-28s %-20s %-28s %-20s %10s  %s\n", "", "one end", "its process", "other end",
               "its process", "packets", "first");
    int r = 0;
    for (size_t i = 0; r == 0 && i < list.segment_count; i++)
        if (list.segments[i].sealed)
            r = list_segment(reader, list.segments[i].name, json, &line, &error);
    buf_done(&line);
    ring_list_done(&list);
    return r < 0 ? cli_fail_error("ring", 1, &error) : 0;
}
