/* What expressions evaluate to, as `trawl filter eval` prints it: the extensions that the
 * conformance cases at hand do not cover, and the form of the output. */
#include <stdio.h>
#include <stdlib.h>

#include "filter/filter.h"
#include "unit/unit_test.h"

struct expected {
    const char *expression;
    const char *output; /* "int 1" stands for {"type":"int","value":1} */
};

static char *evaluate(const char *expression, const char *bindings)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_init(&w, &out);
    (void)filter_eval_expression(slice_str(expression), slice_str(bindings), &w);
    buf_append_u8(&out, 0);
    assert_int_equal(buf_failed(&out), 0);
    return (char *)out.data;
}

static void assert_all(const struct expected *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char wanted[1024];
        char *got = evaluate(rows[i].expression, "");
        const char *value = strchr(rows[i].output, ' ');
        assert_non_null(value);
        snprintf(wanted, sizeof wanted, "{\"type\":\"%.*s\",\"value\":%s}",
                 (int)(value - rows[i].output), rows[i].output, value + 1);
        if (strcmp(got, wanted) != 0)
            fail_msg("%s gave %s, not %s", rows[i].expression, got, wanted);
        free(got);
    }
}

#define ASSERT_ALL(rows) assert_all((rows), sizeof(rows) / sizeof *(rows))

static void assert_error(const char *expression, const char *text, size_t offset)
{
    char wanted[512];
    char *got = evaluate(expression, "");
    snprintf(wanted, sizeof wanted, "{\"error\":\"%s\",\"offset\":%zu}", text, offset);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s gave %s, not %s", expression, got, wanted);
    free(got);
}

static void test_output(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"1", "int 1"},
        {"9007199254740992", "int 9007199254740992"},
        {"9007199254740993", "int \"9007199254740993\""},
        {"-9223372036854775808", "int \"-9223372036854775808\""},
        {"18446744073709551615u", "uint \"18446744073709551615\""},
        {"2.5", "double 2.5"},
        {"0.0/0.0", "double \"NaN\""},
        {"-1.0/0.0", "double \"-Infinity\""},
        {"1.0/0.0", "double \"Infinity\""},
        {"'a\\n\"'", "string \"a\\n\\\"\""},
        {"b'abc'", "bytes \"YWJj\""},
        {"null", "null_type null"},
        {"[1, 'a', [true]]", "list [1,\"a\",[true]]"},
        {"{'a': 1, 2: 'b', true: null}", "map {\"a\":1,\"2\":\"b\",\"true\":null}"},
        {"timestamp('2026-03-03T14:02:00.5+02:00')", "timestamp \"2026-03-03T12:02:00.5Z\""},
        {"duration('90m')", "duration \"5400s\""},
        {"duration('-1500ms')", "duration \"-1.5s\""},
        {"type(1)", "type \"int\""},
        {"type(duration('1s'))", "type \"google.protobuf.Duration\""},
        {"ip('::FFFF:c0a8:1')", "net.IP \"192.168.0.1\""},
        {"cidr('10.1.2.3/8')", "net.CIDR \"10.1.2.3/8\""},
    };
    ASSERT_ALL(rows);
    assert_error("1/0", "divide by zero", 1);
    assert_error("1 + [2][3]", "index out of bounds: 3", 7);
    assert_error("{'a': 1}.b", "no such key: b", 9);
    assert_error("9223372036854775807 + 1", "integer overflow", 20);
    assert_error("1 +", "a value is expected here, not the end of the filter", 3);
}

