/* A store with one Completed snapshot for the hub's tests, and the test program as its own job:
 * called as `… job KIND` it runs the row of that name. Thread: the test's. */
#ifndef TRAWL_TESTS_HUB_SUPPORT_STORE_H
#define TRAWL_TESTS_HUB_SUPPORT_STORE_H

#include "job/job.h"
#include "snapshot/snapshot_store.h"

/* A folder of the test's own, removed by support_folder_done. */
void support_folder(char path[200]);
void support_folder_done(const char *path);

/* Opens the store in data_dir. */
struct snapshot_store *support_store_open(const char *data_dir);
/* Imports a capture of one packet. */
void support_store_fill(struct snapshot_store *store, char ret_id[SNAPSHOT_ID_SIZE]);

/* In main: the exit code of the job that this process is, or −1 when it is none. The program is set
 * for jobs that are started later. */
int support_job_main(int argc, char **argv, const struct job_kind *kind);

#endif
