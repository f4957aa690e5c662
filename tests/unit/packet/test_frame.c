#include "unit/packet/support_frames.h"
#include "unit/unit_test.h"

static struct bytes b;

static int clear(void **state)
{
    (void)state;
    b.len = 0;
    return 0;
}

static void assert_ipv4_addresses(const struct frame *f)
{
    static const uint8_t src[16] = {10, 0, 0, 1};
    static const uint8_t dst[16] = {10, 0, 0, 2};
    assert_int_equal(f->ip_version, 4);
    assert_memory_equal(f->src_ip, src, 16);
    assert_memory_equal(f->dst_ip, dst, 16);
}

static void assert_ipv6_addresses(const struct frame *f)
{
    static const uint8_t src[16] = {0xfd, [15] = 1};
    static const uint8_t dst[16] = {0xfd, [15] = 2};
    assert_int_equal(f->ip_version, 6);
    assert_memory_equal(f->src_ip, src, 16);
    assert_memory_equal(f->dst_ip, dst, 16);
}

static void assert_hello(const struct frame *f)
{
    assert_int_equal(f->kind, FRAME_TCP);
    assert_int_equal(f->src_port, 40000);
    assert_int_equal(f->dst_port, 80);
    assert_int_equal(f->payload_bytes, 5);
    assert_true(slice_eq_str(f->payload, "hello"));
}

static void put_hello_ipv4(void)
{
    size_t ip = begin_ipv4(&b, 6);
    put_tcp(&b, 40000, 80, "");
    put_text(&b, "hello");
    end_ipv4(&b, ip);
}

static void put_hello_ipv6(void)
{
    size_t ip = begin_ipv6(&b, 6);
    put_tcp(&b, 40000, 80, "");
    put_text(&b, "hello");
    end_ipv6(&b, ip);
}

static void tcp_over_ethernet(void **state)
{
    (void)state;
    put_ethernet(&b, 0x0800);
    size_t ip = begin_ipv4(&b, 6);
    put_tcp(&b, 40000, 80, "0101080a 00000001 00000002");
    put_text(&b, "hello");
    end_ipv4(&b, ip);
    struct frame f = decode(&b, 1);
    assert_hello(&f);
    assert_ipv4_addresses(&f);
    assert_int_equal(f.ip_protocol, 6);
    assert_int_equal(f.ip_id, 0x1234);
    assert_int_equal(f.tcp_seq, 0x01020304);
    assert_int_equal(f.tcp_ack, 0x05060708);
    assert_int_equal(f.tcp_flags, FRAME_TCP_ACK | FRAME_TCP_PSH);
    assert_int_equal(f.tcp_window, 0x7210);
    assert_int_equal(f.tcp_options.len, 12);
    assert_int_equal(f.vlan, 0);
}

static void ethernet_padding_and_checksum_are_no_payload(void **state)
{
    (void)state;
    put_ethernet(&b, 0x0800);
    size_t ip = begin_ipv4(&b, 6);
    put_tcp(&b, 1, 2, "");
    end_ipv4(&b, ip);
    put_fill(&b, 0, 6);
    put_hex(&b, "deadbeef");
    struct frame f = decode(&b, 1);
    assert_int_equal(f.kind, FRAME_TCP);
    assert_int_equal(f.payload.len, 0);
    assert_int_equal(f.payload_bytes, 0);
    clear(NULL);
    put_ethernet(&b, 0x0800);
    ip = begin_ipv4(&b, 17);
    size_t udp = begin_udp(&b, 5, 6);
    put_text(&b, "ab");
    end_udp(&b, udp);
    put_text(&b, "trailer within IP");
    end_ipv4(&b, ip);
    f = decode(&b, 1);
    assert_true(slice_eq_str(f.payload, "ab"));
    assert_int_equal(f.payload_bytes, 2);
}

