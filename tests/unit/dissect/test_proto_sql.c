/* What the SQL dissectors share: templates, verbs, remembered statements, results as JSON. */
#include <stdio.h>

#include "dissect/proto/sql_result.h"
#include "dissect/proto/sql_statements.h"
#include "dissect/proto/sql_template.h"
#include "unit/unit_test.h"

static void templates(void **state)
{
    (void)state;
    static const struct {
        enum sql_dialect dialect;
        const char *text, *expected;
    } cases[] = {
        {SQL_POSTGRESQL, "SELECT * FROM t WHERE id = 42", "SELECT * FROM t WHERE id = ?"},
        {SQL_POSTGRESQL, "select  a\n\tfrom t -- why\nwhere x='it''s'  ;",
         "select a from t where x=?"},
        {SQL_POSTGRESQL, "SELECT /* c */ \"Q 1\" FROM t1 WHERE a=-1.5e-3 AND b - 2 > c",
         "SELECT \"Q 1\" FROM t1 WHERE a=? AND b - ? > c"},
        {SQL_POSTGRESQL, "SELECT * FROM t WHERE id IN (1, 2,3) AND f(1,2)",
         "SELECT * FROM t WHERE id IN (?) AND f(?,?)"},
        {SQL_POSTGRESQL, "SELECT $1, $tag$ a $$ b $tag$, E'a\\'b', x'ff', $$c$$",
         "SELECT ?, ?, ?, ?, ?"},
        {SQL_POSTGRESQL, "INSERT INTO t (a, b) VALUES (1, 'x'), (2, (3)), ($3, $4) RETURNING id",
         "INSERT INTO t (a, b) VALUES (?, ?) RETURNING id"},
        {SQL_POSTGRESQL, "SELECT 'backslash\\' FROM t", "SELECT ? FROM t"},
        {SQL_MYSQL, "SELECT \"a\\\"b\", `n 1`, 'c' # end\n, 0xFF", "SELECT ?, `n 1`, ?, ?"},
        {SQL_MYSQL, "INSERT INTO t VALUES (1,2),(3,4)", "INSERT INTO t VALUES (?,?)"},
        {SQL_CQL, "SELECT a FROM t WHERE id = 5b6962dd-3f90-4c93-8f61-eabfa4a803e2",
         "SELECT a FROM t WHERE id = ?"},
        {SQL_CQL, "SELECT \"K\" FROM t // tail\nWHERE b = 0xCAFE",
         "SELECT \"K\" FROM t WHERE b = ?"},
        {SQL_POSTGRESQL, "SELECT 'open", "SELECT ?"},
        {SQL_POSTGRESQL, "/* only", ""},
        {SQL_POSTGRESQL, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        arena_init(&arena, 64 * 1024);
        struct slice t = sql_template(&arena, slice_str(cases[i].text), cases[i].dialect);
        struct slice text = arena_dup(&arena, t);
        assert_string_equal(t.len ? (const char *)text.data : "", cases[i].expected);
        arena_done(&arena);
    }
}

/* Nothing that is written makes the template longer than the text, or beyond its cap. */
static void hostile_templates(void **state)
{
    (void)state;
    static const char alphabet[] = "('\"$a1,?) -/*\\;.eVALUES IN(\n";
    uint64_t random = 7;
    char text[9000];
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)(round % 200) * 45;
        for (size_t i = 0; i < len; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            text[i] = alphabet[(random >> 40) % (sizeof alphabet - 1)];
        }
        struct arena arena;
        arena_init(&arena, 64 * 1024);
        struct slice t = sql_template(&arena, slice_of(text, len), (enum sql_dialect)(round % 3));
        assert_true(t.len <= len && t.len <= (size_t)SQL_TEMPLATE_MAX);
        arena_done(&arena);
    }
}

static void verbs_and_secrets(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    struct slice verb = sql_verb(&arena, slice_str(" -- x\n ((select 1))"), SQL_POSTGRESQL);
    assert_true(slice_eq_str(verb, "SELECT"));
    assert_true(sql_verb(&arena, slice_str("42"), SQL_POSTGRESQL).len == 0);
    assert_true(sql_has_secret(slice_str("ALTER ROLE a PassWord 'x'")));
    assert_true(sql_has_secret(slice_str("CREATE USER a IDENTIFIED BY 'x'")));
    assert_false(sql_has_secret(slice_str("SELECT passwor")));
    assert_true(sql_looks_like_statement(slice_str("/* hint */ select 1")));
    assert_false(sql_looks_like_statement(slice_str("GET / HTTP/1.1")));
    arena_done(&arena);
}

