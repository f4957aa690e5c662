/* One DNS call between dns.c, which pairs, and dns_entry.c, which fills the entry. It lives in its
 * entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_DNS_CALL_H
#define TRAWL_DISSECT_PROTO_DNS_CALL_H

#include "dissect/proto/dns_message.h"

struct dns_call {
    struct dns_call *next_waiting, *before_waiting; /* in order of age */
    struct dns_call *next_in_bucket;
    struct dissect_entry *entry;
    struct dns_message request, response;
    int64_t asked_ns;
    uint32_t retries;
    enum dissect_dir from;
    bool is_transfer;
    uint32_t transfer_serial;
    size_t transfer_records;
    struct slice *transfer_answers;
    size_t transfer_cap;
};

enum {
    DNS_FIELD_COUNT = 19
};

extern const struct field_def dns_fields[DNS_FIELD_COUNT];

/* Fills the entry and sends it off; status NULL: by the response's code. */
void dns_emit(struct dissect_conn *conn, struct dns_call *call, const char *status,
              const char *reason);

#endif
