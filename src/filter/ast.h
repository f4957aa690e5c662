/* The tree of a compiled filter, for those who walk it: warnings, chips, push-down to the store.
 * Read-only, borrowed from the filter. Thread: any. */
#ifndef TRAWL_FILTER_AST_H
#define TRAWL_FILTER_AST_H

#include "filter/types.h"
#include "filter/value.h"

enum node_kind {
    NODE_LITERAL, /* value */
    NODE_FIELD,   /* a variable of the field table */
    NODE_LOCAL,   /* a variable of a macro: slot */
    NODE_BINDING, /* a variable given to filter_eval_expression: slot */
    NODE_UNKNOWN, /* a name nothing answers to (only unchecked expressions have it) */
    NODE_AND,     /* args[0 … n): flattened, n ≥ 2 */
    NODE_OR,      /* the same */
    NODE_NOT,     /* args[0] */
    NODE_TERNARY, /* args[0] ? args[1] : args[2] */
    NODE_COMPARE, /* args[0] op args[1] */
    NODE_IN,      /* args[0] in args[1] */
    NODE_SELECT,  /* args[0].name; optional: args[0].?name */
    NODE_HAS, /* has(args[0].name), or has(field) when args[0] is a NODE_FIELD and name is empty */
    NODE_INDEX, /* args[0][args[1]]; optional: args[0][?args[1]] */
    NODE_CALL,  /* name(args …), args[0].name(args[1] …) when member; operators too ("_+_") */
    NODE_LIST,  /* args; optional_args marks those that begin with ? */
    NODE_MAP,   /* args: key, value, key, value …; optional_args by entry */
    NODE_MACRO  /* macro over args[0] with slot (and slot2): see enum macro_kind */
};

enum compare_op {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE
};

/* args[0] is the range; P = args[1], T = args[2]. */
enum macro_kind {
    MACRO_ALL,             /* all(x, P), all(i, x, P) */
    MACRO_EXISTS,          /* exists(x, P), exists(i, x, P) */
    MACRO_EXISTS_ONE,      /* exists_one, existsOne */
    MACRO_FILTER,          /* filter(x, P) */
    MACRO_MAP,             /* map(x, P); map(x, P, T): T of those with P */
    MACRO_TRANSFORM_LIST,  /* transformList(i, x, P); with T: T of those with P */
    MACRO_TRANSFORM_MAP,   /* transformMap(k, v, P); with T */
    MACRO_TRANSFORM_ENTRY, /* transformMapEntry(k, v, P); with T */
    MACRO_OPT_MAP,         /* o.optMap(x, P) */
    MACRO_OPT_FLAT_MAP,    /* o.optFlatMap(x, P) */
    MACRO_BIND             /* cel.bind(x, args[0], P) */
};

struct filter_eval;
struct filter_node;
struct function_overload;

/* Stores the node's value through ret. */
typedef void (*filter_eval_fn)(struct filter_eval *eval, const struct filter_node *node,
                               struct value *ret);

struct filter_node {
    filter_eval_fn eval; /* chosen by the planner */
    uint8_t kind;        /* enum node_kind */
    uint8_t op;          /* enum compare_op, enum macro_kind */
    bool is_member;      /* CALL written as args[0].name(…) */
    bool is_constant;    /* computed when it was compiled: value holds it, whatever the kind */
    bool is_optional;    /* SELECT, INDEX */
    field_id field;      /* FIELD, else FIELD_NONE */
    uint16_t slot, slot2;
    uint16_t arg_count;
    uint16_t depth;      /* of the tree below, 1 for a leaf */
    uint32_t offset;     /* of the token that the node's errors speak of */
    uint32_t begin, end; /* the whole node in the text, brackets around it left out */
    uint16_t weight;     /* nodes of the whole subtree */
    struct slice name;   /* SELECT, HAS, CALL; names of variables as they were written */
    struct slice name2;  /* MACRO: the second variable; name is the first */
    struct filter_node **args;
    const bool *optional_args; /* LIST, MAP; NULL when none is */
    const struct filter_type *type;
    struct value value; /* is_constant */
    const void *plan;   /* the planner's own: overload, compiled pattern … */
};

#endif
