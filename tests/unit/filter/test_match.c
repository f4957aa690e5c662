/* Filters over entries: variables, absence, aliases, doubt, what a filter says about itself. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/filter/support_entry.h"
#include "unit/unit_test.h"

static void assert_yes(const char *text)
{
    enum filter_result result = support_match(text, support_http_entry());
    if (result != FILTER_YES)
        fail_msg("%s gave %d", text, result);
}

static void assert_no(const char *text)
{
    enum filter_result result = support_match(text, support_http_entry());
    if (result != FILTER_NO)
        fail_msg("%s gave %d", text, result);
}

static void test_variables(void **state)
{
    (void)state;
    assert_yes("http && status_code >= 500");
    assert_no("http && status_code < 500");
    assert_yes("status_code == 503 && 503 == status_code && status_code != 404");
    assert_yes(
        "status_code > 502 && status_code <= 503 && status_code < 503.5 && status_code > 5u");
    assert_yes("method == 'POST' && path.startsWith(\"/carts\") && src.ip == '10.0.12.7'");
    assert_yes("src.port == 40000 && src.port in [80, 40000]");
    assert_yes("'n1:eth0' in seen_at && seen_at.size() == 2 && seen_at[1].endsWith('eth1')");
    assert_yes("request.headers['accept'].contains('json')");
    assert_yes("request.headers.accept == 'application/json'");
    assert_yes("protocol == 'http' && tcp && !udp && !dns");
    assert_yes(
        "latency > duration('1s') && latency == duration('1.5s') && elapsed_time == 1500000");
    assert_yes("timestamp > timestamp('2026-03-03T13:00:00Z') && timestamp.getFullYear() == 2026");
    assert_yes("timestamp.getMilliseconds() == 500 && timestamp < now()");
    assert_yes("cidr('10.0.0.0/8').containsIP(src.ip) && ip(src.ip).isPrivate()");
    assert_yes("json(request.body).items[0].n == 3");
    assert_yes(
        "path.matches('^/carts/[0-9]+$') && glob(path, '/carts/*') && path.glob('/?arts/7')");
    assert_yes("icontains(method, 'post') && map_get(request.headers, 'absent', 'x') == 'x'");
    assert_yes("id.size() == 26");
}

static void test_absence(void **state)
{
    (void)state;
    assert_yes("host == '' && dst.port == 0 && !incomplete && gap_bytes == 0");
    assert_yes("response.headers == {} && size(response.headers) == 0 && query_string.size() == 0");
    assert_yes("dns_rcode == -1");
    assert_yes("has(status_code) && has(request.headers) && has(src.ip) && !has(dst.ip)");
    assert_yes("!has(host) && !has(response.body) && has(request.body)");
    assert_yes("has(request.headers.accept) && !has(request.headers.cookie)");
    assert_yes("'x-empty' in request.headers && request.headers['x-empty'] == ''");
    assert_yes("request.headers.?cookie.orValue('none') == 'none'");
    assert_int_equal(support_match("path == '' && status_code == 0", support_dns_entry()),
                     FILTER_YES);
    assert_int_equal(support_match("http && status_code >= 500", support_dns_entry()), FILTER_NO);
    assert_int_equal(support_match("dns || has(path)", support_dns_entry()), FILTER_YES);
    assert_int_equal(support_match("", support_dns_entry()), FILTER_YES);
    assert_int_equal(support_match("  // nothing\n ", support_dns_entry()), FILTER_YES);
}

static void test_aliases(void **state)
{
    (void)state;
    assert_yes("src.ns == 'shop' and not dns");
    assert_yes("dns or http and status_code == 503");
    assert_yes("not (dns or udp)");
    assert_yes("not not http");
    assert_yes("seen_at.exists(not_here, not_here == 'n1:eth0')");
    /* a macro's variable hides the field of that name */
    assert_yes("[1, 2].exists(http, http == 2) && http");
    assert_yes("[{'ip': 'x'}].exists(src, src.ip == 'x') && src.ip == '10.0.12.7'");
}

static void test_unjudged(void **state)
{
    (void)state;
    const struct entry *http = support_http_entry();
    const struct entry *cut = support_cut_entry();
    assert_int_equal(support_match("json(path).a == 1", http), FILTER_ERROR);
    assert_int_equal(support_match("json(path).a == 1 || http", http), FILTER_YES);
    assert_int_equal(support_match("json(path).a == 1 && dns", http), FILTER_NO);
    assert_int_equal(support_match("request.headers['cookie'] == ''", http), FILTER_ERROR);
    assert_int_equal(support_match("json(request.body).items[0].sku", http), FILTER_ERROR);
    assert_int_equal(support_match("request.body.contains('zzz')", http), FILTER_NO);
    assert_int_equal(support_match("request.body.contains('zzz')", cut), FILTER_DOUBT);
    assert_int_equal(support_match("request.body.contains('sku')", cut), FILTER_YES);
    assert_int_equal(support_match("dns && request.body.contains('zzz')", cut), FILTER_NO);
    assert_int_equal(support_match("url.contains('debug')", http), FILTER_DOUBT);
}

