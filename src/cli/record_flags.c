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

static int check_size(const char *name, const char *text, uint64_t min, uint64_t max,
                      struct error *reterr)
{
    char shown[60], low[24], high[24];
    uint64_t bytes;
    if (!text)
        return 0;
    if (text_parse_size(text, &bytes) < 0)
        return error_set(reterr, -EINVAL, "--%s takes a size like 512MiB, not \"%s\".", name,
                         text_escape(slice_str(text), shown, sizeof shown));
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
    for (size_t i = 0; f->interfaces && i < f->interfaces->count; i++) {
        const char *name = f->interfaces->items[i];
        size_t len = strlen(name);
        if (!len || len >= IF_NAMESIZE || strpbrk(name, "/ \t\n"))
            return error_set(reterr, -EINVAL, "--iface: \"%s\" is no name of an interface.",
                             text_escape(slice_str(name), shown, sizeof shown));
    }
    for (size_t i = 0; f->excluded && i < f->excluded->count; i++) {
        const char *colon = strrchr(f->excluded->items[i], ':');
        if (!colon || colon == f->excluded->items[i] ||
            text_parse_int(colon + 1, 1, 65535, &port) < 0)
            return error_set(
                reterr, -EINVAL,
                "--exclude takes an address and a port, like 127.0.0.1:8899, not \"%s\".",
                text_escape(slice_str(f->excluded->items[i]), shown, sizeof shown));
    }
    return 0;
}

int record_flags_check(const struct record_flags *f, struct error *reterr)
{
    int64_t snaplen;
    if (f->node && !worker_name_valid(f->node))
        return error_set(reterr, -EINVAL,
                         "--node takes 1 to 253 letters, digits, dots, dashes and underscores, "
                         "beginning with a letter or digit.");
    if (f->snaplen && text_parse_int(f->snaplen, MIN_SNAPLEN, MAX_SNAPLEN, &snaplen) < 0)
        return error_set(reterr, -EINVAL, "--snaplen takes a whole number from %d to %d.",
                         MIN_SNAPLEN, MAX_SNAPLEN);
    int r = check_size("ring-size", f->ring_size, MIN_RING_BYTES, UINT64_MAX, reterr);
    if (r == 0)
        r = check_size("segment-size", f->segment_size, RING_MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES,
                       reterr);
    if (r == 0)
        r = check_size("buffer", f->buffer, MIN_BUFFER_BYTES, MAX_BUFFER_BYTES, reterr);
    uint64_t ring, segment;
    if (r == 0 && f->ring_size && f->segment_size && text_parse_size(f->ring_size, &ring) == 0 &&
        text_parse_size(f->segment_size, &segment) == 0 && segment > ring / RING_MIN_SEGMENTS)
        r = error_set(reterr, -EINVAL, "--segment-size takes at most an eighth of --ring-size.");
    if (r == 0 && f->bpf)
        r = check_bpf(f->bpf, reterr);
    return r < 0 ? r : check_lists(f, reterr);
}
