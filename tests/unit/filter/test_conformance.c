/* All conformance cases of ../shared/cel against the compiler and evaluator. What needs protobuf
 * messages or enums stands in tests/golden/cel_conformance_exceptions.txt with the reason; a line
 * there whose case passes, or that names no case, fails. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "filter/json_value.h"
#include "filter/program.h"
#include "filter/type_ops.h"
#include "unit/filter/support_textproto.h"
#include "unit/unit_test.h"

enum {
    MAX_FILE = 1 << 20,
    MAX_EXCEPTIONS = 1024,
    MAX_ENV = 32
};

struct exceptions {
    struct {
        char id[200];
        bool used, passed;
    } lines[MAX_EXCEPTIONS];
    size_t count;
};

struct run {
    struct exceptions exceptions;
    size_t cases, passed, excused, failed;
};

static struct run run;

static struct slice read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = arena_alloc(arena, MAX_FILE);
    size_t len = file && data ? fread(data, 1, MAX_FILE, file) : 0;
    if (file)
        fclose(file);
    return slice_of(data, len);
}

static void load_exceptions(struct exceptions *e)
{
    char line[200];
    FILE *file = fopen(TRAWL_SOURCE_DIR "/tests/golden/cel_conformance_exceptions.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *reason = strstr(line, "  ");
        assert_non_null(reason); /* every line says why */
        *reason = 0;
        assert_true(e->count < MAX_EXCEPTIONS);
        snprintf(e->lines[e->count++].id, sizeof e->lines[0].id, "%s", line);
    }
    fclose(file);
}

/* ── values ── */

static char *text_of(struct arena *arena, struct slice s)
{
    struct slice copy = arena_dup(arena, s);
    assert_non_null(copy.data);
    return (char *)(uintptr_t)copy.data;
}

static bool read_value(struct arena *arena, const struct proto_field *field, struct value *ret);

static bool read_list(struct arena *arena, const struct proto_field *field, struct value *ret)
{
    size_t count = 0;
    for (const struct proto_field *c = field->children; c; c = c->next)
        count++;
    struct value *values = arena_calloc(arena, count + 1, sizeof *values);
    struct value_list *list = arena_zalloc(arena, sizeof *list);
    for (const struct proto_field *c = field->children; c; c = c->next)
        if (!read_value(arena, c, &values[list->count++]))
            return false;
    list->values = values;
    *ret = (struct value){.kind = VALUE_LIST, .list = list};
    return true;
}

static bool read_map(struct arena *arena, const struct proto_field *field, struct value *ret)
{
    size_t count = 0;
    for (const struct proto_field *c = field->children; c; c = c->next)
        count++;
    struct value_pair *pairs = arena_calloc(arena, count + 1, sizeof *pairs);
    struct value_map *map = arena_zalloc(arena, sizeof *map);
    for (const struct proto_field *c = field->children; c; c = c->next, map->count++)
        if (!read_value(arena, textproto_child(c, "key"), &pairs[map->count].key) ||
            !read_value(arena, textproto_child(c, "value"), &pairs[map->count].value))
            return false;
    map->pairs = pairs;
    *ret = (struct value){.kind = VALUE_MAP, .map = map};
    return true;
}

/* Only the two messages that are types of our language. */
static bool read_object(struct arena *arena, const struct proto_field *field, struct value *ret)
{
    const struct proto_field *any = field->children;
    if (!any)
        return false;
    struct slice seconds = textproto_scalar(any, "seconds");
    struct slice nanos = textproto_scalar(any, "nanos");
    int64_t s = seconds.len ? strtoll(text_of(arena, seconds), NULL, 10) : 0;
    int64_t n = nanos.len ? strtoll(text_of(arena, nanos), NULL, 10) : 0;
    if (slice_eq_str(any->name, "[type.googleapis.com/google.protobuf.Duration]"))
        *ret = (struct value){.kind = VALUE_DURATION, .integer = s * 1000000000 + n};
    else if (slice_eq_str(any->name, "[type.googleapis.com/google.protobuf.Timestamp]"))
        *ret = (struct value){.kind = VALUE_TIMESTAMP, .integer = s, .offset = (uint32_t)n};
    else
        return false;
    return true;
}

static bool read_value(struct arena *arena, const struct proto_field *message, struct value *ret)
{
    const struct proto_field *f = message->children;
    if (!f)
        return false;
    *ret = (struct value){.kind = VALUE_NULL};
    if (slice_eq_str(f->name, "list_value"))
        return read_list(arena, f, ret);
    if (slice_eq_str(f->name, "map_value"))
        return read_map(arena, f, ret);
    if (slice_eq_str(f->name, "object_value"))
        return read_object(arena, f, ret);
    const char *text = text_of(arena, f->scalar);
    if (slice_eq_str(f->name, "bool_value"))
        *ret = (struct value){.kind = VALUE_BOOL, .boolean = text[0] == 't'};
    else if (slice_eq_str(f->name, "int64_value"))
        *ret = (struct value){.kind = VALUE_INT, .integer = strtoll(text, NULL, 0)};
    else if (slice_eq_str(f->name, "uint64_value"))
        *ret = (struct value){.kind = VALUE_UINT, .uinteger = strtoull(text, NULL, 0)};
    else if (slice_eq_str(f->name, "double_value"))
        *ret = (struct value){.kind = VALUE_DOUBLE, .real = strtod(text, NULL)};
    else if (slice_eq_str(f->name, "string_value"))
        *ret = (struct value){.kind = VALUE_STRING, .text = f->scalar};
    else if (slice_eq_str(f->name, "bytes_value"))
        *ret = (struct value){.kind = VALUE_BYTES, .text = f->scalar};
    else if (slice_eq_str(f->name, "type_value"))
        *ret = (struct value){.kind = VALUE_TYPE, .text = f->scalar};
    else
        return slice_eq_str(f->name, "null_value");
    return true;
}

