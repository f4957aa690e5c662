/* What a name stands for: a macro's variable, a binding, a row of the field table (the longest
 * dotted name wins), a type. */
#include "base/text.h"
#include "filter/check.h"

struct type_name {
    const char *name; /* as a variable */
    const char *value;
    const char *of; /* signature of the type it names */
};

static const struct type_name type_names[] = {
    {"bool", "bool", "b"},
    {"int", "int", "i"},
    {"uint", "uint", "u"},
    {"double", "double", "d"},
    {"string", "string", "s"},
    {"bytes", "bytes", "y"},
    {"list", "list", "L*"},
    {"map", "map", "M**"},
    {"null_type", "null_type", "n"},
    {"type", "type", "T*"},
    {"optional_type", "optional_type", "O*"},
    {"google.protobuf.Timestamp", "google.protobuf.Timestamp", "t"},
    {"google.protobuf.Duration", "google.protobuf.Duration", "r"},
    {"net.IP", "net.IP", "p"},
    {"net.CIDR", "net.CIDR", "c"},
};

static const struct filter_scope *find_local(const struct filter_compiler *c, struct slice name)
{
    for (const struct filter_scope *scope = c->scope; scope; scope = scope->up)
        if (slice_eq(scope->name, name))
            return scope;
    return NULL;
}

static const struct filter_node *chain_root(const struct filter_node *node)
{
    while (node->kind == NODE_SELECT && !node->is_optional)
        node = node->args[0];
    return node;
}

/* "a.b.c" of a chain down to its root, whatever the root is. */
static struct slice join_chain(struct filter_compiler *c, const struct filter_node *node)
{
    if (node->kind == NODE_UNKNOWN)
        return node->name;
    size_t len = 0;
    for (const struct filter_node *n = node;; n = n->args[0]) {
        len += n->name.len + 1;
        if (n->kind == NODE_UNKNOWN)
            break;
    }
    uint8_t *text = arena_alloc(c->arena, len);
    if (!text) {
        compile_no_memory(c);
        return SLICE_NONE;
    }
    size_t at = len - 1;
    for (const struct filter_node *n = node;; n = n->args[0]) {
        at -= n->name.len;
        memcpy(text + at, n->name.data, n->name.len);
        if (n->kind == NODE_UNKNOWN)
            break;
        text[--at] = '.';
    }
    return slice_of(text, len - 1);
}

struct slice check_dotted(struct filter_compiler *c, const struct filter_node *node)
{
    const struct filter_node *root = chain_root(node);
    if (root->kind != NODE_UNKNOWN || find_local(c, root->name))
        return SLICE_NONE;
    return join_chain(c, node);
}

static size_t find_binding(const struct filter_compiler *c, struct slice name)
{
    size_t i = 0;
    while (i < c->env->binding_count && !slice_eq(c->env->bindings[i].name, name))
        i++;
    return i;
}

/* Also in the container and those around it: x in "a.b" is a.b.x, a.x or x. */
static size_t find_contained_binding(struct filter_compiler *c, struct slice name)
{
    struct slice container = c->env->container;
    if (name.len && name.data[0] == '.')
        return find_binding(c, slice_sub(name, 1, name.len));
    while (container.len) {
        struct slice full =
            arena_printf(c->arena, "%.*s.%.*s", SLICE_ARGS(container), SLICE_ARGS(name));
        size_t i = find_binding(c, full);
        if (i < c->env->binding_count)
            return i;
        while (container.len && container.data[--container.len] != '.')
            ;
    }
    return find_binding(c, name);
}

static bool become_type(struct filter_compiler *c, struct filter_node *node, struct slice name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (!slice_eq_str(name, type_names[i].name))
            continue;
        const struct filter_type *letters[2] = {NULL, NULL};
        const char *at = type_names[i].of;
        node->kind = NODE_LITERAL;
        node->value = (struct value){.kind = VALUE_TYPE, .text = slice_str(type_names[i].value)};
        node->type = type_make(c, TYPE_TYPE, type_parse(c, &at, letters), NULL);
        return true;
    }
    return false;
}

/* A bound "src" hides the field src.ip: its members are meant. */
static bool is_inside_binding(struct filter_compiler *c, struct slice name)
{
    for (size_t at = 1; at < name.len; at++)
        if (name.data[at] == '.' &&
            find_contained_binding(c, slice_sub(name, 0, at)) < c->env->binding_count)
            return true;
    return false;
}

/* Turns the node (an UNKNOWN or a chain of SELECTs) into what `name` stands for. */
static bool become(struct filter_compiler *c, struct filter_node *node, struct slice name)
{
    size_t binding = find_contained_binding(c, name);
    if (binding < c->env->binding_count) {
        const struct filter_binding *b = &c->env->bindings[binding];
        node->kind = NODE_BINDING;
        node->slot = (uint16_t)binding;
        node->type = b->type ? b->type : type_simple(TYPE_DYN);
        node->name = name;
        node->arg_count = 0;
        return true;
    }
    if (c->env->binding_count && is_inside_binding(c, name))
        return false;
    if (name.len && name.data[0] == '.')
        name = slice_sub(name, 1, name.len);
    field_id field = field_find(name);
    if (field != FIELD_NONE) {
        node->kind = NODE_FIELD;
        node->field = field;
        node->type = type_of_field(field_at(field)->type);
        node->name = name;
        node->arg_count = 0;
        return true;
    }
    if (become_type(c, node, name)) {
        node->name = name;
        node->arg_count = 0;
        return true;
    }
    return false;
}

