/* One LDAP call between ldap.c, which reads and pairs, and ldap_entry.c, which fills the entry. It
 * lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_LDAP_CALL_H
#define TRAWL_DISSECT_PROTO_LDAP_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/ldap_text.h"

enum {
    LDAP_FIELD_COUNT = 27,
    LDAP_SUMMARY_MAX = 160, /* of a name or filter in a summary */
    LDAP_MESSAGE_MAX = 1024 * 1024
};

struct ldap_call {
    struct ldap_call *next;          /* of its bucket */
    struct ldap_call *older, *newer; /* of those that wait */
    struct dissect_entry *entry;
    uint32_t id;
    uint8_t op; /* the request's; of a lone response that of the request it answers */
    bool has_request, is_unasked;
    bool is_waiting, is_abandoned, is_start_tls;
    bool is_unsure;   /* an answer may be that to another request with its id */
    bool has_gap;     /* bytes of a message are missing */
    bool is_cut;      /* it was too large to be kept whole */
    bool is_done;     /* the last answer came */
    unsigned gaps[2]; /* of both directions when it began */
    unsigned sasl_step;
    uint32_t retries;

    struct gather request; /* the message */
    struct slice about;    /* what it asks, behind the operation's name */
    struct slice oid;      /* of an extended operation */
    bool is_sasl;

    struct ldap_text body; /* of search entries */
    bool is_body_over;     /* what comes now does not follow what stands there */
    uint64_t entries, references, intermediates;
    int64_t code; /* −1: none yet */
    struct slice message;
};

extern const struct field_def ldap_fields[LDAP_FIELD_COUNT];

/* Sets what call->request says. */
void ldap_fill_request(struct ldap_call *call);
/* The same for an answer; the message is only borrowed. */
void ldap_fill_response(struct ldap_call *call, struct slice message);
/* Fills the rest and sends it off; status NULL: by the result. */
void ldap_emit(struct dissect_conn *conn, struct ldap_call *call, const char *status,
               const char *reason);

#endif
