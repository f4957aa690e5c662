/* The route table: one row a route. Dispatch, authorisation, checks of queries and bodies, OpenAPI
 * and the tests' matrix read it. Constant data; thread: any. */
#ifndef TRAWL_API_ROUTE_H
#define TRAWL_API_ROUTE_H

#include "base/buf.h"
#include "base/error.h"

struct api_call;

enum api_capability {
    CAP_OPEN,   /* no token */
    CAP_WORKER, /* the workers' token and no other */
    CAP_NODES_READ,
    CAP_CAPTURE_CONTROL,
    CAP_SNAPSHOTS_READ,
    CAP_SNAPSHOTS_WRITE,
    CAP_PAYLOAD_READ,
    CAP_PCAP_EXPORT,
    CAP_SETTINGS_READ,
    CAP_AUDIT_READ,
    CAP_METRICS_READ,
    CAP_COUNT
};

enum {
    ROUTE_MAX_PARAMS = 3,
    ROUTE_MAX_SEGMENTS = 10
};

struct route {
    const char *method;
    const char *path; /* "/api/v1/snapshots/{id}" */
    enum api_capability capability;
    const char *query;        /* members as in schema.h, or NULL */
    const char *request;      /* name of a schema, "bytes" for a stream, or NULL */
    const char *response;     /* name of a schema, or NULL */
    int success;              /* 200, 201, 202, 204 */
    const char *content_type; /* NULL = application/json */
    void (*handler)(struct api_call *call);
    const char *summary;
};

extern const struct route routes[]; /* ends with a row without method */

const char *capability_name(enum api_capability capability);

/* The row, or NULL: *ret_allow then lists the methods that exist there ("GET, POST"), "" when the
 * path is unknown. params are borrowed from segments. */
const struct route *route_find(const char *method, const char *const *segments, size_t count,
                               const char *params[ROUTE_MAX_PARAMS], char ret_allow[80]);

/* OpenAPI 3.1 of the table. */
int route_write_openapi(struct buf *out);

#endif
