/* Makes one part of several sealed parts that follow one another: the same entries under the same
 * indexes. Memory: one payload block. Thread: owner. */
#ifndef TRAWL_ENTRIES_PART_MERGE_H
#define TRAWL_ENTRIES_PART_MERGE_H

#include "entries/part_writer.h"

/* The parts `names[first]` … `names[first + count - 1]`, each of which knows at least the files of
 * the one before, go into `into`, which is sealed; nothing else changes. */
int part_merge(int dir_fd, const struct part_list *list, size_t first, size_t count,
               struct part_writer *into, struct error *reterr);

#endif
