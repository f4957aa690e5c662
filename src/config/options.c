#include "config/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/options_file.h"

enum {
    MAX_OPTIONS = 64,
    MAX_LIST = 1024
};

/* Which source an option got its value from: a later, weaker one does not overwrite it. */
enum origin {
    ORIGIN_NONE,
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_FLAG
};

struct parse {
    const struct option_spec *spec;
    void *dest;
    enum origin origins[MAX_OPTIONS];
    const char *config_path;
};

static size_t def_count(const struct option_spec *spec)
{
    size_t n = 0;
    while (spec->defs[n].name && n < MAX_OPTIONS)
        n++;
    return n;
}

static void *slot(void *dest, const struct option_def *def)
{
    return (char *)dest + def->offset;
}

static void clear_list(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct option_list){0};
}

static int add_to_list(struct option_list *list, const char *text, size_t len)
{
    if (list->count >= MAX_LIST)
        return -E2BIG;
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    items[list->count] = strndup(text, len);
    if (!items[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

static int append_list(struct option_list *list, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ",");
        int r = len ? add_to_list(list, text, len) : 0;
        if (r < 0)
            return r;
        text += len;
        text += *text == ',';
    }
    return 0;
}

static int bad_value(const struct option_def *def, const char *text, const char *wanted,
                     struct error *reterr)
{
    return error_set(reterr, -EINVAL, "--%s: \"%.80s\" is not %s.", def->name, text, wanted);
}

static int set_int(const struct option_def *def, void *p, const char *text, struct error *reterr)
{
    int64_t min = def->max > def->min ? def->min : INT64_MIN;
    int64_t max = def->max > def->min ? def->max : INT64_MAX;
    if (text_parse_int(text, min, max, p) == 0)
        return 0;
    if (def->max > def->min)
        return error_set(reterr, -EINVAL,
                         "--%s: \"%.80s\" is not a whole number from %lld to %lld.", def->name,
                         text, (long long)min, (long long)max);
    return bad_value(def, text, "a whole number", reterr);
}

static int set_bool(const struct option_def *def, bool *p, const char *text, struct error *reterr)
{
    if (!text || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0)
        *p = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0)
        *p = false;
    else
        return bad_value(def, text, "true or false", reterr);
    return 0;
}

static int set_text(char **p, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*p);
    *p = copy;
    return 0;
}

/* Sets one option unless a stronger source already did. */
static int set_value(struct parse *parse, size_t index, enum origin origin, const char *text,
                     struct error *reterr)
{
    const struct option_def *def = &parse->spec->defs[index];
    if (parse->origins[index] > origin)
        return 0;
    bool first_of_origin = parse->origins[index] < origin;
    parse->origins[index] = origin;
    void *p = slot(parse->dest, def);
    switch (def->type) {
    case OPTION_BOOL:
        return set_bool(def, p, text, reterr);
    case OPTION_INT:
        return set_int(def, p, text, reterr);
    case OPTION_SIZE:
        return text_parse_size(text, p) == 0
                   ? 0
                   : bad_value(def, text, "a size: write 64MiB or 1GiB", reterr);
    case OPTION_DURATION:
        switch (clock_parse_duration(text, p)) {
        case 0:
            return 0;
        case -ERANGE:
            return bad_value(def, text, "a duration below 292 years", reterr);
        default:
            return bad_value(def, text, "a duration: write 30s, 5m or 12h", reterr);
        }
    case OPTION_TEXT:
        return set_text(p, text);
    case OPTION_LIST:
        if (first_of_origin)
            clear_list(p);
        return append_list(p, text);
    }
    return -EINVAL;
}

static int find_option(const struct option_spec *spec, struct slice name)
{
    for (size_t i = 0; i < def_count(spec); i++)
        if (slice_eq_str(name, spec->defs[i].name))
            return (int)i;
    return -1;
}

static int unknown_option(const struct option_spec *spec, struct slice name, struct error *reterr)
{
    const char *names[MAX_OPTIONS + 1] = {0};
    for (size_t i = 0; i < def_count(spec); i++)
        names[i] = spec->defs[i].name;
    const char *near = text_suggest(name, names);
    char escaped[80];
    text_escape(name, escaped, sizeof escaped);
    if (near)
        return error_set(reterr, -EINVAL, "there is no option --%s; did you mean --%s?", escaped,
                         near);
    return error_set(reterr, -EINVAL, "there is no option --%s; --help lists them.", escaped);
}

