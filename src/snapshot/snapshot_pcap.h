/* What the hub gives out of a snapshot's packets, each in a sandboxed job: one merged capture
 * (kind "export") and the packets of an entry as JSON (kind "packets"). Also the estimate of an
 * export, from the manifest alone. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_PCAP_H
#define TRAWL_SNAPSHOT_SNAPSHOT_PCAP_H

#include "job/job.h"
#include "packet/pcapng_writer.h"
#include "snapshot/selection.h"
#include "snapshot/snapshot_store.h"

struct snapshot_pcap_request {
    bool pcap;              /* classic pcap instead of pcapng */
    int64_t from_ns, to_ns; /* hub time; 0 and 0: the whole snapshot */
    char *const *nodes;     /* only these; node_count 0 = all */
    size_t node_count;
    const char *bpf;                   /* or NULL */
    const struct selection *selection; /* sealed; NULL = all */
    const struct pcapng_name *names;   /* for a name resolution block */
    size_t name_count;
    bool outside; /* also the openings of connections, on interfaces of their own */
    bool secrets; /* decryption secrets of the captures are passed on (pcapng) */
};

/* −EINVAL with a sentence: unknown node, bad BPF, empty window. For answering 400 before a job is
 * started. */
int snapshot_pcap_check(const struct snapshot *snapshot,
                        const struct snapshot_pcap_request *request, struct error *reterr);

struct snapshot_pcap_estimate {
    uint64_t packets, bytes;
    bool exact; /* of packets and bytes; otherwise an upper bound or a share */
};
int snapshot_pcap_estimate(const struct snapshot *snapshot,
                           const struct snapshot_pcap_request *request,
                           struct snapshot_pcap_estimate *ret_estimate, struct error *reterr);
/* Starts the job; the capture goes to out_fd (a pipe or a file; borrowed) as it is made.
 * Afterwards: job_receive gives {"bytes_read":…} lines now and then and at the end
 * {"packets":…,"bytes":…,"damage":…,"unordered":…}; job_wait the outcome. */
int snapshot_pcap_start(struct snapshot_store *store, const struct snapshot *snapshot,
                        const struct snapshot_pcap_request *request, int out_fd,
                        struct job **ret_job, struct error *reterr);
/* The same into a file descriptor, waited for. */
int snapshot_pcap_run(struct snapshot_store *store, const struct snapshot *snapshot,
                      const struct snapshot_pcap_request *request, int out_fd, const bool *cancel,
                      struct error *reterr);

struct snapshot_packet_ref {
    const char *node;
    uint64_t sequence, offset; /* as in entries */
    bool from_server;
};
enum {
    SNAPSHOT_PACKETS_MAX = 4096
};
/* Appends the `PacketsResponse` of types.ts: rows in time order, captured bytes in hex. More than
 * max_packets are cut (`truncated`). References to what the
 * manifest does not know are left out; −ESTALE, −EBADMSG with a sentence when a file is gone or was
 * altered (snapshot_changed.h). */
int snapshot_packets(struct snapshot_store *store, const struct snapshot *snapshot,
                     const struct snapshot_packet_ref *refs, size_t count, size_t max_packets,
                     struct buf *out, struct error *reterr);

/* Rows of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_export;
extern const struct job_kind job_kind_packets;

#endif
