/* Who owned the ends of connections, as comments of an export: the first packet of each flow and
 * direction says with which process each end was last seen, as the recorder noted it
 * (packet/owner_note.h): where a port was taken again within a file it is the later one.
 *
 * In: the notes of the inputs, or what an index kept of them. Memory: at most 32,768 flows and 2
 * MiB of texts; what comes beyond has no comment. Texts come from recorded processes: they are
 * escaped. Private to src/snapshot. Thread: owner. Source: wireshark-export.md. */
#ifndef TRAWL_SNAPSHOT_EXPORT_OWNERS_H
#define TRAWL_SNAPSHOT_EXPORT_OWNERS_H

#include "packet/owner_note.h"
#include "packet/packet.h"

struct export_owners;
struct ring_index;

/* NULL without memory. */
struct export_owners *export_owners_new(void);
void export_owners_free(struct export_owners *owners);

/* A statistics block's note; anything that is no owner note is passed over. */
void export_owners_add_note(struct export_owners *owners, struct slice note);
void export_owners_add_index(struct export_owners *owners, const struct ring_index *index);
/* The comment of this packet, which is the next to be written; NULL: it has none. Borrowed until
 * the next call. */
const char *export_owners_comment(struct export_owners *owners, const struct packet *packet);

#endif
