/* Ids of the rows that every protocol may fill, in the order of common_fields.c (a test compares
 * the two). FIELDS(X): X(enum name, variable, type, flags, absent, doc, example). The order is the
 * order of keys in JSON; rows that share a dotted prefix stand together. */
#ifndef TRAWL_DISSECT_COMMON_FIELDS_H
#define TRAWL_DISSECT_COMMON_FIELDS_H

#include "dissect/field.h"

#define COMMON_FIELDS(X)                                                                                \
    X(ID, "id", FIELD_TEXT, FIELD_COLUMN, 0, "stable id of the entry", "id == \"06F2\"")                \
    X(INDEX, "index", FIELD_INT, FIELD_COLUMN, 0, "ordinal in this dissection", "index < 100")          \
    X(PROTOCOL, "protocol", FIELD_TEXT, FIELD_COLUMN, 0, "most specific protocol",                      \
      "protocol == \"http\"")                                                                           \
    X(TIMESTAMP, "timestamp", FIELD_TIME, FIELD_COLUMN, 0, "time of the request's first byte",          \
      "timestamp > timestamp(\"2026-11-23T11:25:00Z\")")                                                \
    X(ELAPSED_TIME, "elapsed_time", FIELD_INT, FIELD_COLUMN, 0,                                         \
      "µs from the request's first byte to the response's last", "elapsed_time > 500000")               \
    X(LATENCY, "latency", FIELD_DURATION, FIELD_DERIVED, 0, "elapsed_time as a duration",               \
      "latency > duration(\"1s\")")                                                                     \
    X(TIME_TO_RESPONSE_US, "time_to_response_us", FIELD_INT, 0, 0,                                      \
      "µs from the request's last byte to the response's first", "time_to_response_us > 1000")          \
    X(SRC_IP, "src.ip", FIELD_TEXT, FIELD_COLUMN, 0, "address of the requester",                        \
      "src.ip == \"10.0.12.7\"")                                                                        \
    X(SRC_PORT, "src.port", FIELD_INT, FIELD_COLUMN, 0, "port of the requester",                        \
      "src.port > 1024")                                                                                \
    X(SRC_NAME, "src.name", FIELD_TEXT, FIELD_COLUMN, 0, "best name of the requester",                  \
      "src.name == \"front-end\"")                                                                      \
    X(SRC_NAMESPACE, "src.namespace", FIELD_TEXT, FIELD_COLUMN, 0, "Kubernetes namespace",              \
      "src.namespace == \"shop\"")                                                                      \
    X(SRC_DNS, "src.dns", FIELD_TEXT, 0, 0, "name seen in DNS answers",                                 \
      "src.dns == \"a.example\"")                                                                       \
    X(SRC_POD_NAME, "src.pod.name", FIELD_TEXT, 0, 0, "pod", "src.pod.name.startsWith(\"front\")")      \
    X(SRC_POD_NAMESPACE, "src.pod.namespace", FIELD_TEXT, 0, 0, "pod's namespace",                      \
      "src.pod.namespace == \"shop\"")                                                                  \
    X(SRC_SERVICE_NAME, "src.service.name", FIELD_TEXT, 0, 0, "service",                                \
      "src.service.name == \"carts\"")                                                                  \
    X(SRC_SERVICE_NAMESPACE, "src.service.namespace", FIELD_TEXT, 0, 0, "service's namespace",          \
      "src.service.namespace == \"shop\"")                                                              \
    X(SRC_PROCESS_PID, "src.process.pid", FIELD_INT, 0, 0, "process id",                                \
      "src.process.pid == 4242")                                                                        \
    X(SRC_PROCESS_NAME, "src.process.name", FIELD_TEXT, 0, 0, "process name",                           \
      "src.process.name == \"node\"")                                                                   \
    X(SRC_PROCESS_EXE, "src.process.exe", FIELD_TEXT, 0, 0, "its executable",                           \
      "src.process.exe.endsWith(\"/node\")")                                                            \
    X(SRC_CONTAINER, "src.container", FIELD_TEXT, 0, 0, "id of its container",                          \
      "src.container.startsWith(\"4f2a\")")                                                             \
    X(SRC_WORKLOAD_KIND, "src.workload.kind", FIELD_TEXT, 0, 0,                                         \
      "Deployment, StatefulSet, DaemonSet, Job …", "src.workload.kind == \"Job\"")                      \
    X(SRC_WORKLOAD_NAME, "src.workload.name", FIELD_TEXT, 0, 0, "workload that owns the pod",           \
      "src.workload.name == \"carts\"")                                                                 \
    X(SRC_LABELS, "src.labels", FIELD_MAP, 0, 0, "pod's or service's labels",                           \
      "src.labels[\"app\"] == \"carts\"")                                                               \
    X(DST_IP, "dst.ip", FIELD_TEXT, FIELD_COLUMN, 0, "address of the responder",                        \
      "dst.ip == \"10.0.6.161\"")                                                                       \
    X(DST_PORT, "dst.port", FIELD_INT, FIELD_COLUMN, 0, "port of the responder", "dst.port == 80")      \
    X(DST_NAME, "dst.name", FIELD_TEXT, FIELD_COLUMN, 0, "best name of the responder",                  \
      "dst.name == \"carts\"")                                                                          \
    X(DST_NAMESPACE, "dst.namespace", FIELD_TEXT, FIELD_COLUMN, 0, "Kubernetes namespace",              \
      "dst.namespace == \"shop\"")                                                                      \
    X(DST_DNS, "dst.dns", FIELD_TEXT, 0, 0, "name seen in DNS answers",                                 \
      "dst.dns == \"a.example\"")                                                                       \
    X(DST_POD_NAME, "dst.pod.name", FIELD_TEXT, 0, 0, "pod", "dst.pod.name.startsWith(\"carts\")")      \
    X(DST_POD_NAMESPACE, "dst.pod.namespace", FIELD_TEXT, 0, 0, "pod's namespace",                      \
      "dst.pod.namespace == \"shop\"")                                                                  \
    X(DST_SERVICE_NAME, "dst.service.name", FIELD_TEXT, 0, 0, "service",                                \
      "dst.service.name == \"carts\"")                                                                  \
    X(DST_SERVICE_NAMESPACE, "dst.service.namespace", FIELD_TEXT, 0, 0, "service's namespace",          \
      "dst.service.namespace == \"shop\"")                                                              \
    X(DST_PROCESS_PID, "dst.process.pid", FIELD_INT, 0, 0, "process id",                                \
      "dst.process.pid == 4242")                                                                        \
    X(DST_PROCESS_NAME, "dst.process.name", FIELD_TEXT, 0, 0, "process name",                           \
      "dst.process.name == \"nginx\"")                                                                  \
    X(DST_PROCESS_EXE, "dst.process.exe", FIELD_TEXT, 0, 0, "its executable",                           \
      "dst.process.exe.endsWith(\"/nginx\")")                                                           \
    X(DST_CONTAINER, "dst.container", FIELD_TEXT, 0, 0, "id of its container",                          \
      "dst.container.startsWith(\"4f2a\")")                                                             \
    X(DST_WORKLOAD_KIND, "dst.workload.kind", FIELD_TEXT, 0, 0,                                         \
      "Deployment, StatefulSet, DaemonSet, Job …", "dst.workload.kind == \"Job\"")                      \
    X(DST_WORKLOAD_NAME, "dst.workload.name", FIELD_TEXT, 0, 0, "workload that owns the pod",           \
      "dst.workload.name == \"carts\"")                                                                 \
    X(DST_LABELS, "dst.labels", FIELD_MAP, 0, 0, "pod's or service's labels",                           \
      "dst.labels[\"app\"] == \"carts\"")                                                               \
    X(IPS, "ips", FIELD_LIST, 0, 0, "every address of both ends, translated ones too",                  \
      "\"10.0.6.161\" in ips")                                                                          \
    X(PORTS, "ports", FIELD_INT_LIST, 0, 0, "every port of both ends, translated ones too",             \
      "8080 in ports")                                                                                  \
    X(NAMESPACES, "namespaces", FIELD_LIST, 0, 0, "namespaces of both ends",                            \
      "\"shop\" in namespaces")                                                                         \
    X(PODS, "pods", FIELD_LIST, 0, 0, "pods of both ends", "\"carts-0\" in pods")                       \
    X(SERVICES, "services", FIELD_LIST, 0, 0, "services of both ends", "\"carts\" in services")         \
    X(DNS_RESOLUTIONS, "dns_resolutions", FIELD_LIST, 0, 0,                                             \
      "names of both ends seen in DNS answers", "\"a.example\" in dns_resolutions")                     \
    X(LOCAL_ANNOTATIONS, "local_annotations", FIELD_MAP, 0, 0, "annotations of the requester",          \
      "\"sidecar\" in local_annotations")                                                               \
    X(LOCAL_NODE_NAME, "local_node_name", FIELD_TEXT, 0, 0, "node on which the requester runs",         \
      "local_node_name == \"worker-1\"")                                                                \
    X(LOCAL_RESOLUTION_STATUS, "local_resolution_status", FIELD_TEXT, 0, 0,                             \
      "how the name of the requester was found", "local_resolution_status == \"resolved\"")             \
    X(REMOTE_ANNOTATIONS, "remote_annotations", FIELD_MAP, 0, 0, "annotations of the responder",        \
      "\"sidecar\" in remote_annotations")                                                              \
    X(REMOTE_NODE_NAME, "remote_node_name", FIELD_TEXT, 0, 0, "node on which the responder runs",       \
      "remote_node_name == \"worker-1\"")                                                               \
    X(REMOTE_RESOLUTION_STATUS, "remote_resolution_status", FIELD_TEXT, 0, 0,                           \
      "how the name of the responder was found", "remote_resolution_status == \"resolved\"")            \
    X(NODE_NAME, "node.name", FIELD_TEXT, FIELD_COLUMN, 0, "node that captured it",                     \
      "node.name == \"worker-1\"")                                                                      \
    X(NODE_IP, "node.ip", FIELD_TEXT, 0, 0, "address of that node", "node.ip == \"10.0.0.4\"")          \
    X(CAPTURE_SOURCE, "capture_source", FIELD_TEXT, 0, 0, "af_packet, file, ebpf_tls, keylog, …",       \
      "capture_source == \"file\"")                                                                     \
    X(CAPTURE_BACKEND, "capture_backend", FIELD_TEXT, 0, 0,                                             \
      "how the recorder got the packets; absent for files", "capture_backend == \"tpacket_v3\"")        \
    X(CONN_ID, "conn_id", FIELD_TEXT, FIELD_COLUMN, 0, "stable id of the connection",                   \
      "conn_id == \"0A\"")                                                                              \
    X(FLOW_ID, "flow_id", FIELD_TEXT, 0, 0, "stable id of the flow", "flow_id == \"0A\"")               \
    X(STREAM, "stream", FIELD_INT, 0, 0, "ordinal of the connection in the capture",                    \
      "stream == 3")                                                                                    \
    X(SUMMARY, "summary", FIELD_TEXT, FIELD_COLUMN, 0,                                                  \
      "one line: what was asked and what came back", "summary.contains(\"carts\")")                     \
    X(STATUS, "status", FIELD_TEXT, FIELD_COLUMN, 0, "ok, error, no_response, open or incomplete",      \
      "status == \"error\"")                                                                            \
    X(STATUS_REASON, "status_reason", FIELD_TEXT, FIELD_COLUMN, 0,                                      \
      "client_cancel, server_reset, closed, refused, timeout, window_start, window_end or capture_gap", \
      "status_reason == \"refused\"")                                                                   \
    X(INCOMPLETE, "incomplete", FIELD_BOOL, FIELD_COLUMN, 0, "part of the call was not recorded",       \
      "incomplete")                                                                                     \
    X(TRUNCATED, "truncated", FIELD_BOOL, 0, 0, "a body or header cap was hit", "truncated")            \
    X(GAP_BYTES, "gap_bytes", FIELD_INT, FIELD_COLUMN, 0, "bytes missing inside the call",              \
      "gap_bytes > 0")                                                                                  \
    X(FROM_OPENING, "from_opening", FIELD_BOOL, 0, 0,                                                   \
      "the connection is older than the data; its kept opening helped to read it", "from_opening")      \
    X(FROM_LEAD_IN, "from_lead_in", FIELD_BOOL, 0, 0,                                                   \
      "packets from just before the window helped to read it; the call may have begun there",           \
      "from_lead_in")                                                                                   \
    X(HOP, "hop", FIELD_INT, 0, 0,                                                                      \
      "which hop of a call that proxies passed on, from 1; absent when it was seen at one only",        \
      "hop == 1")                                                                                       \
    X(HOP_COUNT, "hop_count", FIELD_INT, 0, 0, "hops at which the call was seen",                       \
      "hop_count == 3")                                                                                 \
    X(HOP_OF, "hop_of", FIELD_TEXT, 0, 0, "id of the call's first hop: the same at all of them",        \
      "hop_of != \"\"")                                                                                 \
    X(SEEN_AT, "seen_at", FIELD_LIST, 0, 0, "vantage points (node:interface)",                          \
      "\"n1:eth0\" in seen_at")                                                                         \
    X(HAS_PCAP, "has_pcap", FIELD_BOOL, FIELD_DERIVED, 0, "its packets are known", "has_pcap")          \
    X(METHOD, "method", FIELD_TEXT, FIELD_COLUMN, 0, "HTTP method", "method == \"POST\"")               \
    X(PATH, "path", FIELD_TEXT, FIELD_COLUMN, 0, "path without the query",                              \
      "path.startsWith(\"/carts\")")                                                                    \
    X(PATH_TEMPLATE, "path_template", FIELD_TEXT, 0, 0, "path with ids folded",                         \
      "path_template == \"/carts/{id}\"")                                                               \
    X(URL, "url", FIELD_TEXT, 0, 0, "whole URL", "url.contains(\"debug=1\")")                           \
    X(HOST, "host", FIELD_TEXT, FIELD_COLUMN, 0, "host asked for", "host == \"carts\"")                 \
    X(STATUS_CODE, "status_code", FIELD_INT, FIELD_COLUMN | FIELD_GUARD_ZERO, 0,                        \
      "status code of the protocol", "status_code >= 500")                                              \
    X(HTTP_VERSION, "http_version", FIELD_TEXT, 0, 0, "1.0, 1.1 or 2", "http_version == \"1.1\"")       \
    X(QUERY_STRING, "query_string", FIELD_MAP, FIELD_HEADERS, 0, "query parameters",                    \
      "query_string[\"page\"] == \"2\"")                                                                \
    X(CONTENT_TYPE, "content_type", FIELD_TEXT, 0, 0, "media type of the response",                     \
      "content_type == \"text/html\"")                                                                  \
    X(TRACE_ID, "trace_id", FIELD_TEXT, FIELD_COLUMN, 0, "W3C traceparent, B3 or Jaeger trace",         \
      "trace_id != \"\"")                                                                               \
    X(REQUEST_ID, "request_id", FIELD_TEXT, 0, 0, "x-request-id", "request_id == \"42\"")               \
    X(QUERY_TEMPLATE, "query_template", FIELD_TEXT, 0, 0,                                               \
      "SQL or CQL statement with its literals folded", "query_template.startsWith(\"SELECT\")")         \
    X(REQUEST_HEADERS, "request.headers", FIELD_MAP, FIELD_HEADERS, 0, "lower-case names",              \
      "request.headers[\"accept\"].contains(\"json\")")                                                 \
    X(REQUEST_COOKIES, "request.cookies", FIELD_MAP, FIELD_HEADERS, 0, "cookies sent",                  \
      "\"sid\" in request.cookies")                                                                     \
    X(REQUEST_BODY, "request.body", FIELD_TEXT, FIELD_REQUEST_BODY, 0, "decoded body",                  \
      "request.body.contains(\"error\")")                                                               \
    X(REQUEST_BODY_SIZE, "request.body_size", FIELD_INT, 0, 0, "bytes of the body on the wire",         \
      "request.body_size > 1000")                                                                       \
    X(REQUEST_HEADERS_SIZE, "request.headers_size", FIELD_INT, 0, 0, "bytes of the header block",       \
      "request.headers_size > 1000")                                                                    \
    X(REQUEST_TRUNCATED, "request.truncated", FIELD_BOOL, 0, 0, "body kept in part",                    \
      "request.truncated")                                                                              \
    X(REQUEST_SIZE, "request.size", FIELD_INT, FIELD_COLUMN, 0,                                         \
      "bytes of the request on the wire", "request.size > 1000")                                        \
    X(RESPONSE_HEADERS, "response.headers", FIELD_MAP, FIELD_HEADERS, 0, "lower-case names",            \
      "response.headers[\"server\"] == \"nginx\"")                                                      \
    X(RESPONSE_COOKIES, "response.cookies", FIELD_MAP, FIELD_HEADERS, 0, "cookies set",                 \
      "\"sid\" in response.cookies")                                                                    \
    X(RESPONSE_BODY, "response.body", FIELD_TEXT, FIELD_RESPONSE_BODY, 0, "decoded body",               \
      "response.body.contains(\"error\")")                                                              \
    X(RESPONSE_BODY_SIZE, "response.body_size", FIELD_INT, 0, 0, "bytes of the body on the wire",       \
      "response.body_size > 1000")                                                                      \
    X(RESPONSE_HEADERS_SIZE, "response.headers_size", FIELD_INT, 0, 0,                                  \
      "bytes of the header block", "response.headers_size > 1000")                                      \
    X(RESPONSE_TRUNCATED, "response.truncated", FIELD_BOOL, 0, 0, "body kept in part",                  \
      "response.truncated")                                                                             \
    X(RESPONSE_SIZE, "response.size", FIELD_INT, FIELD_COLUMN, 0,                                       \
      "bytes of the response on the wire", "response.size > 1000")                                      \
    X(GQL_OPERATION, "gql_operation", FIELD_TEXT, 0, 0,                                                 \
      "query, mutation or subscription (a batch: each once)", "gql_operation == \"mutation\"")          \
    X(GQL_OPERATION_NAME, "gql_operation_name", FIELD_TEXT, 0, 0, "name of the GraphQL operation",      \
      "gql_operation_name == \"GetUser\"")                                                              \
    X(GQL_QUERY, "gql_query", FIELD_TEXT, 0, 0, "the GraphQL document",                                 \
      "gql_query.contains(\"password\")")                                                               \
    X(GQL_ERRORS, "gql_errors", FIELD_LIST, 0, 0, "messages of the response's GraphQL errors",          \
      "size(gql_errors) > 0")                                                                           \
    X(GRPC_SERVICE, "grpc_service", FIELD_TEXT, FIELD_GUARD_ZERO, 0, "package and service",             \
      "grpc_service == \"shop.Carts\"")                                                                 \
    X(GRPC_METHOD, "grpc_method", FIELD_TEXT, FIELD_GUARD_ZERO, 0, "method of the service",             \
      "grpc_method == \"Get\"")                                                                         \
    X(GRPC_STATUS, "grpc_status", FIELD_INT, FIELD_GUARD_ZERO, -1,                                      \
      "status of the call; -1: none came", "grpc && grpc_status != 0")                                  \
    X(GRPC_STATUS_NAME, "grpc_status_name", FIELD_TEXT, FIELD_GUARD_ZERO, 0,                            \
      "name of that status", "grpc_status_name == \"NOT_FOUND\"")                                       \
    X(GRPC_MESSAGE, "grpc_message", FIELD_TEXT, FIELD_GUARD_ZERO, 0,                                    \
      "the server's text about the status", "grpc_message.contains(\"timeout\")")                       \
    X(GRPC_STREAMING, "grpc_streaming", FIELD_TEXT, FIELD_GUARD_ZERO, 0,                                \
      "unary, client, server or bidi, by the messages that were sent",                                  \
      "grpc_streaming == \"server\"")                                                                   \
    X(GRPC_TIMEOUT_US, "grpc_timeout_us", FIELD_INT, FIELD_GUARD_ZERO, 0,                               \
      "the deadline that the client set", "grpc_timeout_us > 0")                                        \
    X(GRPC_DEADLINE_EXCEEDED, "deadline_exceeded", FIELD_BOOL, 0, 0,                                    \
      "the server says so, or the client gave up at its deadline", "deadline_exceeded")                 \
    X(GRPC_REQUEST_MESSAGES, "grpc_request_messages", FIELD_INT, FIELD_GUARD_ZERO, 0,                   \
      "messages from the client", "grpc_request_messages > 1")                                          \
    X(GRPC_RESPONSE_MESSAGES, "grpc_response_messages", FIELD_INT, FIELD_GUARD_ZERO, 0,                 \
      "messages from the server", "grpc_response_messages > 1")                                         \
    X(GRPC_REQUEST_MESSAGE_SIZES, "grpc_request_message_sizes", FIELD_INT_LIST, FIELD_GUARD_ZERO,       \
      0, "bytes of each, as sent; the first 1,000",                                                     \
      "grpc_request_message_sizes.exists(n, n > 1000)")                                                 \
    X(GRPC_RESPONSE_MESSAGE_SIZES, "grpc_response_message_sizes", FIELD_INT_LIST,                       \
      FIELD_GUARD_ZERO, 0, "bytes of each, as sent; the first 1,000",                                   \
      "grpc_response_message_sizes.exists(n, n > 1000)")                                                \
    X(TLS, "tls", FIELD_BOOL, FIELD_COLUMN, 0, "it was decrypted", "tls")                               \
    X(TRANSPORT_TCP, "tcp", FIELD_BOOL, FIELD_DERIVED, 0, "carried by TCP", "tcp")                      \
    X(TRANSPORT_UDP, "udp", FIELD_BOOL, FIELD_DERIVED, 0, "carried by UDP", "udp")

#define COMMON_FIELD_ENUM(name, ...) FIELD_##name##_ID,
enum common_field {
    COMMON_FIELDS(COMMON_FIELD_ENUM) COMMON_FIELD_COUNT
};
#undef COMMON_FIELD_ENUM

#endif
