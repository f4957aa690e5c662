/* HTTP calls as an HTTP Archive (HAR 1.2). In: entries with their headers and bodies. Out: one
 * document: har_write_head, then har_write_entry a call with commas between them, then
 * har_write_tail. Memory: nothing is kept. Thread: any.
 *
 * What HAR has no place for stands in members with an underscore, as it allows: _id, _protocol,
 * _status, _status_reason, _incomplete. A call without an answer has the status 0, as browsers
 * write it; the status text is empty (it says nothing that the code does not). */
#ifndef TRAWL_ENTRIES_HAR_H
#define TRAWL_ENTRIES_HAR_H

#include "dissect/entry.h"

/* An HTTP call whose request is known; other entries have no place in such a file. */
bool har_has_place_for(const struct entry *entry);
/* The entry has to have been loaded with its headers and bodies. */
void har_write_entry(const struct entry *entry, struct json_writer *w);

void har_write_head(struct buf *out);
/* left_out: calls that had no place. */
void har_write_tail(struct buf *out, uint64_t left_out);

#endif
