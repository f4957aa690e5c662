/* Payload blocks: the entries themselves, some hundred a block, as four zstd frames (everything but
 * payload; headers; request bodies; response bodies), so that a query reads only what it needs.
 * Byte tables: docs/formats/entries.md.
 *
 * Writer: appends to a descriptor that the caller owns. Reader: reads one block by offset, checks
 * its sum, decodes rows. Memory: a block is closed at 256 KiB of raw data (one larger row makes a
 * larger block); a reader holds one block. Thread: owner. */
#ifndef TRAWL_ENTRIES_BLOCK_H
#define TRAWL_ENTRIES_BLOCK_H

#include "base/arena.h"
#include "base/error.h"
#include "dissect/entry.h"

enum {
    BLOCK_FORMAT = 1,
    BLOCK_FRAMES = 4, /* meta, headers, request bodies, response bodies */
    BLOCK_RAW_BYTES = 256 * 1024,
    BLOCK_MAX_RAW_BYTES = 64 * 1024 * 1024,
    BLOCK_FILE_HEADER_BYTES = 16,
    BLOCK_HEADER_BYTES = 72
};

/* What the directory of a part keeps of a block. */
struct block_info {
    uint64_t offset;
    uint64_t first_row; /* index of its first entry; the others follow one by one */
    uint32_t row_count;
    int64_t first_ns, last_ns; /* smallest and largest timestamp */
};

struct block_writer;

/* Writes the file header. fd: borrowed, must outlive the writer. */
int block_writer_new(int fd, struct block_writer **ret_writer);
void block_writer_free(struct block_writer *writer);
/* Rows come in order of index, without holes. */
int block_writer_append(struct block_writer *writer, const struct entry *entry);
/* Closes the block that is open. */
int block_writer_flush(struct block_writer *writer);
uint64_t block_writer_bytes(const struct block_writer *writer);

struct block_reader;

/* fd: borrowed. `field_map[i]` = today's id of the field that was number i when the part was
 * written (FIELD_NONE = unknown now); borrowed. */
int block_reader_new(int fd, const field_id *field_map, size_t field_map_count,
                     struct block_reader **ret_reader);
void block_reader_free(struct block_reader *reader);
/* Reads a block and the frames of `payload` (FIELD_HEADERS | FIELD_REQUEST_BODY |
 * FIELD_RESPONSE_BODY) beside the meta frame. -EBADMSG with a sentence (offset) when its sum is
 * wrong. */
int block_reader_load(struct block_reader *reader, uint64_t offset, unsigned payload,
                      struct block_info *ret_info, struct error *reterr);
/* Row `slot` of the loaded block; borrows from the reader and from the arena until the next load or
 * reset. */
int block_reader_row(struct block_reader *reader, uint32_t slot, struct arena *arena,
                     struct entry *ret_entry);
/* Walks the file by block headers only (no sums): *ret_infos is the caller's (free). */
int block_list(int fd, struct block_info **ret_infos, size_t *ret_count, struct error *reterr);

#endif
