/* How one segment of a node comes into a snapshot: linked, fetched and compressed, or staged so
 * that a part of it can be cut out. Which are wanted, and what it means when one does not come, is
 * snapshot_take_files.c. Private to src/snapshot. Thread: the node's. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_TAKE_SEGMENT_H
#define TRAWL_SNAPSHOT_SNAPSHOT_TAKE_SEGMENT_H

#include "snapshot/snapshot_take_private.h"

enum {
    TAKE_FILE_NAME_BYTES = 32
};

enum take_want {
    TAKE_NOTHING, /* no packet of the window in it */
    TAKE_WHOLE,
    TAKE_PART
};

struct take_piece {
    const struct ring_segment_info *segment;
    enum take_want want;
    uint64_t sequence;               /* of the snapshot's file */
    char name[TAKE_FILE_NAME_BYTES]; /* "000001.pcapng", below nodes/<folder>/ */
    bool linked;                     /* a local one */
    bool lost;
    bool changed; /* what came does not match the segment's SHA-256 */
    int in_fd;    /* TAKE_PART: the staged segment */
    int out_fd;   /* and where it goes */
    int index_fd; /* linked: what slices of it are read by; or −1 */
    struct snapshot_file file;
};

/* 1: linked and recorded in piece->file; 0: it has to be fetched. −ENOENT, −ESTALE: it is gone;
 * −EBADMSG: it is not what was declared. */
int take_segment_link(struct take_node *n, struct take_piece *piece, struct error *reterr);
/* The whole segment, compressed while it arrives and compared with its SHA-256: −EBADMSG. */
int take_segment_fetch(struct take_node *n, struct take_piece *piece, struct error *reterr);
/* The segment behind in_fd, and out_fd for what is cut out of it. What came but is not what was
 * sealed is `changed`, and no failure. */
int take_segment_stage(struct take_node *n, struct take_piece *piece, struct error *reterr);
/* What was cut out of a fetched segment (out_fd), compressed into the snapshot. */
int take_segment_compress(struct take_node *n, struct take_piece *piece, struct error *reterr);
/* The index beside a linked file or the part of one: "000001.idx". */
void take_segment_index_name(const struct take_piece *piece, char ret_name[TAKE_FILE_NAME_BYTES]);

#endif
