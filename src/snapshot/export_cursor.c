#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/export_private.h"

#define UNWANTED UINT32_MAX

enum {
    CHUNK_PACKETS = 256,
    MAX_CHUNKS = 8 * 1024 * 1024, /* 64 MiB of stamps: two billion packets in one file */
    HELD_BYTES_MAX = 96 * 1024 * 1024
};

static int open_file(const char *path, struct error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return error_set(reterr, -errno, "%s cannot be opened: %s.", path, strerrordesc_np(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(reterr, -EINVAL, "%s is no regular file: it has to be read twice.", path);
    }
    return fd;
}

static int open_reader(const char *path, const struct capture_reader_options *options, int *ret_fd,
                       struct capture_reader **ret_reader, struct error *reterr)
{
    int fd = open_file(path, reterr);
    if (fd < 0)
        return fd;
    struct error e = {.text = ""};
    int r = capture_reader_open(fd, options, ret_reader, &e);
    if (r < 0) {
        close(fd);
        return error_set(reterr, r, "%s: %s", path, e.text);
    }
    *ret_fd = fd;
    return 0;
}

void cursor_damaged(struct export_state *state, const struct export_input *input,
                    const struct error *error)
{
    state->result.damage++;
    if (state->options->on_damage)
        state->options->on_damage(state->options->ctx, input, error);
}

static const struct capture_reader_options everything = {.packets_only = false};

/* Evidence with a hole still gives the rest; a file that a person named has to be a capture. */
static bool is_left_out(const struct export_input *input, int r)
{
    return r == -EBADMSG && input->times_known;
}

int cursor_peek(struct export_state *state, const struct export_input *input, struct error *reterr)
{
    int fd = -1;
    struct capture_reader *reader = NULL;
    int r = open_reader(input->path, &everything, &fd, &reader, reterr);
    if (r < 0)
        return is_left_out(input, r) ? 0 : r;
    struct packet packet;
    for (;;) {
        r = capture_reader_next(reader, &packet, reterr);
        if (r == CAPTURE_PACKET || r == CAPTURE_END || r == CAPTURE_DAMAGE)
            break;
        if (r < 0)
            break;
    }
    for (uint32_t i = 0; r >= 0 && i < capture_reader_interface_count(reader); i++) {
        const struct packet_interface *interface = capture_reader_interface(reader, i);
        if (output_wants(&state->out, input->node, interface))
            r = output_interface(&state->out, input->node, interface, i, reterr);
    }
    capture_reader_free(reader);
    close(fd);
    return r < 0 ? r : 0;
}

int cursor_new(struct export_state *state, const struct export_input *input, size_t index,
               struct export_cursor **ret_cursor, struct error *reterr)
{
    struct export_cursor *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(reterr, -ENOMEM, "There is no memory to read %s.", input->path);
    const struct export_options *o = state->options;
    c->input = input;
    c->index = index;
    c->fd = -1;
    int64_t offset = input->clock_offset_ns;
    if (__builtin_add_overflow(o->from_ns, offset, &c->from_ns))
        c->from_ns = offset < 0 ? INT64_MIN : INT64_MAX;
    if (__builtin_add_overflow(o->to_ns, offset, &c->to_ns))
        c->to_ns = offset < 0 ? INT64_MIN : INT64_MAX;
    if (input->outside) {
        c->from_ns = INT64_MIN;
        c->to_ns = INT64_MAX;
    }
    if (o->selection && selection_kind(o->selection) == SELECT_PACKETS)
        c->wanted = selection_packets(o->selection, input->node ? input->node : "", input->sequence,
                                      &c->wanted_count);
    *ret_cursor = c;
    return 0;
}

static void close_reader(struct export_cursor *c)
{
    capture_reader_free(c->reader);
    if (c->fd >= 0)
        close(c->fd);
    c->reader = NULL;
    c->fd = -1;
}

static void drop_held(struct export_state *state, struct export_held *held)
{
    if (!held)
        return;
    state->held_bytes -= held->packet.captured_bytes;
    free(held);
}

void cursor_free(struct export_state *state, struct export_cursor *c)
{
    if (!c)
        return;
    if (c->reader)
        state->bytes_read += capture_reader_position(c->reader);
    close_reader(c);
    for (size_t i = 0; i < c->heap_count; i++)
        drop_held(state, c->heap[i]);
    drop_held(state, c->current);
    free(c->heap);
    free(c->suffix_min);
    free(c->map);
    free(c);
}

/* ── scan ── */

static int note_stamp(struct export_cursor *c, uint64_t number, int64_t ts, struct error *reterr)
{
    size_t chunk = number / CHUNK_PACKETS;
    if (chunk >= MAX_CHUNKS)
        return error_set(reterr, -EFBIG, "%s holds too many packets.", c->input->path);
    if (chunk == c->chunk_count) {
        if ((chunk & (chunk - 1)) == 0) {
            size_t cap = chunk ? chunk * 2 : 1;
            int64_t *grown = reallocarray(c->suffix_min, cap, sizeof *grown);
            if (!grown)
                return error_set(reterr, -ENOMEM, "There is no memory to order %s.",
                                 c->input->path);
            c->suffix_min = grown;
        }
        c->suffix_min[c->chunk_count++] = ts;
    } else if (ts < c->suffix_min[chunk]) {
        c->suffix_min[chunk] = ts;
    }
    if (number && ts < c->last_ns)
        c->sorted = false;
    if (ts < c->first_ns)
        c->first_ns = ts;
    if (ts > c->last_ns)
        c->last_ns = ts;
    return 0;
}

static void note_statistics(struct export_state *state, struct export_cursor *c,
                            const struct capture_reader *reader)
{
    const struct capture_statistics *s = capture_reader_statistics(reader);
    if (state->owners && !c->indexed)
        export_owners_add_note(state->owners, capture_reader_note(reader));
    const struct packet_interface *interface = capture_reader_interface(reader, s->interface);
    if (!interface || state->options->node_count ||
        !output_wants(&state->out, c->input->node, interface))
        return;
    int id = output_interface(&state->out, c->input->node, interface, s->interface, NULL);
    if (id < 0)
        return;
    struct export_interface *to = &state->out.interfaces[id];
    if (to->has_statistics && s->ts_ns < to->statistics.ts_ns)
        return;
    to->has_statistics = true;
    to->statistics = (struct pcapng_statistics){.ts_ns = s->ts_ns,
                                                .received = s->received,
                                                .dropped_by_interface = s->dropped_by_interface,
                                                .dropped_by_os = s->dropped_by_os};
}

static bool is_cancelled(const struct export_state *state)
{
    return state->options->cancel && __atomic_load_n(state->options->cancel, __ATOMIC_RELAXED);
}

int cursor_read_statistics(struct export_state *state, struct export_cursor *c, uint64_t offset,
                           struct error *reterr)
{
    struct capture_reader_options options = {.start_offset = offset};
    struct packet packet;
    struct error e = {.offset = ERROR_NO_OFFSET};
    int event = open_reader(c->input->path, &options, &c->fd, &c->reader, reterr);
    if (event < 0)
        return event;
    do {
        event = capture_reader_next(c->reader, &packet, &e);
        if (event == CAPTURE_STATISTICS)
            note_statistics(state, c, c->reader);
        else if (event == CAPTURE_DAMAGE)
            cursor_damaged(state, c->input, &e);
    } while (event > CAPTURE_END);
    close_reader(c);
    if (event < 0 && reterr)
        *reterr = e;
    return event;
}

int cursor_scan(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    int r = cursor_use_index(state, c, reterr);
    if (r != 0)
        return r < 0 ? r : 0;
    struct error e = {.offset = ERROR_NO_OFFSET};
    r = open_reader(c->input->path, &everything, &c->fd, &c->reader, &e);
    if (r < 0 && reterr)
        *reterr = e;
    c->sorted = true;
    c->first_ns = INT64_MAX;
    c->last_ns = INT64_MIN;
    uint64_t number = 0;
    struct packet packet;
    if (is_left_out(c->input, r)) {
        cursor_damaged(state, c->input, &e);
        return 0;
    }
    while (r == 0) {
        int event = capture_reader_next(c->reader, &packet, &e);
        if (event < 0)
            r = error_set(reterr, event, "%s", e.text);
        else if (event == CAPTURE_END)
            break;
        else if (event == CAPTURE_PACKET)
            r = note_stamp(c, number++, packet.ts_ns, reterr);
        else if (event == CAPTURE_DAMAGE)
            cursor_damaged(state, c->input, &e);
        else if (event == CAPTURE_SECRETS && state->options->keep_secrets)
            r = output_secrets(&state->out, capture_reader_secrets(c->reader), reterr);
        else if (event == CAPTURE_STATISTICS)
            note_statistics(state, c, c->reader);
        if (r == 0 && number % 65536 == 65535 && is_cancelled(state))
            r = error_set(reterr, -ECANCELED, "It was cancelled.");
    }
    close_reader(c);
    for (size_t i = c->chunk_count; i-- > 1;)
        if (c->suffix_min[i] < c->suffix_min[i - 1])
            c->suffix_min[i - 1] = c->suffix_min[i];
    return r;
}

/* ── packets that wait ── */

static bool before(const struct export_held *a, const struct export_held *b)
{
    return a->ts_ns < b->ts_ns || (a->ts_ns == b->ts_ns && a->order < b->order);
}

static int hold(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    const struct packet *p = &c->packet;
    struct export_held *held = malloc(sizeof *held + p->captured_bytes);
    if (held && c->heap_count == c->heap_cap) {
        size_t cap = c->heap_cap ? c->heap_cap * 2 : 64;
        struct export_held **grown = reallocarray(c->heap, cap, sizeof(struct export_held *));
        if (grown) {
            c->heap = grown;
            c->heap_cap = cap;
        }
    }
    if (!held || c->heap_count == c->heap_cap) {
        free(held);
        return error_set(reterr, -ENOMEM, "There is no memory to put %s in order.", c->input->path);
    }
    held->ts_ns = p->ts_ns;
    held->order = c->read_count;
    held->packet = *p;
    if (p->captured_bytes)
        memcpy(held->data, p->data, p->captured_bytes);
    held->packet.data = held->data;
    state->held_bytes += p->captured_bytes;
    size_t at = c->heap_count++;
    for (; at > 0 && before(held, c->heap[(at - 1) / 2]); at = (at - 1) / 2)
        c->heap[at] = c->heap[(at - 1) / 2];
    c->heap[at] = held;
    return 0;
}

static struct export_held *unhold(struct export_cursor *c)
{
    struct export_held *top = c->heap[0], *last = c->heap[--c->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= c->heap_count)
            break;
        if (child + 1 < c->heap_count && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], last))
            break;
        c->heap[at] = c->heap[child];
        at = child;
    }
    if (c->heap_count)
        c->heap[at] = last;
    return top;
}