static const char *suggest_variable(struct filter_compiler *c, struct slice name)
{
    /* "src" alone is the beginning of many. */
    for (size_t i = 0; i < field_count(); i++) {
        const char *full = field_at((field_id)i)->name;
        if (slice_starts_with(slice_str(full), name) && full[name.len] == '.')
            return full;
    }
    size_t fields = field_count();
    const char **names = arena_calloc(c->arena, fields + c->env->binding_count + 1, sizeof *names);
    if (!names)
        return NULL;
    size_t n = 0;
    for (; n < fields; n++)
        names[n] = field_at((field_id)n)->name;
    for (size_t i = 0; i < c->env->binding_count; i++) {
        struct slice copy = arena_dup(c->arena, c->env->bindings[i].name);
        if (copy.data)
            names[n++] = (const char *)copy.data;
    }
    return text_suggest(name, names);
}

/* The whole chain is not known: says so for the longest part that a name is close to. */
static const struct filter_type *fail_unknown(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_node *best = chain_root(node);
    const char *suggestion = NULL;
    if (c->env->is_unchecked)
        return node->type = type_simple(TYPE_DYN);
    for (const struct filter_node *n = node; !suggestion; n = n->args[0]) {
        suggestion = suggest_variable(c, join_chain(c, n));
        if (suggestion)
            best = n;
        if (n->kind == NODE_UNKNOWN)
            break;
    }
    struct slice name = join_chain(c, suggestion ? best : node);
    if (!suggestion)
        best = node;
    char text[80];
    compile_fail_node(c, best, "there is no variable \"%s\"", text_escape(name, text, sizeof text));
    compile_suggest(c, suggestion);
    return node->type = type_simple(TYPE_ERROR);
}

const struct filter_type *check_name(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_scope *local = find_local(c, node->name);
    if (local) {
        node->kind = NODE_LOCAL;
        node->slot = local->slot;
        return node->type = local->type;
    }
    if (become(c, node, node->name))
        return node->type;
    return fail_unknown(c, node);
}

/* The member of a value. */
static const struct filter_type *member_type(struct filter_compiler *c,
                                             const struct filter_node *node,
                                             const struct filter_type *type)
{
    char text[TYPE_TEXT_SIZE];
    type = type_resolve(c, type);
    switch ((int)type->kind) {
    case TYPE_MAP:
        return type->params[1];
    case TYPE_OPTIONAL: {
        const struct filter_type *inner = type_resolve(c, type->params[0]);
        if (inner->kind == TYPE_MAP)
            return type_make(c, TYPE_OPTIONAL, inner->params[1], NULL);
        return type_make(c, TYPE_OPTIONAL, type_simple(TYPE_DYN), NULL);
    }
    case TYPE_DYN:
    case TYPE_ERROR:
    case TYPE_VARIABLE:
        return type_simple(TYPE_DYN);
    default:
        check_mismatch(c, node, "%s has no members", type_text(c, type, text));
        return type_simple(TYPE_DYN);
    }
}

const struct filter_type *check_select(struct filter_compiler *c, struct filter_node *node)
{
    struct slice dotted = node->is_optional ? SLICE_NONE : check_dotted(c, node);
    if (dotted.len) {
        if (become(c, node, dotted))
            return node->type;
        struct filter_node *inner = node->args[0];
        bool known = false;
        /* A shorter part may be known; if none is, the whole chain is named in the error. */
        for (struct filter_node *n = inner; !known; n = n->args[0]) {
            struct filter_node copy = *n;
            known = become(c, &copy, join_chain(c, n));
            if (n->kind == NODE_UNKNOWN)
                break;
        }
        if (!known)
            return fail_unknown(c, node);
    }
    // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
    const struct filter_type *type = check_node(c, node->args[0]);
    if (c->error)
        return node->type = type_simple(TYPE_ERROR);
    type = member_type(c, node->args[0], type);
    if (node->is_optional && type_resolve(c, type)->kind != TYPE_OPTIONAL)
        type = type_make(c, TYPE_OPTIONAL, type, NULL);
    return node->type = type;
}

const struct filter_type *check_has(struct filter_compiler *c, struct filter_node *node)
{
    struct filter_node *arg = node->args[0];
    node->type = type_simple(TYPE_BOOL);
    if (node->name.len == 0) {
        check_name(c, arg);
        if (!c->error && arg->kind != NODE_FIELD && arg->kind != NODE_UNKNOWN)
            compile_fail_node(c, arg,
                              "has() wants a variable of the field table or a member (a.b)");
        return node->type;
    }
    struct slice target = check_dotted(c, arg);
    if (target.len) {
        struct slice full =
            arena_printf(c->arena, "%.*s.%.*s", SLICE_ARGS(target), SLICE_ARGS(node->name));
        struct filter_node whole = *arg;
        whole.args = NULL;
        if (full.data && become(c, &whole, full) && whole.kind != NODE_LITERAL) {
            *arg = whole;
            node->name = SLICE_NONE;
            return node->type;
        }
    }
    const struct filter_type *type = check_node(c, arg);
    if (!c->error)
        member_type(c, arg, type);
    return node->type;
}
