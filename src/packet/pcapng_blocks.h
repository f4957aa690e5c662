/* What stands in the blocks of a pcapng file: the half of the reader that knows layouts. Internal
 * to src/packet. p always points at the block's first byte; where `block` was found whole, all its
 * bytes are there. */
#ifndef TRAWL_PACKET_PCAPNG_BLOCKS_H
#define TRAWL_PACKET_PCAPNG_BLOCKS_H

#include "packet/capture_reader_internal.h"

enum {
    PCAPNG_BLOCK_FRAME_BYTES = 12, /* type and two lengths */

    PCAPNG_SECTION = 0x0a0d0d0a,
    PCAPNG_INTERFACE = 1,
    PCAPNG_OLD_PACKET = 2,
    PCAPNG_SIMPLE_PACKET = 3,
    PCAPNG_NAMES = 4,
    PCAPNG_STATISTICS = 5,
    PCAPNG_ENHANCED_PACKET = 6,
    PCAPNG_SECRETS = 10,
    PCAPNG_CUSTOM = 0x00000bad,
    PCAPNG_CUSTOM_NO_COPY = 0x40000bad
};

struct pcapng_block {
    uint32_t type;
    uint32_t bytes;  /* with its frame; a multiple of four, 12 … 16 MiB */
    bool big_endian; /* of a section header; of the section for all others */
};

/* One a damaged file is looked through for. */
bool pcapng_is_known_type(uint32_t type);
/* The fields of a whole block agree with its length and the section's interfaces. */
bool pcapng_block_is_sound(const struct capture_reader *r, const struct pcapng_block *block,
                           const uint8_t *p);
/* A block of which the file holds only the first `have` bytes is a packet cut short, and not one
 * whose length was damaged. */
bool pcapng_is_cut_packet(const struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p, size_t have);
/* An enum capture_event, CAPTURE_AGAIN, CAPTURE_DAMAGE with *ret_reason, or -ENOMEM. */
int pcapng_read_block(struct capture_reader *r, const struct pcapng_block *block, const uint8_t *p,
                      struct packet *ret_packet, const char **ret_reason);
/* A section header or interface description whose frame is broken: takes over what can be read of
 * its `have` bytes (at least 12). Without it the numbers of all interfaces behind would be wrong.
 */
void pcapng_salvage_block(struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p, size_t have);
/* 0, -EBADMSG, -E2BIG or -ENOMEM. */
int pcapng_read_interface(struct capture_reader *r, const struct pcapng_block *block,
                          const uint8_t *p);

#endif
