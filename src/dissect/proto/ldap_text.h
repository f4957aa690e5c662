/* What LDAP messages say as text: filters (RFC 4515), entries and changes in the manner of LDIF
 * (RFC 2849, but text that is not ASCII stays text). Values of passwords are "***". In: elements as
 * they came, possibly cut. Out: text in the arena, at most `max` bytes. Thread: that of the arena.
 */
#ifndef TRAWL_DISSECT_PROTO_LDAP_TEXT_H
#define TRAWL_DISSECT_PROTO_LDAP_TEXT_H

#include "dissect/proto/gather.h"
#include "dissect/proto/ldap_message.h"

struct ldap_text {
    struct arena *arena;
    struct gather out;
    size_t max;
    bool is_malformed;
};

/* The Filter at the front of `filter`. */
void ldap_put_filter(struct ldap_text *text, struct slice filter);
/* "name: value\n" or "name:: base64\n"; "name: ***\n" where is_secret. */
void ldap_put_line(struct ldap_text *text, struct slice name, struct slice value, bool is_secret);
/* A list of PartialAttribute: a line per value; one without values gives "name:\n". */
void ldap_put_attributes(struct ldap_text *text, struct slice attributes);
/* The changes of a ModifyRequest: "add: name\nname: value\n-\n". */
void ldap_put_changes(struct ldap_text *text, struct slice changes);

#endif