static void test_bindings(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *bindings, *output;
    } rows[] = {
        {"x", "{\"x\":1}", "{\"type\":\"int\",\"value\":1}"},
        {"x", "{\"x\":1.0}", "{\"type\":\"double\",\"value\":1}"},
        {"x", "{\"x\":18446744073709551615}",
         "{\"type\":\"uint\",\"value\":\"18446744073709551615\"}"},
        {"x.y[1] + x['z']", "{\"x\":{\"y\":[1,2],\"z\":3}}", "{\"type\":\"int\",\"value\":5}"},
        {"src.ip + ''", "{\"src\":{\"ip\":\"a\"}}", "{\"type\":\"string\",\"value\":\"a\"}"},
        {"src.ip + ''", "{\"src.ip\":\"a\"}", "{\"type\":\"string\",\"value\":\"a\"}"},
        {"http && status_code >= 500", "{\"http\":true,\"status_code\":503}",
         "{\"type\":\"bool\",\"value\":true}"},
        {"status_code == 0 && path == '' && !has(path)", "", "{\"type\":\"bool\",\"value\":true}"},
        {"x", "[1]", "{\"error\":\"the bindings are not a JSON object\",\"offset\":0}"},
        {"x", "{\"x\":01}", "{\"error\":\"the bindings are not a JSON object\",\"offset\":0}"},
        {"my_headr", "{\"my_header\":1}",
         "{\"error\":\"there is no variable \\\"my_headr\\\"; did you mean my_header?\",\"offset\":0}"},
        /* what the type check refuses may still have a value */
        {"true ? 1 : 'a'", "", "{\"type\":\"int\",\"value\":1}"},
        {"nothing(1) || true", "", "{\"type\":\"bool\",\"value\":true}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = evaluate(rows[i].expression, rows[i].bindings);
        if (strcmp(got, rows[i].output) != 0)
            fail_msg("%s with %s gave %s", rows[i].expression, rows[i].bindings, got);
        free(got);
    }
}

static void test_text(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"'tacocat'.charAt(3) + 'tacocat'.charAt(7)", "string \"o\""},
        {"['añ😀b'.indexOf('b'), 'abcabc'.indexOf('c', 3), 'abc'.indexOf(''), 'abc'.indexOf('x')]",
         "list [3,5,0,-1]"},
        {"['añbañb'.lastIndexOf('ñ'), 'abab'.lastIndexOf('ab', 1), 'abc'.lastIndexOf(''), "
         "''.lastIndexOf('x')]",
         "list [4,0,3,-1]"},
        {"'añ😀b'.substring(1, 3) + 'abc'.substring(3)", "string \"ñ😀\""},
        {"'  \\u00a0x y\\u2003\\n'.trim()", "string \"x y\""},
        {"'aÉZ'.lowerAscii() + 'aéz'.upperAscii()", "string \"aÉzAéZ\""},
        {"'a.b.c'.replace('.', '') + 'aaa'.replace('a', 'b', 2) + 'ab'.replace('', '-')",
         "string \"abcbba-a-b-\""},
        {"'a,b,c'.split(',') + 'a,b,c'.split(',', 2) + 'a'.split(',', 0)",
         "list [\"a\",\"b\",\"c\",\"a\",\"b,c\"]"},
        {"'aé'.split('') + ''.split(',') + 'a,'.split(',')", "list [\"a\",\"é\",\"\",\"a\",\"\"]"},
        {"['a', 'b'].join() + ['a', 'b'].join('-') + [].join(',')", "string \"aba-b\""},
        {"'añ😀'.reverse()", "string \"😀ña\""},
        {"strings.quote('a\\t\"é')", "string \"\\\"a\\\\t\\\\\\\"é\\\"\""},
        {"base64.encode(b'hello') + string(base64.decode('aGk='))", "string \"aGVsbG8=hi\""},
        {"glob('a/b.c', 'a/*.?') && !glob('ab', 'a') && glob('*', '\\\\*') && glob('', '*')",
         "bool true"},
        {"icontains('Content-Type', 'TENT-t') && 'ABC'.icontains('') && !icontains('a', 'ab')",
         "bool true"},
        {"'abc'.matches('b') && matches('é', '^.$') && !'a\\nb'.matches('a.b')", "bool true"},
    };
    ASSERT_ALL(rows);
    assert_error("'abc'.charAt(4)", "invalid argument: index out of range: 4", 6);
    assert_error("'abc'.substring(2, 1)",
                 "invalid argument: invalid substring range. start: 2, end: 1", 6);
    assert_error("[1].join()", "there is no join() for (list(int))", 0);
    assert_error("'a'.matches('(')", "this is not a valid regular expression: missing ): (", 4);
}

