#include "dissect/proto/sql_result.h"

#include <stdio.h>

#include "base/text.h"
#include "dissect/dissector.h"

enum {
    NOTES_BYTES = 16 * 1024, /* room for what is said behind rows that were left out */
    KEEP_BYTES = DISSECT_BODY_CAP - 8
};

static void put(struct sql_result *r, struct arena *arena, struct slice s)
{
    gather_add(&r->text, arena, s, r->is_note ? KEEP_BYTES : KEEP_BYTES - NOTES_BYTES);
}

static void put_escaped(struct sql_result *r, struct arena *arena, struct slice s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        put(r, arena, slice_of(s.data + from, i - from));
        from = i + 1;
        char text[8];
        int n = c == '"' || c == '\\' ? snprintf(text, sizeof text, "\\%c", c)
                : c == '\n'           ? snprintf(text, sizeof text, "\\n")
                                      : snprintf(text, sizeof text, "\\u%04x", c);
        put(r, arena, slice_of(text, (size_t)n));
    }
    if (s.len > from)
        put(r, arena, slice_of(s.data + from, s.len - from));
}

/* What is no text is shown in hexadecimal digits. */
static void put_string(struct sql_result *r, struct arena *arena, struct slice s)
{
    put(r, arena, SLICE_LITERAL("\""));
    if (text_is_utf8(s)) {
        put_escaped(r, arena, s);
    } else {
        put(r, arena, SLICE_LITERAL("\\\\x"));
        for (size_t i = 0; i < s.len && !r->text.cut; i += 64) {
            char hex[129];
            struct slice part = slice_sub(s, i, 64);
            text_hex(part.data, part.len, hex);
            put(r, arena, slice_of(hex, 2 * part.len));
        }
    }
    put(r, arena, SLICE_LITERAL("\""));
}

static void begin_item(struct sql_result *r, struct arena *arena, bool named)
{
    r->row_at = r->text.len;
    put(r, arena, r->has_items ? SLICE_LITERAL(",\n") : SLICE_LITERAL("["));
    put(r, arena, named ? SLICE_LITERAL("{") : SLICE_LITERAL("["));
    r->is_object = named;
    r->has_cells = false;
}

void sql_result_begin_row(struct sql_result *r, struct arena *arena, bool named)
{
    if (!r->cut)
        begin_item(r, arena, named);
}

void sql_result_cell(struct sql_result *r, struct arena *arena, struct slice name,
                     struct slice value, bool is_null)
{
    if (r->cut && !r->is_note)
        return;
    if (r->has_cells)
        put(r, arena, SLICE_LITERAL(","));
    r->has_cells = true;
    if (r->is_object) {
        put_string(r, arena, name);
        put(r, arena, SLICE_LITERAL(":"));
    }
    if (is_null)
        put(r, arena, SLICE_LITERAL("null"));
    else
        put_string(r, arena, value);
}

void sql_result_end_row(struct sql_result *r, struct arena *arena)
{
    if (r->cut && !r->is_note)
        return;
    put(r, arena, r->is_object ? SLICE_LITERAL("}") : SLICE_LITERAL("]"));
    if (r->text.cut) {
        r->text.len = r->row_at;
        r->text.cut = false;
        r->cut = true;
        return;
    }
    r->has_items = true;
}

void sql_result_note(struct sql_result *r, struct arena *arena, const char *key, struct slice text)
{
    r->is_note = true;
    begin_item(r, arena, true);
    sql_result_cell(r, arena, slice_str(key), text, false);
    sql_result_end_row(r, arena);
    r->is_note = false;
}

struct slice sql_result_text(struct sql_result *r, struct arena *arena)
{
    if (!r->has_items)
        return SLICE_NONE;
    gather_add(&r->text, arena, SLICE_LITERAL("]"), DISSECT_BODY_CAP);
    return gather_slice(&r->text);
}
