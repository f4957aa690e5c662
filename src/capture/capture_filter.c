#include "capture/capture_filter.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include "packet/bpf.h"

enum {
    ETHERTYPE_V4 = 0x0800,
    ETHERTYPE_V6 = 0x86dd,
    PROTO_TCP = 6,
    PLAIN_V4 = 0x45, /* no options: our own connections have none */
    NO_LINK = 0,
    ETHERNET_LINK = 14,
    MAX_FAR = 512
};

/* Conditional jumps reach 255 instructions: whatever goes further is a plain jump that is patched
 * when its target is known. */
struct assembler {
    struct capture_program *program;
    bool full;
    struct {
        size_t at;
        int label;
    } far[MAX_FAR];
    size_t far_count;
};

enum label {
    LABEL_ETHERNET,
    LABEL_RAW,
    LABEL_MARK,
    LABEL_USER, /* of the section being made */
    LABEL_V6
};

static void emit(struct assembler *a, uint16_t code, uint32_t k, unsigned jt, unsigned jf)
{
    if (a->program->count == BPF_MAXINSNS) {
        a->full = true;
        return;
    }
    a->program->code[a->program->count++] =
        (struct sock_filter){.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k};
}

static void jump(struct assembler *a, int label)
{
    if (a->far_count == MAX_FAR) {
        a->full = true;
        return;
    }
    a->far[a->far_count].at = a->program->count;
    a->far[a->far_count++].label = label;
    emit(a, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* Everything that waits for the label goes here. */
static void place(struct assembler *a, int label)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->far_count; i++) {
        if (a->far[i].label != label)
            a->far[kept++] = a->far[i];
        else if (a->far[i].at < a->program->count)
            a->program->code[a->far[i].at].k = (uint32_t)(a->program->count - a->far[i].at - 1);
    }
    a->far_count = kept;
}

static void jump_if(struct assembler *a, uint32_t value, int label)
{
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    jump(a, label);
}

static void load(struct assembler *a, uint16_t size, uint32_t offset)
{
    emit(a, BPF_LD | size | BPF_ABS, offset, 0, 0);
}

uint16_t capture_link_type(uint16_t hardware_type)
{
    switch (hardware_type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return CAPTURE_LINK_ETHERNET;
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
        return CAPTURE_LINK_RAW;
    default:
        return CAPTURE_LINK_SLL2;
    }
}

static void dispatch(struct assembler *a, uint32_t snaplen)
{
    load(a, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE));
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 4);
    load(a, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1);
    emit(a, BPF_RET | BPF_K, 0, 0, 0);
    jump(a, LABEL_ETHERNET);
    jump_if(a, ARPHRD_ETHER, LABEL_ETHERNET);
    jump_if(a, ARPHRD_NONE, LABEL_RAW);
    jump_if(a, ARPHRD_RAWIP, LABEL_RAW);
    /* filtered in user space, where a link layer is made up for it */
    emit(a, BPF_RET | BPF_K, snaplen, 0, 0);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Goes to the mark when the words at `offset` are the address and the port at port_offset is the
 * one excluded. */
static void mark_end(struct assembler *a, const struct capture_exclude *exclude, uint32_t offset,
                     uint32_t port_offset)
{
    unsigned words = exclude->ip_version == 6 ? 4 : 1;
    for (unsigned i = 0; i < words; i++) {
        load(a, BPF_W, offset + 4 * i);
        /* past the remaining words, the port's load, compare and jump */
        emit(a, BPF_JMP | BPF_JEQ | BPF_K, be32(exclude->ip + (size_t)4 * i), 0,
             2 * (words - 1 - i) + 3);
    }
    load(a, BPF_H, port_offset);
    jump_if(a, exclude->port, LABEL_MARK);
}

static void mark_v4(struct assembler *a, const struct capture_filter_spec *spec, uint32_t link)
{
    load(a, BPF_B, link);
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, PLAIN_V4, 1, 0);
    jump(a, LABEL_USER);
    load(a, BPF_B, link + 9);
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, PROTO_TCP, 1, 0);
    jump(a, LABEL_USER);
    load(a, BPF_H, link + 6);
    emit(a, BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 0, 1);
    jump(a, LABEL_USER);
    for (size_t i = 0; i < spec->exclude_count; i++) {
        const struct capture_exclude *exclude = &spec->excludes[i];
        if (exclude->ip_version != 4)
            continue;
        mark_end(a, exclude, link + 12, link + 20);
        mark_end(a, exclude, link + 16, link + 22);
    }
    jump(a, LABEL_USER);
}

