/* The parts of an export: output, interfaces, cursors. Private to src/snapshot. Thread: owner. */
#ifndef TRAWL_SNAPSHOT_EXPORT_PRIVATE_H
#define TRAWL_SNAPSHOT_EXPORT_PRIVATE_H

#include "packet/capture_reader.h"
#include "snapshot/export.h"
#include "snapshot/export_owners.h"
#include "snapshot/snapshot_filter.h"

/* ── output (export_output.c) ── */

struct export_interface {
    char *name;
    const char *node; /* borrowed from the inputs, or NULL */
    uint16_t link_type;
    uint32_t snaplen_bytes;
    int64_t last_ns; /* of its statistics */
    bool has_statistics;
    struct pcapng_statistics statistics; /* the last the inputs had */
};

struct export_output {
    const struct export_options *options;
    struct export_result *result;
    struct buf buf;
    struct export_interface *interfaces;
    size_t interface_count, interface_cap;
    bool header_done;
    int64_t last_ns;
};

void output_init(struct export_output *out, const struct export_options *options,
                 struct export_result *result);
void output_done(struct export_output *out);
/* The number of this interface in the output; before the header it is only noted, afterwards it is
 * written at once. Negative on lack of memory or, for pcap, another link type. */
int output_interface(struct export_output *out, const char *node,
                     const struct packet_interface *interface, uint32_t index,
                     struct error *reterr);
/* Whether its node is among those asked for. */
bool output_wants(const struct export_output *out, const char *node,
                  const struct packet_interface *interface);
int output_header(struct export_output *out, struct error *reterr);
/* comment: NULL or for whoever looks at the packet. */
int output_packet(struct export_output *out, const struct packet *packet, const char *comment,
                  struct error *reterr);
int output_secrets(struct export_output *out, struct slice secrets, struct error *reterr);
int output_end(struct export_output *out, struct error *reterr);
int output_flush(struct export_output *out, struct error *reterr);

/* ── cursors (export_cursor.c): one file, its wanted packets in time order ── */

struct export_held { /* a packet that waits for its turn */
    int64_t ts_ns;
    uint64_t order;
    struct packet packet;
    uint8_t data[];
};

struct export_cursor {
    const struct export_input *input;
    size_t index;
    int fd;
    struct capture_reader *reader;
    int64_t from_ns, to_ns; /* in the file's clock */
    const uint64_t *wanted; /* offsets, when packets are selected */
    size_t wanted_count, wanted_at;
    uint32_t *map; /* interface of the reader → of the output + 1 */
    size_t map_count;
    /* order within the file */
    bool sorted, indexed;      /* indexed: nobody has read it before its packets are read */
    uint64_t start_offset;     /* nothing before it is wanted */
    int64_t first_ns, last_ns; /* found by the scan; first > last: no packet */
    int64_t *suffix_min;       /* the smallest stamp from chunk i on */
    size_t chunk_count;
    uint64_t read_count;
    bool at_end;
    struct export_held **heap;
    size_t heap_count, heap_cap;
    struct export_held *current;
    /* the next packet; data is borrowed until the next advance */
    bool has_packet;
    struct packet packet;
};

struct export_state {
    const struct export_options *options;
    struct export_output out;
    struct export_result result;
    struct snapshot_filter *filter;
    struct selection_matcher *matcher; /* NULL: not by flows */
    struct export_owners *owners;      /* NULL: no comments (classic pcap) */
    uint64_t held_bytes, bytes_read;
};

/* A place of the input could not be read. */
void cursor_damaged(struct export_state *state, const struct export_input *input,
                    const struct error *error);
/* Opens the file and notes its first interfaces (those before its first packet). */
int cursor_peek(struct export_state *state, const struct export_input *input, struct error *reterr);
int cursor_new(struct export_state *state, const struct export_input *input, size_t index,
               struct export_cursor **ret_cursor, struct error *reterr);
/* Reads the whole file once for the order of its stamps; decryption secrets go out at once. */
int cursor_scan(struct export_state *state, struct export_cursor *cursor, struct error *reterr);
/* The same for a segment of a ring from the index beside it, without reading it: 1; 0 when there is
 * none that helps (export_index.c). */
int cursor_use_index(struct export_state *state, struct export_cursor *cursor,
                     struct error *reterr);
/* Only the statistics from that block on. */
int cursor_read_statistics(struct export_state *state, struct export_cursor *cursor,
                           uint64_t offset, struct error *reterr);
/* Opens it for good and finds the first packet. */
int cursor_start(struct export_state *state, struct export_cursor *cursor, struct error *reterr);
int cursor_advance(struct export_state *state, struct export_cursor *cursor, struct error *reterr);
void cursor_free(struct export_state *state, struct export_cursor *cursor);

#endif
