#include <stdio.h>

#include "filter/type_ops.h"

#define SIMPLE(k) [k] = {.kind = k}
static const struct filter_type simple_types[] = {
    SIMPLE(TYPE_DYN),   SIMPLE(TYPE_ERROR),     SIMPLE(TYPE_NULL),     SIMPLE(TYPE_BOOL),
    SIMPLE(TYPE_INT),   SIMPLE(TYPE_UINT),      SIMPLE(TYPE_DOUBLE),   SIMPLE(TYPE_STRING),
    SIMPLE(TYPE_BYTES), SIMPLE(TYPE_TIMESTAMP), SIMPLE(TYPE_DURATION), SIMPLE(TYPE_IP),
    SIMPLE(TYPE_CIDR),
};

static const struct filter_type text_list = {TYPE_LIST, 0, {&simple_types[TYPE_STRING], NULL}};
static const struct filter_type int_list = {TYPE_LIST, 0, {&simple_types[TYPE_INT], NULL}};
static const struct filter_type text_map = {
    TYPE_MAP, 0, {&simple_types[TYPE_STRING], &simple_types[TYPE_STRING]}};

const struct filter_type *type_simple(enum type_kind kind)
{
    return &simple_types[kind];
}

const struct filter_type *type_of_field(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
        return type_simple(TYPE_BOOL);
    case FIELD_INT:
        return type_simple(TYPE_INT);
    case FIELD_TEXT:
        return type_simple(TYPE_STRING);
    case FIELD_LIST:
        return &text_list;
    case FIELD_MAP:
        return &text_map;
    case FIELD_TIME:
        return type_simple(TYPE_TIMESTAMP);
    case FIELD_DURATION:
        return type_simple(TYPE_DURATION);
    case FIELD_INT_LIST:
        return &int_list;
    }
    return type_simple(TYPE_DYN);
}

const struct filter_type *type_make(struct filter_compiler *c, enum type_kind kind,
                                    const struct filter_type *first,
                                    const struct filter_type *second)
{
    struct filter_type *type = arena_zalloc(c->arena, sizeof *type);
    if (!type) {
        compile_no_memory(c);
        return type_simple(TYPE_ERROR);
    }
    type->kind = kind;
    type->params[0] = first;
    type->params[1] = second;
    return type;
}

const struct filter_type *type_variable(struct filter_compiler *c)
{
    if (c->variable_count == c->variable_room) {
        uint32_t room = c->variable_room ? c->variable_room * 2 : 64;
        const struct filter_type **variables = arena_zalloc(c->arena, room * sizeof *variables);
        uint32_t *trail = arena_zalloc(c->arena, room * sizeof *trail);
        if (!variables || !trail) {
            compile_no_memory(c);
            return type_simple(TYPE_ERROR);
        }
        if (c->variable_count) {
            memcpy(variables, c->variables, c->variable_count * sizeof *variables);
            memcpy(trail, c->trail, c->trail_count * sizeof *trail);
        }
        c->variables = variables;
        c->trail = trail;
        c->variable_room = room;
    }
    struct filter_type *type = arena_zalloc(c->arena, sizeof *type);
    if (!type) {
        compile_no_memory(c);
        return type_simple(TYPE_ERROR);
    }
    type->kind = TYPE_VARIABLE;
    type->variable = c->variable_count;
    c->variables[c->variable_count++] = NULL;
    return type;
}

const struct filter_type *type_resolve(const struct filter_compiler *c,
                                       const struct filter_type *type)
{
    while (type->kind == TYPE_VARIABLE && c->variables[type->variable])
        type = c->variables[type->variable];
    return type;
}

static bool occurs(const struct filter_compiler *c, uint32_t variable,
                   const struct filter_type *type)
{
    type = type_resolve(c, type);
    if (type->kind == TYPE_VARIABLE)
        return type->variable == variable;
    for (int i = 0; i < 2 && type->params[i]; i++)
        if (occurs(c, variable, type->params[i])) // NOLINT(misc-no-recursion): depth of the tree
            return true;
    return false;
}

uint32_t type_mark(const struct filter_compiler *c)
{
    return c->trail_count;
}

void type_undo(struct filter_compiler *c, uint32_t mark)
{
    while (c->trail_count > mark)
        c->variables[c->trail[--c->trail_count]] = NULL;
}

static bool bind(struct filter_compiler *c, uint32_t variable, const struct filter_type *type)
{
    if (occurs(c, variable, type))
        return false;
    c->variables[variable] = type;
    c->trail[c->trail_count++] = variable;
    return true;
}

bool type_assignable(struct filter_compiler *c, const struct filter_type *to,
                     const struct filter_type *from)
{
    to = type_resolve(c, to);
    from = type_resolve(c, from);
    if (to == from || to->kind == TYPE_DYN || from->kind == TYPE_DYN || to->kind == TYPE_ERROR ||
        from->kind == TYPE_ERROR)
        return true;
    if (to->kind == TYPE_VARIABLE && from->kind == TYPE_VARIABLE && to->variable == from->variable)
        return true;
    if (to->kind == TYPE_VARIABLE)
        return bind(c, to->variable, from);
    if (from->kind == TYPE_VARIABLE)
        return bind(c, from->variable, to);
    if (to->kind != from->kind)
        return false;
    if (to->kind == TYPE_TYPE)
        return true;
    for (int i = 0; i < 2 && to->params[i] && from->params[i]; i++)
        // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
        if (!type_assignable(c, to->params[i], from->params[i]))
            return false;
    return true;
}

