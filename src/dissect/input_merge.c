#include "dissect/input_merge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/string_map.h"
#include "base/text.h"
#include "packet/capture_reader.h"

enum {
    ALWAYS_OPEN = 4, /* so few inputs are opened at once, without a look at their first packet */
    MAX_VANTAGES = 4096,
    MAX_INTERFACES = 65536
};

struct merge_input {
    const struct dissect_input *input;
    uint32_t index;
    struct capture_reader *reader; /* NULL: not yet, or no longer */
    struct packet head;
    int64_t first_ns;   /* of a file that waits */
    uint32_t *vantages; /* by interface; UINT32_MAX = not known yet */
    uint32_t vantage_count;
    uint64_t read_bytes; /* once it is closed */
    bool grows;          /* its end is not the end */
    bool is_dry;         /* grows, and all that is there was read */
};

struct input_merge {
    struct input_merge_options options;
    struct merge_input *inputs;
    size_t input_count;
    struct merge_input **heap; /* being read, by time of their heads */
    size_t heap_count;
    struct merge_input **waiting; /* by first_ns, latest first */
    size_t waiting_count;
    struct merge_input *last; /* whose packet was given last */
    struct string_map vantage_numbers;
    char **vantage_names; /* never moves: other threads look up numbers they were given */
    uint32_t vantage_count;
    uint64_t damages;
};

static void report(struct input_merge *merge, const struct merge_input *in,
                   const struct error *error)
{
    merge->damages++;
    if (merge->options.damage)
        merge->options.damage(merge->options.ctx, in->input, error);
}

static int open_reader(const struct merge_input *in, struct capture_reader **ret_reader,
                       struct error *error)
{
    struct capture_reader_options options = {.end_offset = in->input->end_offset,
                                             .packets_only = false};
    return capture_reader_open(in->input->fd, &options, ret_reader, error);
}

/* The next packet of an input into its head: 1, 0 at its end, -ENOMEM. */
static int advance(struct input_merge *merge, struct merge_input *in)
{
    for (;;) {
        struct error error = {.offset = ERROR_NO_OFFSET};
        int event = capture_reader_next(in->reader, &in->head, &error);
        if (event == CAPTURE_PACKET)
            return 1;
        if (event == -ENOMEM)
            return event;
        if (event == CAPTURE_SECRETS && merge->options.secrets) {
            int r = merge->options.secrets(merge->options.secrets_ctx,
                                           capture_reader_secrets(in->reader));
            if (r < 0)
                return r;
        }
        if (event == CAPTURE_STATISTICS && merge->options.note &&
            capture_reader_note(in->reader).len) {
            int r = merge->options.note(merge->options.note_ctx, in->input,
                                        capture_reader_note(in->reader));
            if (r < 0)
                return r;
        }
        if (event == CAPTURE_DAMAGE || event < 0)
            report(merge, in, &error);
        if (event == CAPTURE_END && in->grows) {
            in->is_dry = true;
            return 0;
        }
        if (event == CAPTURE_END || event < 0) {
            in->read_bytes = capture_reader_position(in->reader);
            capture_reader_free(in->reader);
            in->reader = NULL;
            return 0;
        }
    }
}

/* ── order ── */

static int64_t time_of(const struct merge_input *in)
{
    return in->head.ts_ns - in->input->ahead_ns;
}

static bool is_before(const struct merge_input *a, const struct merge_input *b)
{
    int64_t a_ns = time_of(a), b_ns = time_of(b);
    return a_ns != b_ns ? a_ns < b_ns : a->index < b->index;
}

static void sift_down(struct input_merge *merge, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < merge->heap_count; child++)
            if (is_before(merge->heap[child], merge->heap[least]))
                least = child;
        if (least == i)
            return;
        struct merge_input *swap = merge->heap[i];
        merge->heap[i] = merge->heap[least];
        merge->heap[least] = swap;
        i = least;
    }
}