static void test_format(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"'%s %d%% %.2f %e'.format(['a', 5, 1.005, 2.71828])", "string \"a 5% 1.00 2.718280e+00\""},
        {"'%b %o %x %X %x'.format([-5, 8, 255, 255, 'hi'])", "string \"-101 10 ff FF 6869\""},
        {"'%s'.format([[1, 2.5, 'x', null, true, b'y', duration('1h')]])",
         "string \"[1, 2.5, x, null, true, y, 3600s]\""},
        {"'%s'.format([{'b': 1, 2: [3], true: {}}])", "string \"{2: [3], b: 1, true: {}}\""},
        {"'%s %d'.format([double('NaN'), double('-Infinity')])", "string \"NaN -Infinity\""},
        {"'%s'.format([type(1)])", "string \"int\""},
    };
    ASSERT_ALL(rows);
    assert_error("'%d'.format([])", "invalid argument: index 0 out of range", 5);
    assert_error("'%a'.format([1])", "invalid argument: unrecognized formatting clause \\\"a\\\"",
                 5);
    assert_error("'%d'.format(['x'])", "invalid argument: %d shows numbers only, was given string",
                 5);
    assert_error("'%'.format([1])", "invalid argument: a formatting clause is not complete", 4);
    assert_error("'%.999f'.format([1.0])", "invalid argument: a formatting clause is not complete",
                 9);
}

static void test_network(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"[isIP('10.0.0.1'), isIP('::1'), isIP('10.0.0.1.2'), isIP('fe80::1%eth0'), "
         "isIP('::ffff:1.2.3.4')]",
         "list [true,true,false,false,false]"},
        {"[ip('10.0.0.1').family(), ip('2001:db8::68').family()]", "list [4,6]"},
        {"[ip('127.0.0.1').isLoopback(), ip('::1').isLoopback(), ip('::').isUnspecified()]",
         "list [true,true,true]"},
        {"[ip('169.254.1.1').isLinkLocalUnicast(), ip('224.0.0.1').isLinkLocalMulticast(), "
         "ip('255.255.255.255').isGlobalUnicast(), ip('10.0.0.1').isGlobalUnicast()]",
         "list [true,true,false,true]"},
        {"[ip('172.31.0.1').isPrivate(), ip('172.32.0.1').isPrivate(), ip('fd00::1').isPrivate()]",
         "list [true,false,true]"},
        {"cidr('10.0.0.0/8').containsIP('10.9.9.9') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
         "bool true"},
        {"cidr('2001:db8::/32').containsIP('2001:db8::1') && !cidr('::/0').containsIP('10.0.0.1')",
         "bool true"},
        {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && "
         "!cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
         "bool true"},
        {"[string(cidr('10.1.2.3/20').masked()), string(cidr('10.1.2.3/20').ip()), "
         "string(cidr('10.1.2.3/20').prefixLength())]",
         "list [\"10.1.0.0/20\",\"10.1.2.3\",\"20\"]"},
        {"ip.isCanonical('2001:db8::68') && !ip.isCanonical('2001:DB8::68')", "bool true"},
        {"ip('::ffff:c0a8:1') == ip('192.168.0.1') && type(ip('::1')) == net.IP", "bool true"},
        {"[isCIDR('10.0.0.0/8'), isCIDR('10.0.0.0/33'), isCIDR('10.0.0.0/'), isCIDR('10.0.0.0/08')]",
         "list [true,false,false,false]"},
    };
    ASSERT_ALL(rows);
    assert_error("isIP(cidr('10.0.0.0/8'))", "there is no isIP() for (net.CIDR)", 0);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"math.greatest(1, 2.5, 3u, -4)", "uint 3"},
        {"math.least([1, 2.5, -4])", "int -4"},
        {"math.greatest(1, 1.0)", "int 1"},
        {"[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.trunc(-1.9)]",
         "list [2,-2,-2,-1]"},
        {"[math.abs(-3), math.sign(-3), math.bitAnd(6, 3), math.bitOr(6, 3), math.bitXor(6, 3), "
         "math.bitNot(0), math.bitShiftLeft(1, 4), math.bitShiftRight(-16, 2)]",
         "list [3,-1,2,7,5,-1,16,-4]"},
        {"[math.isNaN(0.0/0.0), math.isInf(1.0/0.0), math.isFinite(1.0)]", "list [true,true,true]"},
        {"math.bitShiftLeft(1, 64) + math.bitShiftRight(-1, 99)", "int -1"},
        {"[1 == 1.0, 1u == 1, 2 > 1.5, -1 < 1u, 1 in [1.0], dyn(1) == '1']",
         "list [true,true,true,true,true,false]"},
        {"[string(1e21), string(1e20), string(0.1), string(1.0), string(-0.0), string(1e-7), "
         "string(5e-324), string(0.1 + 0.2)]",
         "list [\"1e+21\",\"100000000000000000000\",\"0.1\",\"1\",\"-0\",\"1e-07\",\"5e-324\",\"0.30000000000000004\"]"},
    };
    ASSERT_ALL(rows);
    assert_error("math.abs(-9223372036854775808)", "integer overflow", 0);
    assert_error("math.bitShiftLeft(1, -1)", "invalid argument: negative offset of a shift", 0);
    assert_error("math.ceil(dyn(1))", "no such overload: these types do not go together: math.ceil",
                 0);
    assert_error("math.greatest([])", "invalid argument: the list is empty", 0);
    assert_error("int(9.3e18)", "the result is out of range", 0);
    assert_error("uint(-1)", "the result is out of range", 0);
    assert_error("-9223372036854775808 / -1", "integer overflow", 21);
}