/* What is certain decides, in front of doubts and errors and behind them. */
static void test_certainty_decides(void **state)
{
    (void)state;
    const struct entry *cut = support_cut_entry();
    assert_int_equal(support_match("request.body.contains('zzz') && dns", cut), FILTER_NO);
    assert_int_equal(support_match("json(path).a == 1 && dns", cut), FILTER_NO);
    assert_int_equal(support_match("request.body.contains('zzz') && json(path).a == 1 && dns", cut),
                     FILTER_NO);
    assert_int_equal(support_match("request.body.contains('zzz') && !dns", cut), FILTER_DOUBT);
    assert_int_equal(support_match("request.body.contains('zzz') && json(path).a == 1", cut),
                     FILTER_DOUBT);
    assert_int_equal(support_match("!(request.body.contains('zzz') || !dns)", cut), FILTER_NO);
    assert_int_equal(support_match("!(json(path).a == 1 || !dns)", cut), FILTER_NO);
    /* a doubt of another clause stays */
    assert_int_equal(
        support_match("request.body.contains('zzz') && (request.body.contains('zzz') || !dns)",
                      cut),
        FILTER_DOUBT);
}

static void test_error_has_its_place(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    struct filter_diagnostic diagnostic;
    struct filter_scratch *scratch = filter_scratch_new();
    assert_int_equal(filter_compile(SLICE_LITERAL("http && request.headers['cookie'] == 'a'"), NULL,
                                    &filter, NULL),
                     0);
    assert_int_equal(filter_match(filter, support_http_entry(), scratch), FILTER_ERROR);
    filter_scratch_error(filter, scratch, &diagnostic);
    assert_string_equal(diagnostic.text, "no such key: cookie");
    assert_int_equal(diagnostic.offset, 23);
    filter_scratch_free(scratch);
    filter_free(filter);
}

static void test_fields_and_payload(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    size_t count;
    assert_int_equal(filter_compile(SLICE_LITERAL("status_code > 1 && path != '' && path != 'x'"),
                                    NULL, &filter, NULL),
                     0);
    const field_id *fields = filter_fields(filter, &count);
    assert_int_equal(count, 2);
    assert_int_equal(fields[0], FIELD_PATH_ID);
    assert_int_equal(fields[1], FIELD_STATUS_CODE_ID);
    assert_int_equal(filter_payload(filter), 0);
    filter_free(filter);
    assert_int_equal(
        filter_compile(SLICE_LITERAL("has(request.headers.a) || response.body.contains('x')"), NULL,
                       &filter, NULL),
        0);
    assert_int_equal(filter_payload(filter), FIELD_HEADERS | FIELD_RESPONSE_BODY);
    filter_free(filter);
}

static void test_clauses(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    size_t count;
    assert_int_equal(
        filter_compile(SLICE_LITERAL("http && (status_code >= 500 || tcp) && path == 'a && b'"),
                       NULL, &filter, NULL),
        0);
    const struct filter_clause *clauses = filter_clauses(filter, &count);
    assert_int_equal(count, 3);
    assert_true(slice_eq_str(clauses[0].text, "http"));
    assert_true(slice_eq_str(clauses[1].text, "status_code >= 500 || tcp"));
    assert_int_equal(clauses[1].offset, 9);
    assert_true(slice_eq_str(clauses[2].text, "path == 'a && b'"));
    assert_int_equal(clauses[2].node->kind, NODE_COMPARE);
    filter_free(filter);
}

static void assert_warning(const char *text, const char *guarded)
{
    struct filter *filter = NULL;
    size_t count;
    assert_int_equal(filter_compile(slice_str(text), NULL, &filter, NULL), 0);
    const struct filter_warning *warnings = filter_warnings(filter, &count);
    if (count != (guarded ? 1 : 0))
        fail_msg("%s: %zu warnings", text, count);
    if (guarded)
        assert_string_equal(warnings[0].guarded, guarded);
    filter_free(filter);
}

static void test_warnings(void **state)
{
    (void)state;
    assert_warning("status_code == 0", "(http && status_code == 0)");
    assert_warning("path == 'x' || status_code < 400", "(http && status_code < 400)");
    assert_warning("!(status_code >= 400)", "(http && status_code >= 400)");
    assert_warning("dns_rcode != 0", "(dns && dns_rcode != 0)");
    assert_warning("tcp && dns_rcode != 0", "(dns && dns_rcode != 0)");
    assert_warning("dns && dns_rcode != 0", NULL);
    assert_warning("tcp && (dns && (dns_rcode != 0 || path == ''))", NULL);
    assert_warning("protocol == 'dns' && dns_rcode != 0", NULL);
    assert_warning("has(dns_rcode) && dns_rcode != 0", NULL);
    assert_warning("http && status_code == 0", NULL);
    assert_warning("status_code >= 500", NULL);
    assert_warning("path != '/health'", NULL);
    assert_warning("!incomplete", NULL);
}

/* One filter, many threads. */
static void *judge_often(void *argument)
{
    const struct filter *filter = argument;
    struct filter_scratch *scratch = filter_scratch_new();
    intptr_t hits = 0;
    for (int i = 0; i < 200; i++)
        hits += filter_match(filter, support_dns_entry(), scratch) == FILTER_YES;
    filter_scratch_free(scratch);
    return (void *)hits;
}

static void test_threads(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    pthread_t threads[4];
    void *hits;
    assert_int_equal(
        filter_compile(SLICE_LITERAL("dns && [1, 2].exists(x, x == 2) && "
                                     "'abc'.matches(path + 'b') && protocol.matches('d.s')"),
                       NULL, &filter, NULL),
        0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, judge_often, filter), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &hits), 0);
        assert_int_equal((intptr_t)hits, 200);
    }
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_absence),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_unjudged),
        cmocka_unit_test(test_certainty_decides),
        cmocka_unit_test(test_error_has_its_place),
        cmocka_unit_test(test_fields_and_payload),
        cmocka_unit_test(test_clauses),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
