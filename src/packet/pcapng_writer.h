/* Encodes pcapng blocks (little endian, nanoseconds) into memory; the caller decides where they go.
 * Borrow nothing after return. All return 0 or the buf's sticky error. Thread: any. Source:
 * draft-ietf-opsawg-pcapng; layouts in wireshark-export.md. */
#ifndef TRAWL_PACKET_PCAPNG_WRITER_H
#define TRAWL_PACKET_PCAPNG_WRITER_H

#include "base/buf.h"
#include "packet/packet.h"

struct pcapng_statistics {
    int64_t ts_ns;
    uint64_t received, dropped_by_interface, dropped_by_os; /* UINT64_MAX leaves the option out */
};

int pcapng_put_section(struct buf *out, const char *os, const char *application,
                       const char *comment);
int pcapng_put_interface(struct buf *out, const struct packet_interface *interface);
/* comment may be NULL. What is beyond 262,144 captured bytes is cut off: tshark refuses more. */
int pcapng_put_packet(struct buf *out, const struct packet *packet, const char *comment);
int pcapng_put_statistics(struct buf *out, uint32_t interface,
                          const struct pcapng_statistics *statistics);
enum {
    PCAPNG_OPTION_CUSTOM = 2989, /* binary, may be copied */
    PCAPNG_OUR_PEN = 32473,      /* RFC 5612: for documentation; notes begin with a magic of ours */
    PCAPNG_NOTE_BYTES_MAX = 65000
};
/* An Interface Statistics Block that carries nothing but a note of ours. -E2BIG. */
int pcapng_put_note(struct buf *out, uint32_t interface, int64_t ts_ns, struct slice note);
/* NSS key log text as Decryption Secrets Blocks of at most 1 MiB, cut between lines. */
int pcapng_put_secrets(struct buf *out, struct slice nss_key_log);

struct pcapng_name {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t ip[16];
    const char *name;
};
/* Name Resolution Blocks of at most 1 MiB; names are cut to 255 bytes. Put them before the packets.
 */
int pcapng_put_names(struct buf *out, const struct pcapng_name *names, size_t count);

enum {
    PCAPNG_PACKET_OVERHEAD_BYTES = 44 /* frame 12, fields 20, epb_flags 8, end of options 4 */
};

/* Bytes that pcapng_put_packet without comment appends: epb_flags is always written, so that the
 * size depends on nothing else. */
static inline size_t pcapng_packet_size(uint32_t captured_bytes)
{
    return PCAPNG_PACKET_OVERHEAD_BYTES + (((size_t)captured_bytes + 3) & ~(size_t)3);
}

#endif
