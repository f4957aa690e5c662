/* The flags of recording: `trawl up` hands them to the worker, that to the capturer, as they were
 * given. One table of rows for the three; checked before anything is started, because a capturer
 * that refuses them would be started again for ever. Thread: init-only. */
#ifndef TRAWL_CLI_RECORD_FLAGS_H
#define TRAWL_CLI_RECORD_FLAGS_H

#include "config/options.h"

struct record_flags { /* as options_parse fills them; NULL = not given */
    char *bpf, *snaplen, *ring_size, *segment_size, *buffer;
    struct option_list interfaces, excluded;
    bool promiscuous;
};

#define RECORD_OFFSET(parent, member) .offset = offsetof(parent, record.member)
/* Rows for a `struct option_def` table; `parent` has a member `struct record_flags record`. */
#define RECORD_OPTIONS(parent)                                                       \
    {.name = "iface",                                                                \
     .type = OPTION_LIST,                                                            \
     RECORD_OFFSET(parent, interfaces),                                              \
     .value_name = "NAME",                                                           \
     .doc = "interface to record, repeatable; default: any"},                        \
        {.name = "bpf",                                                              \
         .type = OPTION_TEXT,                                                        \
         RECORD_OFFSET(parent, bpf),                                                 \
         .value_name = "EXPR",                                                       \
         .doc = "record only what this libpcap expression matches"},                 \
        {.name = "snaplen",                                                          \
         .type = OPTION_TEXT,                                                        \
         RECORD_OFFSET(parent, snaplen),                                             \
         .value_name = "BYTES",                                                      \
         .doc = "bytes kept of each packet; default: all"},                          \
        {.name = "promiscuous",                                                      \
         .type = OPTION_BOOL,                                                        \
         RECORD_OFFSET(parent, promiscuous),                                         \
         .doc = "also packets that are not for this host (named interfaces only)"},  \
        {.name = "ring-size",                                                        \
         .type = OPTION_TEXT,                                                        \
         RECORD_OFFSET(parent, ring_size),                                           \
         .value_name = "SIZE",                                                       \
         .doc = "budget of the ring; default: auto (5 % of the disk, 1 to 64 GiB)"}, \
        {.name = "segment-size",                                                     \
         .type = OPTION_TEXT,                                                        \
         RECORD_OFFSET(parent, segment_size),                                        \
         .value_name = "SIZE",                                                       \
         .doc = "size of a segment; default: a 16th of the ring, at most 64 MiB"},   \
        {.name = "buffer",                                                           \
         .type = OPTION_TEXT,                                                        \
         RECORD_OFFSET(parent, buffer),                                              \
         .value_name = "SIZE",                                                       \
         .doc = "the kernel's ring in memory; default: 64MiB"},                      \
    {                                                                                \
        .name = "exclude", .type = OPTION_LIST, RECORD_OFFSET(parent, excluded),     \
        .value_name = "ADDR:PORT",                                                   \
        .doc = "leave out (and count) TCP connections with this end, repeatable"     \
    }

struct record_values { /* 0 = the default */
    uint32_t snaplen_bytes;
    uint64_t ring_bytes, segment_bytes, buffer_bytes;
};

/* 0, or -EINVAL with a sentence that names the flag. ret_values may be NULL. */
int record_flags_check(const struct record_flags *flags, struct record_values *ret_values,
                       struct error *reterr);
/* The same flags as arguments for a child; borrowed. Fills at most `room`, the last one NULL, and
 * returns how many; -E2BIG. */
int record_flags_arguments(const struct record_flags *flags, bool with_excluded,
                           const char **ret_arguments, size_t room);

#endif
