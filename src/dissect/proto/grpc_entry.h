/* What gRPC adds to the fields of an HTTP call (filter.md, row gRPC), over HTTP/2 and, as gRPC-Web,
 * over HTTP/1. Memory: the entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_GRPC_ENTRY_H
#define TRAWL_DISSECT_PROTO_GRPC_ENTRY_H

#include "dissect/proto/grpc.h"

struct grpc_call {
    const struct http_message *request, *response;
    struct slice name; /* where the request's header fields are not here; else empty */
    bool unknown;      /* some of the answer may not be here: that no status came proves nothing */
    bool gave_up;      /* the client, at its deadline */
};

static inline bool grpc_is_call(const struct http_message *request,
                                const struct http_message *response)
{
    return request->grpc || response->grpc;
}

/* "ok" or "error": by the call's status; where none can be told, by HTTP's. */
const char *grpc_outcome(const struct grpc_call *call);
bool grpc_deadline_exceeded(const struct grpc_call *call);
/* After http_fill_entry: protocol, fields, summary. */
void grpc_fill_entry(struct dissect_entry *entry, const struct grpc_call *call);

#endif
