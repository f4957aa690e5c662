#include "dissect/proto/mongodb_message.h"

#include <errno.h>

#include "dissect/dissector.h"
#include "dissect/proto/snappy.h"

enum {
    COMPRESSED_HEAD = 9, /* original opcode, size, compressor */
    CHECKSUM_BYTES = 4
};

static const struct {
    uint32_t opcode;
    const char *name;
} opcodes[] = {
    {OP_REPLY, "OP_REPLY"},
    {OP_UPDATE, "OP_UPDATE"},
    {OP_INSERT, "OP_INSERT"},
    {OP_QUERY, "OP_QUERY"},
    {OP_GET_MORE, "OP_GET_MORE"},
    {OP_DELETE, "OP_DELETE"},
    {OP_KILL_CURSORS, "OP_KILL_CURSORS"},
    {OP_COMMAND, "OP_COMMAND"},
    {OP_COMMANDREPLY, "OP_COMMANDREPLY"},
    {OP_COMPRESSED, "OP_COMPRESSED"},
    {OP_MSG, "OP_MSG"},
};

const char *mongodb_opcode_name(uint32_t opcode)
{
    for (size_t i = 0; i < sizeof opcodes / sizeof opcodes[0]; i++)
        if (opcodes[i].opcode == opcode)
            return opcodes[i].name;
    return NULL;
}

struct mongodb_head mongodb_read_head(struct slice s)
{
    struct cursor c = cursor_of(s.data, s.len);
    struct mongodb_head head;
    head.length = cursor_le32(&c);
    head.request_id = (int32_t)cursor_le32(&c);
    head.response_to = (int32_t)cursor_le32(&c);
    head.opcode = cursor_le32(&c);
    return head;
}

size_t mongodb_bytes_to_judge(struct slice s)
{
    if (s.len < MONGODB_HEAD_BYTES)
        return MONGODB_HEAD_BYTES;
    uint32_t length = mongodb_read_head(s).length;
    return length < MONGODB_JUDGED_BYTES ? length : MONGODB_JUDGED_BYTES;
}

/* ── can it be one? ── */

static bool is_document_start(struct cursor *c, size_t most)
{
    size_t there = cursor_left(c);
    uint32_t length = cursor_le32(c);
    uint8_t type = there > 4 ? cursor_u8(c) : 0;
    return !c->bad && length >= 5 && length <= most && (type == 0) == (length == 5) &&
           (type == 0 || bson_is_type(type));
}

/* Printable, up to its NUL or to the end of what is there. */
static bool is_name(struct cursor *c)
{
    size_t n = 0;
    while (cursor_left(c)) {
        uint8_t b = cursor_u8(c);
        if (b == 0)
            return n > 0;
        if (b < 0x20 || b == 0x7f)
            return false;
        n++;
    }
    return n > 0;
}

static bool is_section_start(struct cursor *c, uint32_t length)
{
    size_t most = length - MONGODB_HEAD_BYTES - 5;
    uint8_t kind = cursor_u8(c);
    if (kind == 0)
        return is_document_start(c, most);
    uint32_t size = cursor_le32(c);
    return kind == 1 && !c->bad && size >= 5 && size <= most && is_name(c);
}

static bool is_plausible_body(struct cursor *c, const struct mongodb_head *head)
{
    uint32_t first = cursor_le32(c), n;
    switch (head->opcode) {
    case OP_MSG:
        return head->length >= 26 && !(first & 0xfffc) && !(first >> 17) &&
               is_section_start(c, head->length);
    case OP_QUERY:
        return head->length >= 34 && first <= 0xff && is_name(c);
    case OP_INSERT:
        return head->length >= 27 && first <= 1 && is_name(c);
    case OP_UPDATE:
    case OP_DELETE:
    case OP_GET_MORE:
        return head->length >= 30 && first == 0 && is_name(c);
    case OP_KILL_CURSORS:
        n = cursor_le32(c);
        return first == 0 && !c->bad && head->length == 24 + (uint64_t)n * 8;
    case OP_REPLY:
        cursor_skip(c, 12);
        n = cursor_le32(c);
        return first <= 0xf && !c->bad && head->length >= 36 &&
               (n == 0 ? head->length == 36 : is_document_start(c, head->length - 36));
    case OP_COMPRESSED:
        n = cursor_le32(c);
        return first != OP_COMPRESSED && mongodb_opcode_name(first) && n <= MONGODB_MAX_MESSAGE &&
               cursor_u8(c) <= 3 && !c->bad && head->length > 25;
    case OP_COMMAND:
        c->pos -= 4;
        return head->length >= 28 && is_name(c);
    case OP_COMMANDREPLY:
        c->pos -= 4;
        return head->length >= 26 && is_document_start(c, head->length - MONGODB_HEAD_BYTES);
    default:
        return false;
    }
}

