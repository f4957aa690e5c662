/* The AVPs of a Diameter message as text: a line each, "Name: value", what a group holds below it
 * and further to the right. What is a password or a key is "(hidden)". In: AVPs as they came,
 * possibly cut. Out: text in the arena, at most `max` bytes. Thread: that of the arena. */
#ifndef TRAWL_DISSECT_PROTO_DIAMETER_TEXT_H
#define TRAWL_DISSECT_PROTO_DIAMETER_TEXT_H

#include "dissect/proto/diameter_message.h"
#include "dissect/proto/gather.h"

struct diameter_text {
    struct arena *arena;
    struct gather out;
    size_t max;
    bool is_malformed; /* an AVP does not fit into what holds it, or has not the size of its type */
};

void diameter_put_avps(struct diameter_text *text, struct slice avps);

#endif
