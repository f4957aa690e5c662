#include "dissect/hops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    FIELDS = 3 /* that a linked call gets */
};

struct hop_call {
    uint64_t key; /* id, method, path */
    int64_t begin_ns, end_ns;
    uint64_t id_hash; /* with begin_ns the entry's id */
    uint64_t stream;
    uint64_t ends;          /* both addresses and ports */
    uint32_t parent, first; /* places in the list; NOBODY: none, itself */
    uint32_t children;      /* that begin and end within it, in no other */
    uint16_t number, count; /* of this hop; of its chain, at the first one */
};

#define NOBODY UINT32_MAX

/* ── gathering ── */

static struct slice text_of(const struct entry *entry, field_id field)
{
    const struct entry_value *value = entry_find(entry, field);
    return value && value->type == FIELD_TEXT ? value->text : (struct slice){0};
}

static int64_t int_of(const struct entry *entry, field_id field)
{
    const struct entry_value *value = entry_find(entry, field);
    return value ? value->integer : 0;
}

/* A caller that makes another call gives it another parent id, so the whole field names one. */
static struct slice traceparent_of(const struct entry *entry)
{
    const struct entry_value *headers = entry_find(entry, FIELD_REQUEST_HEADERS_ID);
    for (uint32_t i = 0; headers && i < headers->count; i++)
        if (slice_eq_str(headers->pairs[i].key, "traceparent"))
            return headers->pairs[i].value;
    return (struct slice){0};
}

static uint64_t hash_texts(struct hash_key key, const struct slice *texts, size_t count)
{
    uint64_t parts[4] = {0};
    for (size_t i = 0; i < count; i++)
        parts[i] = hash_bytes(key, texts[i].data, texts[i].len);
    return hash_bytes(key, parts, sizeof parts);
}

static int64_t end_of(const struct entry *entry)
{
    int64_t end_ns = entry->timestamp_ns + int_of(entry, FIELD_ELAPSED_TIME_ID) * NS_PER_US;
    const struct entry_packets *r = &entry->response;
    if (r->count && r->refs[r->count - 1].ts_ns > end_ns)
        end_ns = r->refs[r->count - 1].ts_ns;
    return end_ns;
}

static bool is_whole_call(const struct entry *entry)
{
    const struct entry_value *incomplete = entry_find(entry, FIELD_INCOMPLETE_ID);
    return text_of(entry, FIELD_METHOD_ID).len && entry_find(entry, FIELD_STATUS_CODE_ID) &&
           entry_find(entry, FIELD_STREAM_ID) && !(incomplete && incomplete->boolean);
}

static bool has_room(struct hop_list *list)
{
    if (list->count < list->cap)
        return true;
    size_t cap = list->cap ? list->cap * 2 : 256;
    struct hop_call *grown =
        cap <= 2 * HOPS_MAX_CALLS ? reallocarray(list->calls, cap, sizeof *grown) : NULL;
    list->failed = !grown;
    if (!grown)
        return false;
    list->calls = grown;
    list->cap = cap;
    return true;
}

void hop_list_add(struct hop_list *list, struct hash_key key, const struct entry *entry)
{
    if (list->failed || !is_whole_call(entry))
        return;
    struct slice id = text_of(entry, FIELD_REQUEST_ID_ID);
    if (id.len == 0)
        id = traceparent_of(entry);
    if (id.len == 0 || !has_room(list))
        return;
    const struct slice call[] = {id, text_of(entry, FIELD_METHOD_ID),
                                 text_of(entry, FIELD_PATH_ID)};
    const int64_t ports[] = {int_of(entry, FIELD_SRC_PORT_ID), int_of(entry, FIELD_DST_PORT_ID)};
    const struct slice ends[] = {text_of(entry, FIELD_SRC_IP_ID), text_of(entry, FIELD_DST_IP_ID),
                                 slice_of(ports, sizeof ports)};
    list->calls[list->count++] =
        (struct hop_call){.key = hash_texts(key, call, 3),
                          .begin_ns = entry->timestamp_ns,
                          .end_ns = end_of(entry),
                          .id_hash = entry->id_hash,
                          .stream = (uint64_t)int_of(entry, FIELD_STREAM_ID),
                          .ends = hash_texts(key, ends, 3)};
}

void hop_list_done(struct hop_list *list)
{
    free(list->calls);
    *list = (struct hop_list){0};
}

/* ── linking ── */

struct hop_link {
    int64_t begin_ns;
    uint64_t id_hash;
    int64_t first_ns; /* the first hop's */
    uint64_t first_id_hash;
    uint16_t number, count;
};

struct hops {
    struct hop_link *links; /* by begin and id */
    size_t count;
    struct entry_copy copy;
    char first_id[ENTRY_ID_TEXT_SIZE];
};

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b)
{
    const struct hop_link *x = a, *y = b;
    if (x->begin_ns != y->begin_ns)
        return x->begin_ns > y->begin_ns ? 1 : -1;
    return by_number(x->id_hash, y->id_hash);
}

/* The outer one first. */
static int by_call(const void *a, const void *b)
{
    const struct hop_call *x = a, *y = b;
    if (x->key != y->key)
        return by_number(x->key, y->key);
    if (x->begin_ns != y->begin_ns)
        return x->begin_ns > y->begin_ns ? 1 : -1;
    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns ? 1 : -1;
    return by_number(x->id_hash, y->id_hash);
}

