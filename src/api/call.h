/* One request on its way through a handler: what was asked, who asks, and the ways to answer. Each
 * handler answers exactly once. Thread: the request's. */
#ifndef TRAWL_API_CALL_H
#define TRAWL_API_CALL_H

#include <jansson.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/audit.h"
#include "api/auth.h"
#include "api/failures.h"
#include "api/problem.h"
#include "api/route.h"
#include "net/http_server.h"

enum {
    API_MAX_BODY_BYTES = 1024 * 1024,
    API_MAX_ANSWER_BYTES = 64 * 1024 * 1024,
    API_MAX_HOST_NAMES = 16
};

struct events;

struct api {
    struct http_server *server;
    struct auth *auth;
    struct audit *audit;
    struct events *events;
    struct failures *failures;
    struct api_backend backend;
    struct snapshot_store *store;
    char *data_dir;
    char *host_names[API_MAX_HOST_NAMES + 1];
    char machine_name[256];
    char cookie_name[40];
    char token[AUTH_TOKEN_SIZE];
    bool token_made;
    uint16_t port;
    int64_t started_mono_ns;
    atomic_llong token_time; /* of DATA/token when it was read */
    atomic_ullong requests, failed, refused;
    atomic_uint slowed; /* refusals that are being delayed */
};

/* Whether it is the hub's token, looking at the file again before it says no. Thread: any. */
bool api_token_matches(struct api *api, const char *token);

struct api_call {
    struct api *api;
    struct http_request *http;
    const struct route *route;
    const char *params[ROUTE_MAX_PARAMS];
    const char *who;                  /* "token" or "session" */
    char address[64];                 /* of the client, without port */
    char request_id[REQUEST_ID_SIZE]; /* "" until call_name */
};

/* Host, Origin and Sec-Fetch-Site: against DNS rebinding and other sites' pages. 0 or a problem's
 * status. */
int guard_check(const struct api *api, struct http_request *http, struct api_problem *ret_problem);
/* A page of another site, or of another port, may not use the cookie; neither may a request that
 * changes something without saying where it comes from. */
bool guard_allows_cookie(struct http_request *http);

/* Answers a wrong token: 401, and after some of a minute from one address 429, slowly. A right
 * token is never slowed, whoever else guesses from its address. */
void call_refuse_token(struct api_call *call, const char *target);
void call_send_problem(struct api_call *call, const struct api_problem *problem);
void call_fail(struct api_call *call, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_error(struct api_call *call, const struct error *error);
/* Answers with `json` (or 503 when the buffer failed). */
void call_send_json(struct api_call *call, int status, const struct buf *json);
/* Before an answer that is produced as it is sent begins: gives it its X-Request-Id. */
void call_name(struct api_call *call);
/* Its producer failed half-way: the log and /failures say why, and the connection is cut. */
void call_break_off(struct api_call *call, const struct api_problem *problem);
void call_send_empty(struct api_call *call); /* 204 */
/* The body, checked against the route's schema: owned by the caller (json_decref); NULL when a
 * problem was sent. */
json_t *call_read_object(struct api_call *call);
json_t *call_read_object_of(struct api_call *call, size_t max_bytes);
const char *call_query(struct api_call *call, const char *name); /* or NULL; "" counts as absent */
/* As the query says, else `absent`; the type was checked before. */
int64_t call_query_time(struct api_call *call, const char *name, int64_t absent);
int64_t call_query_int(struct api_call *call, const char *name, int64_t absent);
/* "a,b" cut at the commas: owned by the caller (free); NULL when absent. Ends with NULL. */
char **call_query_list(struct api_call *call, const char *name);
/* attachment; filename=…: letters, digits, dot, dash only in the plain form. */
void call_attachment(struct api_call *call, const char *name, const char *extension);
void call_audit(struct api_call *call, const char *action, const char *target, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

#endif
