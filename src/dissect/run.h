/* A whole dissection: capture files in, entries in their final order out.
 *
 * Inputs are merged by time (stable: equal times keep the order of the inputs), decoded, put
 * together where they were fragmented, and spread by connection over a fixed number of shards;
 * threads share the shards. Time ticks and memory limits are per shard, so the entries depend only
 * on the inputs, never on the number of threads. Nothing is opened here: descriptors come in open
 * (regular files are opened by their readers only while they are needed), so it runs inside the
 * sandbox of a job as well as in a command.
 *
 * Memory: about 48 MiB for sorting, at most 96 MiB of connections, a window for each input that is
 * being read, whatever the size of the inputs. Thread: owner; calls come from the owner's thread.
 */
#ifndef TRAWL_DISSECT_RUN_H
#define TRAWL_DISSECT_RUN_H

#include "base/error.h"
#include "dissect/body_tap.h"
#include "dissect/entry.h"
#include "dissect/key_store.h"

enum {
    DISSECT_MAX_THREADS = 16,
    DISSECT_MAX_PROTOCOLS = 64
};

struct dissect_input {
    int fd;            /* borrowed; a regular file or a pipe */
    const char *name;  /* for damage reports; the entries do not depend on it */
    const char *node;  /* that recorded it; NULL when nobody knows ("file N" in seen_at) */
    uint64_t sequence; /* the `seq` of packet references */
    bool outside; /* packets of before the window: they help to read the others, and that is all */
    bool lead_in; /* outside, and nothing is missing between them and the window */
    uint64_t end_offset; /* published length of an open segment; 0 = to the end */
    int64_t ahead_ns;    /* its clock against the others', for the order of packets alone */
};

struct dissect_protocol_count {
    const char *protocol;
    uint64_t entries;
};

struct dissect_statistics {
    uint64_t packets, bytes;          /* captured */
    uint64_t read_bytes, total_bytes; /* of the input files; total 0 when a pipe is among them */
    uint64_t entries;                 /* found so far; at the end: handed over */
    uint64_t entries_handed;          /* to the sink: none before everything was read */
    uint64_t damages;
    uint64_t connections; /* and UDP conversations */
    uint64_t copies;      /* packets seen at more than one place */
    uint64_t undecodable; /* packets whose headers contradict themselves */
    uint64_t fragments_lost;
    uint64_t evictions; /* connections given up to stay within the memory that is allowed */
    /* Memory that could not be had: what it was for is left out, and every entry that this touched
     * says incomplete; entries_lost is how many could not even do that. */
    uint64_t failed_allocations;
    uint64_t entries_lost;
    int64_t first_ns, last_ns;
    struct dissect_protocol_count protocols[DISSECT_MAX_PROTOCOLS];
    size_t protocol_count;
};

struct dissect_run_options {
    const struct dissect_input *inputs;
    size_t input_count;
    unsigned threads; /* 0 = 1; at most DISSECT_MAX_THREADS */
    /* Only entries of these (names of flags: "http" includes grpc and gql, "conn" both kinds).
     * NULL: all. Detection does not depend on it. */
    const char *const *protocols;
    size_t protocol_count;
    /* Secrets for decryption; NULL: none. Those of decryption secrets blocks are added to it (then
     * nothing else may use it during the run), and only to it. */
    struct key_store *keys;
    struct body_tap *tap;       /* only the body it wants is looked for: no entries; NULL: none */
    const char *capture_source; /* "file", "af_packet"; NULL: left out. Static. */
    int spill_fd;               /* an unlinked file for sorting; -1 = memory only */
    size_t sort_memory_bytes;   /* 0 = 48 MiB */
    size_t flow_memory_bytes;   /* of all shards; 0 = 96 MiB */
};

struct dissect_sink {
    /* In final order. Anything but 0 ends the run and is returned; MAY fill reterr. */
    int (*entry)(void *ctx, const struct entry *entry, struct error *reterr);
    /* An input is damaged; reading goes on. MAY be NULL. */
    void (*damage)(void *ctx, const struct dissect_input *input, const struct error *error);
    /* Now and then. Anything but 0 cancels: the run returns -ECANCELED. MAY be NULL. */
    int (*progress)(void *ctx, const struct dissect_statistics *statistics);
    void *ctx;
};

/* 0 also when inputs were damaged (statistics say so). -EINVAL for an unknown protocol. */
int dissect_run(const struct dissect_run_options *options, const struct dissect_sink *sink,
                struct dissect_statistics *ret_statistics, struct error *reterr);

/* An unlinked temporary file in `dir` (NULL: $TMPDIR, /var/tmp or /tmp): a descriptor or a negative
 * errno. */
int dissect_open_spill(const char *dir, struct error *reterr);

#endif
