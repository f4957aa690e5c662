#include "entries/part_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "entries/block.h"

enum {
    ROW_ARENA_BYTES = 64 * 1024 * 1024,
    WHOLE = FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY
};

static int copy_block(struct block_reader *reader, const struct block_info *block,
                      struct arena *arena, struct part_writer *into, struct error *reterr)
{
    int r = block_reader_load(reader, block->offset, WHOLE, NULL, reterr);
    for (uint32_t i = 0; r == 0 && i < block->row_count; i++) {
        struct entry entry;
        arena_reset(arena);
        r = block_reader_row(reader, i, arena, &entry);
        if (r < 0)
            return error_set_at(reterr, r, block->offset, "an entry of a part is damaged.");
        entry.index = block->first_row + i;
        r = part_writer_append(into, &entry, reterr);
    }
    return r;
}

static int copy_blocks(int payload_fd, const struct part_description *description,
                       struct part_writer *into, struct error *reterr)
{
    struct block_info *blocks = NULL;
    size_t count = 0;
    struct block_reader *reader = NULL;
    struct arena arena;
    arena_init(&arena, ROW_ARENA_BYTES);
    int r = block_list(payload_fd, &blocks, &count, reterr);
    if (r == 0 && block_reader_new(payload_fd, description->field_map, description->field_map_count,
                                   &reader) < 0)
        r = error_set(reterr, -ENOMEM, "out of memory.");
    for (size_t i = 0; r == 0 && i < count; i++)
        r = copy_block(reader, &blocks[i], &arena, into, reterr);
    block_reader_free(reader);
    free(blocks);
    arena_done(&arena);
    return r;
}

/* The description stays with the caller. */
static int copy_part(int dir_fd, const char *name, struct part_description *ret_description,
                     struct part_writer *into, struct error *reterr)
{
    int part_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int payload_fd = part_fd < 0 ? -1 : openat(part_fd, "payload.blk", O_RDONLY | O_CLOEXEC);
    int r = payload_fd < 0 ? error_set(reterr, -errno, "%s cannot be opened.", name)
                           : part_read_summary(part_fd, ret_description, reterr);
    if (r == 0)
        r = copy_blocks(payload_fd, ret_description, into, reterr);
    if (payload_fd >= 0)
        close(payload_fd);
    if (part_fd >= 0)
        close(part_fd);
    return r;
}

int part_merge(int dir_fd, const struct part_list *list, size_t first, size_t count,
               struct part_writer *into, struct error *reterr)
{
    int r = 0;
    struct part_description description = {0};
    for (size_t i = 0; r == 0 && i < count; i++) {
        part_description_done(&description);
        r = copy_part(dir_fd, list->names[first + i], &description, into, reterr);
    }
    if (r == 0)
        r = part_writer_seal(into, description.summary.files, reterr);
    part_description_done(&description);
    return r;
}
