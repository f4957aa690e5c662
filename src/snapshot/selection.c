#include "snapshot/selection.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/io.h"

static const char magic[8] = "TRAWLSEL";

enum {
    FLOW_BYTES = 38,
    MAX_ITEMS = 1 << 24,
    MAX_FILE_BYTES = 1 << 30,
    NODE_BYTES = 256
};

struct chosen_packet {
    uint32_t node; /* index */
    uint64_t sequence, offset;
};

/* The wanted packets of one file: offsets[first, first + count). */
struct chosen_file {
    uint32_t node;
    uint64_t sequence;
    size_t first, count;
};

struct selection {
    enum selection_kind kind;
    struct selection_flow *flows; /* a ≤ b; sorted once sealed */
    struct chosen_packet *packets;
    size_t count, cap;
    char **nodes;
    size_t node_count;
    struct chosen_file *files;
    size_t file_count;
    uint64_t *offsets;
};

int selection_new(enum selection_kind kind, struct selection **ret_selection)
{
    struct selection *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->kind = kind;
    *ret_selection = s;
    return 0;
}

void selection_free(struct selection *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->node_count; i++)
        free(s->nodes[i]);
    free(s->nodes);
    free(s->flows);
    free(s->packets);
    free(s->files);
    free(s->offsets);
    free(s);
}

enum selection_kind selection_kind(const struct selection *selection)
{
    return selection->kind;
}

size_t selection_count(const struct selection *selection)
{
    return selection->count;
}

/* ── filling ── */

static int make_room(struct selection *s)
{
    if (s->count < s->cap)
        return 0;
    size_t cap = s->cap ? s->cap * 2 : 256;
    if (cap > MAX_ITEMS)
        return -E2BIG;
    void *grown = s->kind == SELECT_FLOWS ? reallocarray(s->flows, cap, sizeof *s->flows)
                                          : reallocarray(s->packets, cap, sizeof *s->packets);
    if (!grown)
        return -ENOMEM;
    if (s->kind == SELECT_FLOWS)
        s->flows = grown;
    else
        s->packets = grown;
    s->cap = cap;
    return 0;
}

static struct selection_flow normal(const struct selection_flow *flow)
{
    struct selection_flow f = *flow;
    int order = memcmp(f.ip_a, f.ip_b, sizeof f.ip_a);
    if (order > 0 || (order == 0 && f.port_a > f.port_b)) {
        memcpy(f.ip_a, flow->ip_b, sizeof f.ip_a);
        memcpy(f.ip_b, flow->ip_a, sizeof f.ip_b);
        f.port_a = flow->port_b;
        f.port_b = flow->port_a;
    }
    return f;
}

int selection_add_flow(struct selection *s, const struct selection_flow *flow)
{
    int r = s->kind == SELECT_FLOWS ? make_room(s) : -EINVAL;
    if (r == 0)
        s->flows[s->count++] = normal(flow);
    return r;
}

static int node_index(struct selection *s, const char *node, uint32_t *ret_index)
{
    for (size_t i = s->node_count; i-- > 0;) /* mostly the last one */
        if (strcmp(s->nodes[i], node) == 0) {
            *ret_index = (uint32_t)i;
            return 0;
        }
    char **grown = reallocarray(s->nodes, s->node_count + 1, sizeof(char *));
    if (!grown)
        return -ENOMEM;
    s->nodes = grown;
    s->nodes[s->node_count] = strdup(node);
    if (!s->nodes[s->node_count])
        return -ENOMEM;
    *ret_index = (uint32_t)s->node_count++;
    return 0;
}

int selection_add_packet(struct selection *s, const char *node, uint64_t sequence, uint64_t offset)
{
    uint32_t index;
    int r = s->kind == SELECT_PACKETS && strlen(node) < NODE_BYTES ? make_room(s) : -EINVAL;
    if (r == 0)
        r = node_index(s, node, &index);
    if (r == 0)
        s->packets[s->count++] = (struct chosen_packet){index, sequence, offset};
    return r;
}

