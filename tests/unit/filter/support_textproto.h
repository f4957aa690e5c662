/* Reads protobuf text format (the conformance cases) into a tree. Everything lives in the arena. */
#ifndef TRAWL_TESTS_FILTER_TEXTPROTO_H
#define TRAWL_TESTS_FILTER_TEXTPROTO_H

#include "base/arena.h"

struct proto_field {
    struct slice name;
    struct slice scalar; /* unescaped when it was quoted */
    struct proto_field *children;
    struct proto_field *next;
    bool is_message;
};

/* NULL (and *ret_line) when the text cannot be read. */
struct proto_field *textproto_parse(struct arena *arena, struct slice text, size_t *ret_line);
/* The first child of that name, or NULL. */
const struct proto_field *textproto_child(const struct proto_field *field, const char *name);
struct slice textproto_scalar(const struct proto_field *field, const char *name);

#endif
