/* A sealed part on disk: its names and its part.json (docs/formats/entries.md).
 * Thread: any (no shared state). */
#ifndef TRAWL_ENTRIES_PART_H
#define TRAWL_ENTRIES_PART_H

#include "base/error.h"
#include "dissect/entry.h"

enum {
    PART_FORMAT = 1,
    PART_NAME_SIZE = 32,
    PART_PATH_SIZE = 4096
};

/* What part.json says; written with the field names of this version. */
struct part_summary {
    uint64_t rows, first_index, payload_bytes;
    int64_t first_ns, last_ns; /* 0 and 0 without rows */
    struct entry_files files;
};

int part_write_summary(int part_fd, const struct part_summary *summary);

/* The same as it was read: owns its memory. */
struct part_description {
    struct part_summary summary;
    field_id *field_map; /* number then → id now */
    size_t field_map_count;
};
int part_read_summary(int part_fd, struct part_description *ret_description, struct error *reterr);
void part_description_done(struct part_description *description);

struct part_list {
    char (*names)[PART_NAME_SIZE];
    size_t count;
};
/* Names of sealed parts in order, or of unsealed ones. */
int part_list_folder(int dir_fd, bool unsealed, struct part_list *ret_list);
void part_list_done(struct part_list *list);
/* -ENOMEM. */
int part_list_add(struct part_list *list, const char *name);
bool part_list_has(const struct part_list *list, const char *name);

/* The parts that a dissection consists of, in the order of their entries: what parts.json names, or
 * every sealed part where there is no parts.json. */
int part_list_read(int dir_fd, struct part_list *ret_list, struct error *reterr);
/* Replaces parts.json: all of the old list or all of the new one, whatever happens. */
int part_list_write(int dir_fd, const struct part_list *list);

#endif
