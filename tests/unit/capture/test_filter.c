/* The kernel program, run here by libpcap's interpreter over made-up packets (without the loads of
 * hardware and packet type, which only the kernel knows: their answers are patched in), and the
 * kernel itself as the judge of whether it is valid. */
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/capture_filter.h"
#include "unit/unit_test.h"

enum {
    ETHERNET = 14
};

static struct capture_program program;

static void build(const struct capture_filter_spec *spec)
{
    struct error error = {.text = ""};
    if (capture_filter_build(spec, &program, &error) < 0)
        fail_msg("%s", error.text);
}

/* Runs the program as the kernel would for a packet of this hardware and packet type. */
static unsigned run(uint16_t hardware_type, uint8_t packet_type, const uint8_t *data, size_t n)
{
    struct bpf_insn *code = calloc(program.count, sizeof *code);
    for (size_t i = 0; i < program.count; i++) {
        const struct sock_filter *from = &program.code[i];
        code[i] = (struct bpf_insn){from->code, from->jt, from->jf, from->k};
        if (from->code != (BPF_LD | BPF_W | BPF_ABS))
            continue;
        if (from->k == (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE))
            code[i] = (struct bpf_insn){BPF_LD | BPF_IMM, 0, 0, hardware_type};
        else if (from->k == (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE))
            code[i] = (struct bpf_insn){BPF_LD | BPF_IMM, 0, 0, packet_type};
    }
    unsigned r = bpf_filter(code, data, (unsigned)n, (unsigned)n);
    free(code);
    return r;
}

static size_t make_tcp4(uint8_t *p, const uint8_t src[4], unsigned sport, const uint8_t dst[4],
                        unsigned dport)
{
    memset(p, 0, 80);
    p[12] = 0x08;
    uint8_t *ip = p + ETHERNET;
    ip[0] = 0x45;
    ip[3] = 40;
    ip[9] = 6;
    memcpy(ip + 12, src, 4);
    memcpy(ip + 16, dst, 4);
    ip[20] = (uint8_t)(sport >> 8);
    ip[21] = (uint8_t)sport;
    ip[22] = (uint8_t)(dport >> 8);
    ip[23] = (uint8_t)dport;
    ip[32] = 0x50;
    return ETHERNET + 40;
}

static size_t make_tcp6(uint8_t *p, const uint8_t src[16], unsigned sport, const uint8_t dst[16],
                        unsigned dport)
{
    memset(p, 0, 80);
    p[12] = 0x86;
    p[13] = 0xdd;
    uint8_t *ip = p + ETHERNET;
    ip[0] = 0x60;
    ip[6] = 6;
    memcpy(ip + 8, src, 16);
    memcpy(ip + 24, dst, 16);
    ip[40] = (uint8_t)(sport >> 8);
    ip[41] = (uint8_t)sport;
    ip[42] = (uint8_t)(dport >> 8);
    ip[43] = (uint8_t)dport;
    return ETHERNET + 60;
}

static const uint8_t A[4] = {10, 0, 0, 1}, B[4] = {10, 0, 0, 2};
static const uint8_t A6[16] = {0xfd, [15] = 1}, B6[16] = {0xfd, [15] = 2};

static void loopback_is_taken_once(void **state)
{
    (void)state;
    uint8_t p[128];
    size_t n = make_tcp4(p, A, 1, B, 2);
    build(&(struct capture_filter_spec){.snaplen_bytes = 1000, .in_kernel = true});
    assert_int_equal(run(ARPHRD_LOOPBACK, PACKET_OUTGOING, p, n), 0);
    assert_int_equal(run(ARPHRD_LOOPBACK, PACKET_HOST, p, n), 1000);
    assert_int_equal(run(ARPHRD_ETHER, PACKET_OUTGOING, p, n), 1000);
    assert_int_equal(run(ARPHRD_NONE, PACKET_OUTGOING, p + ETHERNET, n - ETHERNET), 1000);
}

static void expression_runs_per_link_type(void **state)
{
    (void)state;
    uint8_t p[128];
    size_t n = make_tcp4(p, A, 1, B, 80);
    struct capture_filter_spec spec = {
        .expression = "tcp dst port 80", .snaplen_bytes = 96, .in_kernel = true};
    build(&spec);
    assert_int_equal(run(ARPHRD_ETHER, PACKET_HOST, p, n), 96);
    assert_int_equal(run(ARPHRD_NONE, PACKET_HOST, p + ETHERNET, n - ETHERNET), 96);
    assert_int_equal(run(ARPHRD_PPP, PACKET_HOST, p, n), 96); /* decided later, as cooked */
    n = make_tcp4(p, A, 1, B, 81);
    assert_int_equal(run(ARPHRD_ETHER, PACKET_HOST, p, n), 0);
    assert_int_equal(run(ARPHRD_NONE, PACKET_HOST, p + ETHERNET, n - ETHERNET), 0);
    spec.in_kernel = false;
    build(&spec);
    assert_int_equal(run(ARPHRD_ETHER, PACKET_HOST, p, n), 96);
}

static struct capture_exclude exclude(const char *text)
{
    struct capture_exclude e;
    assert_int_equal(capture_parse_exclude(text, &e), 0);
    return e;
}

