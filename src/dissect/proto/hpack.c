#include "dissect/proto/hpack.h"

#include <errno.h>

#include "dissect/dissector.h"

enum {
    STATIC_COUNT = 61,
    FIRST_KEEP_BYTES = HPACK_DEFAULT_SIZE,
    /* A field of one byte may stand for a long one: what a block may give is bounded by what it
     * is. */
    BUDGET_FREE_BYTES = 32 * 1024,
    BUDGET_RATIO = 64
};

struct hpack_row {
    uint32_t at, name_len, value_len; /* in `bytes` */
    uint32_t size;                    /* section 4.1, as far as it is known */
    bool unknown_name, unknown_value;
};

struct static_row {
    struct slice name, value;
};

/* Appendix A. */
static const struct static_row static_rows[STATIC_COUNT] = {
    {SLICE_LITERAL(":authority"), SLICE_LITERAL("")},
    {SLICE_LITERAL(":method"), SLICE_LITERAL("GET")},
    {SLICE_LITERAL(":method"), SLICE_LITERAL("POST")},
    {SLICE_LITERAL(":path"), SLICE_LITERAL("/")},
    {SLICE_LITERAL(":path"), SLICE_LITERAL("/index.html")},
    {SLICE_LITERAL(":scheme"), SLICE_LITERAL("http")},
    {SLICE_LITERAL(":scheme"), SLICE_LITERAL("https")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("200")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("204")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("206")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("304")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("400")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("404")},
    {SLICE_LITERAL(":status"), SLICE_LITERAL("500")},
    {SLICE_LITERAL("accept-charset"), SLICE_LITERAL("")},
    {SLICE_LITERAL("accept-encoding"), SLICE_LITERAL("gzip, deflate")},
    {SLICE_LITERAL("accept-language"), SLICE_LITERAL("")},
    {SLICE_LITERAL("accept-ranges"), SLICE_LITERAL("")},
    {SLICE_LITERAL("accept"), SLICE_LITERAL("")},
    {SLICE_LITERAL("access-control-allow-origin"), SLICE_LITERAL("")},
    {SLICE_LITERAL("age"), SLICE_LITERAL("")},
    {SLICE_LITERAL("allow"), SLICE_LITERAL("")},
    {SLICE_LITERAL("authorization"), SLICE_LITERAL("")},
    {SLICE_LITERAL("cache-control"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-disposition"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-encoding"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-language"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-length"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-location"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-range"), SLICE_LITERAL("")},
    {SLICE_LITERAL("content-type"), SLICE_LITERAL("")},
    {SLICE_LITERAL("cookie"), SLICE_LITERAL("")},
    {SLICE_LITERAL("date"), SLICE_LITERAL("")},
    {SLICE_LITERAL("etag"), SLICE_LITERAL("")},
    {SLICE_LITERAL("expect"), SLICE_LITERAL("")},
    {SLICE_LITERAL("expires"), SLICE_LITERAL("")},
    {SLICE_LITERAL("from"), SLICE_LITERAL("")},
    {SLICE_LITERAL("host"), SLICE_LITERAL("")},
    {SLICE_LITERAL("if-match"), SLICE_LITERAL("")},
    {SLICE_LITERAL("if-modified-since"), SLICE_LITERAL("")},
    {SLICE_LITERAL("if-none-match"), SLICE_LITERAL("")},
    {SLICE_LITERAL("if-range"), SLICE_LITERAL("")},
    {SLICE_LITERAL("if-unmodified-since"), SLICE_LITERAL("")},
    {SLICE_LITERAL("last-modified"), SLICE_LITERAL("")},
    {SLICE_LITERAL("link"), SLICE_LITERAL("")},
    {SLICE_LITERAL("location"), SLICE_LITERAL("")},
    {SLICE_LITERAL("max-forwards"), SLICE_LITERAL("")},
    {SLICE_LITERAL("proxy-authenticate"), SLICE_LITERAL("")},
    {SLICE_LITERAL("proxy-authorization"), SLICE_LITERAL("")},
    {SLICE_LITERAL("range"), SLICE_LITERAL("")},
    {SLICE_LITERAL("referer"), SLICE_LITERAL("")},
    {SLICE_LITERAL("refresh"), SLICE_LITERAL("")},
    {SLICE_LITERAL("retry-after"), SLICE_LITERAL("")},
    {SLICE_LITERAL("server"), SLICE_LITERAL("")},
    {SLICE_LITERAL("set-cookie"), SLICE_LITERAL("")},
    {SLICE_LITERAL("strict-transport-security"), SLICE_LITERAL("")},
    {SLICE_LITERAL("transfer-encoding"), SLICE_LITERAL("")},
    {SLICE_LITERAL("user-agent"), SLICE_LITERAL("")},
    {SLICE_LITERAL("vary"), SLICE_LITERAL("")},
    {SLICE_LITERAL("via"), SLICE_LITERAL("")},
    {SLICE_LITERAL("www-authenticate"), SLICE_LITERAL("")},
};

