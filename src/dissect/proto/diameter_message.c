/* The header of Diameter messages, the chain of AVPs, and what the bytes of a message look like. */
#include "dissect/proto/diameter_message.h"

enum {
    AVP_HEADER_BYTES = 8,
    FLAG_VENDOR = 0x80,
    LARGEST_AVP_CODE = 0x00ffffff
};

bool diameter_read_head(struct slice s, struct diameter_head *ret)
{
    struct cursor c = cursor_of(s.data, s.len);
    uint8_t version = cursor_u8(&c);
    ret->bytes = cursor_be24(&c);
    ret->flags = cursor_u8(&c);
    ret->command = cursor_be24(&c);
    ret->application = cursor_be32(&c);
    ret->hop_by_hop = cursor_be32(&c);
    ret->end_to_end = cursor_be32(&c);
    /* RFC 6733 section 3: an error is an answer, only requests are sent again. */
    bool is_request = ret->flags & DIAMETER_REQUEST;
    bool is_odd = is_request ? ret->flags & DIAMETER_ERROR : ret->flags & DIAMETER_RETRANSMITTED;
    return !c.bad && version == 1 && ret->bytes >= DIAMETER_HEADER_BYTES && ret->bytes % 4 == 0 &&
           !(ret->flags & 0x0f) && !is_odd && ret->command != 0;
}

bool diameter_next_avp(struct slice *rest, struct diameter_avp *ret)
{
    struct cursor c = cursor_of(rest->data, rest->len);
    *ret = (struct diameter_avp){.code = cursor_be32(&c)};
    ret->flags = cursor_u8(&c);
    uint32_t length = cursor_be24(&c);
    uint32_t header = AVP_HEADER_BYTES;
    if (ret->flags & FLAG_VENDOR) {
        ret->vendor = cursor_be32(&c);
        header += 4;
    }
    if (c.bad || length < header)
        return false;
    ret->is_cut = length - header > cursor_left(&c);
    ret->value = cursor_slice(&c, ret->is_cut ? cursor_left(&c) : length - header);
    *rest = slice_sub(*rest, ((size_t)length + 3) / 4 * 4, SIZE_MAX);
    return true;
}

struct slice diameter_find(struct slice avps, uint32_t code)
{
    struct diameter_avp avp;
    while (avps.len && diameter_next_avp(&avps, &avp))
        if (avp.code == code && avp.vendor == 0 && !avp.is_cut)
            return avp.value;
    return SLICE_NONE;
}

bool diameter_u32(struct slice value, uint32_t *ret)
{
    struct cursor c = cursor_of(value.data, value.len);
    *ret = cursor_be32(&c);
    return value.len == 4;
}

/* One that a message of any application begins with. */
static bool is_common(const struct diameter_avp *avp)
{
    return avp->vendor == 0 &&
           (avp->code == DIAMETER_SESSION_ID || avp->code == DIAMETER_ORIGIN_HOST ||
            avp->code == DIAMETER_ORIGIN_REALM || avp->code == DIAMETER_RESULT_CODE);
}

static bool has_its_form(const struct diameter_avp *avp)
{
    if (avp->code == DIAMETER_RESULT_CODE)
        return avp->is_cut || avp->value.len == 4;
    for (size_t i = 0; i < avp->value.len; i++)
        if (avp->value.data[i] < 0x20 || avp->value.data[i] == 0x7f)
            return false;
    return true;
}

/* Of one AVP, by its header: its size with the padding; 0: it cannot be one. */
static uint64_t size_of_avp(struct slice s, uint64_t left)
{
    struct cursor c = cursor_of(s.data, s.len);
    uint32_t code = cursor_be32(&c);
    uint8_t flags = cursor_u8(&c);
    uint32_t length = cursor_be24(&c);
    uint64_t size = ((uint64_t)length + 3) / 4 * 4;
    bool is_one = !c.bad && code != 0 && code <= LARGEST_AVP_CODE && !(flags & 0x1f) &&
                  length >= AVP_HEADER_BYTES && size <= left;
    return is_one ? size : 0;
}

/* The AVPs up to the first common one, and what stands behind that. More bytes never change what
 * was decided. */
static enum diameter_judgement judge_avps(struct slice rest, uint64_t left,
                                          enum diameter_judgement unsure)
{
    bool is_known = false;
    while (left) {
        struct diameter_avp avp;
        if (rest.len < AVP_HEADER_BYTES + 4 && rest.len < left)
            return unsure;
        uint64_t size = size_of_avp(rest, left);
        if (size == 0 || is_known)
            return size ? DIAMETER_IS : DIAMETER_IS_NOT;
        if (!diameter_next_avp(&rest, &avp))
            return DIAMETER_IS_NOT;
        is_known = is_common(&avp);
        if (is_known && !has_its_form(&avp))
            return DIAMETER_IS_NOT;
        if (avp.is_cut)
            return unsure;
        left -= size;
    }
    return is_known ? DIAMETER_IS : DIAMETER_IS_NOT;
}

enum diameter_judgement diameter_judge(struct slice s, bool ended)
{
    const enum diameter_judgement unsure = ended ? DIAMETER_IS_NOT : DIAMETER_MAYBE;
    struct diameter_head head;
    s = slice_sub(s, 0, DIAMETER_JUDGED);
    if (s.len == 0)
        return unsure;
    if (s.data[0] != 1 || (s.len > 4 && s.data[4] & 0x0f))
        return DIAMETER_IS_NOT;
    if (s.len < DIAMETER_HEADER_BYTES)
        return unsure;
    if (!diameter_read_head(s, &head))
        return DIAMETER_IS_NOT;
    struct slice rest = slice_sub(s, DIAMETER_HEADER_BYTES, head.bytes - DIAMETER_HEADER_BYTES);
    return judge_avps(rest, head.bytes - DIAMETER_HEADER_BYTES,
                      s.len == DIAMETER_JUDGED ? DIAMETER_IS_NOT : unsure);
}