static void link_layers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t link_type;
        const char *header;
        int ip_version;
    } links[] = {
        {"raw", 101, "", 4},
        {"raw, v6", 101, "", 6},
        {"raw, BSD", 12, "", 4},
        {"raw, OpenBSD", 14, "", 6},
        {"IPv4", 228, "", 4},
        {"IPv6", 229, "", 6},
        {"cooked", 113, "0000 0001 0006 020000000001 0000 0800", 4},
        {"cooked, tagged", 113, "0000 0001 0006 020000000001 0000 8100 0064 86dd", 6},
        {"cooked 2", 276, "0800 0000 00000003 0001 04 06 020000000001 0000", 4},
        {"null, little", 0, "02000000", 4},
        {"null, big", 0, "00000002", 4},
        {"null, Darwin", 0, "1e000000", 6},
        {"null, FreeBSD", 0, "1c000000", 6},
        {"null, NetBSD, big", 0, "00000018", 6},
        {"loop", 108, "00000002", 4},
        {"PPP", 9, "ff03 0021", 4},
        {"PPP, compressed", 9, "57", 6},
        {"PPP over HDLC", 50, "ff03 0021", 4},
        {"Cisco HDLC in that", 50, "0f00 0800", 4},
        {"Cisco HDLC", 104, "0f00 86dd", 6},
        {"PPPoE link", 51, "1100 0001 002f 0021", 4},
        {"FDDI", 10, "50 020000000002 020000000001 aaaa03 000000 0800", 4},
        {"VLAN", 1, "020000000002 020000000001 8100 0064 0800", 4},
        {"QinQ", 1, "020000000002 020000000001 88a8 0007 8100 0064 86dd", 6},
        {"SNAP", 1, "020000000002 020000000001 0035 aaaa03 000000 0800", 4},
        {"PPPoE", 1, "020000000002 020000000001 8864 1100 0001 002f 0021", 4},
        {"MPLS", 1, "020000000002 020000000001 8847 00010040 00020140", 4},
        {"pseudo-wire", 1,
         "020000000002 020000000001 8847 00010140 00000000 020000000002 020000000001 0800", 4},
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        clear(NULL);
        put_hex(&b, links[i].header);
        if (links[i].ip_version == 4)
            put_hello_ipv4();
        else
            put_hello_ipv6();
        struct frame f = decode(&b, links[i].link_type);
        if (f.kind != FRAME_TCP)
            print_error("%s\n", links[i].name);
        assert_hello(&f);
        assert_int_equal(f.ip_version, links[i].ip_version);
        bool tagged = strstr(links[i].header, " 0064 ");
        assert_int_equal(f.vlan, tagged ? 100 : 0);
    }
}

static void ipv4_options_are_stepped_over(void **state)
{
    (void)state;
    size_t ip = begin_ipv4(&b, 6);
    b.data[ip] = 0x47;
    put_hex(&b, "94040000 01010101");
    put_tcp(&b, 40000, 80, "");
    put_text(&b, "hello");
    end_ipv4(&b, ip);
    struct frame f = decode(&b, 101);
    assert_hello(&f);
}

static void ipv6_extensions_are_stepped_over(void **state)
{
    (void)state;
    size_t ip = begin_ipv6(&b, 0);
    put_hex(&b, "3c 00 0104 00000000"); /* hop by hop */
    put_hex(&b, "2b 00 0104 00000000"); /* destination options */
    put_hex(&b, "2c 02 0401 00000000"); /* routing, one address */
    put_fill(&b, 0xfd, 16);
    put_hex(&b, "33 00 0000 12345678");                                   /* an atomic fragment */
    put_hex(&b, "06 04 0000 00000001 00000002 000000000000000000000000"); /* authentication */
    put_tcp(&b, 40000, 80, "");
    put_text(&b, "hello");
    end_ipv6(&b, ip);
    struct frame f = decode(&b, 101);
    assert_hello(&f);
    assert_ipv6_addresses(&f);
    assert_int_equal(f.ip_protocol, 6);
}