struct slice hpack_static_name(uint64_t index)
{
    return index >= 1 && index <= STATIC_COUNT ? static_rows[index - 1].name : SLICE_NONE;
}

/* ── the dynamic table ── */

void hpack_init(struct hpack_decoder *decoder, struct arena *arena, bool late)
{
    *decoder = (struct hpack_decoder){.arena = arena,
                                      .max_size = late ? HPACK_KEEP_BYTES : HPACK_DEFAULT_SIZE,
                                      .older_lost = late};
}

void hpack_forget(struct hpack_decoder *decoder)
{
    decoder->first = decoder->count = 0;
    decoder->begin = decoder->end = 0;
    decoder->size = 0;
    /* A change of size may be among what is missing: keeping more than the peer does no harm. */
    decoder->max_size = HPACK_KEEP_BYTES;
    decoder->older_lost = true;
}

static size_t keep_limit(const struct hpack_decoder *d)
{
    return d->max_size < HPACK_KEEP_BYTES ? d->max_size : HPACK_KEEP_BYTES;
}

static struct hpack_row *row_at(const struct hpack_decoder *d, uint32_t age)
{
    return &d->rows[(d->first + d->count - 1 - age) % d->row_cap];
}

static void evict_to(struct hpack_decoder *d, size_t limit)
{
    while (d->count && d->size > limit) {
        const struct hpack_row *oldest = &d->rows[d->first];
        d->size -= oldest->size;
        d->begin += oldest->name_len + oldest->value_len;
        d->first = (d->first + 1) % d->row_cap;
        d->count--;
    }
    if (d->count == 0)
        d->begin = d->end = 0;
}

static void set_max_size(struct hpack_decoder *d, size_t max_size)
{
    d->max_size = max_size;
    evict_to(d, keep_limit(d));
}

/* Rows and bytes for a table of `size`; grows once, from the default to the most we keep. */
static bool make_room(struct hpack_decoder *d, size_t size)
{
    size_t keep = size <= FIRST_KEEP_BYTES ? (size_t)FIRST_KEEP_BYTES : (size_t)HPACK_KEEP_BYTES;
    uint32_t row_cap = (uint32_t)(keep / HPACK_ENTRY_OVERHEAD) + 1;
    if (d->row_cap >= row_cap)
        return true;
    /* Twice the size: moving the live bytes to the front pays for itself. */
    struct hpack_row *rows = arena_alloc(d->arena, row_cap * sizeof *rows);
    uint8_t *bytes = rows ? arena_alloc(d->arena, keep * 2) : NULL;
    if (!bytes)
        return false;
    for (uint32_t i = 0; i < d->count; i++) {
        rows[i] = d->rows[(d->first + i) % d->row_cap];
        rows[i].at -= (uint32_t)d->begin;
    }
    if (d->count)
        memcpy(bytes, d->bytes + d->begin, d->end - d->begin);
    d->end -= d->begin;
    d->begin = d->first = 0;
    d->rows = rows;
    d->bytes = bytes;
    d->row_cap = row_cap;
    d->bytes_cap = keep * 2;
    return true;
}

static void compact(struct hpack_decoder *d)
{
    size_t live = d->end - d->begin;
    if (live)
        memmove(d->bytes, d->bytes + d->begin, live);
    for (uint32_t i = 0; i < d->count; i++)
        d->rows[(d->first + i) % d->row_cap].at -= (uint32_t)d->begin;
    d->begin = 0;
    d->end = live;
}

static void append(struct hpack_decoder *d, struct slice text)
{
    if (text.len)
        memcpy(d->bytes + d->end, text.data, text.len);
    d->end += text.len;
}

