/* Owners of connections as the recorder noted them in the inputs (packet/owner_note.h), and the
 * process fields of entries. An owner counts for a connection when it was seen holding that end
 * after the connection's first packet, at the node that recorded it, and not later than a moment
 * after the call: else the fields stay absent. Memory is capped; what comes beyond is left out.
 * Thread: owner. */
#ifndef TRAWL_DISSECT_OWNER_TABLE_H
#define TRAWL_DISSECT_OWNER_TABLE_H

#include "dissect/entry.h"
#include "packet/owner_note.h"

struct owner_table;

enum {
    OWNER_TABLE_MAX_ENDS = 1 << 18,
    OWNER_TABLE_FIELDS = 8 /* pid, name, exe, container of both ends */
};

/* NULL without memory. */
struct owner_table *owner_table_new(void);
void owner_table_free(struct owner_table *table);
/* Notes that come now may be left out. */
bool owner_table_is_full(const struct owner_table *table);
/* A statistics block's note of an input recorded at `node` (may be empty); anything that is no
 * owner note is passed over. 0 or -ENOMEM. */
int owner_table_add(struct owner_table *table, struct slice node, struct slice note);
/* The entry with the fields of its owners, in ret_entry: `entry` itself, or a copy that is valid
 * until the next call. -ENOMEM. */
int owner_table_fill(struct owner_table *table, const struct entry *entry,
                     const struct entry **ret_entry);

#endif