static bool same(const struct value *a, const struct value *b);

static bool same_members(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_LIST) {
        bool ok = a->list->count == b->list->count;
        for (uint32_t i = 0; ok && i < a->list->count; i++) {
            struct value x;
            struct value y;
            value_list_at(a->list, i, &x);
            value_list_at(b->list, i, &y);
            ok = same(&x, &y);
        }
        return ok;
    }
    bool ok = a->map->count == b->map->count;
    for (uint32_t i = 0; ok && i < a->map->count; i++) {
        bool found = false;
        for (uint32_t j = 0; !found && j < b->map->count; j++)
            found = same(&a->map->pairs[i].key, &b->map->pairs[j].key) &&
                    same(&a->map->pairs[i].value, &b->map->pairs[j].value);
        ok = found;
    }
    return ok;
}

/* Stricter than the language's ==: the types agree too. */
static bool same(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_OPTIONAL && a->optional)
        return same(a->optional, b);
    if (a->kind != b->kind)
        return false;
    switch ((int)a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_DOUBLE:
        return (isnan(a->real) && isnan(b->real)) ||
               (a->real == b->real && !signbit(a->real) == !signbit(b->real));
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_TYPE:
        return slice_eq(a->text, b->text);
    case VALUE_LIST:
    case VALUE_MAP:
        return same_members(a, b);
    case VALUE_TIMESTAMP:
        return a->integer == b->integer && a->offset == b->offset;
    default:
        return a->integer == b->integer;
    }
}

/* ── environment ── */

static const struct filter_type *read_type(struct filter_compiler *c,
                                           const struct proto_field *message)
{
    static const struct {
        const char *name;
        enum type_kind kind;
    } names[] = {
        {"BOOL", TYPE_BOOL},
        {"INT64", TYPE_INT},
        {"UINT64", TYPE_UINT},
        {"DOUBLE", TYPE_DOUBLE},
        {"STRING", TYPE_STRING},
        {"BYTES", TYPE_BYTES},
        {"google.protobuf.Duration", TYPE_DURATION},
        {"google.protobuf.Timestamp", TYPE_TIMESTAMP},
        {"NULL_VALUE", TYPE_NULL},
    };
    const struct proto_field *f = message ? message->children : NULL;
    if (!f)
        return type_simple(TYPE_DYN);
    if (slice_eq_str(f->name, "list_type"))
        return type_make(c, TYPE_LIST, read_type(c, textproto_child(f, "elem_type")), NULL);
    if (slice_eq_str(f->name, "map_type"))
        return type_make(c, TYPE_MAP, read_type(c, textproto_child(f, "key_type")),
                         read_type(c, textproto_child(f, "value_type")));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq_str(f->scalar, names[i].name))
            return type_simple(names[i].kind);
    return type_simple(TYPE_DYN);
}

static bool read_env(struct arena *arena, const struct proto_field *test, struct filter_env *env)
{
    struct filter_binding *bindings = arena_calloc(arena, MAX_ENV, sizeof *bindings);
    struct filter_compiler c = {.arena = arena};
    size_t count = 0;
    for (const struct proto_field *f = test->children; f && count < MAX_ENV; f = f->next) {
        if (slice_eq_str(f->name, "type_env") && textproto_child(f, "ident"))
            bindings[count++] = (struct filter_binding){
                .name = textproto_scalar(f, "name"),
                .type = read_type(&c, textproto_child(textproto_child(f, "ident"), "type"))};
    }
    for (const struct proto_field *f = test->children; f && count < MAX_ENV; f = f->next) {
        if (!slice_eq_str(f->name, "bindings"))
            continue;
        struct slice name = textproto_scalar(f, "key");
        size_t i = 0;
        while (i < count && !slice_eq(bindings[i].name, name))
            i++;
        count += i == count;
        bindings[i].name = name;
        bindings[i].is_bound = true;
        const struct proto_field *value = textproto_child(f, "value");
        value = value ? textproto_child(value, "value") : NULL;
        if (!value || !read_value(arena, value, &bindings[i].value))
            return false;
    }
    env->bindings = bindings;
    env->binding_count = count;
    env->is_expression = true;
    env->is_unchecked = slice_eq_str(textproto_scalar(test, "disable_check"), "true");
    env->container = textproto_scalar(test, "container");
    return true;
}

