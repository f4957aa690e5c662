/* The verbs of `trawl snapshot`. Each parses its own options; argv[0] is the verb. Returns the exit
 * code. Thread: main. */
#ifndef TRAWL_CLI_SNAPSHOT_VERBS_H
#define TRAWL_CLI_SNAPSHOT_VERBS_H

#include "cli/client.h"

/* snapshot_create.c */
int snapshot_create(int argc, char **argv);
int snapshot_wait(int argc, char **argv);
/* Until the snapshot is taken and every dissection of it is done, with `dissect` at least one: the
 * exit code. */
int snapshot_wait_for(struct client *client, const char *command, const char *id, bool dissect);
/* snapshot_dissect.c */
int snapshot_dissect(int argc, char **argv);
/* snapshot_files.c */
int snapshot_pcap(int argc, char **argv);
int snapshot_estimate(int argc, char **argv);
int snapshot_download(int argc, char **argv);
int snapshot_import(int argc, char **argv);
/* snapshot_verify.c */
int snapshot_verify_verb(int argc, char **argv);

/* False after a message: "" names no snapshot (and its path would be another route). */
bool snapshot_named(const char *command, const char *ref);
/* What needs an eye before its packets or entries are believed: a line each on standard error. */
void snapshot_say_warnings(struct client *client, const char *command, const char *ref);

/* Of an answer's "signature": whose it is and its key. */
void snapshot_signature_text(const json_t *owner, char out[160]);

/* "/api/v1/snapshots/<ref><rest>" */
void snapshot_path(struct buf *out, const char *ref, const char *rest);

#endif