/* ── reading ── */

static bool is_wanted(struct export_state *state, struct export_cursor *c)
{
    const struct packet *p = &c->packet;
    const struct selection *s = state->options->selection;
    if (p->ts_ns < c->from_ns || p->ts_ns >= c->to_ns)
        return false;
    if (s && selection_kind(s) == SELECT_PACKETS) {
        while (c->wanted_at < c->wanted_count && c->wanted[c->wanted_at] < p->offset)
            c->wanted_at++;
        if (c->wanted_at == c->wanted_count || c->wanted[c->wanted_at] != p->offset)
            return false;
    }
    if (!snapshot_filter_match(state->filter, p))
        return false;
    return !state->matcher || selection_match(state->matcher, p);
}

/* 1: of a node that is not wanted. */
static int map_interface(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    uint32_t local = c->packet.interface;
    if (local >= c->map_count) {
        size_t count = capture_reader_interface_count(c->reader);
        if (local >= count)
            return error_set(reterr, -EBADMSG, "%s has a packet without interface.",
                             c->input->path);
        uint32_t *grown = reallocarray(c->map, count, sizeof *grown);
        if (!grown)
            return error_set(reterr, -ENOMEM, "There is no memory for the interfaces.");
        memset(grown + c->map_count, 0, (count - c->map_count) * sizeof *grown);
        c->map = grown;
        c->map_count = count;
    }
    if (c->map[local] == 0) {
        if (!output_wants(&state->out, c->input->node, capture_reader_interface(c->reader, local)))
            c->map[local] = UNWANTED;
    }
    if (c->map[local] == UNWANTED)
        return 1;
    if (c->map[local] == 0) {
        int id = output_interface(&state->out, c->input->node,
                                  capture_reader_interface(c->reader, local), local, reterr);
        if (id < 0)
            return id;
        c->map[local] = (uint32_t)id + 1;
    }
    c->packet.interface = c->map[local] - 1;
    return 0;
}