static void own_connections_are_marked(void **state)
{
    (void)state;
    struct capture_exclude list[] = {exclude("10.0.0.1:8899"), exclude("10.0.0.2:443"),
                                     exclude("[fd00::2]:8899")};
    struct capture_filter_spec spec = {
        .snaplen_bytes = 1000, .in_kernel = true, .excludes = list, .exclude_count = 3};
    uint8_t p[128];
    build(&spec);
    for (int raw = 0; raw < 2; raw++) {
        uint16_t hatype = raw ? ARPHRD_NONE : ARPHRD_ETHER;
        const uint8_t *q = p + (raw ? ETHERNET : 0);
        size_t cut = raw ? ETHERNET : 0;
        static const struct {
            const uint8_t *src, *dst;
            unsigned sport, dport;
            bool marked;
        } v4[] = {
            {A, B, 8899, 5, true},    {B, A, 5, 8899, true}, {B, A, 8899, 5, false},
            {A, B, 5, 8899, false},   {A, B, 5, 443, true},  {B, A, 443, 5, true},
            {A, B, 443, 8899, false}, {A, B, 5, 6, false},
        };
        for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++) {
            size_t n = make_tcp4(p, v4[i].src, v4[i].sport, v4[i].dst, v4[i].dport);
            assert_int_equal(run(hatype, PACKET_HOST, q, n - cut),
                             v4[i].marked ? CAPTURE_MARK_BYTES : 1000);
        }
        size_t n = make_tcp6(p, A6, 5, B6, 8899);
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), CAPTURE_MARK_BYTES);
        n = make_tcp6(p, B6, 8899, A6, 5);
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), CAPTURE_MARK_BYTES);
        n = make_tcp6(p, A6, 8899, B6, 5);
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), 1000);
        /* UDP with the same ports, a fragment, IP options: not ours */
        n = make_tcp4(p, A, 8899, B, 5);
        p[ETHERNET + 9] = 17;
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), 1000);
        n = make_tcp4(p, A, 8899, B, 5);
        p[ETHERNET + 7] = 9;
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), 1000);
        n = make_tcp4(p, A, 8899, B, 5);
        p[ETHERNET] = 0x46;
        assert_int_equal(run(hatype, PACKET_HOST, q, n - cut), 1000);
    }
}

static void short_packets_are_not_lost(void **state)
{
    (void)state;
    struct capture_exclude list[] = {exclude("10.0.0.1:8899"), exclude("[fd00::2]:8899")};
    struct capture_filter_spec spec = {
        .snaplen_bytes = 1000, .in_kernel = true, .excludes = list, .exclude_count = 2};
    build(&spec);
    for (int v6 = 0; v6 < 2; v6++) {
        uint8_t p[128];
        size_t n = v6 ? make_tcp6(p, B6, 1, A6, 2) : make_tcp4(p, B, 1, A, 2);
        for (size_t cut = 0; cut <= n; cut++)
            for (int raw = 0; raw < 2; raw++) {
                size_t link = raw ? ETHERNET : 0;
                if (cut < link)
                    continue;
                assert_int_equal(
                    run(raw ? ARPHRD_NONE : ARPHRD_ETHER, PACKET_HOST, p + link, cut - link), 1000);
            }
    }
}

/* The kernel checks every program it is given. */
static void kernel_takes_the_program(void **state)
{
    (void)state;
    struct capture_exclude list[CAPTURE_MAX_EXCLUDES];
    for (size_t i = 0; i < CAPTURE_MAX_EXCLUDES; i++) {
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "[fd00::%zx]:%zu" : "10.0.0.%zu:%zu", i + 1, 1000 + i);
        list[i] = exclude(text);
    }
    struct capture_filter_spec spec = {
        .expression = "(tcp port 80 or udp portrange 1000-2000 or host 10.0.0.7) and not ip6",
        .snaplen_bytes = 262144,
        .in_kernel = true,
        .excludes = list,
        .exclude_count = CAPTURE_MAX_EXCLUDES};
    build(&spec);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    struct sock_fprog fprog = {.len = (unsigned short)program.count, .filter = program.code};
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof fprog), 0);
    close(ends[0]);
    close(ends[1]);
}

static void wrong_input_gets_a_sentence(void **state)
{
    (void)state;
    struct error error;
    struct capture_exclude e;
    struct capture_filter_spec spec = {
        .expression = "tcp prot 80", .snaplen_bytes = 1000, .in_kernel = true};
    assert_int_equal(capture_filter_build(&spec, &program, &error), -EINVAL);
    assert_non_null(strstr(error.text, "tcp prot 80"));
    static const char *const wrong[] = {
        "",        ":80",    "1.2.3.4",     "1.2.3.4:0",    "1.2.3.4:x",  "1.2.3.4:65536",
        "[::1:80", "::1:80", "[1.2.3.4]:8", "1.2.3.4.5:80", "hub.test:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(capture_parse_exclude(wrong[i], &e), -EINVAL);
    assert_true(capture_filter_needs_tags("tcp and vlan 5"));
    assert_true(capture_filter_needs_tags("vlan"));
    assert_false(capture_filter_needs_tags("host vlanserver"));
    assert_false(capture_filter_needs_tags(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_taken_once),
        cmocka_unit_test(expression_runs_per_link_type),
        cmocka_unit_test(own_connections_are_marked),
        cmocka_unit_test(short_packets_are_not_lost),
        cmocka_unit_test(kernel_takes_the_program),
        cmocka_unit_test(wrong_input_gets_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
