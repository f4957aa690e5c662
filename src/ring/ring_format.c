#include "ring/ring_format.h"

#include <inttypes.h>
#include <stdio.h>

const char *ring_gap_reason_name(enum ring_gap_reason reason)
{
    switch (reason) {
    case RING_GAP_NOT_RECORDING:
        return "not_recording";
    case RING_GAP_CAPTURE_STOPPED:
        return "capture_stopped";
    case RING_GAP_RECYCLED:
        return "recycled";
    case RING_GAP_CLOCK_STEP:
        return "clock_step";
    case RING_GAP_DISK:
        return "disk";
    case RING_GAP_CORRUPT:
        return "corrupt";
    }
    return "not_recording";
}

void ring_name_format(uint32_t series, uint64_t sequence, char ret_name[RING_NAME_SIZE])
{
    snprintf(ret_name, RING_NAME_SIZE, "%05u-%010" PRIu64 ".pcapng", series % 100000,
             sequence % UINT64_C(10000000000));
}

/* Exactly `width` digits. */
static bool digits(const char *text, unsigned width, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < width; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_v = v;
    return true;
}

bool ring_name_parse(const char *name, uint32_t *ret_series, uint64_t *ret_sequence)
{
    uint64_t series, sequence;
    if (!digits(name, 5, &series) || name[5] != '-' || !digits(name + 6, 10, &sequence) ||
        strcmp(name + 16, ".pcapng") != 0)
        return false;
    *ret_series = (uint32_t)series;
    *ret_sequence = sequence;
    return true;
}

void ring_name_index(const char *name, char ret_index_name[RING_NAME_SIZE])
{
    snprintf(ret_index_name, RING_NAME_SIZE, "%.16s" RING_IDX_SUFFIX, name);
}

int ring_flow_record_cmp(const void *a, const void *b)
{
    const struct ring_flow_record *x = a;
    const struct ring_flow_record *y = b;
    if (x->ip_version != y->ip_version)
        return x->ip_version < y->ip_version ? -1 : 1;
    if (x->ip_protocol != y->ip_protocol)
        return x->ip_protocol < y->ip_protocol ? -1 : 1;
    int c = memcmp(x->ip_a, y->ip_a, sizeof x->ip_a);
    if (c == 0)
        c = memcmp(x->ip_b, y->ip_b, sizeof x->ip_b);
    if (c != 0)
        return c;
    if (x->port_a != y->port_a)
        return x->port_a < y->port_a ? -1 : 1;
    return (x->port_b > y->port_b) - (x->port_b < y->port_b);
}
