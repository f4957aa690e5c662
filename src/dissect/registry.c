#include "dissect/registry.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/text.h"
#include "dissect/conn_fields.h"

#define DISSECTOR(name) extern const struct dissector dissector_##name;
#include "dissect/registry.def"
#undef DISSECTOR

#define DISSECTOR(name) &dissector_##name,
static const struct dissector *const dissectors[] = {
#include "dissect/registry.def"
    NULL};
#undef DISSECTOR

enum {
    DISSECTOR_COUNT = sizeof dissectors / sizeof dissectors[0] - 1,
    MAX_NAMES = 1024
};
_Static_assert(sizeof dissectors / sizeof dissectors[0] - 1 <= (size_t)REGISTRY_MAX_DISSECTORS,
               "a set of dissectors is a 64-bit mask");

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"local_labels", "src.labels"},
    {"remote_labels", "dst.labels"},
    {"local_process_name", "src.process.name"},
    {"remote_process_name", "dst.process.name"},
    {"src.ns", "src.namespace"},
    {"dst.ns", "dst.namespace"},
    {"request.method", "method"},
    {"request.path", "path"},
    {"response.status", "status_code"},
    {"request_headers_size", "request.headers_size"},
    {"response_headers_size", "response.headers_size"},
    {"request_body_size", "request.body_size"},
    {"response_body_size", "response.body_size"},
    {"worker", "node.name"},
    {"node_id", "node.name"},
};

/* Built once, then constant. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static field_id bases[DISSECTOR_COUNT + 1]; /* [i] … [i + 1] are the ids of dissector i */
static struct name_row {
    const char *name;
    field_id id;
} names[MAX_NAMES];
static size_t name_count;
static const struct field_def *rows[MAX_NAMES];

static int compare_names(const void *a, const void *b)
{
    const struct name_row *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare_key(const void *key, const void *row)
{
    return slice_cmp(*(const struct slice *)key, slice_str(((const struct name_row *)row)->name));
}

static void add_name(const char *name, field_id id)
{
    if (name_count < MAX_NAMES)
        names[name_count++] = (struct name_row){name, id};
}

static void build(void)
{
    bases[0] = PROTOCOL_FLAGS_END;
    for (field_id id = 0; id < PROTOCOL_FLAGS_END; id++)
        rows[id] = engine_field_at(id);
    for (size_t i = 0; dissectors[i]; i++) {
        bases[i + 1] = (field_id)(bases[i] + dissectors[i]->field_count);
        assert(bases[i + 1] <= MAX_NAMES);
        for (size_t row = 0; row < dissectors[i]->field_count; row++)
            rows[bases[i] + row] = &dissectors[i]->fields[row];
    }
    for (field_id id = 0; id < bases[DISSECTOR_COUNT]; id++)
        add_name(rows[id]->name, id);
    qsort(names, name_count, sizeof names[0], compare_names);
    size_t plain = name_count;
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        struct slice key = slice_str(aliases[i].name);
        const struct name_row *row = bsearch(&key, names, plain, sizeof names[0], compare_key);
        if (row)
            add_name(aliases[i].alias, row->id);
    }
    qsort(names, name_count, sizeof names[0], compare_names);
}

static void ready(void)
{
    pthread_once(&once, build);
}

size_t registry_count(void)
{
    return DISSECTOR_COUNT;
}

const struct dissector *registry_at(size_t index)
{
    return dissectors[index];
}

int registry_find(struct slice name)
{
    for (size_t i = 0; dissectors[i]; i++)
        if (slice_eq_str(name, dissectors[i]->name))
            return (int)i;
    return -1;
}

field_id registry_field_base(size_t index)
{
    ready();
    return bases[index];
}

static const char *const transport_protocols[] = {"tcp_conn", "udp_conn", "tcp_flow", "udp_flow",
                                                  NULL};

static const char *find_in(const char *const *list, struct slice name)
{
    for (; list && *list; list++)
        if (slice_eq_str(name, *list))
            return *list;
    return NULL;
}

const char *registry_protocol(struct slice name)
{
    const char *found = find_in(transport_protocols, name);
    for (size_t i = 0; !found && dissectors[i]; i++) {
        if (slice_eq_str(name, dissectors[i]->name))
            found = dissectors[i]->name;
        else
            found = find_in(dissectors[i]->more_protocols, name);
    }
    return found;
}

static int unknown_protocol(const char *name, struct error *reterr)
{
    const char *known[PROTOCOL_FLAGS_END - PROTOCOL_FLAG_FIRST + 1] = {NULL};
    size_t count = 0;
    for (field_id id = PROTOCOL_FLAG_FIRST; id < PROTOCOL_FLAGS_END; id++) {
        const char *candidate = engine_field_at(id)->name;
        if (registry_protocol(slice_str(candidate)))
            known[count++] = candidate;
    }
    const char *close = text_suggest(slice_str(name), known);
    char shown[128];
    text_escape(slice_str(name), shown, sizeof shown);
    if (close)
        return error_set(reterr, -EINVAL, "there is no protocol %s: did you mean %s?", shown,
                         close);
    return error_set(reterr, -EINVAL, "there is no protocol %s", shown);
}

int registry_expand(const char *flag, const char **ret_names, struct error *reterr)
{
    int count = 0;
    for (field_id id = PROTOCOL_FLAG_FIRST; id < PROTOCOL_FLAGS_END; id++) {
        if (strcmp(engine_field_at(id)->name, flag) != 0)
            continue;
        const char *const *name = protocol_flag_at(id - PROTOCOL_FLAG_FIRST)->protocols;
        for (; *name; name++)
            if (registry_protocol(slice_str(*name)))
                ret_names[count++] = *name;
    }
    return count ? count : unknown_protocol(flag, reterr);
}

size_t field_count(void)
{
    ready();
    return bases[DISSECTOR_COUNT];
}

const struct field_def *field_at(field_id id)
{
    ready();
    return rows[id];
}

const char *field_protocol(field_id id)
{
    ready();
    if (id < COMMON_FIELD_COUNT || id >= bases[DISSECTOR_COUNT])
        return "";
    if (id < CONN_FIELDS_END)
        return strncmp(engine_field_at(id)->name, "flow_", 5) == 0 ? "flow" : "conn";
    if (id < PROTOCOL_FLAGS_END)
        return "";
    size_t i = 0;
    while (id >= bases[i + 1])
        i++;
    return dissectors[i]->name;
}

field_id field_find(struct slice name)
{
    ready();
    const struct name_row *row = bsearch(&name, names, name_count, sizeof names[0], compare_key);
    return row ? row->id : FIELD_NONE;
}
