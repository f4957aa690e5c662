/* Shapes of what goes in and out, written once, in one line each:
 *   "name: text; from?: time; nodes?: text[]; drops: Drops; state: done|failed; counts: {int}"
 * A member is `name[?]: type[~]`; ? = may be absent, ~ = may be null. Types: text, document (a text
 * of lines, as long as its route allows), int, number, bool, time, any, the name of another schema,
 * a|b|c = one of these texts; T[] and {T} of a simple type or schema. From them come the checks of
 * request bodies and the OpenAPI document. Constant data; thread: any. */
#ifndef TRAWL_API_SCHEMA_H
#define TRAWL_API_SCHEMA_H

#include <jansson.h>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/slice.h"

struct schema {
    const char *name;
    const char *members;
};

extern const struct schema schemas[]; /* ends with a row without name */

const struct schema *schema_find(const char *name);

struct schema_member {
    struct slice name, type; /* type without ~ */
    bool optional, nullable;
};
/* Walks: *rest starts as the members text; false at the end. */
bool schema_next(struct slice *rest, struct schema_member *ret_member);

/* Every member known and of its type, none missing, texts without control characters (newline and
 * tab are allowed in `note`) and of at most 64 KiB. -EINVAL with a sentence. */
int schema_check(const struct schema *schema, const json_t *object, struct error *reterr);
/* The JSON Schema (2020-12) of one, for OpenAPI. */
void schema_write(const struct schema *schema, struct json_writer *w);
void schema_write_type(struct slice type, bool nullable, struct json_writer *w);

#endif
