/* What a reader is made of: reader.c answers, reader_open.c finds and opens the parts. */
#ifndef TRAWL_ENTRIES_READER_INTERNAL_H
#define TRAWL_ENTRIES_READER_INTERNAL_H

#include "entries/block.h"
#include "entries/part.h"
#include "entries/reader.h"

struct part {
    struct part_description description;
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
    struct part *parts;
    size_t part_count;
    uint64_t rows;
    unsigned threads;
};

/* The sealed parts of a folder, behind those that are open. */
int reader_open_folder(struct entries_reader *r, const char *dir, struct error *reterr);
/* One view over the tables of all parts. */
int reader_create_view(struct entries_reader *r, struct error *reterr);

#endif
