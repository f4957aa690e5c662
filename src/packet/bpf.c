#include "packet/bpf.h"

#include <errno.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#include "base/text.h"

enum {
    SHOWN_BYTES = 120,
    LINKTYPE_RAW = 101
};

struct bpf {
    uint16_t link_type;
    struct bpf_program program;
};

/* Files and libpcap number link types alike but for raw IP. */
static int dlt_of(uint16_t link_type)
{
    return link_type == LINKTYPE_RAW ? DLT_RAW : link_type;
}

static int set_error(struct error *reterr, const char *expression, const char *why)
{
    char shown[SHOWN_BYTES];
    char reason[SHOWN_BYTES * 2];
    text_escape(slice_str(expression), shown, sizeof shown);
    text_escape(slice_str(why), reason, sizeof reason);
    return error_set(reterr, -EINVAL, "The capture filter \"%s\" cannot be used: %s.", shown,
                     reason);
}

/* libpcap takes it for an error when a link type can never match ("ip6" on LINKTYPE_IPV4); to us it
 * is an answer, since one expression serves many interfaces. */
static bool matches_nothing(const char *why)
{
    return strcmp(why, "expression rejects all packets") == 0;
}

static int reject_all(struct bpf_program *program)
{
    struct bpf_insn *insn = calloc(1, sizeof *insn); /* freed by pcap_freecode, like its own */
    if (!insn)
        return -1;
    insn->code = BPF_RET | BPF_K;
    program->bf_insns = insn;
    program->bf_len = 1;
    return 0;
}

int bpf_compile(uint16_t link_type, uint32_t snaplen_bytes, const char *expression,
                struct bpf **ret_bpf, struct error *reterr)
{
    if (strlen(expression) > BPF_EXPRESSION_BYTES_MAX)
        return error_set(reterr, -EINVAL, "The capture filter is longer than %d bytes.",
                         BPF_EXPRESSION_BYTES_MAX);
    struct bpf *bpf = calloc(1, sizeof *bpf);
    int snaplen = (int)(snaplen_bytes && snaplen_bytes <= PACKET_CAPTURED_BYTES_MAX
                            ? snaplen_bytes
                            : PACKET_CAPTURED_BYTES_MAX);
    pcap_t *handle = bpf ? pcap_open_dead(dlt_of(link_type), snaplen) : NULL;
    if (!handle) {
        free(bpf);
        return error_set(reterr, -ENOMEM, "There is not enough memory to compile the filter.");
    }
    int result = pcap_compile(handle, &bpf->program, expression, 1, PCAP_NETMASK_UNKNOWN);
    if (result < 0 && matches_nothing(pcap_geterr(handle)))
        result = reject_all(&bpf->program);
    if (result < 0)
        set_error(reterr, expression, pcap_geterr(handle));
    pcap_close(handle);
    if (result < 0) {
        free(bpf);
        return -EINVAL;
    }
    bpf->link_type = link_type;
    *ret_bpf = bpf;
    return 0;
}

void bpf_free(struct bpf *bpf)
{
    if (!bpf)
        return;
    pcap_freecode(&bpf->program);
    free(bpf);
}

bool bpf_match(const struct bpf *bpf, const struct packet *packet)
{
    return packet->link_type == bpf->link_type &&
           bpf_filter(bpf->program.bf_insns, packet->data, packet->original_bytes,
                      packet->captured_bytes) != 0;
}

const struct sock_filter *bpf_instructions(const struct bpf *bpf, size_t *ret_count)
{
    _Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn),
                   "libpcap's instructions are the kernel's");
    *ret_count = bpf->program.bf_len;
    return (const struct sock_filter *)(const void *)bpf->program.bf_insns;
}