/* Section 4.4. A field whose text was not kept takes its place without it. */
static void insert(struct hpack_decoder *d, const struct hpack_field *field, size_t name_len,
                   size_t value_len, bool kept)
{
    size_t size = name_len + value_len + HPACK_ENTRY_OVERHEAD;
    size_t limit = keep_limit(d);
    if (d->out_of_rows)
        return;
    if (size > d->max_size) { /* empties the table */
        evict_to(d, 0);
        return;
    }
    if (size > limit) { /* larger than all we keep: only its place is */
        size = HPACK_ENTRY_OVERHEAD;
        kept = false;
    }
    if (limit < d->max_size && d->size + size > limit)
        d->older_lost = true;
    evict_to(d, limit - size);
    if (!make_room(d, d->size + size)) {
        d->out_of_rows = d->older_lost = true;
        d->count = 0;
        return;
    }
    struct hpack_row row = {.size = (uint32_t)size};
    row.unknown_name = !kept || (field->unknown && slice_eq(field->name, HPACK_UNKNOWN));
    row.unknown_value = !kept;
    struct slice name = row.unknown_name ? SLICE_NONE : field->name;
    struct slice value = row.unknown_value ? SLICE_NONE : field->value;
    if (d->end + name.len + value.len > d->bytes_cap)
        compact(d);
    row.at = (uint32_t)d->end;
    row.name_len = (uint32_t)name.len;
    row.value_len = (uint32_t)value.len;
    append(d, name);
    append(d, value);
    d->rows[(d->first + d->count++) % d->row_cap] = row;
    d->size += size;
}

/* ── a block ── */

struct block {
    struct hpack_decoder *d;
    struct slice in;
    size_t at;
    struct arena *arena;
    struct hpack_fields *out;
    size_t budget; /* bytes of names and values that may still be given */
};

