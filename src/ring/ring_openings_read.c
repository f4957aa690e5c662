/* Openings of connections that were alive in a window, as a capture of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "packet/pcapng_writer.h"
#include "ring/ring_openings_chain.h"
#include "ring/ring_reader.h"

enum {
    FLUSH_BYTES = 256 * 1024,
    BUFFER_BYTES = 2 * FLUSH_BYTES,
    MAX_INTERFACES = 256
};

/* Behind an interface's name: whoever sees such a packet, in whatever tool, sees what it is. */
static const char suffix[] = " (opening, outside the window)";

/* A connection that began before the window and had not ended by then. */
struct candidate {
    struct ring_flow flow;
    struct slice stream; /* in `memory` */
    uint32_t interface;
    bool wanted;
};

struct packet_ref {
    int64_t ts_ns;
    uint32_t candidate;
    uint32_t offset; /* in its stream */
};

struct reading {
    const struct ring_openings_window *window;
    struct ring_opening_block *blocks;
    uint32_t block_count;
    struct candidate *candidates;
    size_t candidate_count;
    uint8_t *memory;
    size_t memory_used;
    char names[MAX_INTERFACES][RING_INTERFACE_NAME_SIZE];
    uint32_t name_count;
    struct packet_ref *packets;
    size_t packet_count;
};

static void release(struct reading *r)
{
    free(r->blocks);
    free(r->candidates);
    free(r->memory);
    free(r->packets);
}