static void test_optionals_and_macros(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"[optional.of(1).hasValue(), optional.none().hasValue(), optional.ofNonZeroValue('').hasValue()]",
         "list [true,false,false]"},
        {"{'a': {'b': 1}}.?a.b.value() + {'a': {}}.?a.?b.orValue(5)", "int 6"},
        {"[1, 2][?5].orValue(0) + [1, 2][?1].value()", "int 2"},
        {"optional.none().or(optional.of(3)).value()", "int 3"},
        {"optional.of(2).optMap(x, x * 2).value() + optional.of(1).optFlatMap(x, optional.none())"
         ".orValue(10)",
         "int 14"},
        {"[?optional.of(1), ?optional.none(), 2] == [1, 2]", "bool true"},
        {"{?'a': optional.none(), ?'b': optional.of(1)}", "map {\"b\":1}"},
        {"has({'x': {'y': 1}}.?x.y) && !has({}.?x.y)", "bool true"},
        {"[1, 2, 3].exists(i, v, i == 2 && v == 3) && {'a': 1}.all(k, v, k == 'a' && v == 1)",
         "bool true"},
        {"[5, 7, 8].existsOne(i, v, v % 5 == i) && [1, 2].exists_one(x, x == 2)", "bool true"},
        {"[2, 4, 6].transformList(i, v, i != 1, v / 2 + i)", "list [1,5]"},
        {"{'a': 1, 'b': 2}.transformMap(k, v, k != 'a', v + 1)", "map {\"b\":3}"},
        {"{'a': 1}.transformMapEntry(k, v, {v: k})", "map {\"1\":\"a\"}"},
        {"[1, 2, 3].map(x, x > 1, x * x) + [1, 2].filter(x, x > 1)", "list [4,9,2]"},
        {"{'a': 1, 'b': 2}.map(k, k) == ['a', 'b']", "bool true"},
        {"cel.bind(x, 3, cel.bind(y, x + 1, x * y))", "int 12"},
        {"map_get({'a': 1}, 'b', 2) + map_get({'a': 1}, 'a', 2)", "int 3"},
    };
    ASSERT_ALL(rows);
    assert_error("optional.none().value()", "the optional has no value", 16);
    assert_error("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})", "the map has this key twice",
                 17);
}