/* One flag at argv[*at]; moves *at over its value. */
static int parse_flag(struct parse *parse, int argc, char **argv, int *at, struct error *reterr)
{
    const char *arg = argv[*at];
    struct slice name;
    const char *value = NULL;
    int index = -1;
    if (arg[1] == '-') {
        value = strchr(arg, '=');
        name = slice_of(arg + 2, value ? (size_t)(value - arg - 2) : strlen(arg + 2));
        value = value ? value + 1 : NULL;
        if (slice_eq_str(name, "config") && find_option(parse->spec, name) < 0) {
            if (!value && *at + 1 >= argc)
                return error_set(reterr, -EINVAL, "--config needs a file.");
            parse->config_path = value ? value : argv[++*at];
            return 0;
        }
        index = find_option(parse->spec, name);
    } else {
        name = slice_of(arg + 1, strlen(arg + 1));
        for (size_t i = 0; i < def_count(parse->spec); i++)
            if (parse->spec->defs[i].letter == arg[1] && arg[2] == '\0')
                index = (int)i;
    }
    if (index < 0)
        return unknown_option(parse->spec, name, reterr);
    const struct option_def *def = &parse->spec->defs[index];
    if (def->secret)
        return error_set(reterr, -EINVAL,
                         "--%s is a secret: give it by environment or file, not as a flag.",
                         def->name);
    if (!value && def->type != OPTION_BOOL) {
        if (*at + 1 >= argc)
            return error_set(reterr, -EINVAL, "--%s needs a value.", def->name);
        value = argv[++*at];
    }
    return set_value(parse, (size_t)index, ORIGIN_FLAG, value, reterr);
}

static int parse_arguments(struct parse *parse, int argc, char **argv,
                           struct option_operands *operands, struct error *reterr)
{
    bool only_operands = false;
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                options_print_help(parse->spec, stdout);
                return 1;
            }
            int r = parse_flag(parse, argc, argv, &i, reterr);
            if (r < 0)
                return r;
        } else if (parse->spec->operands == 0) {
            return error_set(reterr, -EINVAL,
                             "\"%.80s\" is one argument too many; --help shows the usage.",
                             argv[i]);
        } else {
            argv[kept++] = argv[i];
        }
    }
    const struct option_spec *spec = parse->spec;
    if (spec->operands != OPERANDS_ANY && kept - 1 != spec->operands)
        return error_set(reterr, -EINVAL, "%s%s",
                         spec->wanted ? "" : "usage: ", spec->wanted ? spec->wanted : spec->usage);
    if (operands)
        *operands = (struct option_operands){.items = argv + 1, .count = (size_t)kept - 1};
    return 0;
}

static int parse_environment(struct parse *parse, struct error *reterr)
{
    for (size_t i = 0; i < def_count(parse->spec); i++) {
        char name[96] = "TRAWL_";
        size_t at = strlen(name);
        for (const char *c = parse->spec->defs[i].name; *c && at + 1 < sizeof name; c++)
            name[at++] = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        name[at] = '\0';
        const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): init-only
        int r = value ? set_value(parse, i, ORIGIN_ENVIRONMENT, value, reterr) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int on_file_value(void *ctx, struct slice key, const char *value, struct error *reterr)
{
    struct parse *parse = ctx;
    char name[96];
    if (key.len >= sizeof name)
        return unknown_option(parse->spec, key, reterr);
    for (size_t i = 0; i < key.len; i++)
        name[i] = (char)(key.data[i] == '_' ? '-' : key.data[i]);
    int index = find_option(parse->spec, slice_of(name, key.len));
    if (index < 0)
        return unknown_option(parse->spec, slice_of(name, key.len), reterr);
    return set_value(parse, (size_t)index, ORIGIN_FILE, value, reterr);
}

int options_parse(const struct option_spec *spec, int argc, char **argv, void *dest,
                  struct option_operands *ret_operands, struct error *reterr)
{
    struct parse parse = {.spec = spec, .dest = dest};
    for (size_t i = 0; i < def_count(spec); i++)
        if (spec->defs[i].default_value) {
            int r = set_value(&parse, i, ORIGIN_DEFAULT, spec->defs[i].default_value, reterr);
            if (r < 0)
                return r;
        }
    int r = parse_arguments(&parse, argc, argv, ret_operands, reterr);
    if (r != 0)
        return r;
    r = parse_environment(&parse, reterr);
    if (r == 0 && parse.config_path)
        r = options_file_load(parse.config_path, on_file_value, &parse, reterr);
    return r;
}

void options_done(const struct option_spec *spec, void *dest)
{
    for (size_t i = 0; i < def_count(spec); i++) {
        void *p = slot(dest, &spec->defs[i]);
        if (spec->defs[i].type == OPTION_TEXT) {
            free(*(char **)p);
            *(char **)p = NULL;
        } else if (spec->defs[i].type == OPTION_LIST) {
            clear_list(p);
        }
    }
}

void options_print_help(const struct option_spec *spec, FILE *out)
{
    fprintf(out, "usage: %s\n\n%s\n", spec->usage, spec->summary);
    for (size_t i = 0; i < def_count(spec); i++) {
        const struct option_def *def = &spec->defs[i];
        char left[64];
        char letter[8] = "";
        if (def->letter)
            snprintf(letter, sizeof letter, "-%c, ", def->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, def->name, def->value_name ? " " : "",
                 def->value_name ? def->value_name : "");
        fprintf(out, "%s  %-26s %s", i == 0 ? "\n" : "", left, def->doc);
        if (def->default_value)
            fprintf(out, " (default: %s)", def->default_value);
        fputc('\n', out);
    }
    if (spec->example)
        fprintf(out, "\nexample: %s\n", spec->example);
}
