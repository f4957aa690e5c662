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
/* comment may be NULL. */
int pcapng_put_packet(struct buf *out, const struct packet *packet, const char *comment);
int pcapng_put_statistics(struct buf *out, uint32_t interface,
                          const struct pcapng_statistics *statistics);
/* NSS key log text as a Decryption Secrets Block. */
int pcapng_put_secrets(struct buf *out, struct slice nss_key_log);

struct pcapng_name {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t ip[16];
    const char *name;
};
int pcapng_put_names(struct buf *out, const struct pcapng_name *names, size_t count);

/* Bytes that pcapng_put_packet without comment appends. */
static inline size_t pcapng_packet_size(uint32_t captured_bytes)
{
    return 32 + ((captured_bytes + 3u) & ~3u) +
           12; /* header, data, epb_flags + end of options, … */
}

#endif
