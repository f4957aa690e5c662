/* Rows of connections and flows, and the protocol flags: what the engine itself knows. Their ids
 * follow the common rows, in the order of the two lists. */
#ifndef TRAWL_DISSECT_CONN_FIELDS_H
#define TRAWL_DISSECT_CONN_FIELDS_H

#include "dissect/common_fields.h"

/* X(enum name, variable, type, flags, absent, doc, example) */
#define CONN_FIELDS(X)                                                                             \
    X(CONN_STATE, "conn_state", FIELD_TEXT, 0, 0,                                                  \
      "attempted, refused, established, reset, closed or timed_out", "conn_state == \"refused\"")  \
    X(CONN_LOCAL_PKTS, "conn_local_pkts", FIELD_INT, 0, 0, "packets from the requester",           \
      "conn_local_pkts > 100")                                                                     \
    X(CONN_REMOTE_PKTS, "conn_remote_pkts", FIELD_INT, 0, 0, "packets from the responder",         \
      "conn_remote_pkts == 0")                                                                     \
    X(CONN_LOCAL_BYTES, "conn_local_bytes", FIELD_INT, 0, 0,                                       \
      "payload bytes from the requester, retransmissions included", "conn_local_bytes > 1000000")  \
    X(CONN_REMOTE_BYTES, "conn_remote_bytes", FIELD_INT, 0, 0,                                     \
      "payload bytes from the responder, retransmissions included", "conn_remote_bytes > 1000000") \
    X(CONN_L7_DETECTED, "conn_l7_detected", FIELD_LIST, 0, 0, "protocols found on the connection", \
      "\"http\" in conn_l7_detected")                                                              \
    X(CONN_GROUP_ID, "conn_group_id", FIELD_TEXT, 0, 0,                                            \
      "the same for all connections between two addresses to one port", "conn_group_id == \"0A\"") \
    X(FLOW_STATE, "flow_state", FIELD_TEXT, 0, 0, "as conn_state, for a flow",                     \
      "flow_state == \"established\"")                                                             \
    X(FLOW_LOCAL_PKTS, "flow_local_pkts", FIELD_INT, 0, 0, "packets from the requester",           \
      "flow_local_pkts > 100")                                                                     \
    X(FLOW_REMOTE_PKTS, "flow_remote_pkts", FIELD_INT, 0, 0, "packets from the responder",         \
      "flow_remote_pkts == 0")                                                                     \
    X(FLOW_LOCAL_BYTES, "flow_local_bytes", FIELD_INT, 0, 0, "payload bytes from the requester",   \
      "flow_local_bytes > 1000000")                                                                \
    X(FLOW_REMOTE_BYTES, "flow_remote_bytes", FIELD_INT, 0, 0, "payload bytes from the responder", \
      "flow_remote_bytes > 1000000")                                                               \
    X(FLOW_L7_DETECTED, "flow_l7_detected", FIELD_LIST, 0, 0,                                      \
      "as conn_l7_detected; a flow is reported where nothing was found, so it is empty",           \
      "size(flow_l7_detected) == 0")                                                               \
    X(FLOW_GROUP_ID, "flow_group_id", FIELD_TEXT, 0, 0, "as conn_group_id, for a flow",            \
      "flow_group_id == \"0A\"")                                                                   \
    X(FLOW_LOCAL_PPS, "flow_local_pps", FIELD_INT, 0, 0, "packets per second from the requester",  \
      "flow_local_pps > 1000")                                                                     \
    X(FLOW_REMOTE_PPS, "flow_remote_pps", FIELD_INT, 0, 0,                                         \
      "packets per second from the responder", "flow_remote_pps > 1000")                           \
    X(FLOW_LOCAL_BPS, "flow_local_bps", FIELD_INT, 0, 0, "bytes per second from the requester",    \
      "flow_local_bps > 1000000")                                                                  \
    X(FLOW_REMOTE_BPS, "flow_remote_bps", FIELD_INT, 0, 0, "bytes per second from the responder",  \
      "flow_remote_bps > 1000000")                                                                 \
    X(TCP_METHOD, "tcp_method", FIELD_TEXT, 0, 0,                                                  \
      "what the connection was used for: connect (no bytes), send, receive or exchange",           \
      "tcp_method == \"connect\"")                                                                 \
    X(TCP_PAYLOAD, "tcp_payload", FIELD_TEXT, 0, 0,                                                \
      "first bytes of who spoke first, where no dissector knows them",                             \
      "tcp_payload.contains(\"HELO\")")                                                            \
    X(TCP_ERROR_TYPE, "tcp_error_type", FIELD_TEXT, 0, 0, "refused, reset or timeout",             \
      "tcp_error_type == \"refused\"")                                                             \
    X(TCP_ERROR_MESSAGE, "tcp_error_message", FIELD_TEXT, 0, 0, "what went wrong, as a sentence",  \
      "tcp_error_message.contains(\"refused\")")                                                   \
    X(UDP_LENGTH, "udp_length", FIELD_INT, 0, 0, "length field of the first datagram",             \
      "udp_length > 512")                                                                          \
    X(UDP_CHECKSUM, "udp_checksum", FIELD_INT, 0, 0,                                               \
      "checksum field of the first datagram, 0 is none", "udp_checksum == 0 && udp")               \
    X(UDP_PAYLOAD, "udp_payload", FIELD_TEXT, 0, 0, "first datagram, where no dissector knows it", \
      "udp_payload.startsWith(\"M-SEARCH\")")                                                      \
    X(TCP_RETRANSMISSIONS, "tcp_retransmissions", FIELD_INT, 0, 0,                                 \
      "segments whose bytes had been seen before", "tcp_retransmissions > 0")                      \
    X(TCP_FAST_RETRANSMISSIONS, "tcp_fast_retransmissions", FIELD_INT, 0, 0,                       \
      "retransmissions that duplicate acknowledgements asked for", "tcp_fast_retransmissions > 0") \
    X(TCP_OUT_OF_ORDER, "tcp_out_of_order", FIELD_INT, 0, 0,                                       \
      "segments that came before their predecessors", "tcp_out_of_order > 0")                      \
    X(TCP_DUPLICATE_ACKS, "tcp_duplicate_acks", FIELD_INT, 0, 0,                                   \
      "acknowledgements repeated without data", "tcp_duplicate_acks > 3")                          \
    X(TCP_ZERO_WINDOWS, "tcp_zero_windows", FIELD_INT, 0, 0, "segments that closed the window",    \
      "tcp_zero_windows > 0")                                                                      \
    X(TCP_RESETS, "tcp_resets", FIELD_INT, 0, 0, "segments with RST", "tcp_resets > 0")            \
    X(TCP_MISSING_SEGMENTS, "tcp_missing_segments", FIELD_INT, 0, 0,                               \
      "holes in the recorded stream", "tcp_missing_segments > 0")                                  \
    X(TCP_INITIAL_RTT_US, "tcp_initial_rtt_us", FIELD_INT, 0, 0,                                   \
      "µs from the last SYN to the end of the handshake", "tcp_initial_rtt_us > 10000")            \
    X(TCP_HANDSHAKE_US, "tcp_handshake_us", FIELD_INT, 0, 0,                                       \
      "µs from the first SYN to the end of the handshake", "tcp_handshake_us > 100000")            \
    X(TCP_RTT_AVG_US, "tcp_rtt_avg_us", FIELD_INT, 0, 0,                                           \
      "µs from a segment to its acknowledgement, on average", "tcp_rtt_avg_us > 10000")            \
    X(TCP_GOODPUT_BYTES, "tcp_goodput_bytes", FIELD_INT, 0, 0,                                     \
      "payload bytes of both sides, each counted once", "tcp_goodput_bytes > 1000000")             \
    X(TCP_TIME_TO_FIRST_BYTE_US, "tcp_time_to_first_byte_us", FIELD_INT, 0, 0,                     \
      "µs from the first packet to the responder's first byte",                                    \
      "tcp_time_to_first_byte_us > 1000000")

