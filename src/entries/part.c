#include "entries/part.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/text.h"

static const char phase[] = "entries-part";

enum {
    MAX_SUMMARY_BYTES = 32 * 1024 * 1024,
    MAX_FIELDS = 60000
};

int part_write_summary(int part_fd, const struct part_summary *s)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MAX_SUMMARY_BYTES);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_int(&w, "format", PART_FORMAT);
    json_member_str(&w, "trawl", TRAWL_VERSION);
    json_member_uint(&w, "rows", s->rows);
    json_member_uint(&w, "first_index", s->first_index);
    json_member_int(&w, "first_ns", s->first_ns);
    json_member_int(&w, "last_ns", s->last_ns);
    json_member_uint(&w, "payload_bytes", s->payload_bytes);
    json_key(&w, "files");
    json_begin_array(&w);
    for (size_t i = 0; i < s->files.count; i++) {
        json_begin_object(&w);
        json_member_str(&w, "node", s->files.files[i].node);
        json_member_uint(&w, "seq", s->files.files[i].sequence);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_key(&w, "fields");
    json_begin_array(&w);
    for (size_t i = 0; i < field_count(); i++)
        json_str(&w, field_at((field_id)i)->name);
    json_end_array(&w);
    json_end_object(&w);
    buf_append_u8(&out, '\n');
    int r = buf_failed(&out) ? buf_failed(&out)
                             : io_replace_file(phase, part_fd, "part.json", buf_slice(&out), 0600);
    buf_done(&out);
    return r;
}

static int read_files(const json_t *array, struct entry_files *ret_files)
{
    size_t count = json_array_size(array);
    struct entry_file *files = calloc(count ? count : 1, sizeof *files);
    if (!files)
        return -ENOMEM;
    *ret_files = (struct entry_files){.files = files, .count = count};
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        const char *node = json_string_value(json_object_get(item, "node"));
        files[i].node = strdup(node ? node : "");
        files[i].sequence = (uint64_t)json_integer_value(json_object_get(item, "seq"));
        if (!files[i].node)
            return -ENOMEM;
    }
    return 0;
}

static int read_fields(const json_t *array, struct part_description *d)
{
    size_t count = json_array_size(array);
    if (count > MAX_FIELDS)
        return -EBADMSG;
    d->field_map = calloc(count ? count : 1, sizeof *d->field_map);
    if (!d->field_map)
        return -ENOMEM;
    d->field_map_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        d->field_map[i] = name ? field_find(slice_str(name)) : FIELD_NONE;
    }
    return 0;
}

static int take_summary(const json_t *root, struct part_description *d, struct error *reterr)
{
    json_int_t format = json_integer_value(json_object_get(root, "format"));
    if (format > PART_FORMAT)
        return error_set(reterr, -EPROTONOSUPPORT,
                         "a part has format %lld, this version reads up to %d: dissect again.",
                         (long long)format, PART_FORMAT);
    struct part_summary *s = &d->summary;
    s->rows = (uint64_t)json_integer_value(json_object_get(root, "rows"));
    s->first_index = (uint64_t)json_integer_value(json_object_get(root, "first_index"));
    s->first_ns = json_integer_value(json_object_get(root, "first_ns"));
    s->last_ns = json_integer_value(json_object_get(root, "last_ns"));
    s->payload_bytes = (uint64_t)json_integer_value(json_object_get(root, "payload_bytes"));
    int r = format < 1 ? -EBADMSG : read_files(json_object_get(root, "files"), &s->files);
    if (r == 0)
        r = read_fields(json_object_get(root, "fields"), d);
    return r < 0 ? error_set(reterr, r, "part.json is damaged: dissect again.") : 0;
}

int part_read_summary(int part_fd, struct part_description *ret_description, struct error *reterr)
{
    struct part_description d = {0};
    struct buf text;
    buf_init(&text, MAX_SUMMARY_BYTES);
    int r = io_read_file(part_fd, "part.json", &text);
    json_t *root = r == 0 ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
    buf_done(&text);
    if (!root)
        return error_set(reterr, r < 0 ? r : -EBADMSG, "part.json cannot be read: dissect again.");
    r = take_summary(root, &d, reterr);
    json_decref(root);
    if (r < 0)
        part_description_done(&d);
    else
        *ret_description = d;
    return r;
}

void part_description_done(struct part_description *d)
{
    for (size_t i = 0; i < d->summary.files.count; i++)
        free((void *)(uintptr_t)d->summary.files.files[i].node);
    free((void *)(uintptr_t)d->summary.files.files);
    free(d->field_map);
    *d = (struct part_description){0};
}
