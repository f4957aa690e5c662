/* One dissected call (or connection, or flow): what a dissector emits, the sorter orders, the
 * filter judges and the store keeps. An entry is read-only once emitted; all memory it points to is
 * borrowed from whoever hands it over (valid for the call). Thread: owner. */
#ifndef TRAWL_DISSECT_ENTRY_H
#define TRAWL_DISSECT_ENTRY_H

#include "base/json_writer.h"
#include "dissect/common_fields.h"

enum {
    ENTRY_ID_TEXT_SIZE = 27, /* 26 base32hex characters of 16 bytes, and a NUL */
    ENTRY_MAX_PACKETS = 1024 /* references kept per direction; beyond it packets_truncated is set */
};

struct entry_pair {
    struct slice key, value;
};

struct entry_value {
    field_id field;
    uint8_t type;   /* enum field_type */
    uint32_t count; /* of items or pairs */
    union {
        bool boolean;
        int64_t integer; /* INT, TIME, DURATION */
        struct slice text;
        const struct slice *items;
        const struct entry_pair *pairs;
        const int64_t *integers;
    };
};

/* Where a packet's block stands: file is an index into the input list of the dissection (node +
 * file sequence). */
struct packet_ref {
    uint32_t file;
    uint64_t offset; /* of the block, in the uncompressed file */
    int64_t ts_ns;
};

struct entry_packets {
    const struct packet_ref *refs; /* in stream order */
    uint32_t count;
    bool truncated;
};

enum entry_transport {
    ENTRY_TRANSPORT_NONE,
    ENTRY_TRANSPORT_TCP,
    ENTRY_TRANSPORT_UDP
};

struct entry {
    int64_t timestamp_ns;
    /* Order among entries of the same time: those of one connection stand together, as their bytes
     * do. Not stored. */
    uint64_t order_group, order;
    uint64_t id_hash;     /* with timestamp_ns it is the id: text by entry_id_text */
    uint64_t index;       /* ordinal, given by the sorter */
    const char *protocol; /* static */
    enum entry_transport transport;
    struct entry_packets request, response;
    struct entry_value
        *values; /* sorted by field, each at most once; never ID, INDEX, PROTOCOL, TIMESTAMP */
    uint32_t value_count;
};

/* base32hex of (timestamp_ns big endian, id_hash big endian). Returns out. */
char *entry_id_text(const struct entry *entry, char out[ENTRY_ID_TEXT_SIZE]);

/* The value as filters see it, derived fields (protocol flags, id, latency …) included. False when
 * absent: *ret then holds the zero of the type (field_def.absent for ints). `scratch`
 * (ENTRY_ID_TEXT_SIZE bytes) backs the text of the id. */
bool entry_get(const struct entry *entry, field_id field, char *scratch,
               struct entry_value *ret_value);
/* Only what is stored in `values`; NULL when absent. */
const struct entry_value *entry_find(const struct entry *entry, field_id field);

/* An entry with a few values more. {0}: nothing yet; one serves many entries, one after another. */
struct entry_copy {
    struct entry entry; /* borrows what the original does, but for the list of its values */
    struct entry_value *values;
    size_t cap;
};
/* A copy with room for `more` values. -ENOMEM. */
int entry_copy_begin(struct entry_copy *copy, const struct entry *entry, size_t more);
/* One that the entry does not have yet. */
void entry_copy_put(struct entry_copy *copy, struct entry_value value);
/* With its values in order; valid until the next begin. */
const struct entry *entry_copy_end(struct entry_copy *copy);
void entry_copy_done(struct entry_copy *copy);

/* File indexes of packet references to names; `files[i]` belongs to index i. Borrowed. */
struct entry_files {
    const struct entry_file {
        const char *node;
        uint64_t sequence;
    } * files;
    size_t count;
};

/* The JSON of formats.md. files may be NULL: "packets" is then left out. */
void entry_write_json(const struct entry *entry, const struct entry_files *files,
                      struct json_writer *w);
/* The same without the braces. */
void entry_write_members(const struct entry *entry, const struct entry_files *files,
                         struct json_writer *w);

/* Self-contained binary form (sorter runs, store payload). Version and field names are the
 * container's business. decode: the entry borrows from `bytes` and from `arena`; -EBADMSG on
 * damage (or at the arena's cap), -ENOMEM. */
struct arena;
int entry_encode(const struct entry *entry, struct buf *out);
int entry_decode(struct slice bytes, struct arena *arena, struct entry *ret_entry);

#endif
