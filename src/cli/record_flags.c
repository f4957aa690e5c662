#include "cli/record_flags.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/text.h"
#include "packet/bpf.h"
#include "ring/ring_format.h"
#include "ring/ring_store.h"
#include "worker/worker_protocol.h"

enum {
    LINK_ETHERNET = 1,
    LINK_RAW = 101,
    LINK_COOKED = 276,
    MIN_SNAPLEN = 64,
    MAX_SNAPLEN = 262144
};

#define MIN_RING_BYTES    ((uint64_t)RING_MIN_SEGMENT_BYTES * RING_MIN_SEGMENTS + RING_OVERHEAD_BYTES)
#define MIN_BUFFER_BYTES  (UINT64_C(64) << 10)
#define MAX_BUFFER_BYTES  (UINT64_C(2) << 30)
#define MAX_SEGMENT_BYTES (UINT64_C(1) << 30)

struct size_flag {
    const char *name;
    uint64_t min, max;
};

static int check_size(const struct size_flag *flag, const char *text, uint64_t *ret_bytes,
                      struct error *reterr)
{
    const char *name = flag->name;
    uint64_t bytes, min = flag->min, max = flag->max;
    char shown[60], low[24], high[24];
    *ret_bytes = 0;
    if (!text)
        return 0;
    if (text_parse_size(text, &bytes) < 0)
        return error_set(reterr, -EINVAL, "--%s takes a size like 512MiB, not \"%s\".", name,
                         text_escape(slice_str(text), shown, sizeof shown));
    *ret_bytes = bytes;
    if (bytes >= min && bytes <= max)
        return 0;
    if (max == UINT64_MAX)
        return error_set(reterr, -EINVAL, "--%s takes at least %s.", name,
                         text_format_size(min, low));
    return error_set(reterr, -EINVAL, "--%s takes %s to %s.", name, text_format_size(min, low),
                     text_format_size(max, high));
}

/* An expression may make sense for some link types only. */
static int check_bpf(const char *expression, struct error *reterr)
{
    static const uint16_t links[] = {LINK_ETHERNET, LINK_RAW, LINK_COOKED};
    struct error first = {.offset = ERROR_NO_OFFSET}, other;
    char shown[200];
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct bpf *bpf = NULL;
        int r = bpf_compile(links[i], 0, expression, &bpf, i ? &other : &first);
        bpf_free(bpf);
        if (r >= 0)
            return 0;
    }
    return error_set(reterr, -EINVAL, "--bpf: %s",
                     text_escape(slice_str(first.text), shown, sizeof shown));
}

static int check_lists(const struct record_flags *f, struct error *reterr)
{
    char shown[60];
    int64_t port;
    for (size_t i = 0; i < f->interfaces.count; i++) {
        const char *name = f->interfaces.items[i];
        size_t len = strlen(name);
        if (!len || len >= IF_NAMESIZE || strpbrk(name, "/ \t\n"))
            return error_set(reterr, -EINVAL, "--iface: \"%s\" is no name of an interface.",
                             text_escape(slice_str(name), shown, sizeof shown));
    }
    for (size_t i = 0; i < f->excluded.count; i++) {
        const char *colon = strrchr(f->excluded.items[i], ':');
        if (!colon || colon == f->excluded.items[i] ||
            text_parse_int(colon + 1, 1, 65535, &port) < 0)
            return error_set(
                reterr, -EINVAL,
                "--exclude takes an address and a port, like 127.0.0.1:8899, not \"%s\".",
                text_escape(slice_str(f->excluded.items[i]), shown, sizeof shown));
    }
    return 0;
}

int record_flags_check(const struct record_flags *f, struct record_values *ret_values,
                       struct error *reterr)
{
    static const struct size_flag ring = {"ring-size", MIN_RING_BYTES, UINT64_MAX},
                                  segment = {"segment-size", RING_MIN_SEGMENT_BYTES,
                                             MAX_SEGMENT_BYTES},
                                  buffer = {"buffer", MIN_BUFFER_BYTES, MAX_BUFFER_BYTES};
    struct record_values v = {0};
    int64_t snaplen = 0;
    if (f->snaplen && text_parse_int(f->snaplen, MIN_SNAPLEN, MAX_SNAPLEN, &snaplen) < 0)
        return error_set(reterr, -EINVAL, "--snaplen takes a whole number from %d to %d.",
                         MIN_SNAPLEN, MAX_SNAPLEN);
    v.snaplen_bytes = (uint32_t)snaplen;
    int r = check_size(&ring, f->ring_size, &v.ring_bytes, reterr);
    if (r == 0)
        r = check_size(&segment, f->segment_size, &v.segment_bytes, reterr);
    if (r == 0)
        r = check_size(&buffer, f->buffer, &v.buffer_bytes, reterr);
    if (r == 0 && v.ring_bytes && v.segment_bytes > v.ring_bytes / RING_MIN_SEGMENTS)
        r = error_set(reterr, -EINVAL, "--segment-size takes at most an eighth of --ring-size.");
    if (r == 0 && f->bpf)
        r = check_bpf(f->bpf, reterr);
    if (r == 0)
        r = check_lists(f, reterr);
    if (r == 0 && ret_values)
        *ret_values = v;
    return r;
}

/* ── handing on ── */

struct arguments {
    const char **out;
    size_t count, room;
    bool full;
};

static void add(struct arguments *a, const char *name, const char *value)
{
    if (a->count + 3 > a->room) {
        a->full = true;
        return;
    }
    a->out[a->count++] = name;
    if (value)
        a->out[a->count++] = value;
}

static void add_list(struct arguments *a, const char *name, const struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add(a, name, list->items[i]);
}

int record_flags_arguments(const struct record_flags *f, bool with_excluded,
                           const char **ret_arguments, size_t room)
{
    const char *const pairs[][2] = {{"--bpf", f->bpf},
                                    {"--snaplen", f->snaplen},
                                    {"--ring-size", f->ring_size},
                                    {"--segment-size", f->segment_size},
                                    {"--buffer", f->buffer}};
    struct arguments a = {.out = ret_arguments, .room = room};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][1])
            add(&a, pairs[i][0], pairs[i][1]);
    add_list(&a, "--iface", &f->interfaces);
    if (with_excluded)
        add_list(&a, "--exclude", &f->excluded);
    if (f->promiscuous)
        add(&a, "--promiscuous", NULL);
    if (a.full)
        return -E2BIG;
    a.out[a.count] = NULL;
    return (int)a.count;
}
