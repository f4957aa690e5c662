/* The dashboard's files, compiled into the binary by cmake/EmbedWeb.cmake from web/dist.
 * Constant data: any thread, nobody frees. The table ends with a row whose path is NULL. */
#ifndef TRAWL_API_EMBEDDED_H
#define TRAWL_API_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *path; /* "/index.html" */
    const unsigned char *data;
    size_t size_bytes;
    const char *etag; /* with its quotes */
};

extern const struct embedded_file embedded_files[];

#endif
