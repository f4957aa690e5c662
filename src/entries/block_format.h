/* Constants of payload.blk that writer and reader share (docs/formats/entries.md). */
#ifndef TRAWL_ENTRIES_BLOCK_FORMAT_H
#define TRAWL_ENTRIES_BLOCK_FORMAT_H

#include "dissect/field.h"
#include "entries/block.h"

#define BLOCK_FILE_MAGIC                     \
    {                                        \
        'T', 'R', 'W', 'L', 'E', 'N', 'T', 0 \
    }
#define BLOCK_MAGIC UINT32_C(0x4b4c4254) /* "TBLK" */

enum {
    BLOCK_FILE_FORMAT_AT = 8,
    BLOCK_MAX_ROWS = 65536
};

/* Which fields a frame holds; frame 0 holds all others. */
static const unsigned block_frame_flags[BLOCK_FRAMES] = {0, FIELD_HEADERS, FIELD_REQUEST_BODY,
                                                         FIELD_RESPONSE_BODY};

#endif
