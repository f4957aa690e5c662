/* Recursive descent over the grammar of the language definition, nodes are made in parser_nodes.c.
 */
#include "filter/parser.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

static struct filter_node *parse_expression(struct parser *p);
static struct filter_node *parse_unary(struct parser *p);

/* ── tokens ── */

static void advance(struct parser *p)
{
    p->prev_end = p->token.end;
    p->token = p->next;
    if (p->token.kind == TOKEN_BAD)
        p->c->error = p->c->error ? p->c->error : -EINVAL;
    else if (p->token.kind != TOKEN_END && !p->c->error) {
        struct filter_diagnostic ahead = {0};
        p->lexer.diagnostic = &ahead;
        p->next = lexer_next(&p->lexer);
        /* What is wrong with the token after this one is told only when nothing before it is. */
        if (p->next.kind == TOKEN_BAD)
            *p->c->diagnostic = ahead;
    }
}

static const char *token_name(const struct token *token, char out[64])
{
    if (token->kind == TOKEN_END)
        snprintf(out, 64, "the end of the filter");
    else {
        char text[48];
        snprintf(out, 64, "\"%s\"", text_escape(token->text, text, sizeof text));
    }
    return out;
}

static struct filter_node *fail_token(struct parser *p, const char *expected)
{
    char name[64];
    struct token *token = &p->token;
    if (token->kind == TOKEN_STRING || token->kind == TOKEN_BYTES)
        token->text = slice_sub(p->c->text, token->begin, token->end - token->begin);
    if (token->kind != TOKEN_BAD)
        compile_fail(p->c, token->begin, token->end, "%s is expected here, not %s", expected,
                     token_name(token, name));
    return NULL;
}

static bool accept(struct parser *p, enum token_kind kind)
{
    if (p->c->error || p->token.kind != kind)
        return false;
    advance(p);
    return true;
}

static bool expect(struct parser *p, enum token_kind kind, const char *expected)
{
    if (accept(p, kind))
        return true;
    fail_token(p, expected);
    return false;
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_IDENT && slice_eq_str(token->text, word);
}

/* ── grammar ── */

static bool parse_arguments(struct parser *p, struct node_list *ret)
{
    if (accept(p, TOKEN_CLOSE))
        return true;
    do {
        if (!parser_push(p, ret, parse_expression(p), false))
            return false;
    } while (accept(p, TOKEN_COMMA));
    return expect(p, TOKEN_CLOSE, "\")\"");
}

static struct filter_node *parse_list(struct parser *p)
{
    uint32_t begin = p->token.begin;
    struct node_list list = {0};
    advance(p);
    while (!p->c->error && p->token.kind != TOKEN_CLOSE_BRACKET) {
        bool optional = accept(p, TOKEN_QUESTION);
        if (!parser_push(p, &list, parse_expression(p), optional))
            return NULL;
        if (!accept(p, TOKEN_COMMA))
            break;
    }
    if (!expect(p, TOKEN_CLOSE_BRACKET, "\"]\""))
        return NULL;
    return parser_set_args(p, parser_node(p, NODE_LIST, begin, begin), &list);
}

static struct filter_node *parse_map(struct parser *p)
{
    uint32_t begin = p->token.begin;
    struct node_list list = {0};
    advance(p);
    while (!p->c->error && p->token.kind != TOKEN_CLOSE_BRACE) {
        bool optional = accept(p, TOKEN_QUESTION);
        if (!parser_push(p, &list, parse_expression(p), optional) ||
            !expect(p, TOKEN_COLON, "\":\" after the key") ||
            !parser_push(p, &list, parse_expression(p), false))
            return NULL;
        if (!accept(p, TOKEN_COMMA))
            break;
    }
    if (!expect(p, TOKEN_CLOSE_BRACE, "\"}\""))
        return NULL;
    return parser_set_args(p, parser_node(p, NODE_MAP, begin, begin), &list);
}