/* Of calls that are sorted so, the parent is the innermost one around: those around the one before
 * it, from the inside out. */
static void find_parents(struct hop_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hop_call *c = &calls[i];
        uint32_t at = i && calls[i - 1].key == c->key ? (uint32_t)i - 1 : NOBODY;
        while (at != NOBODY && calls[at].end_ns < c->end_ns)
            at = calls[at].parent;
        c->parent = at;
        if (at != NOBODY)
            calls[at].children++;
    }
}

/* A list over again: parents stand before their children. */
static void number_chains(struct hop_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hop_call *c = &calls[i], *parent = c->parent == NOBODY ? NULL : &calls[c->parent];
        c->first = (uint32_t)i;
        c->number = c->count = 1;
        if (!parent || parent->children != 1 || parent->ends == c->ends ||
            parent->number == UINT16_MAX)
            continue;
        c->first = parent->first;
        c->number = parent->number + 1;
        calls[c->first].count = c->number;
    }
}

static size_t count_linked(const struct hop_call *calls, size_t count)
{
    size_t linked = 0;
    for (size_t i = 0; i < count; i++)
        linked += calls[calls[i].first].count > 1;
    return linked;
}

static void keep_linked(struct hops *hops, const struct hop_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct hop_call *c = &calls[i], *first = &calls[c->first];
        if (first->count > 1)
            hops->links[hops->count++] = (struct hop_link){.begin_ns = c->begin_ns,
                                                           .id_hash = c->id_hash,
                                                           .first_ns = first->begin_ns,
                                                           .first_id_hash = first->id_hash,
                                                           .number = c->number,
                                                           .count = first->count};
    }
}

static int link_calls(struct hops *hops, struct hop_call *calls, size_t count)
{
    if (count)
        qsort(calls, count, sizeof *calls, by_call);
    find_parents(calls, count);
    number_chains(calls, count);
    hops->links = calloc(count_linked(calls, count) + 1, sizeof *hops->links);
    if (!hops->links)
        return -ENOMEM;
    keep_linked(hops, calls, count);
    if (hops->count)
        qsort(hops->links, hops->count, sizeof *hops->links, by_id);
    return 0;
}

static bool is_too_much(struct hop_list *const *lists, size_t count, size_t *ret_sum)
{
    bool failed = false;
    *ret_sum = 0;
    for (size_t i = 0; i < count; i++) {
        failed |= lists[i]->failed;
        *ret_sum += lists[i]->count;
    }
    return failed || *ret_sum > HOPS_MAX_CALLS;
}

int hops_link(struct hop_list *const *lists, size_t count,
              bool (*left_out)(void *ctx, uint64_t stream, int64_t last_ns), void *ctx,
              struct hops **ret_hops)
{
    size_t sum;
    bool too_much = is_too_much(lists, count, &sum);
    struct hops *hops = calloc(1, sizeof *hops);
    struct hop_call *calls = too_much ? NULL : calloc(sum + 1, sizeof *calls);
    int r = hops && (calls || too_much) ? 0 : -ENOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; r == 0 && !too_much && k < lists[i]->count; k++) {
            const struct hop_call *c = &lists[i]->calls[k];
            if (!left_out || !left_out(ctx, c->stream, c->end_ns))
                calls[kept++] = *c;
        }
        hop_list_done(lists[i]);
    }
    if (r == 0)
        r = link_calls(hops, calls, kept);
    free(calls);
    if (r < 0) {
        hops_free(hops);
        return r;
    }
    *ret_hops = hops;
    return 0;
}

void hops_free(struct hops *hops)
{
    if (!hops)
        return;
    free(hops->links);
    entry_copy_done(&hops->copy);
    free(hops);
}

/* ── telling ── */

int hops_fill(struct hops *hops, const struct entry *entry, const struct entry **ret_entry)
{
    *ret_entry = entry;
    struct hop_link key = {.begin_ns = entry->timestamp_ns, .id_hash = entry->id_hash};
    const struct hop_link *link =
        hops->count ? bsearch(&key, hops->links, hops->count, sizeof key, by_id) : NULL;
    if (!link || !entry_find(entry, FIELD_METHOD_ID))
        return 0;
    int r = entry_copy_begin(&hops->copy, entry, FIELDS);
    if (r < 0)
        return r;
    struct entry first = {.timestamp_ns = link->first_ns, .id_hash = link->first_id_hash};
    entry_copy_put(
        &hops->copy,
        (struct entry_value){.field = FIELD_HOP_ID, .type = FIELD_INT, .integer = link->number});
    entry_copy_put(&hops->copy, (struct entry_value){.field = FIELD_HOP_COUNT_ID,
                                                     .type = FIELD_INT,
                                                     .integer = link->count});
    entry_copy_put(&hops->copy,
                   (struct entry_value){.field = FIELD_HOP_OF_ID,
                                        .type = FIELD_TEXT,
                                        .text = slice_str(entry_id_text(&first, hops->first_id))});
    *ret_entry = entry_copy_end(&hops->copy);
    return 0;
}
