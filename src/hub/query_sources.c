#include "hub/query_sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_same(const struct api_source *source, const char *id, const char *name)
{
    return strcmp(source->id, id) == 0 && strcmp(source->name, name) == 0;
}

bool query_sources_equal(const struct query_sources *a, const struct query_sources *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; i < a->count && same; i++)
        same = is_same(&a->items[i], b->items[i].id, b->items[i].name);
    return same;
}

bool query_sources_have(const struct query_sources *sources, const char *id, const char *name)
{
    for (size_t i = 0; i < sources->count; i++)
        if (is_same(&sources->items[i], id, name))
            return true;
    return false;
}

void query_sources_put(const struct query_sources *sources, struct buf *out)
{
    for (size_t i = 0; i < sources->count; i++)
        buf_printf(out, "%s%s/%s", i ? "," : "", sources->items[i].id, sources->items[i].name);
}

static int find_one(struct snapshot_store *store, const char *live_dir,
                    const struct api_source *source, char *out, size_t out_size)
{
    struct snapshot *s = NULL;
    uint64_t run = 0;
    if (strcmp(source->id, QUERIES_LIVE) == 0) {
        int n = snprintf(out, out_size, "%s", live_dir ? live_dir : "");
        return n < 0 || (size_t)n >= out_size ? -ENAMETOOLONG : 0;
    }
    if (snapshot_store_get(store, source->id, &s, NULL) == 0)
        for (size_t i = 0; i < s->dissection_count; i++)
            if (strcmp(s->dissections[i].name, source->name) == 0)
                run = s->dissections[i].run;
    snapshot_unref(s);
    return snapshot_store_dissection_path(store, source->id, source->name, run, out, out_size);
}

int query_folders_find(struct snapshot_store *store, const char *live_dir,
                       const struct query_sources *sources, struct query_folders *folders,
                       struct error *reterr)
{
    char path[4096];
    for (size_t i = 0; i < sources->count; i++) {
        if (find_one(store, live_dir, &sources->items[i], path, sizeof path) < 0)
            return error_set(reterr, -ENAMETOOLONG, "The path of the dissection is too long.");
        folders->paths[i] = strdup(path);
        if (!folders->paths[i])
            return error_set(reterr, -ENOMEM, "The hub has no memory left.");
    }
    return 0;
}

void query_folders_done(struct query_folders *folders)
{
    for (size_t i = 0; i < API_MAX_SOURCES; i++)
        free(folders->paths[i]);
}

void query_sources_write_request(const struct query_sources *sources,
                                 const struct query_folders *folders, struct buf *out)
{
    struct json_writer w;
    struct buf names;
    buf_init(&names, 4096);
    query_sources_put(sources, &names);
    json_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "dirs");
    json_begin_array(&w);
    for (size_t i = 0; i < sources->count; i++)
        json_str(&w, folders->paths[i]);
    json_end_array(&w);
    json_key(&w, "source");
    json_text(&w, buf_slice(&names));
    buf_done(&names);
    if (sources->count > 1) {
        json_key(&w, "sources");
        json_begin_array(&w);
        for (size_t i = 0; i < sources->count; i++) {
            char one[sizeof(struct api_source) + 2];
            snprintf(one, sizeof one, "%s/%s", sources->items[i].id, sources->items[i].name);
            json_str(&w, one);
        }
        json_end_array(&w);
    }
    json_member_bool(&w, "follows", query_sources_have(sources, QUERIES_LIVE, QUERIES_LIVE));
    json_end_object(&w);
}