static void push(struct input_merge *merge, struct merge_input *in)
{
    size_t i = merge->heap_count++;
    merge->heap[i] = in;
    while (i && is_before(merge->heap[i], merge->heap[(i - 1) / 2])) {
        struct merge_input *swap = merge->heap[i];
        merge->heap[i] = merge->heap[(i - 1) / 2];
        merge->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static int start(struct input_merge *merge, struct merge_input *in)
{
    struct error error = {.offset = ERROR_NO_OFFSET};
    int r = open_reader(in, &in->reader, &error);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        report(merge, in, &error);
        return 0;
    }
    r = advance(merge, in);
    if (r == 1)
        push(merge, in);
    return r < 0 ? r : 0;
}

/* The time of the first packet, without reports: they come when it is read. */
static int64_t peek_first(const struct merge_input *in)
{
    struct stat st;
    if (fstat(in->input->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return INT64_MIN;
    struct capture_reader *reader;
    struct error error;
    if (open_reader(in, &reader, &error) < 0)
        return INT64_MIN;
    struct packet packet;
    int event;
    do {
        event = capture_reader_next(reader, &packet, &error);
    } while (event == CAPTURE_DAMAGE || event >= CAPTURE_INTERFACE);
    capture_reader_free(reader);
    return event == CAPTURE_PACKET ? packet.ts_ns : INT64_MIN;
}

static int compare_waiting(const void *a, const void *b)
{
    const struct merge_input *x = *(struct merge_input *const *)a;
    const struct merge_input *y = *(struct merge_input *const *)b;
    if (x->first_ns != y->first_ns)
        return x->first_ns > y->first_ns ? -1 : 1;
    return x->index > y->index ? -1 : 1;
}

int input_merge_new(const struct input_merge_options *options, struct input_merge **ret_merge,
                    struct error *reterr)
{
    struct input_merge *merge = calloc(1, sizeof *merge);
    if (!merge)
        return error_set(reterr, -ENOMEM, "there is no memory for %zu inputs",
                         options->input_count);
    merge->options = *options;
    merge->input_count = options->grows ? 0 : options->input_count;
    string_map_init(&merge->vantage_numbers);
    size_t n = options->input_count ? options->input_count : 1;
    merge->inputs = calloc(n, sizeof *merge->inputs);
    merge->heap = calloc(n, sizeof(struct merge_input *));
    merge->waiting = calloc(n, sizeof(struct merge_input *));
    merge->vantage_names = calloc(MAX_VANTAGES, sizeof(char *));
    if (!merge->inputs || !merge->heap || !merge->waiting || !merge->vantage_names) {
        input_merge_free(merge);
        return error_set(reterr, -ENOMEM, "there is no memory for %zu inputs", n);
    }
    bool look = options->input_count > ALWAYS_OPEN;
    for (size_t i = 0; i < options->input_count && !options->grows; i++) {
        struct merge_input *in = &merge->inputs[i];
        in->input = &options->inputs[i];
        in->index = (uint32_t)i;
        in->first_ns = look ? peek_first(in) : INT64_MIN;
        merge->waiting[merge->waiting_count++] = in;
    }
    qsort(merge->waiting, merge->waiting_count, sizeof(struct merge_input *), compare_waiting);
    *ret_merge = merge;
    return 0;
}

void input_merge_free(struct input_merge *merge)
{
    if (!merge)
        return;
    for (size_t i = 0; merge->inputs && i < merge->input_count; i++) {
        capture_reader_free(merge->inputs[i].reader);
        free(merge->inputs[i].vantages);
    }
    for (uint32_t i = 0; i < merge->vantage_count; i++)
        free(merge->vantage_names[i]);
    free(merge->vantage_names);
    string_map_done(&merge->vantage_numbers, NULL);
    free(merge->inputs);
    free(merge->heap);
    free(merge->waiting);
    free(merge);
}

/* ── vantage points ── */

static int add_vantage(struct input_merge *merge, const char *name, uint32_t *ret_number)
{
    struct slice key = slice_str(name);
    void *known = string_map_get(&merge->vantage_numbers, key);
    if (known) {
        *ret_number = (uint32_t)(uintptr_t)known - 1;
        return 0;
    }
    if (merge->vantage_count == MAX_VANTAGES) {
        *ret_number = 0;
        return 0;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    uint32_t number = merge->vantage_count;
    merge->vantage_names[merge->vantage_count++] = copy;
    *ret_number = number;
    return string_map_set(&merge->vantage_numbers, key, (void *)(uintptr_t)(number + 1), NULL);
}

static int name_vantage(struct input_merge *merge, const struct merge_input *in, uint32_t interface,
                        uint32_t *ret_number)
{
    const struct packet_interface *described = capture_reader_interface(in->reader, interface);
    char name[600], shown[300], place[300];
    /* Not the file's name: the entries of a renamed capture are the same. */
    if (in->input->node)
        snprintf(place, sizeof place, "%s", in->input->node);
    else
        snprintf(place, sizeof place, "file %" PRIu64, in->input->sequence);
    if (described && described->name && described->name[0])
        snprintf(name, sizeof name, "%s:%s", place,
                 text_escape(slice_str(described->name), shown, sizeof shown));
    else
        snprintf(name, sizeof name, "%s:%u", place, interface);
    return add_vantage(merge, name, ret_number);
}

static int vantage_of(struct input_merge *merge, struct merge_input *in, uint32_t *ret_number)
{
    uint32_t interface = in->head.interface;
    if (interface >= MAX_INTERFACES) {
        *ret_number = 0;
        return 0;
    }
    if (interface >= in->vantage_count) {
        uint32_t count = interface + 8;
        uint32_t *vantages = realloc(in->vantages, count * sizeof *vantages);
        if (!vantages)
            return -ENOMEM;
        for (uint32_t i = in->vantage_count; i < count; i++)
            vantages[i] = UINT32_MAX;
        in->vantages = vantages;
        in->vantage_count = count;
    }
    if (in->vantages[interface] == UINT32_MAX) {
        int r = name_vantage(merge, in, interface, &in->vantages[interface]);
        if (r < 0)
            return r;
    }
    *ret_number = in->vantages[interface];
    return 0;
}

struct slice input_merge_vantage(const struct input_merge *merge, uint32_t vantage)
{
    if (vantage >= MAX_VANTAGES || !merge->vantage_names[vantage])
        return SLICE_NONE;
    return slice_str(merge->vantage_names[vantage]);
}

uint64_t input_merge_damages(const struct input_merge *merge)
{
    return merge->damages;
}

uint64_t input_merge_read_bytes(const struct input_merge *merge)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct merge_input *in = &merge->inputs[i];
        bytes += in->reader ? capture_reader_position(in->reader) : in->read_bytes;
    }
    return bytes;
}

/* Moves on the input whose packet was given last. */
static int replace_last(struct input_merge *merge)
{
    if (!merge->last)
        return 0;
    int r = advance(merge, merge->last);
    if (r == 0)
        merge->heap[0] = merge->heap[--merge->heap_count];
    sift_down(merge, 0);
    merge->last = NULL;
    return r < 0 ? r : 0;
}

/* ── inputs that grow ── */

static void close_dry(struct merge_input *in)
{
    in->read_bytes = capture_reader_position(in->reader);
    capture_reader_free(in->reader);
    free(in->vantages);
    in->reader = NULL;
    in->vantages = NULL;
    in->vantage_count = 0;
    in->is_dry = false;
}

static int grow_open(struct input_merge *merge, struct merge_input *in, uint64_t length)
{
    struct error error = {.offset = ERROR_NO_OFFSET};
    int r = capture_reader_extend(in->reader, length);
    if (r < 0) {
        error_set(&error, r, "this is no plain capture file");
        report(merge, in, &error);
        in->grows = false;
        close_dry(in);
        return 0;
    }
    if (!in->is_dry)
        return 0;
    in->is_dry = false;
    r = advance(merge, in);
    if (r == 1)
        push(merge, in);
    return r < 0 ? r : 0;
}

int input_merge_grow(struct input_merge *merge, size_t index, uint64_t length, bool last)
{
    struct merge_input *in = &merge->inputs[index];
    int r = 0;
    if (!in->input) {
        in->input = &merge->options.inputs[index];
        in->index = (uint32_t)index;
        in->grows = true;
        merge->input_count = index + 1 > merge->input_count ? index + 1 : merge->input_count;
        r = start(merge, in);
    }
    if (r == 0 && in->reader)
        r = grow_open(merge, in, length);
    if (last) {
        in->grows = false;
        if (in->is_dry)
            close_dry(in);
    }
    return r;
}

uint64_t input_merge_behind(const struct input_merge *merge, size_t index)
{
    const struct merge_input *in = &merge->inputs[index];
    return in->reader ? capture_reader_position(in->reader) : UINT64_MAX;
}

int input_merge_head(struct input_merge *merge, int64_t *ret_ns)
{
    int r = replace_last(merge);
    if (r < 0 || merge->heap_count == 0)
        return r;
    *ret_ns = time_of(merge->heap[0]);
    return 1;
}

/* ── all of them ── */

int input_merge_next(struct input_merge *merge, struct merged_packet *ret_packet)
{
    int r = replace_last(merge);
    while (r == 0 && merge->waiting_count) {
        struct merge_input *in = merge->waiting[merge->waiting_count - 1];
        if (merge->heap_count && in->first_ns > merge->heap[0]->head.ts_ns)
            break;
        merge->waiting_count--;
        r = start(merge, in);
    }
    if (r < 0)
        return r;
    if (merge->heap_count == 0)
        return 0;
    struct merge_input *in = merge->heap[0];
    r = vantage_of(merge, in, &ret_packet->vantage);
    if (r < 0)
        return r;
    ret_packet->packet = in->head;
    ret_packet->file = in->index;
    merge->last = in;
    return 1;
}
