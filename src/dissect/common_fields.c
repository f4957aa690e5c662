#include "dissect/common_fields.h"

#include "dissect/conn_fields.h"

#define ROW(id, variable, field_type, field_flag, zero, text, clause) \
    {.name = (variable),                                              \
     .type = (field_type),                                            \
     .flags = (field_flag),                                           \
     .absent = (zero),                                                \
     .doc = (text),                                                   \
     .example = (clause)},
#define FLAG_ROW(variable, text, ...) \
    {.name = (variable),              \
     .type = FIELD_BOOL,              \
     .flags = FIELD_DERIVED,          \
     .doc = (text),                   \
     .example = (variable)},
#define FLAG_NAMES(variable, text, ...) {.protocols = {__VA_ARGS__}},

static const struct field_def rows[] = {COMMON_FIELDS(ROW) CONN_FIELDS(ROW)
                                            PROTOCOL_FLAGS(FLAG_ROW)};
static const struct protocol_flag flags[] = {PROTOCOL_FLAGS(FLAG_NAMES)};

_Static_assert(sizeof rows / sizeof rows[0] == PROTOCOL_FLAGS_END, "a row for every id");

const struct field_def *engine_field_at(field_id id)
{
    return &rows[id];
}

const struct protocol_flag *protocol_flag_at(size_t index)
{
    return &flags[index];
}
