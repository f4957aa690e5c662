/* GraphQL without its transport: the document (GraphQL specification, October 2021, section 2), and
 * the request and response objects of "GraphQL over HTTP". Shared by http_graphql.c and
 * ws_graphql.c. Memory: the caller's arena; text may be borrowed from what was read. Thread: any.
 */
#ifndef TRAWL_DISSECT_PROTO_GRAPHQL_H
#define TRAWL_DISSECT_PROTO_GRAPHQL_H

#include "dissect/dissector.h"
#include "dissect/proto/json_scan.h"

enum {
    GRAPHQL_MAX_DEPTH = 256,  /* of selection sets */
    GRAPHQL_MAX_NESTING = 64, /* of lists and objects in a value */
    GRAPHQL_MAX_BATCH = 64,   /* requests of a batch that are looked at */
    GRAPHQL_MAX_ERRORS = 32   /* messages that are kept */
};

struct graphql_operation {
    const char *type; /* "query", "mutation", "subscription"; static */
    struct slice name;
};

/* Is this an executable document with an operation? Then the one that a server runs goes to *ret:
 * the one named `wanted`, or when that is empty the only one. Its type is NULL where there is none
 * to run (no such name; several and no name). */
bool graphql_read_document(struct slice document, struct slice wanted,
                           struct graphql_operation *ret);

/* What one HTTP request or message asks. Requests of a batch are joined: types and names with
 * ", " (types each once), documents with an empty line. */
struct graphql_call {
    struct slice operation, name, query;
};

/* A request object, or a batch of them. `expected`: something else says that it is GraphQL, so a
 * document with errors or a persisted one is taken too. */
bool graphql_read_request(struct arena *arena, struct slice json, bool expected,
                          struct graphql_call *ret);
/* The object that comes next in the scan. */
bool graphql_scan_request(struct arena *arena, struct json_scan *scan, bool expected,
                          struct graphql_call *ret);
/* From parts that stand elsewhere (a query string, a body of application/graphql). A query without
 * data was not sent; an empty one is a faulty document. */
bool graphql_read_parts(struct slice query, struct slice name, bool expected,
                        struct graphql_call *ret);

struct graphql_errors {
    struct slice messages[GRAPHQL_MAX_ERRORS];
    size_t count;
};

/* The errors of a response object, or of a batch of them. */
void graphql_read_errors(struct arena *arena, struct slice json, struct graphql_errors *ret);
/* Adds those of the response object that comes next in the scan. */
void graphql_scan_response(struct arena *arena, struct json_scan *scan, struct graphql_errors *ret);
/* Adds the list of errors, or the single one, that comes next in the scan. */
void graphql_scan_errors(struct arena *arena, struct json_scan *scan, struct graphql_errors *ret);

void graphql_set_fields(struct dissect_entry *entry, const struct graphql_call *call,
                        const struct graphql_errors *errors);

#endif