/* A name, with a leading dot when it is looked for outside every container. */
static struct filter_node *parse_name(struct parser *p)
{
    uint32_t begin = p->token.begin;
    if (p->token.kind == TOKEN_DOT) {
        advance(p);
        if (p->token.kind != TOKEN_IDENT)
            return fail_token(p, "a name");
    }
    struct token name = p->token;
    if (lexer_is_reserved(name.text)) {
        compile_fail(p->c, name.begin, name.end, "this word is reserved and can be no variable");
        return NULL;
    }
    advance(p);
    struct slice text = slice_sub(p->c->text, begin, name.end - begin);
    if (begin + name.text.len != name.end) {
        struct slice plain = arena_printf(p->c->arena, ".%.*s", SLICE_ARGS(name.text));
        text = plain;
        if (!text.data)
            compile_no_memory(p->c);
    }
    if (accept(p, TOKEN_OPEN)) {
        struct node_list args = {0};
        if (!parse_arguments(p, &args))
            return NULL;
        return parser_call(p, NULL, text, &args, begin);
    }
    struct filter_node *node = parser_node(p, NODE_UNKNOWN, begin, begin);
    if (node)
        node->name = text;
    return node;
}

static struct filter_node *parse_number(struct parser *p, uint32_t begin, bool is_negative)
{
    struct token token = p->token;
    struct value value = {0};
    if (token.kind == TOKEN_DOUBLE) {
        value =
            (struct value){.kind = VALUE_DOUBLE, .real = is_negative ? -token.real : token.real};
    } else if (token.kind == TOKEN_UINT) {
        value = (struct value){.kind = VALUE_UINT, .uinteger = token.uinteger};
    } else {
        if (token.uinteger > (uint64_t)INT64_MAX + is_negative) {
            compile_fail(p->c, token.begin, token.end,
                         "the number does not fit into int (write u behind it for uint)");
            return NULL;
        }
        value =
            (struct value){.kind = VALUE_INT,
                           .integer = (int64_t)(is_negative ? 0 - token.uinteger : token.uinteger)};
    }
    advance(p);
    return parser_literal(p, begin, value);
}

static struct filter_node *parse_primary(struct parser *p)
{
    struct token token = p->token;
    struct filter_node *node = NULL;
    switch ((int)token.kind) {
    case TOKEN_OPEN:
        advance(p);
        node = parse_expression(p);
        return node && expect(p, TOKEN_CLOSE, "\")\"") ? node : NULL;
    case TOKEN_OPEN_BRACKET:
        return parse_list(p);
    case TOKEN_OPEN_BRACE:
        return parse_map(p);
    case TOKEN_INT:
    case TOKEN_UINT:
    case TOKEN_DOUBLE:
        return parse_number(p, token.begin, false);
    case TOKEN_STRING:
    case TOKEN_BYTES:
        advance(p);
        return parser_literal(
            p, token.begin,
            (struct value){.kind = token.kind == TOKEN_STRING ? VALUE_STRING : VALUE_BYTES,
                           .text = token.text});
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        advance(p);
        return parser_literal(
            p, token.begin,
            (struct value){.kind = VALUE_BOOL, .boolean = token.kind == TOKEN_TRUE});
    case TOKEN_NULL:
        advance(p);
        return parser_literal(p, token.begin, (struct value){.kind = VALUE_NULL});
    case TOKEN_IDENT:
    case TOKEN_DOT:
        return parse_name(p);
    default:
        return fail_token(p, "a value");
    }
}

static struct filter_node *parse_member(struct parser *p, struct filter_node *target)
{
    bool optional = accept(p, TOKEN_QUESTION);
    struct token name = p->token;
    bool is_name = name.kind == TOKEN_IDENT || name.kind == TOKEN_ESCAPED_IDENT;
    if (!is_name)
        return fail_token(p, "a name after the dot");
    advance(p);
    if (!optional && name.kind == TOKEN_IDENT && accept(p, TOKEN_OPEN)) {
        struct node_list args = {0};
        if (!parse_arguments(p, &args))
            return NULL;
        return parser_call(p, target, name.text, &args, name.begin);
    }
    struct filter_node *node = parser_node_with(p, NODE_SELECT, name.begin, target, NULL);
    if (!node)
        return NULL;
    node->name = name.text;
    node->is_optional = optional;
    return node;
}

