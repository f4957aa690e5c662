#include "snapshot/snapshot_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"

/* Words of pcap-filter(7); anything else would be taken for a host name and looked up. */
static const char *const words[] = {"host",
                                    "net",
                                    "port",
                                    "portrange",
                                    "src",
                                    "dst",
                                    "or",
                                    "and",
                                    "not",
                                    "ether",
                                    "fddi",
                                    "tr",
                                    "wlan",
                                    "ip",
                                    "ip6",
                                    "arp",
                                    "rarp",
                                    "decnet",
                                    "tcp",
                                    "udp",
                                    "sctp",
                                    "icmp",
                                    "icmp6",
                                    "igmp",
                                    "igrp",
                                    "pim",
                                    "vrrp",
                                    "carp",
                                    "ah",
                                    "esp",
                                    "proto",
                                    "protochain",
                                    "broadcast",
                                    "multicast",
                                    "gateway",
                                    "mask",
                                    "less",
                                    "greater",
                                    "len",
                                    "length",
                                    "inbound",
                                    "outbound",
                                    "ifname",
                                    "on",
                                    "rnr",
                                    "rulenum",
                                    "reason",
                                    "rset",
                                    "ruleset",
                                    "srnr",
                                    "subrulenum",
                                    "action",
                                    "ifindex",
                                    "type",
                                    "subtype",
                                    "dir",
                                    "direction",
                                    "vlan",
                                    "mpls",
                                    "pppoed",
                                    "pppoes",
                                    "geneve",
                                    "iso",
                                    "clnp",
                                    "esis",
                                    "isis",
                                    "es-is",
                                    "is-is",
                                    "clnp",
                                    "llc",
                                    "atalk",
                                    "aarp",
                                    "moprc",
                                    "mopdl",
                                    "lat",
                                    "ipx",
                                    "netbeui",
                                    "stp",
                                    "link",
                                    "ppp",
                                    "slip",
                                    "radio",
                                    "addr1",
                                    "addr2",
                                    "addr3",
                                    "addr4",
                                    "ra",
                                    "ta",
                                    "tcpflags",
                                    "tcp-fin",
                                    "tcp-syn",
                                    "tcp-rst",
                                    "tcp-push",
                                    "tcp-ack",
                                    "tcp-urg",
                                    "tcp-ece",
                                    "tcp-cwr",
                                    "icmptype",
                                    "icmpcode",
                                    "icmp6type",
                                    "icmp6code",
                                    "icmp-echoreply",
                                    "icmp-unreach",
                                    "icmp-sourcequench",
                                    "icmp-redirect",
                                    "icmp-echo",
                                    "icmp-routeradvert",
                                    "icmp-routersolicit",
                                    "icmp-timxceed",
                                    "icmp-paramprob",
                                    "icmp-tstamp",
                                    "icmp-tstampreply",
                                    "icmp-ireq",
                                    "icmp-ireqreply",
                                    "icmp-maskreq",
                                    "icmp-maskreply",
                                    "icmp6-echo",
                                    "icmp6-echoreply",
                                    "icmp6-destinationunreach",
                                    "icmp6-packettoobig",
                                    "icmp6-timeexceeded",
                                    "icmp6-parameterproblem",
                                    "icmp6-routersolicit",
                                    "icmp6-routeradvert",
                                    "icmp6-neighborsolicit",
                                    "icmp6-neighboradvert",
                                    "icmp6-redirect",
                                    "icmp6-multicastlistenerquery",
                                    "icmp6-multicastlistenerreportv1",
                                    "icmp6-multicastlistenerdone",
                                    "icmp6-multicastlistenerreportv2",
                                    "mtp2",
                                    "fisu",
                                    "lssu",
                                    "msu",
                                    "sio",
                                    "opc",
                                    "dpc",
                                    "sls",
                                    "oam",
                                    "oamf4",
                                    "vpi",
                                    "vci",
                                    "lane",
                                    "metac",
                                    "bcc",
                                    "sc",
                                    "ilmic",
                                    "connectmsg",
                                    "metaconnect",
                                    NULL};

static bool is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == ':' || c == '_' || c == '-' || c == '\\' || (unsigned char)c >= 0x80;
}

static bool only(struct slice token, const char *set)
{
    for (size_t i = 0; i < token.len; i++)
        if (!token.data[i] || !strchr(set, (char)token.data[i]))
            return false;
    return true;
}

static bool is_number_or_address(struct slice t)
{
    if (only(t, "0123456789") || only(t, "0123456789.") || only(t, "0123456789-"))
        return true;
    if (t.len > 2 && t.data[0] == '0' && (t.data[1] == 'x' || t.data[1] == 'X'))
        return only(slice_sub(t, 2, t.len), "0123456789abcdefABCDEF");
    return memchr(t.data, ':', t.len) && only(t, "0123456789abcdefABCDEF:.");
}

static bool is_known(struct slice token)
{
    if (token.len && token.data[0] == '\\')
        token = slice_sub(token, 1, token.len);
    for (size_t i = 0; words[i]; i++)
        if (slice_eq_str(token, words[i]))
            return true;
    return false;
}

