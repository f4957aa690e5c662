#include "dissect/entry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "dissect/conn_fields.h"

static void put_be64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

char *entry_id_text(const struct entry *entry, char out[ENTRY_ID_TEXT_SIZE])
{
    uint8_t bytes[16];
    put_be64(bytes, (uint64_t)entry->timestamp_ns);
    put_be64(bytes + 8, entry->id_hash);
    text_base32hex(bytes, sizeof bytes, out, ENTRY_ID_TEXT_SIZE);
    return out;
}

const struct entry_value *entry_find(const struct entry *entry, field_id field)
{
    uint32_t low = 0, high = entry->value_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry->values[middle].field < field)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < entry->value_count && entry->values[low].field == field)
        return &entry->values[low];
    return NULL;
}

/* gqlv1 and gqlv2 also depend on the HTTP version that carried it. */
static bool is_of_version(const struct entry *entry, field_id field)
{
    const char *name = field_at(field)->name;
    if (strncmp(name, "gqlv", 4) != 0)
        return true;
    const struct entry_value *version = entry_find(entry, FIELD_HTTP_VERSION_ID);
    bool is_2 = version && version->text.len && version->text.data[0] == '2';
    return is_2 == (name[4] == '2');
}

static bool has_flag(const struct entry *entry, field_id field)
{
    const char *const *name = protocol_flag_at(field - PROTOCOL_FLAG_FIRST)->protocols;
    for (; *name; name++)
        if (strcmp(*name, entry->protocol) == 0)
            return is_of_version(entry, field);
    return false;
}

/* A derived boolean is always present: it is true or false of every entry. */
static bool give_bool(struct entry_value *value, bool v)
{
    value->boolean = v;
    return v;
}

bool entry_get(const struct entry *entry, field_id field, char *scratch,
               struct entry_value *ret_value)
{
    const struct field_def *def = field_at(field);
    *ret_value = (struct entry_value){.field = field, .type = (uint8_t)def->type};
    if (field >= PROTOCOL_FLAG_FIRST && field < PROTOCOL_FLAGS_END)
        return give_bool(ret_value, has_flag(entry, field));
    const struct entry_value *value;
    switch (field) {
    case FIELD_ID_ID:
        ret_value->text = slice_str(entry_id_text(entry, scratch));
        return true;
    case FIELD_INDEX_ID:
        ret_value->integer = (int64_t)entry->index;
        return true;
    case FIELD_PROTOCOL_ID:
        ret_value->text = slice_str(entry->protocol);
        return true;
    case FIELD_TIMESTAMP_ID:
        ret_value->integer = entry->timestamp_ns;
        return true;
    case FIELD_LATENCY_ID:
        value = entry_find(entry, FIELD_ELAPSED_TIME_ID);
        if (!value)
            return false;
        ret_value->integer = value->integer * NS_PER_US;
        return true;
    case FIELD_HAS_PCAP_ID:
        return give_bool(ret_value, entry->request.count || entry->response.count);
    case FIELD_TRANSPORT_TCP_ID:
        return give_bool(ret_value, entry->transport == ENTRY_TRANSPORT_TCP);
    case FIELD_TRANSPORT_UDP_ID:
        return give_bool(ret_value, entry->transport == ENTRY_TRANSPORT_UDP);
    default:
        break;
    }
    value = entry_find(entry, field);
    if (value) {
        *ret_value = *value;
        return true;
    }
    if (def->type == FIELD_INT)
        ret_value->integer = def->absent;
    return false;
}

int entry_copy_begin(struct entry_copy *copy, const struct entry *entry, size_t more)
{
    size_t need = entry->value_count + more;
    if (need > copy->cap) {
        struct entry_value *grown = reallocarray(copy->values, need, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        copy->values = grown;
        copy->cap = need;
    }
    if (entry->value_count)
        memcpy(copy->values, entry->values, entry->value_count * sizeof *copy->values);
    copy->entry = *entry;
    copy->entry.values = copy->values;
    return 0;
}

void entry_copy_put(struct entry_copy *copy, struct entry_value value)
{
    copy->values[copy->entry.value_count++] = value;
}

static int by_field(const void *a, const void *b)
{
    const struct entry_value *x = a, *y = b;
    return (x->field > y->field) - (x->field < y->field);
}

const struct entry *entry_copy_end(struct entry_copy *copy)
{
    if (copy->entry.value_count)
        qsort(copy->values, copy->entry.value_count, sizeof *copy->values, by_field);
    return &copy->entry;
}

void entry_copy_done(struct entry_copy *copy)
{
    free(copy->values);
    *copy = (struct entry_copy){0};
}
