/* Reads pcapng and pcap (µs, ns, both byte orders), plain or gz / zst / lz4, from a descriptor, in
 * windows of bounded size.
 *
 * In: an open descriptor (file or pipe; owned by the caller, must outlive the reader; a
 * regular file is read from its first byte whatever the descriptor's position). Out: packets
 * in file order, damage reports. Memory: one window (2 MiB, grows to the largest block allowed: 16
 * MiB) + the interfaces. The packet's bytes are borrowed until the next call. Thread: owner.
 * Unknown blocks are skipped; a corrupt block costs that block: it is reported with its offset and
 * the reader finds the next plausible block. Interface indexes count through all sections of
 * a file. A Simple Packet Block has no time: it gets that of the packet before it. Times beyond
 * PACKET_TIME_MIN_NS … PACKET_TIME_MAX_NS become those. Packets of more than 262,144 bytes are cut
 * to that. Source: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap. */
#ifndef TRAWL_PACKET_CAPTURE_READER_H
#define TRAWL_PACKET_CAPTURE_READER_H

#include "base/error.h"
#include "packet/packet.h"

struct capture_reader;

enum capture_event {
    CAPTURE_END, /* end of file */
    CAPTURE_PACKET,
    CAPTURE_DAMAGE,     /* *reterr says what and where; reading may go on */
    CAPTURE_INTERFACE,  /* a new interface was described: ret_packet->interface is its index */
    CAPTURE_STATISTICS, /* an Interface Statistics Block: see capture_reader_statistics */
    CAPTURE_SECRETS,    /* a Decryption Secrets Block: see capture_reader_secrets */
    CAPTURE_NAMES       /* a Name Resolution Block was read over */
};

struct capture_statistics {
    uint32_t interface;
    int64_t ts_ns;
    uint64_t received, dropped_by_interface, dropped_by_os; /* UINT64_MAX = not stated */
};

struct capture_reader_options {
    uint64_t
        end_offset; /* stop at this offset of the plain file (published length); 0 = end of file */
    uint64_t start_offset; /* plain pcapng in a regular file only (else -EINVAL): begin at this
                              block after reading the section header and the interfaces; those
                              described in between are looked up when first needed; 0 = start. For
                              files of one section. */
    bool packets_only;     /* skip STATISTICS, SECRETS, NAMES and INTERFACE events */
};

/* -EBADMSG when it is no capture file at all (sentence in reterr). */
int capture_reader_open(int fd, const struct capture_reader_options *options,
                        struct capture_reader **ret_reader, struct error *reterr);
void capture_reader_free(struct capture_reader *reader);

/* The file has grown (a segment that is being written): after CAPTURE_END reading goes on up to
 * this offset, where a block has to end. Plain regular files only: -ESPIPE. */
int capture_reader_extend(struct capture_reader *reader, uint64_t end_offset);

/* The next event; a negative errno only for I/O errors and lack of memory. */
int capture_reader_next(struct capture_reader *reader, struct packet *ret_packet,
                        struct error *reterr);

size_t capture_reader_interface_count(const struct capture_reader *reader);
/* Borrowed until the reader is freed. NULL when out of range. */
const struct packet_interface *capture_reader_interface(const struct capture_reader *reader,
                                                        uint32_t index);
const struct capture_statistics *capture_reader_statistics(const struct capture_reader *reader);
/* After CAPTURE_STATISTICS: what the recorder noted there (a custom option of ours, without its
 * enterprise number); empty = nothing. Borrowed until the next call. */
struct slice capture_reader_note(const struct capture_reader *reader);
/* NSS key log text; borrowed until the next call. */
struct slice capture_reader_secrets(const struct capture_reader *reader);
/* Bytes of the (compressed) input read so far, for progress. */
uint64_t capture_reader_position(const struct capture_reader *reader);

#endif