bool mongodb_is_plausible(struct slice s)
{
    struct cursor c = cursor_of(s.data, s.len);
    struct mongodb_head head = mongodb_read_head(s);
    if (head.length <= MONGODB_HEAD_BYTES + 4 || head.length > MONGODB_MAX_MESSAGE)
        return false;
    c.end = c.pos + (s.len < head.length ? s.len : head.length);
    cursor_skip(&c, MONGODB_HEAD_BYTES);
    return is_plausible_body(&c, &head) && !c.bad;
}

bool mongodb_wants_reply(uint32_t opcode, uint32_t flags)
{
    switch (opcode) {
    case OP_MSG:
        return !(flags & MSG_MORE_TO_COME);
    case OP_QUERY:
    case OP_GET_MORE:
    case OP_COMMAND:
        return true;
    default:
        return false;
    }
}

/* ── reading ── */

static struct slice name_of(struct cursor *c)
{
    const uint8_t *nul = cursor_left(c) ? memchr(c->pos, 0, cursor_left(c)) : NULL;
    struct slice name = cursor_slice(c, nul ? (size_t)(nul - c->pos) : cursor_left(c));
    cursor_skip(c, 1);
    return name;
}

static struct slice left_of(const struct cursor *c)
{
    return slice_of(c->pos, cursor_left(c));
}

/* The command's document, wherever it stands among the sections. */
static void read_msg(struct cursor *c, struct mongodb_message *m)
{
    m->flags = cursor_le32(c);
    if (m->flags & MSG_CHECKSUM && !m->cut && cursor_left(c) > CHECKSUM_BYTES)
        c->end -= CHECKSUM_BYTES;
    const uint8_t *first = c->pos;
    while (cursor_left(c) && !c->bad) {
        const uint8_t *section = c->pos;
        if (cursor_u8(c) == 0) {
            m->before = slice_of(first, (size_t)(section - first));
            m->document = bson_document(c);
            m->rest = left_of(c);
            return;
        }
        struct cursor size = *c;
        cursor_skip(c, cursor_le32(&size));
    }
    c->bad = true;
}

static void read_body(struct cursor *c, struct mongodb_message *m)
{
    switch (m->opcode) {
    case OP_MSG:
        read_msg(c, m);
        return;
    case OP_QUERY:
        m->flags = cursor_le32(c);
        m->name = name_of(c);
        cursor_skip(c, 8); /* to skip, to return */
        m->document = bson_document(c);
        break;
    case OP_INSERT:
        m->flags = cursor_le32(c);
        m->name = name_of(c);
        break;
    case OP_UPDATE:
    case OP_DELETE:
        cursor_skip(c, 4);
        m->name = name_of(c);
        m->flags = cursor_le32(c);
        m->document = bson_document(c);
        break;
    case OP_GET_MORE:
        cursor_skip(c, 4);
        m->name = name_of(c);
        cursor_skip(c, 4);
        m->cursor_id = (int64_t)cursor_le64(c);
        break;
    case OP_KILL_CURSORS:
        cursor_skip(c, 4);
        m->documents = cursor_le32(c);
        m->cursor_id = (int64_t)cursor_le64(c);
        return;
    case OP_REPLY:
        m->flags = cursor_le32(c);
        m->cursor_id = (int64_t)cursor_le64(c);
        cursor_skip(c, 4);
        m->documents = cursor_le32(c);
        if (cursor_left(c))
            m->document = bson_document(c);
        break;
    case OP_COMMAND:
        m->name = name_of(c);
        m->command = name_of(c);
        m->document = bson_document(c);
        break;
    case OP_COMMANDREPLY:
        m->document = bson_document(c);
        break;
    default:
        c->bad = true;
    }
    m->rest = left_of(c);
}

