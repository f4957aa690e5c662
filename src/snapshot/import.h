/* Import: an archive of a snapshot, or a bare capture (pcapng, pcap; plain, gz, zst, lz4) as a
 * one-node snapshot.
 *
 * The input is hostile: a sandboxed job ("import") reads it and writes below a staging folder and
 * nowhere else; a snapshot appears only when every checksum was right and everything is synced.
 * Refused: absolute paths, "..", links, devices, names that the manifest does not list, doubles,
 * other sizes than declared, more than is reserved. Thread: any. */
#ifndef TRAWL_SNAPSHOT_IMPORT_H
#define TRAWL_SNAPSHOT_IMPORT_H

#include "job/job.h"
#include "snapshot/snapshot_store.h"

struct snapshot_import {
    struct snapshot_store *store;
    int in_fd; /* file, pipe or socket; read to its end */
    const char
        *file_name;   /* as the person named it: for the manifest and the default name; or NULL */
    const char *name; /* of the snapshot; NULL: the archive's, or file_name */
    const char *by;
    uint64_t declared_bytes; /* length of the input; 0 = not known */
    bool new_id;             /* an archive whose id is taken gets a new one */
    const bool *cancel;      /* atomic; may be NULL */
    bool in_process;         /* tests */
    /* results */
    char id[SNAPSHOT_ID_SIZE];
    bool already_here; /* the same snapshot with the same manifest: the archive was read and checked
                          to its end, nothing else was done */
    char signer[48];   /* public key that signed an archive's manifest, "" for captures */
};

/* −EBADMSG hostile or damaged, −EEXIST the id is taken by another snapshot (new_id helps), −EDQUOT,
 * −EINVAL name, −ECANCELED … */
int snapshot_import_run(struct snapshot_import *import, struct error *reterr);

/* Row of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_import;

#endif
