/* Between capture.c and capture_socket.c. */
#ifndef TRAWL_CAPTURE_CAPTURE_INTERNAL_H
#define TRAWL_CAPTURE_CAPTURE_INTERNAL_H

#include <linux/if_packet.h>

#include "capture/capture_filter.h"
#include "capture/capture_links.h"

/* One AF_PACKET socket and its ring. */
struct capture_socket {
    char name[CAPTURE_NAME_SIZE]; /* "" = any */
    int fd;
    int ifindex; /* bound to; 0 = not (any: 0 and bound) */
    bool bound;
    uint8_t *ring;
    size_t ring_bytes, block_bytes;
    unsigned block_count, block_at;   /* block_at: being read or next */
    struct tpacket_block_desc *block; /* being read, or NULL */
    uint8_t *next_packet;
    unsigned packets_left;
    int64_t read_until_ns; /* last packet of the last block read */
};

/* A socket with its ring and program, not bound yet. */
int capture_socket_open(struct capture_socket *s, const char *name, uint64_t buffer_bytes,
                        const struct capture_program *program, struct error *reterr);
void capture_socket_close(struct capture_socket *s);
int capture_socket_attach(struct capture_socket *s, const struct capture_program *program);
/* ifindex 0 = any. */
int capture_socket_bind(struct capture_socket *s, int ifindex, bool promiscuous);
/* The next packet's header, or NULL when there is none now, or none before until_ns. Gives read
 * blocks back to the kernel first, unless `hold`: then only what is left of the block being read.
 */
struct tpacket3_hdr *capture_socket_next(struct capture_socket *s, bool hold, int64_t until_ns);
/* Drops since the last call. */
uint64_t capture_socket_drops(struct capture_socket *s);

#endif
