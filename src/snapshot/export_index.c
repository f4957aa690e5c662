/* Segments of a ring, and what snapshots took of them, with their index beside them: only the slice
 * that is asked for is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "ring/ring_reader.h"
#include "snapshot/export_private.h"

/* "00001-0000000042.pcapng" of a ring, "000042.pcapng" of a snapshot. */
static bool index_name_of(const char *name, char ret_name[RING_NAME_SIZE])
{
    uint32_t series;
    uint64_t sequence;
    if (ring_name_parse(name, &series, &sequence)) {
        ring_name_index(name, ret_name);
        return true;
    }
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 20 || strcmp(name + digits, ".pcapng") != 0)
        return false;
    snprintf(ret_name, RING_NAME_SIZE, "%.*s.idx", (int)digits, name);
    return true;
}

static bool is_of(const struct ring_index *index, const char *sha256)
{
    char hex[SNAPSHOT_SHA256_SIZE];
    text_hex(index->segment.sha256, sizeof index->segment.sha256, hex);
    return !sha256 || strcmp(sha256, hex) == 0;
}

/* 1: loaded. An index that is missing, of other content or that does not promise the order of the
 * packets is no help; making one anew would read the file whole. */
static int load(const struct export_input *input, struct ring_index *ret_index)
{
    const char *path = input->path;
    char folder[4096], index_name[RING_NAME_SIZE];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat st;
    if (!index_name_of(name, index_name) || (size_t)(name - path) >= sizeof folder - 2)
        return 0;
    snprintf(folder, sizeof folder, "%.*s.", (int)(name - path), path);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return 0;
    bool there = faccessat(dir, index_name, R_OK, 0) == 0 && fstatat(dir, name, &st, 0) == 0;
    int r = there && ring_index_load(dir, name, index_name, ret_index, NULL) == 0;
    close(dir);
    if (r && (!ret_index->sorted || ret_index->segment.size_bytes != (uint64_t)st.st_size ||
              !is_of(ret_index, input->sha256))) {
        ring_index_done(ret_index);
        r = 0;
    }
    return r;
}

int cursor_use_index(struct export_state *state, struct export_cursor *c, struct error *reterr)
{
    struct ring_index index;
    if (!load(c->input, &index))
        return 0;
    c->sorted = c->indexed = true;
    c->first_ns = index.segment.packets ? index.segment.first_ns : INT64_MAX;
    c->last_ns = index.segment.packets ? index.segment.last_ns : INT64_MIN;
    for (size_t i = 1; i < index.chunk_count && index.chunks[i - 1].max_ns < c->from_ns; i++)
        c->start_offset = index.chunks[i].offset;
    for (size_t i = 1;
         c->wanted_count && i < index.chunk_count && index.chunks[i].offset <= c->wanted[0]; i++)
        if (index.chunks[i].offset > c->start_offset)
            c->start_offset = index.chunks[i].offset;
    /* the statistics of the interfaces stand behind the last packets */
    uint64_t tail = index.chunk_count > 1 ? index.chunks[index.chunk_count - 1].offset : 0;
    if (state->owners)
        export_owners_add_index(state->owners, &index);
    ring_index_done(&index);
    int r = cursor_read_statistics(state, c, tail, reterr);
    return r < 0 ? r : 1;
}
