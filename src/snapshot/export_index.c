/* Segments of a ring with their index beside them: only the slice that is asked for is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/ring_reader.h"
#include "snapshot/export_private.h"

/* 1: loaded. An index that is missing, of other content or that does not promise the order of the
 * packets is no help; making one anew would read the file whole. */
static int load(const char *path, struct ring_index *ret_index)
{
    char folder[4096], index_name[RING_NAME_SIZE];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint32_t series;
    uint64_t sequence;
    struct stat st;
    if (!ring_name_parse(name, &series, &sequence) || (size_t)(name - path) >= sizeof folder - 2)
        return 0;
    snprintf(folder, sizeof folder, "%.*s.", (int)(name - path), path);
    ring_name_index(name, index_name);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return 0;
    bool there = faccessat(dir, index_name, R_OK, 0) == 0 && fstatat(dir, name, &st, 0) == 0;
    int r = there && ring_index_load(dir, name, index_name, ret_index, NULL) == 0;
    close(dir);
    if (r && (!ret_index->sorted || ret_index->segment.size_bytes != (uint64_t)st.st_size)) {
        ring_index_done(ret_index);
        r = 0;
    }
    return r;
}

int cursor_use_index(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    struct ring_index index;
    if (!load(c->input->path, &index))
        return 0;
    c->sorted = true;
    c->first_ns = index.segment.packets ? index.segment.first_ns : INT64_MAX;
    c->last_ns = index.segment.packets ? index.segment.last_ns : INT64_MIN;
    for (size_t i = 1; i < index.chunk_count && index.chunks[i - 1].max_ns < c->from_ns; i++)
        c->start_offset = index.chunks[i].offset;
    /* the statistics of the interfaces stand behind the last packets */
    uint64_t tail = index.chunk_count > 1 ? index.chunks[index.chunk_count - 1].offset : 0;
    ring_index_done(&index);
    int r = cursor_read_statistics(state, c, tail, reterr);
    return r < 0 ? r : 1;
}
