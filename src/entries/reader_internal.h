/* What a reader is made of: reader.c answers, reader_open.c finds and opens the parts,
 * reader_doubles.c finds what several folders have. */
#ifndef TRAWL_ENTRIES_READER_INTERNAL_H
#define TRAWL_ENTRIES_READER_INTERNAL_H

#include "entries/block.h"
#include "entries/part.h"
#include "entries/reader.h"

struct part {
    struct part_description description;
    char name[PART_NAME_SIZE];
    size_t folder;   /* index of its folder */
    unsigned number; /* its columns are attached as p<number> */
    int payload_fd;
    uint64_t first_row;
    struct block_info *blocks;
    size_t block_count;
    struct block_reader *reader; /* for single rows */
    uint64_t loaded_offset;      /* 0 = none */
    unsigned loaded_payload;
};

struct entries_reader {
    duckdb_database database;
    duckdb_connection connection;
    char **dirs;
    size_t dir_count;
    unsigned next_number; /* of the part that is attached next; no part has 0 */
    bool has_view, has_doubles, has_hops;
    struct part *parts;
    size_t part_count;
    uint64_t rows;
    unsigned threads;
};

/* Opens the parts that there are now, those that are open already stay; then rows are counted and
 * the view is made anew. Without a difference nothing happens. */
int reader_open_parts(struct entries_reader *r, bool *ret_changed, struct error *reterr);
/* Of several folders: the view `rows` over the view `every_row`, without the doubles. */
int reader_leave_out_doubles(struct entries_reader *r, struct error *reterr);
void reader_close_part(struct part *part);

#endif
