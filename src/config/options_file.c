#include "config/options_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum {
    MAX_KEY = 96
};

struct loader {
    const char *path;
    yaml_parser_t parser;
    options_file_value on_value;
    void *ctx;
    char key[MAX_KEY];
    bool has_key;
    int depth; /* 1 = the mapping, 2 = a list inside it */
};

static int refuse(const struct loader *l, const yaml_event_t *event, const char *what,
                  struct error *reterr)
{
    return error_set(reterr, -EINVAL, "%s line %zu: %s.", l->path, event->start_mark.line + 1,
                     what);
}

static int on_scalar(struct loader *l, const yaml_event_t *event, struct error *reterr)
{
    const char *value = (const char *)event->data.scalar.value;
    if (strlen(value) != event->data.scalar.length)
        return refuse(l, event, "a value holds a NUL byte", reterr);
    if (l->depth == 1 && !l->has_key) {
        if (event->data.scalar.length >= sizeof l->key)
            return refuse(l, event, "a key is too long", reterr);
        snprintf(l->key, sizeof l->key, "%s", value);
        l->has_key = true;
        return 0;
    }
    if (l->depth == 1)
        l->has_key = false;
    struct error inner = {0};
    int r = l->on_value(l->ctx, slice_str(l->key), value, &inner);
    return r < 0 ? error_set(reterr, r, "%s line %zu: %s", l->path, event->start_mark.line + 1,
                             inner.text)
                 : 0;
}

/* 1 at the end of the stream, 0 to go on, or an error. */
static int on_event(struct loader *l, const yaml_event_t *event, struct error *reterr)
{
    switch ((int)event->type) {
    case YAML_STREAM_END_EVENT:
        return 1;
    case YAML_MAPPING_START_EVENT:
        if (l->depth != 0)
            return refuse(l, event, "a mapping inside a value is not expected here", reterr);
        l->depth = 1;
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        if (l->depth != 1 || !l->has_key)
            return refuse(l, event, "a list is not expected here", reterr);
        l->depth = 2;
        return 0;
    case YAML_SEQUENCE_END_EVENT:
        l->depth = 1;
        l->has_key = false;
        return 0;
    case YAML_MAPPING_END_EVENT:
        l->depth = 0;
        return 0;
    case YAML_SCALAR_EVENT:
        if (l->depth == 0)
            return event->data.scalar.length == 0
                       ? 0
                       : refuse(l, event, "expected \"key: value\"", reterr);
        return on_scalar(l, event, reterr);
    case YAML_ALIAS_EVENT:
        return refuse(l, event, "aliases are not accepted", reterr);
    default:
        return 0;
    }
}

int options_file_load(const char *path, options_file_value on_value, void *ctx,
                      struct error *reterr)
{
    struct loader l = {.path = path, .on_value = on_value, .ctx = ctx};
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(reterr, -errno, "cannot read %s: %s.", path,
                         strerror(errno)); // NOLINT(concurrency-mt-unsafe)
    if (!yaml_parser_initialize(&l.parser)) {
        fclose(file);
        return error_set(reterr, -ENOMEM, "out of memory.");
    }
    yaml_parser_set_input_file(&l.parser, file);
    int r = 0;
    while (r == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(&l.parser, &event)) {
            r = error_set(reterr, -EINVAL, "%s line %zu: %s.", path, l.parser.problem_mark.line + 1,
                          l.parser.problem ? l.parser.problem : "not YAML");
            break;
        }
        r = on_event(&l, &event, reterr);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&l.parser);
    fclose(file);
    return r < 0 ? r : 0;
}
