/* Scripts for dissectors, and what the tests ask of the JSON lines that come out. */
#ifndef TRAWL_TESTS_SUPPORT_PROTO_H
#define TRAWL_TESTS_SUPPORT_PROTO_H

#include "dissect/drive.h"

#define C(text)                                         \
    {                                                   \
        .dir = DIR_CLIENT, .bytes = SLICE_LITERAL(text) \
    }
#define S(text)                                         \
    {                                                   \
        .dir = DIR_SERVER, .bytes = SLICE_LITERAL(text) \
    }
#define CB(b, n)                                                 \
    {                                                            \
        .dir = DIR_CLIENT, .bytes = {(const uint8_t *)(b), (n) } \
    }
#define SB(b, n)                                                 \
    {                                                            \
        .dir = DIR_SERVER, .bytes = {(const uint8_t *)(b), (n) } \
    }
#define CGAP(n)                                                \
    {                                                          \
        .dir = DIR_CLIENT, .kind = DRIVE_GAP, .gap_bytes = (n) \
    }
#define SGAP(n)                                                \
    {                                                          \
        .dir = DIR_SERVER, .kind = DRIVE_GAP, .gap_bytes = (n) \
    }
#define CFIN                                 \
    {                                        \
        .dir = DIR_CLIENT, .kind = DRIVE_END \
    }
#define SFIN                                 \
    {                                        \
        .dir = DIR_SERVER, .kind = DRIVE_END \
    }

enum {
    PROTO_MAX_LINES = 4096
};

/* Entries of one run, in order of emission. */
struct proto_run {
    struct buf text;
    char *lines[PROTO_MAX_LINES];
    size_t count;
};

struct proto_run *proto_run(const struct drive_options *options, const struct drive_step *steps,
                            size_t count);
void proto_run_free(struct proto_run *run);

/* Runs the script whole, byte by byte (when it is short) and cut at random, expects the same
 * entries each time, and gives those of the whole run. */
struct proto_run *proto_run_cut(const struct drive_options *options, const struct drive_step *steps,
                                size_t count);

#define PROTO_RUN(name, ...)                                    \
    proto_run_cut(&(struct drive_options){.dissector = (name)}, \
                  (const struct drive_step[]){__VA_ARGS__},     \
                  sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step))
#define PROTO_RUN_WITH(options, ...)                                                        \
    proto_run_cut(&(struct drive_options)options, (const struct drive_step[]){__VA_ARGS__}, \
                  sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step))
#define OPTIONS(...) \
    {                \
        __VA_ARGS__  \
    }

/* cmocka assertions on line `i`. */
void proto_has(const struct proto_run *run, size_t i, const char *json_part);
void proto_lacks(const struct proto_run *run, size_t i, const char *json_part);
void proto_count(const struct proto_run *run, size_t count);

#endif
