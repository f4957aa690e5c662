/* Many captures into one, strictly in time order: what "PCAP" of a snapshot and `trawl export` are.
 *
 * In: files (pcapng, pcap; plain, gz, zst, lz4) that are opened only when their time comes. Out:
 * one pcapng section (or classic pcap with nanoseconds) through a callback, the header before
 * anything is read to its end. Packets are ordered by their stored stamps; equal stamps keep the
 * order of the inputs, then that within the file. One interface block per node and interface, named
 * "node:interface". The same inputs and options give the same bytes.
 * A segment of a ring or file of a snapshot with its index beside it is read from the slice's first
 * packets on, to its last, and not twice. Memory: one window per file whose time it is, plus what a
 * file that is out of order in itself needs to be put in order (at most 96 MiB; what would need
 * more is written out of order and counted). A file whose times are known but that is no capture
 * (damaged) is left out and counted. Thread: owner. Parses captured bytes: for strangers' files run
 * it in the "export" job (snapshot_pcap.h). Sources: formats.md, wireshark-export.md. */
#ifndef TRAWL_SNAPSHOT_EXPORT_H
#define TRAWL_SNAPSHOT_EXPORT_H

#include "base/error.h"
#include "packet/pcapng_writer.h"
#include "snapshot/selection.h"
#include "snapshot/snapshot.h"

/* Each packet of an input that is outside says so. */
#define EXPORT_OUTSIDE_COMMENT "outside the window: kept to read what goes on in it"

struct export_input {
    const char *path;
    const char *node;  /* for interface names; NULL or "" leaves the names as they are */
    uint64_t sequence; /* what packet references call the file within its node */
    bool times_known;  /* first and last packet are known: the file is opened only when needed */
    int64_t first_ns, last_ns;
    bool
        outside; /* of before the window (openings, lead-in): no cut by time takes any of it away */
    int64_t clock_offset_ns; /* node time − hub time: shifts the window for this file */
    const char *sha256; /* hexadecimal: the index beside the file has to be of these bytes; NULL:
                           any that fits its size */
};

struct snapshot_filter;

struct export_node { /* for drops: interface statistics and the section's comment */
    const char *name;
    struct snapshot_drops drops;
    const char *damaged; /* what is known of damage in its files, sentences; or NULL */
};

struct export_options {
    const struct export_input *inputs; /* order decides ties: by node, then by sequence */
    size_t input_count;
    const struct export_node *nodes;
    size_t node_count;
    const struct pcapng_name *names;
    size_t name_count;
    bool pcap;                      /* classic pcap: one link type only (−EINVAL) */
    int64_t from_ns, to_ns;         /* hub time, [from, to); 0 and INT64_MAX: everything */
    const char *bpf;                /* or NULL */
    struct snapshot_filter *filter; /* compiled already (sandbox): bpf is ignored; or NULL */
    const char *const *only_nodes; /* ends with NULL; NULL = all. An interface's node is that of its
                                      input, else what stands before ":" in its name */
    const struct selection *selection; /* flows or packets of a display filter; NULL = all */
    bool keep_secrets;                 /* decryption secrets of the inputs are passed on */
    /* Non-zero stops the export with that result. */
    int (*write)(void *ctx, const uint8_t *data, size_t n);
    void (*on_progress)(void *ctx, uint64_t bytes_read); /* now and then; may be NULL */
    /* A place that could not be read; may be NULL. */
    void (*on_damage)(void *ctx, const struct export_input *input, const struct error *error);
    void *ctx;
    const bool *cancel; /* atomic; may be NULL */
};

struct export_result {
    uint64_t packets, bytes;
    uint64_t damage;    /* places of the inputs that could not be read */
    uint64_t unordered; /* packets that could not be put in order within the memory allowed */
};

int export_run(const struct export_options *options, struct export_result *ret_result,
               struct error *reterr);

#endif
