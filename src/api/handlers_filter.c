/* Display filters: whether one is valid, and what can be said in them. Filters come from people,
 * not from the wire; compiling one is bounded (filter.h). */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "dissect/field.h"
#include "filter/filter.h"
#include "filter/functions.h"

static void write_warnings(struct json_writer *w, const struct filter *filter)
{
    size_t count = 0;
    const struct filter_warning *warnings = filter ? filter_warnings(filter, &count) : NULL;
    json_key(w, "warnings");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        json_member_str(w, "text", warnings[i].text);
        json_member_str(w, "clause", warnings[i].guarded);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_clauses(struct json_writer *w, const struct filter *filter)
{
    size_t count = 0;
    const struct filter_clause *clauses = filter ? filter_clauses(filter, &count) : NULL;
    json_key(w, "clauses");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_text(w, clauses[i].text);
    json_end_array(w);
}

void handle_filter_check(struct api_call *call)
{
    json_t *body = call_read_object(call);
    if (!body)
        return;
    struct filter *filter = NULL;
    struct filter_diagnostic d = {0};
    const char *text = json_string_value(json_object_get(body, "filter"));
    bool ok = filter_compile(slice_str(text), NULL, &filter, &d) == 0;
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    json_member_bool(&w, "ok", ok);
    if (!ok) {
        json_member_str(&w, "error", d.text);
        json_member_uint(&w, "offset", d.offset);
        json_member_str(&w, "token", d.token);
        if (d.suggestion[0])
            json_member_str(&w, "suggestion", d.suggestion);
    }
    write_warnings(&w, filter);
    write_clauses(&w, filter);
    json_end_object(&w);
    filter_free(filter);
    json_decref(body);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

/* ── the table of variables and functions ── */

static const char *type_name(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
        return "bool";
    case FIELD_INT:
        return "int";
    case FIELD_TEXT:
        return "string";
    case FIELD_LIST:
        return "list(string)";
    case FIELD_MAP:
        return "map(string, string)";
    case FIELD_TIME:
        return "timestamp";
    case FIELD_DURATION:
        return "duration";
    case FIELD_INT_LIST:
        return "list(int)";
    }
    return "dyn";
}

static void write_fields(struct json_writer *w)
{
    json_key(w, "fields");
    json_begin_array(w);
    for (size_t i = 0; i < field_count(); i++) {
        const struct field_def *f = field_at((field_id)i);
        json_begin_object(w);
        json_member_str(w, "name", f->name);
        json_member_str(w, "type", type_name(f->type));
        json_member_str(w, "protocol", field_protocol((field_id)i));
        json_member_str(w, "doc", f->doc ? f->doc : "");
        json_member_str(w, "example", f->example ? f->example : "");
        json_end_object(w);
    }
    json_end_array(w);
}

/* One type of a signature (functions.h) for people; returns what follows. */
static const char *render_type(const char *s, struct buf *out)
{
    static const struct {
        char letter;
        const char *name;
    } simple[] = {{'b', "bool"},     {'i', "int"},    {'u', "uint"},     {'d', "double"},
                  {'s', "string"},   {'y', "bytes"},  {'n', "null"},     {'t', "timestamp"},
                  {'r', "duration"}, {'p', "net.IP"}, {'c', "net.CIDR"}, {'*', "dyn"},
                  {'A', "A"},        {'B', "B"}};
    char letter = *s;
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
        if (simple[i].letter == letter) {
            buf_append_str(out, simple[i].name);
            return s + 1;
        }
    const char *open = letter == 'T'   ? "type("
                       : letter == 'L' ? "list("
                       : letter == 'O' ? "optional("
                       : letter == 'M' ? "map("
                                       : NULL;
    if (!open)
        return s + (letter != 0);
    buf_append_str(out, open);
    s = render_type(s + 1, out); // NOLINT(misc-no-recursion): signatures are our own
    if (letter == 'M') {
        buf_append_str(out, ", ");
        s = render_type(s, out); // NOLINT(misc-no-recursion)
    }
    buf_append_str(out, ")");
    return s;
}

/* "string.contains(string) → bool" */
static void render_signature(const struct function_overload *o, struct buf *out)
{
    const char *s = o->signature;
    bool member = *s == '.', first = true;
    if (member) {
        s = render_type(s + 1, out);
        buf_append_str(out, ".");
    }
    buf_printf(out, "%s(", o->name);
    while (*s && *s != ':') {
        buf_append_str(out, first ? "" : ", ");
        s = render_type(s, out);
        first = false;
    }
    buf_append_str(out, ") → ");
    if (*s == ':')
        render_type(s + 1, out);
}

static void write_functions(struct json_writer *w)
{
    size_t count;
    const struct function_overload *table = function_table(&count);
    struct buf doc;
    buf_init(&doc, 16 * 1024);
    json_key(w, "functions");
    json_begin_array(w);
    for (size_t i = 0; i < count;) {
        const char *name = table[i].name;
        buf_reset(&doc);
        for (; i < count && strcmp(table[i].name, name) == 0; i++) {
            buf_append_str(&doc, doc.len ? "; " : "");
            render_signature(&table[i], &doc);
        }
        if (strchr(name, '_') == name || strchr(name, '-') == name)
            continue; /* operators */
        json_begin_object(w);
        json_member_str(w, "name", name);
        json_member_string(w, "doc", buf_slice(&doc));
        json_member_str(w, "example", "");
        json_end_object(w);
    }
    json_end_array(w);
    buf_done(&doc);
}

void handle_filter_fields(struct api_call *call)
{
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    write_fields(&w);
    write_functions(&w);
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}
