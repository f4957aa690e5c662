#include "dissect/proto/sql_statements.h"

#include "base/hash.h"

enum {
    SMALLEST_BLOCK = 32
};

static unsigned class_of(size_t len)
{
    unsigned c = 0;
    while (((size_t)SMALLEST_BLOCK << c) < len)
        c++;
    return c;
}

static void release_block(struct sql_statements *all, struct slice block)
{
    if (!block.len)
        return;
    unsigned c = class_of(block.len);
    void *p = (void *)(uintptr_t)block.data;
    memcpy(p, &all->free_blocks[c], sizeof(void *));
    all->free_blocks[c] = p;
    all->bytes -= (size_t)SMALLEST_BLOCK << c;
}

static void *take_block(struct sql_statements *all, struct arena *arena, size_t len)
{
    unsigned c = class_of(len);
    size_t size = (size_t)SMALLEST_BLOCK << c;
    void *p = all->free_blocks[c];
    if (p)
        memcpy(&all->free_blocks[c], p, sizeof(void *));
    else
        p = arena_alloc(arena, size);
    if (p)
        all->bytes += size;
    return p;
}

static void forget(struct sql_statements *all, struct sql_statement *s)
{
    struct sql_statement **link = &all->buckets[s->hash % SQL_STATEMENT_BUCKETS];
    while (*link != s)
        link = &(*link)->next_in_bucket;
    *link = s->next_in_bucket;
    *(s->older ? &s->older->newer : &all->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &all->newest) = s->older;
    for (int i = 0; i < SQL_PARTS; i++)
        release_block(all, s->part[i]);
    *s = (struct sql_statement){.newer = all->free_records};
    all->free_records = s;
    all->count--;
}

struct sql_statement *sql_statement_find(const struct sql_statements *all, struct slice key)
{
    if (!all->buckets)
        return NULL;
    uint64_t hash = hash_bytes(hash_fixed_key, key.data, key.len);
    struct sql_statement *s = all->buckets[hash % SQL_STATEMENT_BUCKETS];
    while (s && !(s->hash == hash && slice_eq(s->part[SQL_KEY], key)))
        s = s->next_in_bucket;
    return s;
}

bool sql_statement_set(struct sql_statements *all, struct arena *arena,
                       struct sql_statement *statement, enum sql_part part, struct slice bytes)
{
    release_block(all, statement->part[part]);
    statement->part[part] = SLICE_NONE;
    bool cut = bytes.len > SQL_STATEMENT_TEXT_MAX;
    if (cut && part != SQL_TEXT)
        return false;
    if (cut)
        bytes.len = SQL_STATEMENT_TEXT_MAX;
    if (part == SQL_TEXT)
        statement->text_cut = cut;
    if (!bytes.len)
        return true;
    while (all->bytes + bytes.len > SQL_STATEMENTS_BYTES && all->oldest != statement)
        forget(all, all->oldest);
    uint8_t *block = take_block(all, arena, bytes.len);
    if (!block)
        return false;
    memcpy(block, bytes.data, bytes.len);
    statement->part[part] = slice_of(block, bytes.len);
    return true;
}

struct sql_statement *sql_statement_put(struct sql_statements *all, struct arena *arena,
                                        struct slice key)
{
    sql_statement_drop(all, key);
    if (key.len > SQL_STATEMENT_KEY_MAX)
        return NULL;
    if (!all->buckets)
        all->buckets = arena_calloc(arena, SQL_STATEMENT_BUCKETS, sizeof all->buckets[0]);
    if (!all->buckets)
        return NULL;
    if (all->count == SQL_STATEMENTS_MAX)
        forget(all, all->oldest);
    struct sql_statement *s = all->free_records;
    if (s)
        all->free_records = s->newer;
    else
        s = arena_alloc(arena, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct sql_statement){.older = all->newest};
    s->hash = hash_bytes(hash_fixed_key, key.data, key.len);
    struct sql_statement **bucket = &all->buckets[s->hash % SQL_STATEMENT_BUCKETS];
    s->next_in_bucket = *bucket;
    *bucket = s;
    *(all->newest ? &all->newest->newer : &all->oldest) = s;
    all->newest = s;
    all->count++;
    if (!sql_statement_set(all, arena, s, SQL_KEY, key)) {
        forget(all, s);
        return NULL;
    }
    return s;
}

void sql_statement_drop(struct sql_statements *all, struct slice key)
{
    struct sql_statement *s = sql_statement_find(all, key);
    if (s)
        forget(all, s);
}

void sql_statements_clear(struct sql_statements *all)
{
    while (all->oldest)
        forget(all, all->oldest);
}