static int compare_flows(const void *a, const void *b)
{
    const struct selection_flow *x = a, *y = b;
    if (x->ip_version != y->ip_version)
        return x->ip_version - y->ip_version;
    if (x->ip_protocol != y->ip_protocol)
        return x->ip_protocol - y->ip_protocol;
    int order = memcmp(x->ip_a, y->ip_a, 16);
    if (order == 0)
        order = memcmp(x->ip_b, y->ip_b, 16);
    if (order == 0)
        order = x->port_a - y->port_a;
    return order ? order : x->port_b - y->port_b;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_packets(const void *a, const void *b)
{
    const struct chosen_packet *x = a, *y = b;
    int order = compare_numbers(x->node, y->node);
    if (order == 0)
        order = compare_numbers(x->sequence, y->sequence);
    return order ? order : compare_numbers(x->offset, y->offset);
}

static int group_by_file(struct selection *s)
{
    s->files = calloc(s->count + 1, sizeof *s->files);
    s->offsets = calloc(s->count + 1, sizeof *s->offsets);
    if (!s->files || !s->offsets)
        return -ENOMEM;
    for (size_t i = 0; i < s->count; i++) {
        const struct chosen_packet *p = &s->packets[i];
        struct chosen_file *last = s->file_count ? &s->files[s->file_count - 1] : NULL;
        if (!last || last->node != p->node || last->sequence != p->sequence) {
            last = &s->files[s->file_count++];
            *last = (struct chosen_file){p->node, p->sequence, i, 0};
        }
        last->count++;
        s->offsets[i] = p->offset;
    }
    return 0;
}

int selection_seal(struct selection *s)
{
    bool flows = s->kind == SELECT_FLOWS;
    if (s->count == 0)
        return flows ? 0 : group_by_file(s);
    if (flows)
        qsort(s->flows, s->count, sizeof *s->flows, compare_flows);
    else
        qsort(s->packets, s->count, sizeof *s->packets, compare_packets);
    size_t kept = 1;
    for (size_t i = 1; i < s->count; i++) {
        bool same = flows ? compare_flows(&s->flows[i], &s->flows[kept - 1]) == 0
                          : compare_packets(&s->packets[i], &s->packets[kept - 1]) == 0;
        if (same)
            continue;
        if (flows)
            s->flows[kept++] = s->flows[i];
        else
            s->packets[kept++] = s->packets[i];
    }
    s->count = kept;
    return flows ? 0 : group_by_file(s);
}

/* ── questions ── */

bool selection_has_flow(const struct selection *s, const struct selection_flow *flow)
{
    struct selection_flow key = normal(flow);
    return s->count && bsearch(&key, s->flows, s->count, sizeof key, compare_flows);
}

const uint64_t *selection_packets(const struct selection *s, const char *node, uint64_t sequence,
                                  size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].sequence == sequence && strcmp(s->nodes[s->files[i].node], node) == 0) {
            *ret_count = s->files[i].count;
            return s->offsets + s->files[i].first;
        }
    return NULL;
}

static uint64_t fragment_key(const struct frame *f)
{
    uint8_t bytes[38] = {f->ip_version, f->ip_protocol};
    memcpy(bytes + 2, f->src_ip, 16);
    memcpy(bytes + 18, f->dst_ip, 16);
    for (int i = 0; i < 4; i++)
        bytes[34 + i] = (uint8_t)(f->fragment_id >> (8 * i));
    uint64_t key = hash_bytes(hash_fixed_key, bytes, sizeof bytes);
    return key ? key : 1;
}

static bool match_frame(const struct selection *s, const struct frame *f, bool with_ports)
{
    struct selection_flow flow = {.ip_version = f->ip_version,
                                  .ip_protocol = f->ip_protocol,
                                  .port_a = with_ports ? f->src_port : 0,
                                  .port_b = with_ports ? f->dst_port : 0};
    memcpy(flow.ip_a, f->src_ip, 16);
    memcpy(flow.ip_b, f->dst_ip, 16);
    return selection_has_flow(s, &flow);
}

/* The ports stand in the first fragment: the others follow its fate. */
static bool match_fragment(struct selection_matcher *m, const struct frame *f)
{
    uint64_t key = fragment_key(f);
    size_t slot = key % (sizeof m->fragments / sizeof *m->fragments);
    if (f->fragment_offset != 0)
        return m->fragments[slot].key == key && m->fragments[slot].wanted;
    bool wanted = false;
    if (f->payload.len >= 4 &&
        (f->ip_protocol == 6 || f->ip_protocol == 17 || f->ip_protocol == 132)) {
        struct frame whole = *f;
        whole.src_port = (uint16_t)(f->payload.data[0] << 8 | f->payload.data[1]);
        whole.dst_port = (uint16_t)(f->payload.data[2] << 8 | f->payload.data[3]);
        wanted = match_frame(m->selection, &whole, true);
    } else {
        wanted = match_frame(m->selection, f, false);
    }
    m->fragments[slot].key = key;
    m->fragments[slot].wanted = wanted;
    return wanted;
}

bool selection_match(struct selection_matcher *m, const struct packet *packet)
{
    struct frame frame;
    frame_decode(packet, &frame);
    switch (frame.kind) {
    case FRAME_FRAGMENT:
        return match_fragment(m, &frame);
    case FRAME_TCP:
    case FRAME_UDP:
    case FRAME_SCTP:
        return match_frame(m->selection, &frame, true);
    case FRAME_ICMP:
    case FRAME_IP:
        return match_frame(m->selection, &frame, false);
    case FRAME_OTHER:
    case FRAME_BAD:
        break;
    }
    return false;
}