bool hpack_integer(struct slice in, size_t *at, unsigned bits, uint64_t *ret_value)
{
    if (*at >= in.len)
        return false;
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint64_t v = in.data[(*at)++] & mask;
    if (v == mask) {
        uint8_t byte;
        unsigned shift = 0;
        do {
            if (*at >= in.len || shift > 28)
                return false;
            byte = in.data[(*at)++];
            v += (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
        } while (byte & 0x80);
    }
    *ret_value = v;
    return v < UINT64_C(1) << 31;
}

/* A copy within the budget; false when it is spent. *ret_kept stays false then. */
static struct slice keep(struct block *b, struct slice text, bool *kept)
{
    if (!*kept || text.len > b->budget) {
        *kept = false;
        return SLICE_NONE;
    }
    uint8_t *copy = arena_alloc(b->arena, text.len);
    if (!copy) {
        *kept = false;
        return SLICE_NONE;
    }
    if (text.len)
        memcpy(copy, text.data, text.len);
    b->budget -= text.len;
    return slice_of(copy, text.len);
}

/* Section 5.2. The length it has in the table is in *ret_len, even when the text is not kept. */
static bool string_literal(struct block *b, struct slice *ret_text, size_t *ret_len, bool *kept)
{
    bool is_huffman = b->at < b->in.len && b->in.data[b->at] & 0x80;
    uint64_t len;
    if (!hpack_integer(b->in, &b->at, 7, &len) || len > b->in.len - b->at)
        return false;
    struct slice raw = slice_of(b->in.data + b->at, (size_t)len);
    b->at += (size_t)len;
    *ret_len = raw.len;
    if (!is_huffman) {
        *ret_text = keep(b, raw, kept);
        return true;
    }
    /* Never more than twice the block: no budget is needed to look at it. */
    uint8_t *out = arena_alloc(b->arena, hpack_huffman_max(raw.len));
    if (!out) {
        *kept = false;
        return true;
    }
    *ret_len = hpack_huffman_decode(raw, out);
    if (*ret_len == SIZE_MAX)
        return false;
    *ret_text = *kept ? slice_of(out, *ret_len) : SLICE_NONE;
    return true;
}

static void add(struct block *b, const struct hpack_field *field, bool kept)
{
    struct hpack_fields *out = b->out;
    if (!kept || out->count >= DISSECT_MAX_HEADERS) {
        out->truncated = true;
        return;
    }
    if (out->count == out->cap) {
        size_t cap = out->cap ? out->cap * 4 : 16;
        struct hpack_field *list = arena_alloc(b->arena, cap * sizeof *list);
        if (!list) {
            out->truncated = true;
            return;
        }
        if (out->count)
            memcpy(list, out->list, out->count * sizeof *list);
        out->list = list;
        out->cap = cap;
    }
    out->list[out->count++] = *field;
    out->unknown |= field->unknown;
}

/* The entry of a dynamic index; NULL when it is not (or no longer) known. False: there is none. */
static bool dynamic_row(const struct hpack_decoder *d, uint64_t index,
                        const struct hpack_row **ret_row)
{
    uint64_t age = index - STATIC_COUNT - 1;
    *ret_row = age < d->count ? row_at(d, (uint32_t)age) : NULL;
    return *ret_row || d->older_lost;
}

static struct slice row_name(const struct block *b, const struct hpack_row *row)
{
    return row->unknown_name ? HPACK_UNKNOWN : slice_of(b->d->bytes + row->at, row->name_len);
}

static struct slice row_value(const struct block *b, const struct hpack_row *row)
{
    return row->unknown_value ? HPACK_UNKNOWN
                              : slice_of(b->d->bytes + row->at + row->name_len, row->value_len);
}

/* Section 6.1 */
static bool indexed(struct block *b)
{
    uint64_t index;
    const struct hpack_row *row;
    bool kept = true;
    if (!hpack_integer(b->in, &b->at, 7, &index) || index == 0)
        return false;
    struct hpack_field field = {HPACK_UNKNOWN, HPACK_UNKNOWN, true};
    if (index <= STATIC_COUNT) {
        field =
            (struct hpack_field){static_rows[index - 1].name, static_rows[index - 1].value, false};
    } else if (!dynamic_row(b->d, index, &row)) {
        return false;
    } else if (row) {
        field.name = keep(b, row_name(b, row), &kept);
        field.value = keep(b, row_value(b, row), &kept);
        field.unknown = row->unknown_name || row->unknown_value;
    }
    add(b, &field, kept);
    return true;
}

/* Section 6.2: the name by index or as text, the value as text. */
static bool literal(struct block *b, unsigned prefix_bits, bool with_indexing)
{
    uint64_t index;
    const struct hpack_row *row;
    struct hpack_field field = {0};
    size_t name_len = 0;
    size_t value_len = 0;
    bool kept = true;
    if (!hpack_integer(b->in, &b->at, prefix_bits, &index))
        return false;
    if (index == 0) {
        if (!string_literal(b, &field.name, &name_len, &kept))
            return false;
    } else if (index <= STATIC_COUNT) {
        field.name = static_rows[index - 1].name;
        name_len = field.name.len;
    } else if (!dynamic_row(b->d, index, &row)) {
        return false;
    } else if (row && !row->unknown_name) {
        name_len = row->name_len;
        field.name = keep(b, row_name(b, row), &kept);
    } else {
        field.name = HPACK_UNKNOWN;
        field.unknown = true;
    }
    if (!string_literal(b, &field.value, &value_len, &kept))
        return false;
    if (with_indexing)
        insert(b->d, &field, name_len, value_len, kept);
    add(b, &field, kept);
    return true;
}

static bool one_field(struct block *b)
{
    uint8_t c = b->in.data[b->at];
    uint64_t size;
    if (c & 0x80)
        return indexed(b);
    if (c & 0x40)
        return literal(b, 6, true);
    if ((c & 0x20) == 0)
        return literal(b, 4, false);
    if (!hpack_integer(b->in, &b->at, 5, &size)) /* section 6.3 */
        return false;
    set_max_size(b->d, (size_t)size);
    return true;
}

int hpack_decode(struct hpack_decoder *decoder, struct slice block, struct arena *arena,
                 struct hpack_fields *ret)
{
    struct block b = {.d = decoder, .in = block, .arena = arena, .out = ret};
    *ret = (struct hpack_fields){0};
    b.budget = BUDGET_FREE_BYTES + BUDGET_RATIO * block.len;
    if (b.budget > DISSECT_HEADER_CAP)
        b.budget = DISSECT_HEADER_CAP;
    while (b.at < block.len)
        if (!one_field(&b)) {
            hpack_forget(decoder);
            return -EBADMSG;
        }
    return 0;
}