/* 1 when there is a store that this version reads; 0: there is none. */
static int read_store(struct reading *r, int dir_fd, struct error *reterr)
{
    int fd = openat(dir_fd, RING_OPENINGS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0
                               : error_set(reterr, -errno, "the openings cannot be opened: %s",
                                           strerrordesc_np(errno));
    struct ring_openings_header header;
    ssize_t n = io_pread_full(fd, &header, sizeof header, 0);
    int result = 0;
    if (n == (ssize_t)sizeof header && memcmp(header.magic, RING_OPENINGS_MAGIC, 8) == 0 &&
        header.version > RING_OPENINGS_VERSION)
        result = error_set(reterr, -EPROTO,
                           "the openings were written by a newer version (%u; this one reads %d)",
                           header.version, RING_OPENINGS_VERSION);
    else if (ring_openings_header_fits(&header, n))
        result = 1;
    if (result == 1) {
        size_t bytes = (size_t)header.block_count * RING_OPENING_BLOCK_BYTES;
        r->blocks = malloc(bytes + 1);
        r->candidates = calloc((size_t)header.block_count + 1, sizeof *r->candidates);
        n = r->blocks ? io_pread_full(fd, r->blocks, bytes, RING_OPENINGS_HEADER_BYTES) : -ENOMEM;
        if (n < 0 || !r->candidates)
            result = error_set(reterr, n < 0 ? (int)n : -ENOMEM, "the openings cannot be read: %s",
                               strerrordesc_np(n < 0 ? (int)-n : ENOMEM));
        else
            r->block_count = (uint32_t)((size_t)n / RING_OPENING_BLOCK_BYTES);
    }
    close(fd);
    return result;
}

static uint32_t interface_of(struct reading *r, const char *name)
{
    for (uint32_t i = 0; i < r->name_count; i++)
        if (strcmp(r->names[i], name) == 0)
            return i;
    if (r->name_count == MAX_INTERFACES)
        return MAX_INTERFACES - 1;
    memcpy(r->names[r->name_count], name, strlen(name) + 1);
    return r->name_count++;
}

static int add_candidate(void *ctx, const struct opening_chain *chain)
{
    struct reading *r = ctx;
    uint8_t *at = r->memory + r->memory_used;
    struct slice stream = slice_of(at, ring_opening_stream(r->blocks, chain, at));
    struct ring_opening_head head;
    if (!ring_opening_head_read(stream, &head) || head.link_type != r->window->link_type ||
        head.first_ns >= r->window->from_ns ||
        (head.closed_ns && head.closed_ns < r->window->from_ns))
        return 0;
    r->memory_used += stream.len;
    struct candidate *c = &r->candidates[r->candidate_count++];
    *c = (struct candidate){.stream = stream, .interface = interface_of(r, head.interface)};
    c->flow.ip_version = head.ip_version;
    c->flow.ip_protocol = 6;
    c->flow.port_a = head.port_a;
    c->flow.port_b = head.port_b;
    memcpy(c->flow.ip_a, head.ip_a, sizeof c->flow.ip_a);
    memcpy(c->flow.ip_b, head.ip_b, sizeof c->flow.ip_b);
    return 0;
}

/* Those with packets in the window's segments. A segment that cannot be read says nothing about
 * who was alive: then all may have been. */
static int find_wanted(struct reading *r, struct ring_reader *reader, struct error *reterr)
{
    struct ring_list list;
    int result = ring_reader_list(reader, r->window->from_ns, r->window->to_ns, &list, reterr);
    if (result < 0)
        return result;
    for (size_t i = 0; i < list.segment_count; i++) {
        struct ring_index index;
        if (list.segments[i].link_type != r->window->link_type)
            continue;
        bool known = ring_reader_index(reader, list.segments[i].name, &index, NULL) == 0;
        for (size_t k = 0; k < r->candidate_count; k++) {
            const struct ring_flow *flow =
                known ? ring_index_find(&index, &r->candidates[k].flow) : NULL;
            r->candidates[k].wanted |= !known || (flow && flow->last_ns >= r->window->from_ns &&
                                                  flow->first_ns < r->window->to_ns);
        }
        if (known)
            ring_index_done(&index);
    }
    ring_list_done(&list);
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct packet_ref *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns < y->ts_ns ? -1 : 1;
    if (x->candidate != y->candidate)
        return x->candidate < y->candidate ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Their packets in the order of time, but for those of the window itself. */
static int order_packets(struct reading *r)
{
    size_t cap = r->memory_used / sizeof(struct ring_opening_record) + 1;
    r->packets = calloc(cap, sizeof *r->packets);
    if (!r->packets)
        return -ENOMEM;
    for (size_t k = 0; k < r->candidate_count; k++) {
        const struct candidate *c = &r->candidates[k];
        size_t offset = sizeof(struct ring_opening_head), at = offset;
        struct ring_opening_record record;
        struct slice bytes;
        while (c->wanted && ring_opening_next(c->stream, &offset, &record, &bytes)) {
            if (record.ts_ns < r->window->from_ns)
                r->packets[r->packet_count++] =
                    (struct packet_ref){record.ts_ns, (uint32_t)k, (uint32_t)at};
            at = offset;
        }
    }
    qsort(r->packets, r->packet_count, sizeof *r->packets, compare);
    return 0;
}

static int give(struct reading *r, ring_openings_sink sink, void *ctx)
{
    struct buf out;
    buf_init(&out, BUFFER_BYTES);
    pcapng_put_section(&out, NULL, "trawl " TRAWL_VERSION, NULL);
    for (uint32_t i = 0; i < r->name_count; i++) {
        char name[RING_INTERFACE_NAME_SIZE + sizeof suffix];
        snprintf(name, sizeof name, "%s%s", r->names[i], suffix);
        pcapng_put_interface(
            &out, &(struct packet_interface){.link_type = r->window->link_type, .name = name});
    }
    int result = buf_failed(&out);
    for (size_t i = 0; i < r->packet_count && result == 0; i++) {
        const struct candidate *c = &r->candidates[r->packets[i].candidate];
        size_t offset = r->packets[i].offset;
        struct ring_opening_record record;
        struct slice bytes;
        (void)ring_opening_next(c->stream, &offset, &record, &bytes);
        struct packet packet = {.ts_ns = record.ts_ns,
                                .data = bytes.data,
                                .captured_bytes = record.captured_bytes,
                                .original_bytes = record.original_bytes,
                                .interface = c->interface,
                                .link_type = r->window->link_type,
                                .direction = record.direction <= PACKET_OUTBOUND
                                                 ? record.direction
                                                 : (uint8_t)PACKET_DIRECTION_UNKNOWN};
        result = pcapng_put_packet(&out, &packet, NULL);
        if (result == 0 && out.len >= FLUSH_BYTES) {
            result = sink(ctx, out.data, out.len);
            buf_reset(&out);
        }
    }
    if (result == 0)
        result = sink(ctx, out.data, out.len);
    buf_done(&out);
    return result;
}

int ring_reader_openings(struct ring_reader *reader, const struct ring_openings_window *window,
                         ring_openings_sink sink, void *ctx, struct error *reterr)
{
    struct reading r = {.window = window};
    int result = read_store(&r, ring_reader_dir_fd(reader), reterr);
    if (result > 0) {
        r.memory =
            malloc((size_t)r.block_count * RING_OPENING_BLOCK_BYTES + RING_OPENING_STREAM_BYTES);
        result =
            r.memory ? ring_openings_chains(r.blocks, r.block_count, add_candidate, &r) : -ENOMEM;
        free(r.blocks);
        r.blocks = NULL;
        if (result == 0 && r.candidate_count)
            result = find_wanted(&r, reader, reterr);
        if (result == 0)
            result = order_packets(&r);
        if (result == -ENOMEM)
            error_set(reterr, result, "there is no memory for the openings");
        if (result == 0 && r.packet_count)
            result = give(&r, sink, ctx);
    }
    release(&r);
    return result;
}