const struct filter_type *type_join(struct filter_compiler *c, const struct filter_type *a,
                                    const struct filter_type *b)
{
    uint32_t mark = type_mark(c);
    if (type_resolve(c, a)->kind == TYPE_DYN || type_resolve(c, b)->kind == TYPE_DYN)
        return type_simple(TYPE_DYN);
    if (type_assignable(c, a, b))
        return type_resolve(c, a);
    type_undo(c, mark);
    return type_simple(TYPE_DYN);
}

const struct filter_type *type_substitute(struct filter_compiler *c, const struct filter_type *type)
{
    type = type_resolve(c, type);
    if (type->kind == TYPE_VARIABLE)
        return type_simple(TYPE_DYN);
    if (!type->params[0])
        return type;
    // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
    const struct filter_type *first = type_substitute(c, type->params[0]);
    const struct filter_type *second =
        // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
        type->params[1] ? type_substitute(c, type->params[1]) : NULL;
    if (first == type->params[0] && second == type->params[1])
        return type;
    return type_make(c, type->kind, first, second);
}

bool type_is_number(const struct filter_type *type)
{
    return type->kind == TYPE_INT || type->kind == TYPE_UINT || type->kind == TYPE_DOUBLE;
}

const struct filter_type *type_parse(struct filter_compiler *c, const char **at,
                                     const struct filter_type *letters[2])
{
    static const struct {
        char letter;
        enum type_kind kind;
    } names[] = {
        {'b', TYPE_BOOL},     {'i', TYPE_INT},   {'u', TYPE_UINT}, {'d', TYPE_DOUBLE},
        {'s', TYPE_STRING},   {'y', TYPE_BYTES}, {'n', TYPE_NULL}, {'t', TYPE_TIMESTAMP},
        {'r', TYPE_DURATION}, {'p', TYPE_IP},    {'c', TYPE_CIDR}, {'*', TYPE_DYN},
    };
    char letter = *(*at)++;
    if (letter == 'A' || letter == 'B') {
        const struct filter_type **slot = &letters[letter - 'A'];
        return *slot ? *slot : (*slot = type_variable(c));
    }
    // NOLINTBEGIN(misc-no-recursion): signatures are our own
    if (letter == 'L' || letter == 'O' || letter == 'T') {
        enum type_kind kind = letter == 'L' ? TYPE_LIST : letter == 'O' ? TYPE_OPTIONAL : TYPE_TYPE;
        return type_make(c, kind, type_parse(c, at, letters), NULL);
    }
    if (letter == 'M') {
        const struct filter_type *key = type_parse(c, at, letters);
        return type_make(c, TYPE_MAP, key, type_parse(c, at, letters));
    }
    // NOLINTEND(misc-no-recursion)
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].letter == letter)
            return type_simple(names[i].kind);
    return type_simple(TYPE_DYN);
}

static size_t put(char *out, size_t size, size_t at, const char *text)
{
    int n = snprintf(out + at, size - at, "%s", text);
    return n < 0 || (size_t)n >= size - at ? size - 1 : at + (size_t)n;
}

static size_t write_type(const struct filter_compiler *c, const struct filter_type *type, char *out,
                         size_t size, size_t at)
{
    static const char *const names[] = {
        [TYPE_DYN] = "dyn",
        [TYPE_ERROR] = "?",
        [TYPE_NULL] = "null",
        [TYPE_BOOL] = "bool",
        [TYPE_INT] = "int",
        [TYPE_UINT] = "uint",
        [TYPE_DOUBLE] = "double",
        [TYPE_STRING] = "string",
        [TYPE_BYTES] = "bytes",
        [TYPE_TIMESTAMP] = "timestamp",
        [TYPE_DURATION] = "duration",
        [TYPE_IP] = "net.IP",
        [TYPE_CIDR] = "net.CIDR",
        [TYPE_TYPE] = "type",
        [TYPE_LIST] = "list",
        [TYPE_MAP] = "map",
        [TYPE_OPTIONAL] = "optional_type",
        [TYPE_VARIABLE] = "_",
    };
    type = type_resolve(c, type);
    at = put(out, size, at, names[type->kind]);
    for (int i = 0; i < 2 && type->params[i]; i++) {
        at = put(out, size, at, i ? ", " : "(");
        // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
        at = write_type(c, type->params[i], out, size, at);
    }
    return type->params[0] ? put(out, size, at, ")") : at;
}

const char *type_text(const struct filter_compiler *c, const struct filter_type *type,
                      char out[TYPE_TEXT_SIZE])
{
    write_type(c, type, out, TYPE_TEXT_SIZE, 0);
    return out;
}