/* ── as a file ── */

static void put_number(struct buf *out, uint64_t v, int n)
{
    uint8_t bytes[8];
    for (int i = 0; i < n; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    buf_append(out, bytes, (size_t)n);
}

int selection_save(const struct selection *s, int fd)
{
    struct buf out;
    buf_init(&out, MAX_FILE_BYTES);
    buf_append(&out, magic, sizeof magic);
    put_number(&out, s->kind, 4);
    put_number(&out, s->node_count, 4);
    put_number(&out, s->count, 8);
    for (size_t i = 0; i < s->node_count; i++) {
        put_number(&out, strlen(s->nodes[i]), 2);
        buf_append_str(&out, s->nodes[i]);
    }
    for (size_t i = 0; i < s->count && s->kind == SELECT_FLOWS; i++) {
        const struct selection_flow *f = &s->flows[i];
        put_number(&out, f->ip_version, 1);
        put_number(&out, f->ip_protocol, 1);
        buf_append(&out, f->ip_a, 16);
        buf_append(&out, f->ip_b, 16);
        put_number(&out, f->port_a, 2);
        put_number(&out, f->port_b, 2);
    }
    for (size_t i = 0; i < s->count && s->kind == SELECT_PACKETS; i++) {
        put_number(&out, s->packets[i].node, 4);
        put_number(&out, s->packets[i].sequence, 8);
        put_number(&out, s->packets[i].offset, 8);
    }
    int r = buf_failed(&out);
    if (r == 0)
        r = io_write("snapshot-selection", fd, out.data, out.len);
    buf_done(&out);
    return r;
}

static int load_flows(struct cursor *c, struct selection *s, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct selection_flow f = {.ip_version = cursor_u8(c)};
        f.ip_protocol = cursor_u8(c); /* an initialiser's order would not be told */
        const uint8_t *a = cursor_take(c, 16), *b = cursor_take(c, 16);
        f.port_a = cursor_le16(c);
        f.port_b = cursor_le16(c);
        if (!a || !b || c->bad)
            return -EBADMSG;
        memcpy(f.ip_a, a, 16);
        memcpy(f.ip_b, b, 16);
        int r = selection_add_flow(s, &f);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_packets(struct cursor *c, struct selection *s, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t node = cursor_le32(c);
        uint64_t sequence = cursor_le64(c), offset = cursor_le64(c);
        if (c->bad || node >= s->node_count)
            return -EBADMSG;
        int r = make_room(s);
        if (r < 0)
            return r;
        s->packets[s->count++] = (struct chosen_packet){node, sequence, offset};
    }
    return 0;
}

static int load(struct cursor *c, struct selection **ret)
{
    struct slice head = cursor_slice(c, sizeof magic);
    uint32_t kind = cursor_le32(c), nodes = cursor_le32(c);
    uint64_t count = cursor_le64(c);
    if (c->bad || memcmp(head.data, magic, sizeof magic) != 0 || kind > SELECT_PACKETS ||
        nodes > 65536 || count > MAX_ITEMS)
        return -EBADMSG;
    struct selection *s = NULL;
    int r = selection_new((enum selection_kind)kind, &s);
    for (uint32_t i = 0; r == 0 && i < nodes; i++) {
        struct slice name = cursor_slice(c, cursor_le16(c));
        char text[NODE_BYTES] = "";
        uint32_t index;
        if (c->bad || name.len >= sizeof text) {
            r = -EBADMSG;
            break;
        }
        if (name.len)
            memcpy(text, name.data, name.len);
        r = node_index(s, text, &index);
        if (r == 0 && index != i)
            r = -EBADMSG;
    }
    if (r == 0)
        r = kind == SELECT_FLOWS ? load_flows(c, s, count) : load_packets(c, s, count);
    if (r == 0)
        r = selection_seal(s);
    if (r < 0)
        selection_free(s);
    else
        *ret = s;
    return r;
}

int selection_load(int fd, struct selection **ret_selection, struct error *reterr)
{
    struct buf in;
    buf_init(&in, MAX_FILE_BYTES);
    off_t at = 0;
    ssize_t n;
    do {
        uint8_t *room = buf_reserve(&in, 65536);
        n = room ? io_pread_full(fd, room, 65536, at) : -ENOMEM;
        if (n > 0) {
            in.len += (size_t)n;
            at += n;
        }
    } while (n == 65536);
    struct cursor c = cursor_of(in.data, in.len);
    int r = n < 0 ? (int)n : load(&c, ret_selection);
    buf_done(&in);
    return r < 0 ? error_set(reterr, r, "The selection of packets cannot be read.") : 0;
}
