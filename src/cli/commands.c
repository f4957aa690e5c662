#include <stddef.h>

#include "cli/command.h"

extern const struct command cmd_capturer;
extern const struct command cmd_compare;
extern const struct command cmd_dissect;
extern const struct command cmd_entries;
extern const struct command cmd_entry;
extern const struct command cmd_export;
extern const struct command cmd_filter;
extern const struct command cmd_hold;
extern const struct command cmd_hub;
extern const struct command cmd_job;
extern const struct command cmd_live;
extern const struct command cmd_look_back;
extern const struct command cmd_map;
extern const struct command cmd_nodes;
extern const struct command cmd_open;
extern const struct command cmd_ring;
extern const struct command cmd_snapshot;
extern const struct command cmd_status;
extern const struct command cmd_timeline;
extern const struct command cmd_token;
extern const struct command cmd_top;
extern const struct command cmd_trace;
extern const struct command cmd_up;
extern const struct command cmd_version;
extern const struct command cmd_worker;

// clang-format off
/* Rows: alphabetical but for `up`, which comes first. */
const struct command *const commands[] = {
    &cmd_up,
    &cmd_capturer,
    &cmd_compare,
    &cmd_dissect,
    &cmd_entries,
    &cmd_entry,
    &cmd_export,
    &cmd_filter,
    &cmd_hold,
    &cmd_hub,
    &cmd_job,
    &cmd_live,
    &cmd_look_back,
    &cmd_map,
    &cmd_nodes,
    &cmd_open,
    &cmd_ring,
    &cmd_snapshot,
    &cmd_status,
    &cmd_timeline,
    &cmd_token,
    &cmd_top,
    &cmd_trace,
    &cmd_version,
    &cmd_worker,
    NULL,
};
// clang-format on