/* X(variable, doc, protocols it stands for …): derived booleans. */
#define PROTOCOL_FLAGS(X)                                                \
    X("http", "HTTP, gRPC and GraphQL", "http", "grpc", "gql", NULL)     \
    X("grpc", "gRPC", "grpc", NULL)                                      \
    X("gql", "GraphQL", "gql", NULL)                                     \
    X("gqlv1", "GraphQL over HTTP/1", "gql", NULL)                       \
    X("gqlv2", "GraphQL over HTTP/2", "gql", NULL)                       \
    X("ws", "WebSocket", "ws", NULL)                                     \
    X("dns", "DNS", "dns", NULL)                                         \
    X("tlsx", "TLS handshake", "tlsx", NULL)                             \
    X("redis", "Redis", "redis", NULL)                                   \
    X("kafka", "Kafka", "kafka", NULL)                                   \
    X("amqp", "AMQP", "amqp", NULL)                                      \
    X("mongodb", "MongoDB", "mongodb", NULL)                             \
    X("mysql", "MySQL or MariaDB", "mysql", NULL)                        \
    X("postgresql", "PostgreSQL", "postgresql", NULL)                    \
    X("ldap", "LDAP", "ldap", NULL)                                      \
    X("radius", "RADIUS", "radius", NULL)                                \
    X("diameter", "Diameter", "diameter", NULL)                          \
    X("sctp", "SCTP", "sctp", NULL)                                      \
    X("icmp", "ICMP or ICMPv6", "icmp", NULL)                            \
    X("mqtt", "MQTT", "mqtt", NULL)                                      \
    X("nats", "NATS", "nats", NULL)                                      \
    X("stomp", "STOMP", "stomp", NULL)                                   \
    X("memcached", "memcached", "memcached", NULL)                       \
    X("cql", "CQL (Cassandra)", "cql", NULL)                             \
    X("smtp", "SMTP", "smtp", NULL)                                      \
    X("quic", "QUIC", "quic", NULL)                                      \
    X("conn", "a connection", "tcp_conn", "udp_conn", NULL)              \
    X("tcp_conn", "a TCP connection", "tcp_conn", NULL)                  \
    X("udp_conn", "a UDP conversation", "udp_conn", NULL)                \
    X("flow", "a flow no dissector knows", "tcp_flow", "udp_flow", NULL) \
    X("tcp_flow", "a TCP flow no dissector knows", "tcp_flow", NULL)     \
    X("udp_flow", "a UDP flow no dissector knows", "udp_flow", NULL)

#define CONN_FIELD_ENUM(name, ...) FIELD_##name##_ID,
enum conn_field {
    CONN_FIELDS_BEFORE_FIRST = COMMON_FIELD_COUNT - 1,
    CONN_FIELDS(CONN_FIELD_ENUM) CONN_FIELDS_END
};
#undef CONN_FIELD_ENUM

#define PROTOCOL_FLAG_COUNT_ONE(...) +1
enum {
    PROTOCOL_FLAG_FIRST = CONN_FIELDS_END,
    PROTOCOL_FLAGS_END = CONN_FIELDS_END PROTOCOL_FLAGS(PROTOCOL_FLAG_COUNT_ONE),
    PROTOCOL_FLAG_MAX_NAMES = 4
};
#undef PROTOCOL_FLAG_COUNT_ONE

struct protocol_flag {
    const char *protocols[PROTOCOL_FLAG_MAX_NAMES]; /* ends with NULL */
};
/* The flag with id PROTOCOL_FLAG_FIRST + index. */
const struct protocol_flag *protocol_flag_at(size_t index);

/* The engine's own rows: ids 0 … PROTOCOL_FLAGS_END − 1. */
const struct field_def *engine_field_at(field_id id);

#endif