static void other_protocols(void **state)
{
    (void)state;
    static const struct {
        int version;
        uint8_t protocol;
        enum frame_kind kind;
        size_t header; /* not payload */
    } rows[] = {{4, 1, FRAME_ICMP, 0},    {6, 58, FRAME_ICMP, 0},   {4, 58, FRAME_IP, 0},
                {4, 132, FRAME_SCTP, 12}, {6, 132, FRAME_SCTP, 12}, {4, 89, FRAME_IP, 0},
                {6, 50, FRAME_IP, 0},     {6, 59, FRAME_IP, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clear(NULL);
        size_t ip = rows[i].version == 4 ? begin_ipv4(&b, rows[i].protocol)
                                         : begin_ipv6(&b, rows[i].protocol);
        put_hex(&b, "0800 1234 5678 9abc 00000000");
        put_text(&b, "hello");
        rows[i].version == 4 ? end_ipv4(&b, ip) : end_ipv6(&b, ip);
        struct frame f = decode(&b, 101);
        assert_int_equal(f.kind, rows[i].kind);
        assert_int_equal(f.ip_protocol, rows[i].protocol);
        assert_int_equal(f.payload.len, 17 - rows[i].header);
        assert_int_equal(f.src_port, rows[i].kind == FRAME_SCTP ? 0x0800 : 0);
        if (rows[i].kind == FRAME_IP)
            continue;
        assert_int_equal(f.l4_length, 17);
        assert_int_equal(f.l4_checksum, rows[i].kind == FRAME_SCTP ? 0 : 0x1234);
        assert_int_equal(f.sctp_tag, rows[i].kind == FRAME_SCTP ? 0x56789abc : 0);
    }
}

static void segmentation_offload_leaves_lengths_out(void **state)
{
    (void)state;
    put_ethernet(&b, 0x0800);
    begin_ipv4(&b, 6); /* its length stays 0 */
    put_tcp(&b, 1, 2, "");
    put_fill(&b, 'x', 66000);
    struct frame f = decode(&b, 1);
    assert_int_equal(f.kind, FRAME_TCP);
    assert_int_equal(f.payload.len, 66000);
    clear(NULL);
    begin_ipv6(&b, 6);
    put_tcp(&b, 1, 2, "");
    put_fill(&b, 'x', 66000);
    f = decode(&b, 101);
    assert_int_equal(f.payload_bytes, 66000);
    clear(NULL);
    begin_ipv6(&b, 0); /* RFC 2675 */
    put_hex(&b, "06 00 c204 00011000");
    poke16(&b, b.len - 4, 66028 >> 16);
    poke16(&b, b.len - 2, 66028 & 0xffff);
    put_tcp(&b, 1, 2, "");
    put_fill(&b, 'x', 66000);
    put_fill(&b, 0, 100);
    f = decode(&b, 101);
    assert_int_equal(f.payload_bytes, 66000);
    clear(NULL);
    put_ethernet(&b, 0x86dd);
    begin_ipv6(&b, 6); /* nothing but Ethernet's padding */
    put_fill(&b, 0, 6);
    assert_int_equal(decode(&b, 1).kind, FRAME_BAD);
}

static void fragments(void **state)
{
    (void)state;
    size_t ip = begin_ipv4(&b, 17);
    b.data[ip + 6] = 0x20;
    b.data[ip + 7] = 0x03;
    put_text(&b, "piece of a datagram!!!!!");
    end_ipv4(&b, ip);
    struct frame f = decode(&b, 101);
    assert_int_equal(f.kind, FRAME_FRAGMENT);
    assert_ipv4_addresses(&f);
    assert_int_equal(f.fragment_id, 0x1234);
    assert_int_equal(f.fragment_offset, 24);
    assert_true(f.more_fragments);
    assert_int_equal(f.payload.len, 24);
    assert_int_equal(f.ip_protocol, 17);
    b.data[ip + 6] = 0x40; /* don't fragment is none */
    b.data[ip + 7] = 0;
    assert_int_not_equal(decode(&b, 101).kind, FRAME_FRAGMENT);
    clear(NULL);
    ip = begin_ipv6(&b, 44);
    put_hex(&b, "11 00 0010 cafebabe"); /* offset 16, the last */
    put_text(&b, "rest");
    end_ipv6(&b, ip);
    f = decode(&b, 101);
    assert_int_equal(f.kind, FRAME_FRAGMENT);
    assert_int_equal(f.fragment_id, 0xcafebabe);
    assert_int_equal(f.fragment_offset, 16);
    assert_false(f.more_fragments);
    assert_int_equal(f.ip_protocol, 17);
    assert_true(slice_eq_str(f.payload, "rest"));
}

static void tunnels_are_followed_inwards(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t protocol;
        uint16_t port; /* of UDP */
        const char *header;
        uint32_t id;
    } tunnels[] = {
        {"IPv4 in IP", 4, 0, "", 0},
        {"GRE", 47, 0, "0000 0800", 0},
        {"GRE, key, sequence, checksum", 47, 0, "b000 0800 00000000 000000ff 00000001", 255},
        {"GRE, Ethernet", 47, 0, "0000 6558 020000000002 020000000001 0800", 0},
        {"PPTP", 47, 0, "3081 880b 002f0001 00000001 00000002 ff03 0021", 0},
        {"ERSPAN I", 47, 0, "0000 88be 020000000002 020000000001 0800", 0},
        {"ERSPAN II", 47, 0, "1000 88be 00000001 1001000100000000 020000000002 020000000001 0800",
         0},
        {"ERSPAN III", 47, 0,
         "1000 22eb 00000001 200100010000000000000001 0000000000000000 020000000002 020000000001 "
         "0800",
         0},
        {"MPLS in IP", 137, 0, "00010140", 0},
        {"VXLAN", 17, 4789, "08000000 00002a00 020000000002 020000000001 0800", 42},
        {"VXLAN, tagged", 17, 8472, "08000000 00002a00 020000000002 020000000001 8100 0005 0800",
         42},
        {"VXLAN-GPE", 17, 4790, "08000000 00002a00 020000000002 020000000001 0800", 42},
        {"VXLAN-GPE, IP", 17, 4790, "0c000001 00002a00", 42},
        {"VXLAN-GPE, NSH", 17, 4790, "0c000004 00002a00 0fc20201 00000bff", 42},
        {"VXLAN-GPE, NSH, NSH, Ethernet", 17, 4790,
         "0c000004 00002a00 0fc10204 0fc60103 00000bff 00000000000000000000000000000000 "
         "020000000002 020000000001 0800",
         42},
        {"GRE, NSH", 47, 0, "0000 894f 0fc20201 00000bff", 0},
        {"Geneve", 17, 6081, "0000 6558 00002a00 020000000002 020000000001 0800", 42},
        {"Geneve, options, IP", 17, 6081, "0200 0800 00002a00 0102800100000000", 42},
        {"GRE in UDP", 17, 4754, "0000 0800", 0},
        {"GTP-U", 17, 2152, "30ff 0031 00000007", 7},
        {"GTP-U, extension", 17, 2152, "34ff 0031 00000007 00000085 01 00 00 00", 7},
        {"MPLS in UDP", 17, 6635, "00010140", 0},
    };
    for (size_t i = 0; i < sizeof tunnels / sizeof tunnels[0]; i++) {
        clear(NULL);
        put_hex(&b, "020000000002 020000000001 8100 0064 86dd");
        size_t ip = begin_ipv6(&b, tunnels[i].protocol);
        size_t udp = tunnels[i].port ? begin_udp(&b, 49999, tunnels[i].port) : 0;
        put_hex(&b, tunnels[i].header);
        put_hello_ipv4();
        if (udp)
            end_udp(&b, udp);
        end_ipv6(&b, ip);
        struct frame f = decode(&b, 1);
        if (f.ip_version != 4 || f.kind != FRAME_TCP)
            print_error("%s\n", tunnels[i].name);
        assert_hello(&f);
        assert_ipv4_addresses(&f);
        assert_int_equal(f.tunnel_id, tunnels[i].id);
        if (strstr(tunnels[i].name, "VXLAN"))
            assert_int_equal(f.vlan, strstr(tunnels[i].name, "tagged") ? 5 : 0);
    }
}

