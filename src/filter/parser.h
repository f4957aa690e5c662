/* Between parser.c (grammar) and parser_nodes.c (nodes, macros). Thread: owner. */
#ifndef TRAWL_FILTER_PARSER_H
#define TRAWL_FILTER_PARSER_H

#include "filter/compile.h"
#include "filter/lexer.h"

struct parser {
    struct filter_compiler *c;
    struct lexer lexer;
    struct token token; /* the one to be looked at */
    struct token next;  /* the one after it */
    uint32_t prev_end;
    unsigned depth;
};

struct node_list {
    struct filter_node **items;
    bool *optional;
    uint32_t count, room;
    bool has_optional;
};

/* All give NULL or false once something failed, and take NULL for a node that could not be made. */
struct filter_node *parser_node(struct parser *p, enum node_kind kind, uint32_t begin,
                                uint32_t offset);
/* Gives the node its parts; checks the depth. */
struct filter_node *parser_set_args(struct parser *p, struct filter_node *node,
                                    const struct node_list *list);
bool parser_push(struct parser *p, struct node_list *list, struct filter_node *node, bool optional);
/* A node of one or two (second may be NULL) parts. */
struct filter_node *parser_node_with(struct parser *p, enum node_kind kind, uint32_t offset,
                                     struct filter_node *first, struct filter_node *second);
/* The same for a chain of operators that goes on (a + b, now + c): its first part adds no level. */
struct filter_node *parser_chain(struct parser *p, enum node_kind kind, uint32_t offset,
                                 struct filter_node *chain, struct filter_node *term);
struct filter_node *parser_literal(struct parser *p, uint32_t begin, struct value value);
/* A call, or the macro or has() that is written like one. */
struct filter_node *parser_call(struct parser *p, struct filter_node *target, struct slice name,
                                const struct node_list *args, uint32_t offset);

#endif