/* ── cases ── */

static void describe(const struct value *v, char *out, size_t out_size)
{
    struct buf buf;
    struct json_writer w;
    if (v->kind == VALUE_ERROR) {
        value_error_text(v, out, out_size);
        return;
    }
    buf_init(&buf, 4096);
    json_init(&w, &buf);
    json_value_write(&w, v);
    snprintf(out, out_size, "%s %.*s", value_kind_name(v), (int)(buf.len < 200 ? buf.len : 200),
             (const char *)buf.data);
    buf_done(&buf);
}

static bool judge(struct arena *arena, const struct proto_field *test, char *what, size_t what_size)
{
    struct filter_env env = {0};
    struct filter_diagnostic diagnostic;
    struct filter *filter = NULL;
    struct value expected = {.kind = VALUE_BOOL, .boolean = true};
    struct value v;
    char text[300];
    bool wants_error =
        textproto_child(test, "eval_error") || textproto_child(test, "any_eval_errors");
    const struct proto_field *value = textproto_child(test, "value");
    if (!read_env(arena, test, &env) || (value && !read_value(arena, value, &expected))) {
        snprintf(what, what_size, "it has a message");
        return false;
    }
    if (program_compile(textproto_scalar(test, "expr"), NULL, &env, &filter, &diagnostic) < 0) {
        snprintf(what, what_size, "not compiled: %s (at %zu)", diagnostic.text, diagnostic.offset);
        return wants_error;
    }
    struct filter_scratch *scratch = filter_scratch_new();
    program_run(filter, NULL, env.bindings, scratch, &v);
    describe(&v, text, sizeof text);
    bool ok = wants_error ? v.kind == VALUE_ERROR : same(&v, &expected);
    snprintf(what, what_size, "gave %s", text);
    filter_scratch_free(scratch);
    filter_free(filter);
    return ok;
}

static void judge_case(struct arena *arena, const char *id, const struct proto_field *test)
{
    char what[512];
    struct exceptions *e = &run.exceptions;
    bool ok = judge(arena, test, what, sizeof what);
    size_t i = 0;
    while (i < e->count && strcmp(e->lines[i].id, id) != 0)
        i++;
    run.cases++;
    if (i < e->count) {
        e->lines[i].used = true;
        e->lines[i].passed |= ok;
        run.excused++;
    } else if (ok) {
        run.passed++;
    } else {
        run.failed++;
        fprintf(stderr, "%s: %.*s\n    %s\n", id, SLICE_ARGS(textproto_scalar(test, "expr")), what);
    }
}

static void judge_file(const char *path, const char *name)
{
    struct arena arena;
    size_t line;
    arena_init(&arena, (size_t)1 << 30);
    struct slice text = read_file(&arena, path);
    assert_true(text.len > 0);
    const struct proto_field *root = textproto_parse(&arena, text, &line);
    if (!root)
        fail_msg("%s cannot be read at line %zu", path, line);
    for (const struct proto_field *s = root; s; s = s->next) {
        if (!slice_eq_str(s->name, "section"))
            continue;
        for (const struct proto_field *t = s->children; t; t = t->next) {
            char id[600];
            if (!slice_eq_str(t->name, "test"))
                continue;
            snprintf(id, sizeof id, "%s/%.*s/%.*s", name, SLICE_ARGS(textproto_scalar(s, "name")),
                     SLICE_ARGS(textproto_scalar(t, "name")));
            struct arena case_arena;
            arena_init(&case_arena, (size_t)1 << 24);
            judge_case(&case_arena, id, t);
            arena_done(&case_arena);
        }
    }
    arena_done(&arena);
}

static void test_all_cases(void **state)
{
    (void)state;
    const char *folder =
        getenv("TRAWL_CEL_CASES") ? getenv("TRAWL_CEL_CASES") : TRAWL_SHARED_DIR "/cel";
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    load_exceptions(&run.exceptions);
    for (int i = 0; i < count; i++) {
        char path[1024];
        char *dot = strstr(names[i]->d_name, ".textproto");
        if (dot) {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
            *dot = 0;
            judge_file(path, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
    printf("%zu cases: %zu passed, %zu outside the language, %zu failed\n", run.cases, run.passed,
           run.excused, run.failed);
    for (size_t i = 0; i < run.exceptions.count && !getenv("TRAWL_CEL_CASES"); i++) {
        if (!run.exceptions.lines[i].used)
            fail_msg("stale line: there is no case %s", run.exceptions.lines[i].id);
        if (run.exceptions.lines[i].passed)
            fail_msg("stale line: %s passes", run.exceptions.lines[i].id);
    }
    assert_int_equal(run.failed, 0);
    assert_true(run.cases > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_cases)};
    DIR *dir = opendir(TRAWL_SHARED_DIR "/cel");
    if (!dir) {
        fprintf(stderr, "the conformance cases are not in %s/cel: skipped\n", TRAWL_SHARED_DIR);
        return 77;
    }
    closedir(dir);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