static struct filter_node *parse_postfix(struct parser *p, struct filter_node *node)
{
    while (node && !p->c->error) {
        uint32_t offset = p->token.begin;
        if (accept(p, TOKEN_DOT)) {
            node = parse_member(p, node);
        } else if (accept(p, TOKEN_OPEN_BRACKET)) {
            bool optional = accept(p, TOKEN_QUESTION);
            struct filter_node *key = parse_expression(p);
            if (!key || !expect(p, TOKEN_CLOSE_BRACKET, "\"]\""))
                return NULL;
            node = parser_node_with(p, NODE_INDEX, offset, node, key);
            if (node)
                node->is_optional = optional;
        } else if (p->token.kind == TOKEN_OPEN_BRACE &&
                   (node->kind == NODE_UNKNOWN || node->kind == NODE_SELECT)) {
            compile_fail(p->c, node->begin, node->end, "messages are not part of this language");
            return NULL;
        } else {
            return node;
        }
    }
    return NULL;
}

/* `not` is an operator when something follows that can be negated. */
static bool at_not_word(const struct parser *p)
{
    if (!is_word(&p->token, "not"))
        return false;
    switch ((int)p->next.kind) {
    case TOKEN_IDENT:
        return !is_word(&p->next, "and") && !is_word(&p->next, "or");
    case TOKEN_OPEN:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_STRING:
    case TOKEN_INT:
    case TOKEN_NOT:
    case TOKEN_OPEN_BRACE:
        return true;
    default:
        return false;
    }
}

static struct filter_node *negate(struct parser *p, struct filter_node *operand, uint32_t begin,
                                  bool is_minus)
{
    struct filter_node *node =
        parser_node_with(p, is_minus ? NODE_CALL : NODE_NOT, begin, operand, NULL);
    if (!node)
        return NULL;
    node->begin = begin;
    if (is_minus)
        node->name = SLICE_LITERAL("-_");
    return node;
}

static struct filter_node *parse_unary(struct parser *p)
{
    uint32_t offsets[FILTER_MAX_DEPTH];
    bool minus[FILTER_MAX_DEPTH];
    size_t count = 0;
    struct filter_node *node = NULL;
    while (p->token.kind == TOKEN_NOT || p->token.kind == TOKEN_MINUS || at_not_word(p)) {
        bool is_minus = p->token.kind == TOKEN_MINUS;
        uint32_t begin = p->token.begin;
        advance(p);
        if (is_minus && (p->token.kind == TOKEN_INT || p->token.kind == TOKEN_DOUBLE)) {
            node = parse_number(p, begin, true);
            break;
        }
        if (count == FILTER_MAX_DEPTH) {
            compile_fail(p->c, begin, p->prev_end,
                         "the filter is nested too deeply: more than %d levels", FILTER_MAX_DEPTH);
            return NULL;
        }
        offsets[count] = begin;
        minus[count++] = is_minus;
    }
    if (!node && !p->c->error)
        node = parse_primary(p);
    node = parse_postfix(p, node);
    while (node && count--)
        node = negate(p, node, offsets[count], minus[count]);
    return node;
}

struct binary_op {
    enum token_kind token;
    unsigned level; /* higher binds closer */
    enum node_kind kind;
    uint8_t op;
    const char *name;
};

static const struct binary_op binary_ops[] = {
    {TOKEN_EQ, 1, NODE_COMPARE, COMPARE_EQ, NULL},
    {TOKEN_NE, 1, NODE_COMPARE, COMPARE_NE, NULL},
    {TOKEN_LT, 1, NODE_COMPARE, COMPARE_LT, NULL},
    {TOKEN_LE, 1, NODE_COMPARE, COMPARE_LE, NULL},
    {TOKEN_GT, 1, NODE_COMPARE, COMPARE_GT, NULL},
    {TOKEN_GE, 1, NODE_COMPARE, COMPARE_GE, NULL},
    {TOKEN_IN, 1, NODE_IN, 0, NULL},
    {TOKEN_PLUS, 2, NODE_CALL, 0, "_+_"},
    {TOKEN_MINUS, 2, NODE_CALL, 0, "_-_"},
    {TOKEN_STAR, 3, NODE_CALL, 0, "_*_"},
    {TOKEN_SLASH, 3, NODE_CALL, 0, "_/_"},
    {TOKEN_PERCENT, 3, NODE_CALL, 0, "_%_"},
};

static const struct binary_op *find_binary(enum token_kind kind)
{
    for (size_t i = 0; i < sizeof binary_ops / sizeof *binary_ops; i++)
        if (binary_ops[i].token == kind)
            return &binary_ops[i];
    return NULL;
}