/* 1: c->packet is the next wanted packet of the file. 0: there is none. */
static int read_wanted(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    while (!c->at_end) {
        struct error e = {.offset = ERROR_NO_OFFSET};
        int event = capture_reader_next(c->reader, &c->packet, &e);
        if (event < 0)
            return error_set(reterr, event, "%s", e.text);
        if (event == CAPTURE_END)
            c->at_end = true;
        if (event == CAPTURE_DAMAGE && c->indexed)
            cursor_damaged(state, c->input, &e);
        if (event != CAPTURE_PACKET)
            continue;
        c->read_count++;
        if (c->sorted && c->packet.ts_ns >= c->to_ns)
            c->at_end = true;
        if ((c->read_count & 65535) == 0 && is_cancelled(state))
            return error_set(reterr, -ECANCELED, "It was cancelled.");
        if (!is_wanted(state, c)) {
            if (c->wanted && c->wanted_at == c->wanted_count)
                c->at_end = true;
            continue;
        }
        int r = map_interface(state, c, reterr);
        if (r != 1)
            return r < 0 ? r : 1;
    }
    return 0;
}

/* The smallest stamp that may still be read. */
static int64_t least_unread(const struct export_cursor *c)
{
    size_t chunk = c->read_count / CHUNK_PACKETS;
    return c->at_end || chunk >= c->chunk_count ? INT64_MAX : c->suffix_min[chunk];
}

