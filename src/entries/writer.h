/* Writes one dissection as sealed parts: DIR/part-000001/{part.json, columns.duckdb, payload.blk},
 * and DIR/parts.json, which says what parts there are (docs/formats/entries.md).
 *
 * In: entries in order of index, which is counted from 0 without holes. Out: what was sealed is
 * seen by readers and is there after kill -9 or a power cut; what was not is removed by the next
 * writer. Memory: one payload block, one chunk of columns and DuckDB's limit; twice that while
 * parts are merged. Thread: owner. */
#ifndef TRAWL_ENTRIES_WRITER_H
#define TRAWL_ENTRIES_WRITER_H

#include "base/error.h"
#include "dissect/entry.h"

struct entries_writer;

struct entries_writer_options {
    const char *dir;              /* exists and is writable */
    struct entry_files files;     /* what packet references speak of; borrowed until close */
    uint64_t duckdb_memory_bytes; /* 0 = 128 MB */
    unsigned threads;             /* DuckDB's own; 0 = 1 */
    uint64_t part_rows;           /* a part is sealed after so many; 0 = 2,000,000 */
    /* What an earlier writer sealed stays and is gone on with: indexes, numbers of files. Else a
     * folder that holds a dissection is refused (-EEXIST). */
    bool goes_on;
    /* Where the newest part knows more files than this, numbers of files begin at 0 again, and what
     * there is is not merged with what comes. 0 = never. */
    size_t max_earlier_files;
    /* Many small parts, sealed one after the other while readers read them: they are merged as they
     * grow in number, and the oldest are given up beyond this many rows. 0 = neither. */
    uint64_t keep_rows;  /* with it a folder without parts gets an empty one with the first seal */
    uint64_t keep_bytes; /* with keep_rows: of payload, on disk; 0 = any */
};

/* -EWOULDBLOCK: another writer has this folder. Loads DuckDB: after this nothing outside `dir` is
 * opened any more. */
int entries_writer_open(const struct entries_writer_options *options,
                        struct entries_writer **ret_writer, struct error *reterr);
/* Of the entry that comes next. */
uint64_t entries_writer_next_index(const struct entries_writer *writer);
/* With goes_on: the files of the newest part; later ones come behind them. Borrowed until free. */
struct entry_files entries_writer_earlier_files(const struct entries_writer *writer);
/* From here on references may speak of these too: the old list and what follows it. Borrowed until
 * the next call or close. */
void entries_writer_set_files(struct entries_writer *writer, struct entry_files files);
int entries_writer_append(struct entries_writer *writer, const struct entry *entry,
                          struct error *reterr);
/* Seals what was appended since the last seal, if anything; with keep_rows it merges and gives up.
 */
int entries_writer_seal(struct entries_writer *writer, struct error *reterr);
/* Seals what is open (a dissection without entries has one empty part). The writer may only be
 * freed afterwards. */
int entries_writer_close(struct entries_writer *writer, struct error *reterr);
/* What was not sealed is removed. */
void entries_writer_free(struct entries_writer *writer);

#endif