static struct filter_node *parse_binary(struct parser *p, unsigned level)
{
    uint32_t begin = p->token.begin;
    struct filter_node *left = parse_unary(p);
    const struct binary_op *op;
    unsigned chain_level = 0;
    while (left && !p->c->error && (op = find_binary(p->token.kind)) && op->level >= level) {
        uint32_t offset = p->token.begin;
        advance(p);
        struct filter_node *right = parse_binary(p, op->level + 1);
        if (!right)
            return NULL;
        left = op->level == chain_level ? parser_chain(p, op->kind, offset, left, right)
                                        : parser_node_with(p, op->kind, offset, left, right);
        if (!left)
            return NULL;
        chain_level = op->level;
        left->begin = begin;
        left->op = op->op;
        if (op->name)
            left->name = slice_str(op->name);
    }
    return left;
}

/* a && b && c is one node; brackets within make no difference to what it means. */
static struct filter_node *parse_logic(struct parser *p, enum node_kind kind)
{
    enum token_kind mark = kind == NODE_AND ? TOKEN_AND : TOKEN_OR;
    const char *word = kind == NODE_AND ? "and" : "or";
    uint32_t begin = p->token.begin;
    uint32_t offset = begin;
    struct node_list list = {0};
    struct filter_node *first = NULL;
    for (;;) {
        struct filter_node *node = kind == NODE_OR ? parse_logic(p, NODE_AND) : parse_binary(p, 1);
        if (!node)
            return NULL;
        first = first ? first : node;
        bool splice = node->kind == kind;
        for (uint32_t i = 0; i < (splice ? node->arg_count : 1u); i++)
            if (!parser_push(p, &list, splice ? node->args[i] : node, false))
                return NULL;
        if (p->token.kind != mark && !is_word(&p->token, word))
            break;
        offset = offset == begin ? p->token.begin : offset;
        advance(p);
    }
    if (offset == begin)
        return first;
    return parser_set_args(p, parser_node(p, kind, begin, offset), &list);
}

static struct filter_node *parse_ternary(struct parser *p)
{
    uint32_t begin = p->token.begin;
    struct filter_node *condition = parse_logic(p, NODE_OR);
    uint32_t offset = p->token.begin;
    if (!condition || !accept(p, TOKEN_QUESTION))
        return condition;
    struct node_list list = {0};
    if (!parser_push(p, &list, condition, false) ||
        !parser_push(p, &list, parse_logic(p, NODE_OR), false) ||
        !expect(p, TOKEN_COLON, "\":\"") || !parser_push(p, &list, parse_expression(p), false))
        return NULL;
    return parser_set_args(p, parser_node(p, NODE_TERNARY, begin, offset), &list);
}

static struct filter_node *parse_expression(struct parser *p)
{
    if (p->c->error)
        return NULL;
    if (++p->depth > FILTER_MAX_DEPTH) {
        compile_fail(p->c, p->token.begin, p->token.end,
                     "the filter is nested too deeply: more than %d levels", FILTER_MAX_DEPTH);
        return NULL;
    }
    struct filter_node *node = parse_ternary(p);
    p->depth--;
    return node;
}

static int check_text(struct filter_compiler *c)
{
    if (text_is_utf8(c->text))
        return 0;
    size_t at = 0;
    for (size_t begin = 0; at < c->text.len; begin = at) {
        uint32_t cp = text_next_code_point(c->text, &at);
        if (cp == 0xfffd && !text_is_utf8(slice_sub(c->text, begin, at - begin)))
            return compile_fail(c, begin, at, "the filter is not valid UTF-8");
    }
    return compile_fail(c, 0, 0, "the filter is not valid UTF-8");
}

int compile_parse(struct filter_compiler *c, struct filter_node **ret_root)
{
    *ret_root = NULL;
    if (check_text(c) < 0)
        return c->error;
    struct parser p = {
        .c = c,
        .lexer = {.text = c->text, .arena = c->arena, .diagnostic = c->diagnostic},
    };
    p.next = lexer_next(&p.lexer);
    advance(&p);
    p.prev_end = 0;
    if (!c->error && p.token.kind == TOKEN_END && !c->env->is_expression)
        return 0;
    struct filter_node *root = parse_expression(&p);
    if (root && !c->error && p.token.kind != TOKEN_END)
        fail_token(&p, "an operator or the end of the filter");
    if (!root && !c->error)
        fail_token(&p, "a value");
    if (c->error)
        return c->error;
    *ret_root = root;
    return 0;
}
