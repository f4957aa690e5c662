/* GraphQL over HTTP (the specification's draft, Apollo's batches and persisted queries, the
 * multipart request specification): recognised by content, put into the fields of the entry. Called
 * by http_entry.c for every HTTP version. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP_GRAPHQL_H
#define TRAWL_DISSECT_PROTO_HTTP_GRAPHQL_H

#include "dissect/proto/http_entry.h"

/* The bodies as they are shown (decoded). False: it is no GraphQL, and nothing was changed. Else
 * the entry has its protocol, fields and summary, and response->has_errors is set where the
 * response has errors, whatever its status code. */
bool http_graphql_fill(struct dissect_entry *entry, const struct http_message *request,
                       struct slice request_body, struct http_message *response,
                       struct slice response_body);

#endif