static int advance_unsorted(struct export_state *state, struct export_cursor *c,
                            struct error *reterr)
{
    drop_held(state, c->current);
    c->current = NULL;
    while (!c->at_end && state->held_bytes < HELD_BYTES_MAX &&
           (c->heap_count == 0 || c->heap[0]->ts_ns > least_unread(c))) {
        int r = read_wanted(state, c, reterr);
        if (r == 1)
            r = hold(state, c, reterr);
        if (r < 0)
            return r;
    }
    c->has_packet = c->heap_count > 0;
    if (c->has_packet) {
        c->current = unhold(c);
        c->packet = c->current->packet;
        return 0;
    }
    if (c->at_end)
        return 0;
    int r = read_wanted(state, c, reterr); /* others hold all the memory: as it comes */
    c->has_packet = r == 1;
    return r < 0 ? r : 0;
}

int cursor_advance(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    if (!c->sorted)
        return advance_unsorted(state, c, reterr);
    int r = read_wanted(state, c, reterr);
    c->has_packet = r == 1;
    return r < 0 ? r : 0;
}

int cursor_start(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    const struct selection *s = state->options->selection;
    bool nothing = c->last_ns < c->from_ns || c->first_ns >= c->to_ns ||
                   (s && selection_kind(s) == SELECT_PACKETS && c->wanted_count == 0);
    if (nothing) {
        c->at_end = true;
        c->has_packet = false;
        return 0;
    }
    struct capture_reader_options options = {.packets_only = true, .start_offset = c->start_offset};
    int r = open_reader(c->input->path, &options, &c->fd, &c->reader, reterr);
    return r < 0 ? r : cursor_advance(state, c, reterr);
}
