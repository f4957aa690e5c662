/* Pieces of JSON that the API's Snapshot, the manifest and the state share. Private to
 * src/snapshot. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_JSON_H
#define TRAWL_SNAPSHOT_SNAPSHOT_JSON_H

#include "base/error.h"
#include "snapshot/snapshot.h"

void snapshot_interval_write_json(struct snapshot_interval at, struct json_writer *w);
void snapshot_gap_write_json(const struct snapshot_gap *gap, struct json_writer *w);
void snapshot_drops_write_json(const struct snapshot_drops *drops, struct json_writer *w);
void snapshot_missing_write_json(const struct snapshot_manifest *manifest, size_t max,
                                 struct json_writer *w);
void snapshot_member_time_or_null(struct json_writer *w, const char *key, bool known, int64_t ns);

/* null, or whose key signed: {"key":base64,"fingerprint":hex,"by":"own"|"foreign"}. */
void snapshot_signature_write_json(const char *public_key, bool is_own, struct json_writer *w);
void snapshot_problems_write_json(const struct snapshot_problem *problems, size_t count,
                                  struct json_writer *w);
/* null, or the object that both state.json and the API's Snapshot hold. */
void snapshot_verification_write_json(const struct snapshot_verification *verified,
                                      struct json_writer *w);
void snapshot_history_write_json(const struct snapshot *snapshot, struct json_writer *w);
void snapshot_tags_write_json(const struct snapshot *snapshot, struct json_writer *w);

/* manifest.json without its signature (it ends in "}"). */
int snapshot_manifest_write(const struct snapshot_manifest *manifest, struct buf *out);
/* −EBADMSG with a sentence; −EPROTONOSUPPORT for a newer version. */
int snapshot_manifest_parse(struct slice json, struct snapshot_manifest **ret_manifest,
                            struct error *reterr);

int snapshot_state_write(const struct snapshot *snapshot, struct buf *out);
/* Without manifest and dissections. */
int snapshot_state_parse(struct slice json, struct snapshot **ret_snapshot, struct error *reterr);

int snapshot_dissection_state_write(const struct snapshot_dissection *dissection, struct buf *out);
int snapshot_dissection_state_parse(struct slice json, struct arena *arena,
                                    struct snapshot_dissection *ret_dissection,
                                    struct error *reterr);

#endif
