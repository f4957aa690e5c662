/* Entry → JSON (formats.md): keys are the field names, dots nest. */
#include <assert.h>

#include "base/text.h"
#include "dissect/entry.h"

enum {
    MAX_NESTING = 4
};

/* The objects that are open, by the dotted name of the last field. */
struct nesting {
    const char *prefix;       /* name of a field inside the innermost open object; borrowed */
    size_t ends[MAX_NESTING]; /* length of each level's prefix, its dot included */
    unsigned depth;
};

struct json_target {
    struct json_writer *w;
    const struct entry *entry;
    const struct entry_files *files;
    struct nesting nesting;
    bool request_packets_done, response_packets_done;
};

static void write_text(struct json_writer *w, struct slice text)
{
    if (text_is_utf8(text)) {
        json_text(w, text);
        return;
    }
    json_begin_object(w);
    json_key(w, "base64");
    json_base64(w, text);
    json_end_object(w);
}

static void write_value(struct json_writer *w, const struct entry_value *value)
{
    switch ((enum field_type)value->type) {
    case FIELD_BOOL:
        json_bool(w, value->boolean);
        break;
    case FIELD_INT:
    case FIELD_DURATION:
        json_int(w, value->integer);
        break;
    case FIELD_TIME:
        json_time(w, value->integer);
        break;
    case FIELD_TEXT:
        write_text(w, value->text);
        break;
    case FIELD_LIST:
        json_begin_array(w);
        for (uint32_t i = 0; i < value->count; i++)
            json_text(w, value->items[i]);
        json_end_array(w);
        break;
    case FIELD_INT_LIST:
        json_begin_array(w);
        for (uint32_t i = 0; i < value->count; i++)
            json_int(w, value->integers[i]);
        json_end_array(w);
        break;
    case FIELD_MAP:
        json_begin_object(w);
        for (uint32_t i = 0; i < value->count; i++) {
            json_key_slice(w, value->pairs[i].key);
            json_text(w, value->pairs[i].value);
        }
        json_end_object(w);
        break;
    }
}

static void write_packets(struct json_target *t, const struct entry_packets *packets)
{
    struct json_writer *w = t->w;
    json_key(w, "packets");
    json_begin_array(w);
    for (uint32_t i = 0; i < packets->count; i++) {
        const struct packet_ref *ref = &packets->refs[i];
        if (ref->file >= t->files->count)
            continue;
        json_begin_object(w);
        json_member_str(w, "node", t->files->files[ref->file].node);
        json_member_uint(w, "seq", t->files->files[ref->file].sequence);
        json_member_uint(w, "offset", ref->offset);
        json_end_object(w);
    }
    json_end_array(w);
    if (packets->truncated)
        json_member_bool(w, "packets_truncated", true);
}

static bool prefix_is(const struct nesting *n, const char *name)
{
    return n->depth == 1 && strncmp(n->prefix, name, n->ends[0]) == 0;
}

/* Closes the innermost object; packets stand last in "request" and "response". */
static void close_level(struct json_target *t)
{
    if (t->files && prefix_is(&t->nesting, "request.") && !t->request_packets_done &&
        t->entry->request.count) {
        t->request_packets_done = true;
        write_packets(t, &t->entry->request);
    }
    if (t->files && prefix_is(&t->nesting, "response.") && !t->response_packets_done &&
        t->entry->response.count) {
        t->response_packets_done = true;
        write_packets(t, &t->entry->response);
    }
    json_end_object(t->w);
    t->nesting.depth--;
}

/* Closes and opens objects so that the last part of `name` can be written; returns that part. */
static const char *enter(struct json_target *t, const char *name)
{
    struct nesting *n = &t->nesting;
    while (n->depth && strncmp(n->prefix, name, n->ends[n->depth - 1]) != 0)
        close_level(t);
    const char *rest = name + (n->depth ? n->ends[n->depth - 1] : 0);
    n->prefix = name;
    const char *dot;
    while ((dot = strchr(rest, '.')) && n->depth < MAX_NESTING) {
        json_key_slice(t->w, slice_of(rest, (size_t)(dot - rest)));
        json_begin_object(t->w);
        rest = dot + 1;
        n->ends[n->depth++] = (size_t)(rest - name);
    }
    return rest;
}

static void leave_all(struct json_target *t)
{
    while (t->nesting.depth)
        close_level(t);
}

/* Packets of a side that has no field of its own in this entry. */
static void finish_packets(struct json_target *t)
{
    leave_all(t);
    if (t->files && t->entry->request.count && !t->request_packets_done) {
        enter(t, "request.packets");
        leave_all(t);
    }
    if (t->files && t->entry->response.count && !t->response_packets_done) {
        enter(t, "response.packets");
        leave_all(t);
    }
}

void entry_write_members(const struct entry *entry, const struct entry_files *files,
                         struct json_writer *w)
{
    struct json_target t = {.w = w, .entry = entry, .files = files};
    char id[ENTRY_ID_TEXT_SIZE];
    json_member_str(w, "id", entry_id_text(entry, id));
    json_member_uint(w, "index", entry->index);
    json_member_str(w, "protocol", entry->protocol);
    json_member_time(w, "timestamp", entry->timestamp_ns);
    bool side_objects_passed = false;
    for (uint32_t i = 0; i < entry->value_count; i++) {
        const struct entry_value *value = &entry->values[i];
        if (!side_objects_passed && value->field > FIELD_RESPONSE_SIZE_ID) {
            finish_packets(&t);
            side_objects_passed = true;
        }
        json_key(w, enter(&t, field_at(value->field)->name));
        write_value(w, value);
    }
    finish_packets(&t);
}

void entry_write_json(const struct entry *entry, const struct entry_files *files,
                      struct json_writer *w)
{
    json_begin_object(w);
    entry_write_members(entry, files, w);
    json_end_object(w);
}