static void test_time(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')", "int 14"},
        {"timestamp('2026-01-01T12:00:00Z').getHours('Europe/Berlin')", "int 13"},
        /* after the last entry of the zone's table: the rule at its end */
        {"timestamp('2090-07-01T12:00:00Z').getHours('America/New_York')", "int 8"},
        {"timestamp('2090-01-01T12:00:00Z').getHours('America/New_York')", "int 7"},
        {"timestamp('2090-01-15T12:00:00Z').getHours('Australia/Sydney')", "int 23"},
        {"timestamp('1800-01-01T12:00:00Z').getMinutes('Europe/Amsterdam') >= 0", "bool true"},
        {"timestamp('2026-01-01T00:30:00Z').getDayOfYear('-01:00')", "int 364"},
        {"timestamp('2024-12-31T00:00:00Z').getDayOfYear()", "int 365"},
        {"timestamp('2026-03-03T00:00:00Z').getDayOfWeek()", "int 2"},
        {"['+02:00', 'UTC'].map(z, timestamp(0).getHours(z))", "list [2,0]"},
        {"timestamp('2026-01-01T00:00:00Z') - timestamp('2025-01-01T00:00:00Z') == duration('8760h')",
         "bool true"},
        {"timestamp('0001-01-01T00:00:00Z') < timestamp('9999-12-31T23:59:59.999999999Z')",
         "bool true"},
        {"int(timestamp('1969-12-31T23:59:59Z'))", "int -1"},
        {"string(timestamp('1969-12-31T23:59:59.5Z')) + string(duration('1us'))",
         "string \"1969-12-31T23:59:59.5Z0.000001s\""},
        {"duration('1h').getMinutes() + duration('1.5s').getMilliseconds()", "int 560"},
        {"now() - now() == duration('0s')", "bool true"},
    };
    ASSERT_ALL(rows);
    assert_error("timestamp(0).getHours('../etc/passwd')", "unknown time zone: ../etc/passwd", 13);
    assert_error("timestamp('2026-02-29T00:00:00Z')", "type conversion error: 2026-02-29T00:00:00Z",
                 0);
    assert_error("timestamp('yesterday')", "type conversion error: yesterday", 0);
    assert_error("duration('5')", "type conversion error: 5", 0);
}

static void test_json(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {"json('{\"a\": [1, 2.5, \"x\", null, true, {\"b\": -3}]}')",
         "map {\"a\":[1,2.5,\"x\",null,true,{\"b\":-3}]}"},
        {"json('\"\\\\u00e9\\\\ud83d\\\\ude00\\\\n\\\\ud800\"')", "string \"é😀\\n\xef\xbf\xbd\""},
        {"json('[1, 1.0, 9223372036854775808, 1e400]').map(x, type(x)) == [int, double, uint, double]",
         "bool true"},
        {"json(' 5 ') == 5 && json('{\"a\":{\"b\":[7]}}').a.b[0] == 7", "bool true"},
    };
    ASSERT_ALL(rows);
    static const char *const bad[] = {"",      "{",     "[1,]", "01",           "1.",
                                      "tru",   "\\\"a", "1 2",  "{1:2}",        "[1 2]",
                                      "nul l", "\\\\",  "+1",   "\\\"\\\\x\\\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char expression[64];
        snprintf(expression, sizeof expression, "json(\"%s\")", bad[i]);
        char *got = evaluate(expression, "");
        if (!strstr(got, "{\"error\":\"the text is not JSON"))
            fail_msg("%s gave %s", expression, got);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_optionals_and_macros),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