static bool is_service(struct slice token)
{
    return only(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

static bool lookup_service(struct slice token, struct buf *out)
{
    char name[64], space[1024];
    struct servent entry, *found = NULL;
    if (token.len >= sizeof name)
        return false;
    memcpy(name, token.data, token.len);
    name[token.len] = '\0';
    if (getservbyname_r(name, NULL, &entry, space, sizeof space, &found) != 0 || !found)
        return false;
    return buf_printf(out, "%u", ntohs((uint16_t)found->s_port)) == 0;
}

static int check_token(const char *expression, struct slice token, bool service_allowed,
                       struct buf *out, struct error *reterr)
{
    if (is_number_or_address(token) || is_known(token))
        return buf_append_slice(out, token);
    if (service_allowed && is_service(token) && lookup_service(token, out))
        return 0;
    char shown[64];
    text_escape(token, shown, sizeof shown);
    size_t at = (size_t)((const char *)token.data - expression);
    if (service_allowed)
        return error_set_at(reterr, -EINVAL, at,
                            "\"%s\" in the BPF expression is no service that is known here: give "
                            "the port's number.",
                            shown);
    return error_set_at(reterr, -EINVAL, at,
                        "\"%s\" in the BPF expression is no word of pcap-filter; names of hosts "
                        "are not looked up: give an address.",
                        shown);
}

int snapshot_filter_expand(const char *expression, struct buf *out, struct error *reterr)
{
    size_t len = strlen(expression);
    if (len > BPF_EXPRESSION_BYTES_MAX)
        return error_set(reterr, -EINVAL, "The BPF expression is longer than %d bytes.",
                         BPF_EXPRESSION_BYTES_MAX);
    bool port = false; /* a service's name may follow */
    for (size_t i = 0; i < len;) {
        if (!is_word_char(expression[i])) {
            buf_append_u8(out, (uint8_t)expression[i++]);
            continue;
        }
        size_t start = i;
        while (i < len && is_word_char(expression[i]))
            i++;
        struct slice token = slice_of(expression + start, i - start);
        int r = check_token(expression, token, port, out, reterr);
        if (r < 0)
            return r;
        bool ends_a_port = !slice_eq_str(token, "or") && !slice_eq_str(token, "not");
        port = slice_eq_str(token, "port") || slice_eq_str(token, "portrange") ||
               (port && !ends_a_port);
    }
    buf_append_u8(out, 0);
    return buf_failed(out)
               ? error_set(reterr, buf_failed(out), "There is no memory for the filter.")
               : 0;
}

int snapshot_filter_check(const char *expression, struct error *reterr)
{
    struct buf out;
    buf_init(&out, 4 * BPF_EXPRESSION_BYTES_MAX);
    int r = snapshot_filter_expand(expression, &out, reterr);
    buf_done(&out);
    return r;
}

/* A filter may not fit a link type ("vlan" on raw IP): nothing of that type matches then. */
static struct bpf *program_for(struct snapshot_filter *f, uint16_t link_type, struct error *reterr)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->programs[i].link_type == link_type)
            return f->programs[i].bpf;
    struct bpf *bpf = NULL;
    if (f->closed || f->count == SNAPSHOT_FILTER_MAX_LINK_TYPES ||
        bpf_compile(link_type, 0, f->expression, &bpf, reterr) < 0)
        bpf = NULL;
    if (!f->closed && f->count < SNAPSHOT_FILTER_MAX_LINK_TYPES) {
        f->programs[f->count].link_type = link_type;
        f->programs[f->count++].bpf = bpf;
    }
    return bpf;
}

int snapshot_filter_init(struct snapshot_filter *filter, const char *expression,
                         struct error *reterr)
{
    /* Ethernet, loopback, raw IP, IPv4, IPv6, Linux cooked v1 and v2, raw as files name it, PPP,
     * 802.11 plain and with radiotap */
    static const uint16_t usual[] = {1, 0, 101, 228, 229, 113, 276, 12, 14, 108, 9, 105, 127};
    *filter = (struct snapshot_filter){0};
    if (!expression || !expression[strspn(expression, " \t")])
        return 0;
    filter->expression = expression;
    int r = snapshot_filter_check(expression, reterr);
    if (r < 0)
        return r;
    struct error first = {.text = ""};
    bool any = false;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        any |= program_for(filter, usual[i], first.text[0] ? NULL : &first) != NULL;
    if (any)
        return 0;
    snapshot_filter_done(filter);
    if (reterr)
        *reterr = first;
    return -EINVAL;
}

bool snapshot_filter_match(struct snapshot_filter *filter, const struct packet *packet)
{
    if (!filter->expression)
        return true;
    const struct bpf *bpf = program_for(filter, packet->link_type, NULL);
    return bpf && bpf_match(bpf, packet);
}

void snapshot_filter_done(struct snapshot_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        bpf_free(filter->programs[i].bpf);
    *filter = (struct snapshot_filter){0};
}