static void read_compressed(struct cursor *c, struct arena *arena, struct mongodb_message *m)
{
    static const char *const names[] = {"none", "snappy", "zlib", "zstd"};
    m->opcode = cursor_le32(c);
    cursor_skip(c, 4);
    uint8_t compressor = cursor_u8(c);
    struct slice packed = left_of(c), plain = SLICE_NONE;
    bool cut = false;
    int r = 0;
    if (compressor >= sizeof names / sizeof names[0] || c->bad) {
        m->cut = true;
        return;
    }
    m->compressor = names[compressor];
    if (compressor == 0)
        plain = packed;
    else if (compressor == 1)
        r = snappy_decode(arena, packed, DISSECT_BODY_CAP, &plain, &cut);
    else
        r = dissect_decode_body(arena, slice_str(compressor == 2 ? "deflate" : "zstd"), packed,
                                &plain, &cut);
    m->cut |= cut || r < 0;
    *c = cursor_of(plain.data, plain.len);
}

void mongodb_read(struct slice bytes, struct arena *arena, struct mongodb_message *ret)
{
    struct cursor c = cursor_of(bytes.data, bytes.len);
    *ret = (struct mongodb_message){.head = mongodb_read_head(bytes)};
    cursor_skip(&c, MONGODB_HEAD_BYTES);
    ret->cut = c.bad || bytes.len < ret->head.length;
    ret->opcode = ret->head.opcode;
    if (ret->opcode == OP_COMPRESSED)
        read_compressed(&c, arena, ret);
    read_body(&c, ret);
    ret->cut |= c.bad;
}

/* ── as JSON ── */

static bool write_documents(struct json_writer *w, struct cursor *c)
{
    bool whole = true;
    json_begin_array(w);
    while (cursor_left(c) && !buf_failed(w->out)) {
        struct slice document = bson_document(c);
        json_begin_object(w);
        whole &= bson_write_members(w, document, 2);
        json_end_object(w);
    }
    json_end_array(w);
    return whole && !c->bad;
}

/* Document sequences as members: {"insert": …, "documents": […]}. */
static bool write_sections(struct json_writer *w, struct slice sections)
{
    struct cursor c = cursor_of(sections.data, sections.len);
    bool whole = true;
    while (cursor_left(&c) && !c.bad && !buf_failed(w->out)) {
        if (cursor_u8(&c) != 1)
            return false;
        struct cursor size = c;
        uint32_t bytes = cursor_le32(&size);
        struct slice section = cursor_slice(&c, bytes < cursor_left(&c) ? bytes : cursor_left(&c));
        struct cursor in = cursor_of(section.data, section.len);
        cursor_skip(&in, 4);
        json_key_slice(w, name_of(&in));
        whole &= write_documents(w, &in) && section.len == bytes;
    }
    return whole && !c.bad;
}

static bool write_object(struct json_writer *w, const struct mongodb_message *m)
{
    json_begin_object(w);
    bool whole = bson_write_members(w, m->document, 1);
    if (m->opcode == OP_MSG)
        whole = write_sections(w, m->before) && write_sections(w, m->rest) && whole;
    json_end_object(w);
    return whole;
}

bool mongodb_write_json(const struct mongodb_message *m, struct json_writer *w)
{
    struct cursor c = cursor_of(m->rest.data, m->rest.len);
    bool whole;
    switch (m->opcode) {
    case OP_INSERT:
        return write_documents(w, &c) && !m->cut;
    case OP_REPLY:
        if (m->documents == 1)
            return write_object(w, m) && !m->cut;
        json_begin_array(w);
        if (m->documents) {
            whole = write_object(w, m);
            while (cursor_left(&c) && !buf_failed(w->out)) {
                json_begin_object(w);
                whole &= bson_write_members(w, bson_document(&c), 2);
                json_end_object(w);
            }
        } else {
            whole = true;
        }
        json_end_array(w);
        return whole && !m->cut;
    case OP_UPDATE:
        json_begin_object(w);
        json_key(w, "q");
        whole = write_object(w, m);
        json_key(w, "u");
        json_begin_object(w);
        whole &= bson_write_members(w, bson_document(&c), 2);
        json_end_object(w);
        json_end_object(w);
        return whole && !m->cut;
    case OP_GET_MORE:
    case OP_KILL_CURSORS:
        json_begin_object(w);
        json_member_int(w, "cursor", m->cursor_id);
        json_end_object(w);
        return !m->cut;
    default:
        return write_object(w, m) && !m->cut;
    }
}