static void a_tunnel_without_ip_leaves_the_packet_around_it(void **state)
{
    (void)state;
    put_ethernet(&b, 0x0800);
    size_t ip = begin_ipv4(&b, 17);
    size_t udp = begin_udp(&b, 49999, 4789);
    put_hex(&b, "08000000 00002a00 ffffffffffff 020000000001 0806"); /* ARP */
    put_fill(&b, 0, 28);
    end_udp(&b, udp);
    end_ipv4(&b, ip);
    struct frame f = decode(&b, 1);
    assert_int_equal(f.kind, FRAME_UDP);
    assert_ipv4_addresses(&f);
    assert_int_equal(f.dst_port, 4789);
    assert_int_equal(f.tunnel_id, 0);
    assert_int_equal(f.l4_length, 58);
    assert_int_equal(f.payload.len, 50);
    b.data[14 + 20 + 8] = 0; /* and what is no VXLAN at all is plain UDP */
    f = decode(&b, 1);
    assert_int_equal(f.kind, FRAME_UDP);
    assert_int_equal(f.payload.len, 50);
}

static void nesting_ends(void **state)
{
    (void)state;
    put_hex(&b, "020000000002 020000000001 8100");
    for (int i = 0; i < 10000; i++)
        put_hex(&b, "0064 8100");
    assert_int_equal(decode(&b, 1).kind, FRAME_OTHER);
    clear(NULL);
    for (int i = 0; i < 3000; i++) {
        size_t ip = begin_ipv4(&b, 4);
        poke16(&b, ip + 2, 60000 - i * 20);
    }
    struct frame f = decode(&b, 101);
    assert_int_equal(f.kind, FRAME_IP);
    assert_int_equal(f.ip_protocol, 4);
}

