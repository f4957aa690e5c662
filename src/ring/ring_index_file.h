/* `<segment>.idx` and what it is made of, as records: by the disk thread from an open segment, by
 * the scanner from a segment's bytes. Internal to src/ring. Thread: any. */
#ifndef TRAWL_RING_RING_INDEX_FILE_H
#define TRAWL_RING_RING_INDEX_FILE_H

#include "base/buf.h"
#include "ring/ring_format.h"

/* Borrowed arrays; the counts are in the header. */
struct ring_index_parts {
    struct ring_index_header header;
    struct ring_event_record *events;
    struct ring_chunk_record *chunks;
    struct ring_flow_record *flows; /* sorted */
    const uint8_t *owners;          /* header.owner_bytes */
};

/* Bytes of the file. */
uint64_t ring_index_file_bytes(const struct ring_index_header *header);
/* Writes name.tmp and renames it; not synced, because it can be rebuilt. */
int ring_index_write(int dir_fd, const char *index_name, const struct ring_index_parts *parts);

/* The same bytes to a descriptor (phase "snapshot-data"). */
int ring_index_write_to(int fd, const struct ring_index_parts *parts);

/* An owned file image with the arrays pointing into it. */
struct ring_index_image {
    struct buf bytes;
    struct ring_index_parts parts;
};

/* -ENOENT, -EBADMSG: torn, damaged or of a version that this one does not know. Everything in it
 * can be made again from the segment. */
int ring_index_read(int dir_fd, const char *index_name, struct ring_index_image *ret_image);
void ring_index_image_done(struct ring_index_image *image);

/* The public form of parts. -ENOMEM. */
int ring_index_publish(const struct ring_index_parts *parts, const char *segment_name,
                       struct ring_index *ret_index);
void ring_index_segment_info(const struct ring_index_header *header, const char *segment_name,
                             struct ring_segment_info *ret_info);

#endif
