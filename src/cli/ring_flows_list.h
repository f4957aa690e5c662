/* `trawl ring list --flows`: the flow index of every sealed segment, with the processes that own
 * the local ends. Thread: owner. */
#ifndef TRAWL_CLI_RING_FLOWS_LIST_H
#define TRAWL_CLI_RING_FLOWS_LIST_H

#include "ring/ring_reader.h"

/* The exit code. One JSON object a line, or a table. */
int ring_flows_list(struct ring_reader *reader, bool json);

#endif
