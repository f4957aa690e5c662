/* Who owned the local end of connections, as the recorder saw it: one note names a process and the
 * socket ends that were its own at a moment. Notes stand in a segment as the custom option of an
 * Interface Statistics Block (docs/formats/ring.md), so they travel with the packets, are covered
 * by the segment's checksum, and no other tool minds them.
 *
 * Decoding is hostile input: every length is checked, texts are borrowed from the note and may hold
 * any byte. Thread: any. */
#ifndef TRAWL_PACKET_OWNER_NOTE_H
#define TRAWL_PACKET_OWNER_NOTE_H

#include "base/buf.h"

enum {
    OWNER_NOTE_KIND = 4,
    OWNER_NOTE_MAX_ENDS = 1024,
    OWNER_NOTE_MAX_TEXT = 1024, /* of one text */
    OWNER_NOTE_MAX_BYTES = 64 + OWNER_NOTE_MAX_ENDS * 40 + 4 * OWNER_NOTE_MAX_TEXT + 8
};

/* One end of a connection: local is the owner's. 40 bytes on disk. IPv4 in the first four bytes,
 * the rest zero. */
struct owner_end {
    uint8_t local_ip[16], remote_ip[16];
    uint16_t local_port, remote_port;
    uint8_t ip_version, ip_protocol; /* 4 or 6; 6 = TCP, 17 = UDP */
    uint16_t reserved;               /* 0 */
};
_Static_assert(sizeof(struct owner_end) == 40, "layout on disk");

struct owner_process {
    uint32_t pid;       /* in the recorder's pid namespace */
    int64_t started_ns; /* wall clock; with the pid it names one process; 0 = not known */
    struct slice name, exe, cgroup, container; /* empty = not known */
};

struct owner_note {
    int64_t seen_ns; /* the ends were the process's at this time */
    struct owner_process process;
    const uint8_t *ends; /* end_count × 40 bytes, perhaps not aligned: owner_note_end */
    uint16_t end_count;
};

/* Appends the note without the ends' bytes if end_count is 0 (then it only names a process); at
 * most OWNER_NOTE_MAX_ENDS ends, texts are cut. A multiple of 8 bytes. 0 or the buf's error. */
int owner_note_put(struct buf *out, const struct owner_note *note);
/* -EBADMSG when it is no such note. Bytes it takes: *ret_bytes (may be NULL). */
int owner_note_read(struct slice bytes, struct owner_note *ret_note, size_t *ret_bytes);
void owner_note_end(const struct owner_note *note, size_t i, struct owner_end *ret_end);

#endif