static void statements_are_replaced_and_forgotten(void **state)
{
    (void)state;
    struct arena arena;
    struct sql_statements all = {0};
    arena_init(&arena, 4 * 1024 * 1024);
    char key[16], text[64];
    for (int i = 0; i < 3 * SQL_STATEMENTS_MAX; i++) {
        int n = snprintf(key, sizeof key, "S_%d", i),
            m = snprintf(text, sizeof text, "SELECT %d", i);
        struct sql_statement *s = sql_statement_put(&all, &arena, slice_of(key, (size_t)n));
        assert_non_null(s);
        assert_true(sql_statement_set(&all, &arena, s, SQL_TEXT, slice_of(text, (size_t)m)));
    }
    assert_int_equal(all.count, SQL_STATEMENTS_MAX);
    assert_null(sql_statement_find(&all, slice_str("S_0")));
    struct sql_statement *last = sql_statement_find(&all, slice_str("S_3071"));
    assert_true(last && slice_eq_str(last->part[SQL_TEXT], "SELECT 3071"));
    sql_statement_drop(&all, slice_str("S_3071"));
    assert_null(sql_statement_find(&all, slice_str("S_3071")));
    /* Texts of 16 KiB under changing names: memory is used again, the cap holds. */
    static uint8_t big[40000];
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(key, sizeof key, "B%d", i);
        struct sql_statement *s = sql_statement_put(&all, &arena, slice_of(key, (size_t)n));
        assert_non_null(s);
        assert_true(sql_statement_set(&all, &arena, s, SQL_TEXT, slice_of(big, sizeof big)));
        assert_true(s->text_cut && s->part[SQL_TEXT].len == SQL_STATEMENT_TEXT_MAX);
        assert_true(all.bytes <= SQL_STATEMENTS_BYTES + SQL_STATEMENT_TEXT_MAX);
    }
    assert_true(arena.used_bytes < 2 * 1024 * 1024);
    sql_statements_clear(&all);
    assert_int_equal(all.count, 0);
    assert_int_equal(all.bytes, 0);
    assert_null(sql_statement_put(&all, &arena, slice_of(big, SQL_STATEMENT_KEY_MAX + 1)));
    arena_done(&arena);
}

static void results(void **state)
{
    (void)state;
    struct arena arena;
    struct sql_result r = {0};
    arena_init(&arena, 4 * 1024 * 1024);
    assert_int_equal(sql_result_text(&r, &arena).len, 0);
    sql_result_begin_row(&r, &arena, true);
    sql_result_cell(&r, &arena, slice_str("a\"b"), slice_str("x\n\1"), false);
    sql_result_cell(&r, &arena, slice_str("n"), SLICE_NONE, true);
    sql_result_end_row(&r, &arena);
    sql_result_begin_row(&r, &arena, false);
    sql_result_cell(&r, &arena, SLICE_NONE, SLICE_LITERAL("\xff\xfe"), false);
    sql_result_end_row(&r, &arena);
    sql_result_note(&r, &arena, "tag", slice_str("SELECT 2"));
    struct slice text = arena_dup(&arena, sql_result_text(&r, &arena));
    assert_string_equal((const char *)text.data,
                        "[{\"a\\\"b\":\"x\\n\\u0001\",\"n\":null},\n[\"\\\\xfffe\"],\n"
                        "{\"tag\":\"SELECT 2\"}]");
    /* Rows beyond the cap are left out whole, the notes behind them stand. */
    static char wide[50000];
    memset(wide, 'x', sizeof wide);
    for (int i = 0; i < 40; i++) {
        sql_result_begin_row(&r, &arena, false);
        sql_result_cell(&r, &arena, SLICE_NONE, slice_of(wide, sizeof wide), false);
        sql_result_end_row(&r, &arena);
    }
    assert_true(r.cut);
    sql_result_note(&r, &arena, "tag", slice_str("SELECT 42"));
    text = sql_result_text(&r, &arena);
    assert_true(slice_ends_with(text, SLICE_LITERAL("xx\"],\n{\"tag\":\"SELECT 42\"}]")));
    arena_done(&arena);
}

static void one_line(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    assert_true(slice_eq_str(sql_one_line(&arena, slice_str("a\nb"), 10), "a b"));
    assert_true(slice_eq_str(sql_one_line(&arena, slice_str("abcdé"), 5), "abcd…"));
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates),
        cmocka_unit_test(hostile_templates),
        cmocka_unit_test(verbs_and_secrets),
        cmocka_unit_test(statements_are_replaced_and_forgotten),
        cmocka_unit_test(results),
        cmocka_unit_test(one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
