/* Hand-made capture files in either byte order, and descriptors to read them from. */
#ifndef TRAWL_TESTS_SUPPORT_BLOCKS_H
#define TRAWL_TESTS_SUPPORT_BLOCKS_H

#include "base/buf.h"
#include "packet/capture_reader.h"

struct blocks {
    struct buf out;
    bool big_endian;
    size_t block_start;
};

void blocks_init(struct blocks *b, bool big_endian);
void blocks_done(struct blocks *b);
void blocks_u16(struct blocks *b, uint16_t v);
void blocks_u32(struct blocks *b, uint32_t v);
void blocks_u64(struct blocks *b, uint64_t v);
void blocks_padded(struct blocks *b, const void *data, size_t n);
void blocks_option(struct blocks *b, uint16_t code, const void *value, size_t n);
/* Overwrites what stands at an offset. */
void blocks_poke_u32(struct blocks *b, size_t offset, uint32_t v);
void blocks_begin(struct blocks *b, uint32_t type);
void blocks_end(struct blocks *b);

void blocks_section(struct blocks *b);
/* resolution < 0 leaves the option out. */
void blocks_interface(struct blocks *b, uint16_t link_type, int resolution, const char *name);
void blocks_packet(struct blocks *b, uint32_t interface, uint64_t ticks, const char *data,
                   uint32_t direction);
/* pcap */
void blocks_pcap_header(struct blocks *b, uint32_t magic, uint32_t snaplen, uint32_t link_type);
void blocks_pcap_record(struct blocks *b, uint32_t seconds, uint32_t fraction, const char *data);

/* A regular file (without a name) that holds the bytes; a pipe that gives them (≤ 60 KiB). The
 * caller closes. */
int file_of(const void *data, size_t n);
int pipe_of(const void *data, size_t n);

/* What a whole reading gives. */
struct reading {
    int code; /* of the last call, or of open */
    size_t packets, damages, interfaces, statistics, secrets, names;
    char text[4096]; /* packets' bytes, each followed by a space */
    struct packet last;
    struct error last_damage, error;
};
struct reading read_all(int fd, const struct capture_reader_options *options);

#endif
