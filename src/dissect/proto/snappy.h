/* Snappy decompression (google/snappy, format_description.txt), bounded: for protocols that carry
 * such blocks. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_SNAPPY_H
#define TRAWL_DISSECT_PROTO_SNAPPY_H

#include "base/arena.h"

/* Decodes one raw block into the arena, at most max_bytes of it (*ret_cut: there was more). 0,
 * -EBADMSG for damage (*ret_out then holds what came before it), -ENOMEM. */
int snappy_decode(struct arena *arena, struct slice block, size_t max_bytes, struct slice *ret_out,
                  bool *ret_cut);

#endif
