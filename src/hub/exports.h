/* Files out of and into snapshots: archive, import, PCAP, the packets of an entry. Everything that
 * reads captured bytes is a job's. Thread: any but exports_new and exports_free. */
#ifndef TRAWL_HUB_EXPORTS_H
#define TRAWL_HUB_EXPORTS_H

#include "api/api.h"
#include "hub/queries.h"

struct exports;

int exports_new(struct snapshot_store *store, struct queries *queries,
                struct exports **ret_exports);
void exports_free(struct exports *exports);

/* As the members of struct api_backend that bear these names. */
int exports_archive(struct exports *exports, const char *id, const struct api_export_sink *sink,
                    struct error *reterr);
int exports_import(struct exports *exports, struct api_import *import, struct error *reterr);
int exports_pcap(struct exports *exports, const char *id, const struct api_export *what,
                 const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                 struct api_problem *ret_problem);
int exports_entry_packets(struct exports *exports, const char *id, const char *name,
                          const char *entry, struct buf *ret_result,
                          struct api_problem *ret_problem);
int exports_entry_stream(struct exports *exports, const char *id, const char *name,
                         const char *entry, struct buf *ret_result,
                         struct api_problem *ret_problem);
int exports_entry_body(struct exports *exports, const char *id, const char *name, const char *entry,
                       bool of_request, const struct api_export_sink *sink,
                       struct api_problem *ret_problem);
int exports_entry_pcap(struct exports *exports, const char *id, const char *name, const char *entry,
                       const struct api_export_sink *sink, struct api_problem *ret_problem);

#endif