static void mark_v6(struct assembler *a, const struct capture_filter_spec *spec, uint32_t link)
{
    load(a, BPF_B, link + 6);
    emit(a, BPF_JMP | BPF_JEQ | BPF_K, PROTO_TCP, 1, 0);
    jump(a, LABEL_USER);
    for (size_t i = 0; i < spec->exclude_count; i++) {
        const struct capture_exclude *exclude = &spec->excludes[i];
        if (exclude->ip_version != 6)
            continue;
        mark_end(a, exclude, link + 8, link + 40);
        mark_end(a, exclude, link + 24, link + 42);
    }
}

/* A load beyond the packet ends the program with 0, so a packet too short for the marks would be
 * lost: such are let through to the user's expression first. */
static void mark_own(struct assembler *a, const struct capture_filter_spec *spec, uint32_t link)
{
    if (spec->exclude_count == 0)
        return;
    emit(a, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    emit(a, BPF_JMP | BPF_JGE | BPF_K, link + 40, 1, 0);
    jump(a, LABEL_USER);
    if (link == ETHERNET_LINK) {
        load(a, BPF_H, 12);
        jump_if(a, ETHERTYPE_V6, LABEL_V6);
        emit(a, BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_V4, 1, 0);
        jump(a, LABEL_USER);
    } else {
        load(a, BPF_B, 0);
        emit(a, BPF_ALU | BPF_RSH | BPF_K, 4, 0, 0);
        jump_if(a, 6, LABEL_V6);
    }
    mark_v4(a, spec, link);
    place(a, LABEL_V6);
    emit(a, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    emit(a, BPF_JMP | BPF_JGE | BPF_K, link + 60, 1, 0);
    jump(a, LABEL_USER);
    mark_v6(a, spec, link);
    place(a, LABEL_USER);
}

static int user_program(struct assembler *a, const struct capture_filter_spec *spec,
                        uint16_t link_type, struct error *reterr)
{
    if (!spec->in_kernel || !spec->expression || !spec->expression[0]) {
        emit(a, BPF_RET | BPF_K, spec->snaplen_bytes, 0, 0);
        return 0;
    }
    struct bpf *bpf;
    int r = bpf_compile(link_type, spec->snaplen_bytes, spec->expression, &bpf, reterr);
    if (r == -EINVAL && link_type != CAPTURE_LINK_ETHERNET) {
        emit(a, BPF_RET | BPF_K, spec->snaplen_bytes, 0, 0);
        return 0;
    }
    if (r < 0)
        return r;
    size_t count;
    const struct sock_filter *code = bpf_instructions(bpf, &count);
    for (size_t i = 0; i < count; i++)
        emit(a, code[i].code, code[i].k, code[i].jt, code[i].jf);
    bpf_free(bpf);
    return 0;
}

int capture_filter_build(const struct capture_filter_spec *spec,
                         struct capture_program *ret_program, struct error *reterr)
{
    struct assembler a = {.program = ret_program};
    ret_program->count = 0;
    dispatch(&a, spec->snaplen_bytes);
    place(&a, LABEL_ETHERNET);
    mark_own(&a, spec, ETHERNET_LINK);
    int r = user_program(&a, spec, CAPTURE_LINK_ETHERNET, reterr);
    if (r < 0)
        return r;
    place(&a, LABEL_RAW);
    mark_own(&a, spec, NO_LINK);
    r = user_program(&a, spec, CAPTURE_LINK_RAW, reterr);
    if (r < 0)
        return r;
    place(&a, LABEL_MARK);
    emit(&a, BPF_RET | BPF_K, CAPTURE_MARK_BYTES, 0, 0);
    if (a.full)
        return error_set(reterr, -E2BIG,
                         "the capture filter is too long for the kernel (more than %d "
                         "instructions): make it shorter",
                         BPF_MAXINSNS);
    return 0;
}

bool capture_filter_needs_tags(const char *expression)
{
    for (const char *p = expression; p && (p = strstr(p, "vlan")); p += 4) {
        bool begins = p == expression || !isalnum((unsigned char)p[-1]);
        if (begins && !isalnum((unsigned char)p[4]))
            return true;
    }
    return false;
}
