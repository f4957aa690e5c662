/* Expressions on their own: bindings from JSON, the result to JSON. */
#include <errno.h>
#include <stdio.h>

#include "filter/json_value.h"
#include "filter/program.h"

static int write_error(struct json_writer *out, const char *text, size_t offset)
{
    json_begin_object(out);
    json_member_str(out, "error", text);
    json_member_uint(out, "offset", offset);
    json_end_object(out);
    return -EINVAL;
}

static int write_diagnostic(struct json_writer *out, const struct filter_diagnostic *d)
{
    char text[sizeof d->text + sizeof d->suggestion + 32];
    if (d->suggestion[0])
        snprintf(text, sizeof text, "%s; did you mean %s?", d->text, d->suggestion);
    else
        snprintf(text, sizeof text, "%s", d->text);
    return write_error(out, text, d->offset);
}

static int write_value(struct json_writer *out, const struct value *v)
{
    if (v->kind == VALUE_ERROR) {
        char text[256];
        value_error_text(v, text, sizeof text);
        return write_error(out, text, v->offset);
    }
    json_begin_object(out);
    json_member_str(out, "type", value_output_name(v));
    json_key(out, "value");
    json_value_write(out, v);
    json_end_object(out);
    return 0;
}

static int read_bindings(struct slice json, struct arena *arena, struct filter_env *env,
                         struct json_writer *out)
{
    struct value v;
    struct slice about;
    if (json.len == 0)
        return 0;
    if (json_value_read(json, arena, &v, &about) < 0 || v.kind != VALUE_MAP)
        return write_error(out, "the bindings are not a JSON object", 0);
    if (v.map->count > FILTER_MAX_BINDINGS)
        return write_error(out, "there are too many bindings", 0);
    struct filter_binding *bindings = arena_calloc(arena, v.map->count + 1ul, sizeof *bindings);
    if (!bindings)
        return -ENOMEM;
    for (uint32_t i = 0; i < v.map->count; i++) {
        struct value key;
        value_map_at(v.map, i, &key, &bindings[i].value);
        bindings[i].name = key.text;
        bindings[i].is_bound = true;
    }
    env->bindings = bindings;
    env->binding_count = v.map->count;
    return 0;
}

/* CEL allows to run what the type check refuses (true ? 1 : "a"): when that has a value, it counts;
 * when it has none, what the check said is the better sentence. */
static int evaluate(struct slice text, struct filter_env *env, struct filter_scratch *scratch,
                    struct json_writer *out)
{
    struct filter_diagnostic diagnostic;
    struct filter_diagnostic ignored;
    struct filter *filter = NULL;
    struct value v;
    int result = program_compile(text, NULL, env, &filter, &diagnostic);
    bool refused = result == -EINVAL;
    if (refused) {
        env->is_unchecked = true;
        result = program_compile(text, NULL, env, &filter, &ignored);
    }
    if (result == -ENOMEM)
        return result;
    if (result < 0)
        return write_diagnostic(out, &diagnostic);
    program_run(filter, NULL, env->bindings, scratch, &v);
    if (refused && v.kind == VALUE_ERROR)
        result = write_diagnostic(out, &diagnostic);
    else
        result = write_value(out, &v);
    filter_free(filter);
    return result;
}

int filter_eval_expression(struct slice text, struct slice bindings_json, struct json_writer *out)
{
    struct filter_env env = {.is_expression = true};
    struct filter_scratch *scratch = filter_scratch_new();
    struct arena arena;
    arena_init(&arena, FILTER_SCRATCH_CAP_BYTES);
    int result = scratch ? read_bindings(bindings_json, &arena, &env, out) : -ENOMEM;
    if (result == 0)
        result = evaluate(text, &env, scratch, out);
    arena_done(&arena);
    filter_scratch_free(scratch);
    return result;
}