static void contradicting_headers_are_bad(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } pokes[] = {{0, 0x55}, {0, 0x44}, {0, 0x4f}, {3, 19}, {20 + 12, 0x40}, {20 + 12, 0xf0}};
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        clear(NULL);
        put_hello_ipv4();
        b.data[pokes[i].at] = pokes[i].value;
        assert_int_equal(decode(&b, 228).kind, FRAME_BAD);
    }
    clear(NULL);
    size_t ip = begin_ipv4(&b, 17);
    size_t udp = begin_udp(&b, 1, 2);
    end_ipv4(&b, ip);
    poke16(&b, udp + 4, 7);
    assert_int_equal(decode(&b, 101).kind, FRAME_BAD);
}

static void what_is_not_ip_is_other(void **state)
{
    (void)state;
    put_ethernet(&b, 0x0806);
    put_fill(&b, 0, 46);
    assert_int_equal(decode(&b, 1).kind, FRAME_OTHER);
    assert_int_equal(decode(&b, 1).ip_version, 0);
    assert_int_equal(decode(&b, 127).kind, FRAME_OTHER);
    clear(NULL);
    put_ethernet(&b, 0x0026); /* spanning tree */
    put_hex(&b, "424203");
    put_fill(&b, 0, 43);
    assert_int_equal(decode(&b, 1).kind, FRAME_OTHER);
}

/* Cut anywhere: never beyond what is there, and what was decoded is what the whole gives. */
static void a_snaplen_cuts_payload_not_lengths(void **state)
{
    (void)state;
    put_hex(&b, "020000000002 020000000001 8100 0064 86dd");
    size_t ip = begin_ipv6(&b, 17);
    size_t udp = begin_udp(&b, 49999, 4789);
    put_hex(&b, "08000000 00002a00 020000000002 020000000001 0800");
    size_t headers = b.len + 40;
    put_hello_ipv4();
    end_udp(&b, udp);
    end_ipv6(&b, ip);
    for (size_t n = 0; n <= b.len; n++) {
        struct frame f = decode_cut(&b, 1, n);
        assert_true(f.payload.len <= f.payload_bytes || f.payload.len == 0);
        if (n >= headers) {
            assert_int_equal(f.kind, FRAME_TCP);
            assert_int_equal(f.payload_bytes, 5);
            assert_int_equal(f.payload.len, n - headers);
        } else if (n >= 18 + 40 + 8) {
            assert_int_equal(f.kind, FRAME_UDP);
            assert_ipv6_addresses(&f);
        } else {
            assert_int_equal(f.kind, FRAME_BAD);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tcp_over_ethernet, clear),
        cmocka_unit_test_setup(ethernet_padding_and_checksum_are_no_payload, clear),
        cmocka_unit_test_setup(link_layers, clear),
        cmocka_unit_test_setup(ipv4_options_are_stepped_over, clear),
        cmocka_unit_test_setup(ipv6_extensions_are_stepped_over, clear),
        cmocka_unit_test_setup(other_protocols, clear),
        cmocka_unit_test_setup(segmentation_offload_leaves_lengths_out, clear),
        cmocka_unit_test_setup(fragments, clear),
        cmocka_unit_test_setup(tunnels_are_followed_inwards, clear),
        cmocka_unit_test_setup(a_tunnel_without_ip_leaves_the_packet_around_it, clear),
        cmocka_unit_test_setup(nesting_ends, clear),
        cmocka_unit_test_setup(contradicting_headers_are_bad, clear),
        cmocka_unit_test_setup(what_is_not_ip_is_other, clear),
        cmocka_unit_test_setup(a_snaplen_cuts_payload_not_lengths, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
