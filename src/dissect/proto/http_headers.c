/* Header fields as maps and lists (RFC 9110 section 5), whatever HTTP version brought them. */
#include "dissect/proto/http_entry.h"

/* Chains of rows with the same key; indexes are 1-based, 0 ends a chain. */
struct repeat_links {
    uint16_t next_same, last_same, next_in_bucket;
    bool is_repeat;
};

static unsigned bucket_of(struct slice name)
{
    unsigned h = (unsigned)name.len;
    for (size_t i = 0; i < name.len && i < 32; i++)
        h = h * 31 + name.data[i];
    return (h ^ h >> 8) & 255;
}

static void link_row(const struct entry_pair *pairs, struct repeat_links *links, uint16_t at,
                     uint16_t *bucket)
{
    links[at] = (struct repeat_links){.last_same = at};
    for (uint16_t i = *bucket; i; i = links[i].next_in_bucket)
        if (slice_eq(pairs[i - 1].key, pairs[at - 1].key)) {
            links[links[i].last_same].next_same = at;
            links[i].last_same = at;
            links[at].is_repeat = true;
            return;
        }
    links[at].next_in_bucket = *bucket;
    *bucket = at;
}

static struct slice join_values(const struct entry_pair *pairs, const struct repeat_links *links,
                                uint16_t first, struct arena *arena)
{
    const struct entry_pair *row = &pairs[first - 1];
    if (!links[first].next_same)
        return row->value;
    struct slice glue =
        slice_eq_str(row->key, "set-cookie") ? SLICE_LITERAL("\n") : SLICE_LITERAL(", ");
    size_t total = 0;
    for (uint16_t i = first; i; i = links[i].next_same)
        total += pairs[i - 1].value.len + glue.len;
    uint8_t *out = arena_alloc(arena, total);
    if (!out)
        return row->value;
    size_t len = 0;
    for (uint16_t i = first; i; i = links[i].next_same) {
        if (i != first) {
            memcpy(out + len, glue.data, glue.len);
            len += glue.len;
        }
        if (pairs[i - 1].value.len)
            memcpy(out + len, pairs[i - 1].value.data, pairs[i - 1].value.len);
        len += pairs[i - 1].value.len;
    }
    return slice_of(out, len);
}

size_t http_join_repeats(struct arena *arena, struct entry_pair *pairs, size_t count)
{
    uint16_t buckets[256] = {0};
    if (count < 2 || count > UINT16_MAX - 1)
        return count;
    struct repeat_links *links = arena_alloc(arena, (count + 1) * sizeof *links);
    if (!links)
        return count;
    size_t repeats = 0;
    for (uint16_t i = 1; i <= count; i++) {
        link_row(pairs, links, i, &buckets[bucket_of(pairs[i - 1].key)]);
        repeats += links[i].is_repeat;
    }
    if (repeats == 0)
        return count;
    for (uint16_t i = 1; i <= count; i++)
        if (!links[i].is_repeat)
            pairs[i - 1].value = join_values(pairs, links, i, arena);
    size_t kept = 0;
    for (uint16_t i = 1; i <= count; i++)
        if (!links[i].is_repeat)
            pairs[kept++] = pairs[i - 1];
    return kept;
}

void http_add_trailers(struct http_message *message, struct arena *arena,
                       const struct entry_pair *trailers, size_t count)
{
    size_t n = message->header_count;
    size_t most = n + count;
    struct entry_pair *all = count ? arena_alloc(arena, most * sizeof *all) : NULL;
    if (!all || most > DISSECT_MAX_HEADERS) {
        message->truncated |= count > 0;
        return;
    }
    if (n)
        memcpy(all, message->headers, n * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        bool known = false; /* trailers are few: DISSECT_MAX_HEADERS bounds the product */
        for (size_t j = 0; j < message->header_count && !known; j++)
            known = slice_eq(all[j].key, trailers[i].key);
        if (!known)
            all[n++] = trailers[i];
    }
    message->headers = all;
    message->header_count = n;
}

struct slice http_header(const struct http_message *message, const char *name)
{
    struct slice wanted = slice_str(name);
    for (size_t i = 0; i < message->header_count; i++)
        if (slice_eq(message->headers[i].key, wanted))
            return message->headers[i].value;
    return SLICE_NONE;
}

/* Cuts the next element off a comma-separated list; false at its end. */
bool http_next_element(struct slice *list, struct slice *ret_element)
{
    if (list->len == 0)
        return false;
    const uint8_t *comma = memchr(list->data, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->data) : list->len;
    *ret_element = slice_trim(slice_of(list->data, len));
    *list = slice_sub(*list, comma ? len + 1 : len, SIZE_MAX);
    return true;
}

bool http_list_has(struct slice value, const char *token)
{
    struct slice element;
    while (http_next_element(&value, &element))
        if (slice_eq_nocase(element, slice_str(token)))
            return true;
    return false;
}
