/* Elements of BER (ITU-T X.690) as LDAP restricts it (RFC 4511 section 5.1): definite lengths, tags
 * of one octet. Borrows the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_BER_H
#define TRAWL_DISSECT_PROTO_BER_H

#include "base/cursor.h"

enum ber_tag {
    BER_BOOLEAN = 0x01,
    BER_INTEGER = 0x02,
    BER_OCTET_STRING = 0x04,
    BER_ENUMERATED = 0x0a,
    BER_SEQUENCE = 0x30,
    BER_SET = 0x31
};

struct ber {
    uint8_t tag;        /* the identifier octet */
    uint64_t length;    /* as it says */
    size_t header;      /* octets in front of the value */
    struct slice value; /* as far as it is there */
    bool is_cut;        /* the value goes on behind the bytes in hand */
};

enum ber_result {
    BER_OK,
    BER_MORE, /* the header is not whole */
    BER_BAD
};

static inline enum ber_result ber_read(struct slice s, struct ber *ret)
{
    *ret = (struct ber){.tag = s.len ? s.data[0] : 0};
    if (s.len && (s.data[0] & 0x1f) == 0x1f)
        return BER_BAD;
    if (s.len < 2)
        return BER_MORE;
    uint8_t first = s.data[1];
    size_t octets = first & 0x80 ? first & 0x7f : 0;
    if (first == 0x80 || octets > 8)
        return BER_BAD;
    if (s.len < 2 + octets)
        return BER_MORE;
    ret->length = octets ? 0 : first;
    for (size_t i = 0; i < octets; i++)
        ret->length = ret->length << 8 | s.data[2 + i];
    ret->header = 2 + octets;
    size_t left = s.len - ret->header;
    ret->is_cut = ret->length > left;
    ret->value = slice_of(s.data + ret->header, ret->is_cut ? left : (size_t)ret->length);
    return BER_OK;
}

/* The next element of *rest, moved over. False at the end, and where no header can be read (*rest
 * is empty then). */
static inline bool ber_next(struct slice *rest, struct ber *ret)
{
    if (rest->len == 0 || ber_read(*rest, ret) != BER_OK) {
        *rest = SLICE_NONE;
        return false;
    }
    *rest = slice_sub(*rest, ret->header + ret->value.len, SIZE_MAX);
    return true;
}

/* The next element where it has this tag; else *rest stays. A value that is cut is no value; of
 * elements that hold others, those that are there are given. */
static inline bool ber_next_is(struct slice *rest, uint8_t tag, struct slice *ret_value)
{
    struct ber element;
    if (rest->len == 0 || rest->data[0] != tag || !ber_next(rest, &element))
        return false;
    if (element.is_cut && !(tag & 0x20))
        return false;
    *ret_value = element.value;
    return true;
}

/* Two's complement; false for none, or more than eight octets. */
static inline bool ber_int(struct slice value, int64_t *ret)
{
    if (value.len == 0 || value.len > 8)
        return false;
    uint64_t v = value.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < value.len; i++)
        v = v << 8 | value.data[i];
    *ret = (int64_t)v;
    return true;
}

#endif
