/* The process that records: see src/worker/capturer.h. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/data_dir.h"
#include "cli/record_flags.h"
#include "worker/capturer.h"

extern const struct command cmd_capturer;

struct flags {
    char *data_dir;
    struct record_flags record;
};

#define FLAG(member) .offset = offsetof(struct flags, member)
static const struct option_def defs[] = {
    {.name = "data",
     .type = OPTION_TEXT,
     FLAG(data_dir),
     .value_name = "DIR",
     .doc = "data folder (default /var/lib/trawl, or ~/.local/state/trawl); records into DIR/ring"},
    RECORD_OPTIONS(struct flags),
    {0},
};

static const struct option_spec spec = {
    .usage = "trawl capturer [--data DIR] [--iface NAME] [--bpf EXPR] [--ring-size SIZE]",
    .summary = "Records packets into DIR/ring: the child of `trawl worker` that does it.",
    .example = "trawl capturer --data ./data --iface any",
    .defs = defs,
};

/* "hub.example:8899": all its addresses. A name that is not known now is only warned of: it must
 * not keep the node from being recorded. */
static int resolve_exclude(const char *text, struct capture_exclude *excludes, size_t *count)
{
    const char *colon = strrchr(text, ':');
    char host[256];
    int64_t port;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host ||
        text_parse_int(colon + 1, 1, 65535, &port) < 0)
        return -EINVAL;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
        strlen(host))
        return -EINVAL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        log_warn("capturer", "the name of an excluded address is not known", "host=%s", host);
    for (const struct addrinfo *a = found; a && *count < CAPTURE_MAX_EXCLUDES; a = a->ai_next) {
        struct capture_exclude exclude = {.ip_version = a->ai_family == AF_INET6 ? 6 : 4,
                                          .port = (uint16_t)port};
        if (a->ai_family == AF_INET)
            memcpy(exclude.ip, &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr,
                   4);
        else if (a->ai_family == AF_INET6)
            memcpy(exclude.ip, &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr,
                   16);
        excludes[(*count)++] = exclude;
    }
    if (found)
        freeaddrinfo(found);
    return 0;
}

static int read_excludes(const struct flags *flags, struct capture_exclude *excludes,
                         size_t *ret_count, struct error *reterr)
{
    size_t count = 0;
    for (size_t i = 0; i < flags->record.excluded.count && count < CAPTURE_MAX_EXCLUDES; i++) {
        char shown[80];
        const char *text = flags->record.excluded.items[i];
        if (capture_parse_exclude(text, &excludes[count]) == 0)
            count++;
        else if (resolve_exclude(text, excludes, &count) < 0)
            return error_set(reterr, -EINVAL,
                             "--exclude takes an address and a port, like 127.0.0.1:8899 or "
                             "[::1]:80, not \"%s\"",
                             text_escape(slice_str(text), shown, sizeof shown));
    }
    *ret_count = count;
    return 0;
}

static int record(const struct flags *flags)
{
    struct capture_exclude excludes[CAPTURE_MAX_EXCLUDES];
    struct error error = {0};
    size_t exclude_count = 0;
    struct record_values values;
    if (record_flags_check(&flags->record, &values, &error) < 0 ||
        read_excludes(flags, excludes, &exclude_count, &error) < 0)
        return cli_fail_error("capturer", 2, &error);
    struct capturer_options options = {
        .data_dir = flags->data_dir,
        .capture = {.interfaces = (const char *const *)flags->record.interfaces.items,
                    .interface_count = flags->record.interfaces.count,
                    .filter = flags->record.bpf,
                    .snaplen_bytes = values.snaplen_bytes,
                    .promiscuous = flags->record.promiscuous,
                    .buffer_bytes = values.buffer_bytes,
                    .excludes = excludes,
                    .exclude_count = exclude_count},
        .ring_bytes = values.ring_bytes,
        .segment_bytes = values.segment_bytes};
    return capturer_run(&options, &error) < 0 ? cli_fail_error("capturer", 1, &error) : 0;
}

static int record_in(void *given, const struct option_operands *operands)
{
    struct flags *flags = given;
    (void)operands;
    if (!flags->data_dir)
        flags->data_dir = cli_default_data_dir();
    return flags->data_dir ? record(flags) : 1;
}

static int run(int argc, char **argv)
{
    struct flags flags = {0};
    return cli_run("capturer", &spec, argc, argv, &flags, record_in);
}

const struct command cmd_capturer = {
    .name = "capturer", .summary = "record packets into the ring", .run = run, .hidden = true};
