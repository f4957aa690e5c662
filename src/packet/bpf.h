/* libpcap filter expressions (pcap-filter(7)) compiled for one link type and run over packets, or
 * handed to the kernel (SO_ATTACH_FILTER). Owned: bpf_free. Compile on any thread; a compiled
 * filter is never changed, so any number of threads may run it.
 *
 * A host name in an expression makes libpcap ask the resolver while compiling: compile expressions
 * of strangers where there is no network, or refuse them there. */
#ifndef TRAWL_PACKET_BPF_H
#define TRAWL_PACKET_BPF_H

#include "base/error.h"
#include "packet/packet.h"

struct bpf;
struct sock_filter; /* <linux/filter.h> */

enum {
    BPF_EXPRESSION_BYTES_MAX = 16384
};

/* An empty expression matches everything; one that can match nothing of this link type compiles to
 * a filter that matches nothing. snaplen is what a match returns to the kernel, 0 = all.
 * -EINVAL with a sentence that names the expression, -ENOMEM. */
int bpf_compile(uint16_t link_type, uint32_t snaplen_bytes, const char *expression,
                struct bpf **ret_bpf, struct error *reterr);
void bpf_free(struct bpf *bpf);

/* packet->link_type must be the one compiled for: packets of another never match. */
bool bpf_match(const struct bpf *bpf, const struct packet *packet);
/* Borrowed until bpf_free: for struct sock_fprog. At most 4,096 instructions are accepted by the
 * kernel. */
const struct sock_filter *bpf_instructions(const struct bpf *bpf, size_t *ret_count);

#endif
