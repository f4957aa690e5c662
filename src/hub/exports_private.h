/* Shared by exports.c (captures), exports_archive.c and exports_stream.c. */
#ifndef TRAWL_HUB_EXPORTS_PRIVATE_H
#define TRAWL_HUB_EXPORTS_PRIVATE_H

#include "hub/exports.h"

struct exports {
    struct snapshot_store *store;
    struct queries *queries;
};

#endif
