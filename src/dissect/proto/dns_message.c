/* DNS messages: header, names, questions, sections (RFC 1035, RFC 6891 for the OPT record). */
#include "dissect/proto/dns_message.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

enum {
    MAX_POINTERS = 64,
    MAX_NAME_BYTES = 255,
    MAX_QUESTIONS = 256
};

/* ── text ── */

void dns_put(struct dns_text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = out->cap - out->len;
    int n = vsnprintf(out->data + out->len, room, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n >= room) {
        out->cut = true;
        n = room ? (int)room - 1 : 0;
    }
    out->len += (size_t)n;
}

static void put_bytes(struct dns_text *out, const void *bytes, size_t len)
{
    size_t room = out->cap - out->len;
    if (len >= room) {
        out->cut = true;
        len = room ? room - 1 : 0;
    }
    if (len)
        memcpy(out->data + out->len, bytes, len);
    out->len += len;
}

void dns_put_hex(struct dns_text *out, struct slice bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len && !out->cut; i++) {
        char pair[2] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
        put_bytes(out, pair, sizeof pair);
    }
}

/* `special`: characters that need a backslash. Valid UTF-8 stays as it is. */
static void put_escaped(struct dns_text *out, struct slice bytes, const char *special)
{
    bool utf8 = text_is_utf8(bytes);
    for (size_t i = 0; i < bytes.len && !out->cut; i++) {
        uint8_t c = bytes.data[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
            dns_put(out, "\\%03u", c);
            continue;
        }
        if (strchr(special, c))
            put_bytes(out, "\\", 1);
        put_bytes(out, &bytes.data[i], 1);
    }
}

void dns_put_quoted(struct dns_text *out, struct slice bytes)
{
    put_bytes(out, "\"", 1);
    put_escaped(out, bytes, "\"\\");
    put_bytes(out, "\"", 1);
}

/* ── names ── */

bool dns_take_name(struct slice message, size_t *pos, struct dns_text *out)
{
    size_t at = *pos;
    size_t bytes = 1;
    unsigned pointers = 0;
    bool first = true;
    for (;;) {
        if (at >= message.len)
            return false;
        uint8_t len = message.data[at];
        if ((len & 0xc0) == 0xc0) {
            if (at + 1 >= message.len || ++pointers > MAX_POINTERS)
                return false;
            if (pointers == 1)
                *pos = at + 2;
            at = (size_t)(len & 0x3f) << 8 | message.data[at + 1];
            continue;
        }
        if (len & 0xc0)
            return false;
        at++;
        if (len == 0)
            break;
        bytes += (size_t)len + 1;
        if (at + len > message.len || bytes > MAX_NAME_BYTES)
            return false;
        if (!first)
            put_bytes(out, ".", 1);
        put_escaped(out, slice_of(message.data + at, len), ".\\");
        first = false;
        at += len;
    }
    if (first)
        put_bytes(out, ".", 1);
    if (pointers == 0)
        *pos = at;
    return true;
}

/* ── names of numbers ── */

struct numbered {
    uint16_t number;
    const char *name;
};

static const struct numbered type_names[] = {
    {1, "A"},           {2, "NS"},         {3, "MD"},        {4, "MF"},       {5, "CNAME"},
    {6, "SOA"},         {7, "MB"},         {8, "MG"},        {9, "MR"},       {10, "NULL"},
    {11, "WKS"},        {12, "PTR"},       {13, "HINFO"},    {14, "MINFO"},   {15, "MX"},
    {16, "TXT"},        {17, "RP"},        {18, "AFSDB"},    {19, "X25"},     {20, "ISDN"},
    {21, "RT"},         {22, "NSAP"},      {23, "NSAP-PTR"}, {24, "SIG"},     {25, "KEY"},
    {26, "PX"},         {27, "GPOS"},      {28, "AAAA"},     {29, "LOC"},     {30, "NXT"},
    {31, "EID"},        {32, "NIMLOC"},    {33, "SRV"},      {34, "ATMA"},    {35, "NAPTR"},
    {36, "KX"},         {37, "CERT"},      {38, "A6"},       {39, "DNAME"},   {40, "SINK"},
    {41, "OPT"},        {42, "APL"},       {43, "DS"},       {44, "SSHFP"},   {45, "IPSECKEY"},
    {46, "RRSIG"},      {47, "NSEC"},      {48, "DNSKEY"},   {49, "DHCID"},   {50, "NSEC3"},
    {51, "NSEC3PARAM"}, {52, "TLSA"},      {53, "SMIMEA"},   {55, "HIP"},     {56, "NINFO"},
    {57, "RKEY"},       {58, "TALINK"},    {59, "CDS"},      {60, "CDNSKEY"}, {61, "OPENPGPKEY"},
    {62, "CSYNC"},      {63, "ZONEMD"},    {64, "SVCB"},     {65, "HTTPS"},   {99, "SPF"},
    {100, "UINFO"},     {101, "UID"},      {102, "GID"},     {103, "UNSPEC"}, {104, "NID"},
    {105, "L32"},       {106, "L64"},      {107, "LP"},      {108, "EUI48"},  {109, "EUI64"},
    {249, "TKEY"},      {250, "TSIG"},     {251, "IXFR"},    {252, "AXFR"},   {253, "MAILB"},
    {254, "MAILA"},     {255, "ANY"},      {256, "URI"},     {257, "CAA"},    {258, "AVC"},
    {259, "DOA"},       {260, "AMTRELAY"}, {261, "RESINFO"}, {32768, "TA"},   {32769, "DLV"}};

static const struct numbered class_names[] = {{1, "IN"}, {2, "CS"},     {3, "CH"},
                                              {4, "HS"}, {254, "NONE"}, {255, "ANY"}};

static const struct numbered rcode_names[] = {
    {0, "NOERROR"},  {1, "FORMERR"},    {2, "SERVFAIL"}, {3, "NXDOMAIN"},  {4, "NOTIMP"},
    {5, "REFUSED"},  {6, "YXDOMAIN"},   {7, "YXRRSET"},  {8, "NXRRSET"},   {9, "NOTAUTH"},
    {10, "NOTZONE"}, {11, "DSOTYPENI"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},
    {19, "BADMODE"}, {20, "BADNAME"},   {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"}};

static const struct numbered opcode_names[] = {{0, "QUERY"},  {1, "IQUERY"}, {2, "STATUS"},
                                               {4, "NOTIFY"}, {5, "UPDATE"}, {6, "DSO"}};

static const char *name_of(const struct numbered *table, size_t count, unsigned number)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        if (table[middle].number == number)
            return table[middle].name;
        if (table[middle].number < number)
            low = middle + 1;
        else
            count = middle;
    }
    return NULL;
}

#define NAME_OF(table, number) name_of(table, sizeof(table) / sizeof(table)[0], number)

static const char *or_number(const char *name, const char *prefix, unsigned number, char *scratch)
{
    if (name)
        return name;
    snprintf(scratch, 16, "%s%u", prefix, number & 0xffff);
    return scratch;
}

const char *dns_type_name(unsigned type, char *scratch)
{
    return or_number(NAME_OF(type_names, type), "TYPE", type, scratch);
}

const char *dns_class_name(unsigned klass, char *scratch)
{
    return or_number(NAME_OF(class_names, klass), "CLASS", klass, scratch);
}

const char *dns_rcode_name(unsigned rcode, char *scratch)
{
    return or_number(NAME_OF(rcode_names, rcode), "RCODE", rcode, scratch);
}

const char *dns_opcode_name(unsigned opcode, char *scratch)
{
    return or_number(NAME_OF(opcode_names, opcode), "OPCODE", opcode, scratch);
}

/* ── sections ── */

struct reader {
    struct arena *arena;
    struct slice bytes;
    size_t pos;
    struct dns_message *message;
};

static bool take_u16(struct reader *r, uint16_t *ret)
{
    if (r->bytes.len - r->pos < 2)
        return false;
    *ret = (uint16_t)(r->bytes.data[r->pos] << 8 | r->bytes.data[r->pos + 1]);
    r->pos += 2;
    return true;
}

static bool take_name(struct reader *r, struct slice *ret_name)
{
    char buffer[DNS_NAME_TEXT_MAX];
    struct dns_text text = {.data = buffer, .cap = sizeof buffer};
    if (!dns_take_name(r->bytes, &r->pos, &text))
        return false;
    *ret_name = arena_dup(r->arena, slice_of(buffer, text.len));
    return ret_name->data != NULL;
}

/* How many of `count` items of at least `least` bytes can still be there. */
static size_t plausible(const struct reader *r, size_t count, size_t least, size_t most)
{
    size_t fit = (r->bytes.len - r->pos) / least + 1;
    count = count < fit ? count : fit;
    return count < most ? count : most;
}

static bool read_questions(struct reader *r)
{
    struct dns_message *m = r->message;
    size_t room = plausible(r, m->counts[0], 5, MAX_QUESTIONS);
    m->questions = arena_calloc(r->arena, room, sizeof *m->questions);
    if (!m->questions)
        return false;
    for (size_t i = 0; i < m->counts[0]; i++) {
        struct dns_question q;
        if (i >= room) {
            m->cut = true;
            return false;
        }
        if (!take_name(r, &q.name) || !take_u16(r, &q.type) || !take_u16(r, &q.klass))
            return false;
        m->questions[m->question_count++] = q;
    }
    return true;
}

static void read_subnet(struct reader *r, struct cursor *option)
{
    unsigned family = cursor_be16(option);
    unsigned source = cursor_u8(option);
    unsigned scope = cursor_u8(option);
    uint8_t a[16] = {0};
    size_t n = cursor_left(option);
    if (option->bad || n > sizeof a)
        return;
    const uint8_t *p = cursor_take(option, n);
    if (p && n)
        memcpy(a, p, n);
    if (family == 1)
        r->message->client_subnet =
            arena_printf(r->arena, "%u.%u.%u.%u/%u/%u", a[0], a[1], a[2], a[3], source, scope);
    else if (family == 2)
        r->message->client_subnet =
            arena_printf(r->arena, "%x:%x:%x:%x:%x:%x:%x:%x/%u/%u", a[0] << 8 | a[1],
                         a[2] << 8 | a[3], a[4] << 8 | a[5], a[6] << 8 | a[7], a[8] << 8 | a[9],
                         a[10] << 8 | a[11], a[12] << 8 | a[13], a[14] << 8 | a[15], source, scope);
}

/* The OPT record (RFC 6891 section 6.1.3) extends the rcode; its options may name the client. */
static void read_edns(struct reader *r, const struct dns_record *record, struct slice rdata)
{
    struct cursor c = cursor_of(rdata.data, rdata.len);
    r->message->has_edns = true;
    r->message->rcode |= record->ttl >> 24 << 4;
    while (!c.bad && cursor_left(&c) >= 4) {
        unsigned code = cursor_be16(&c);
        struct slice value = cursor_slice(&c, cursor_be16(&c));
        struct cursor option = cursor_of(value.data, value.len);
        if (code == 8 && !c.bad)
            read_subnet(r, &option);
    }
}

static void put_edns(const struct dns_record *record, struct dns_text *out)
{
    char options[DNS_RECORD_TEXT_MAX];
    size_t n = out->len;
    memcpy(options, out->data, n);
    out->len = 0;
    dns_put(out, "version %u, udp %u%s%s", record->ttl >> 16 & 0xff, record->klass,
            record->ttl & 0x8000 ? ", do" : "", n ? "; " : "");
    put_bytes(out, options, n);
}

static bool read_record(struct reader *r, struct dns_record *ret)
{
    char buffer[DNS_RECORD_TEXT_MAX];
    struct dns_text text = {.data = buffer, .cap = sizeof buffer};
    uint16_t ttl_high, ttl_low, len;
    if (!take_name(r, &ret->name) || !take_u16(r, &ret->type) || !take_u16(r, &ret->klass) ||
        !take_u16(r, &ttl_high) || !take_u16(r, &ttl_low) || !take_u16(r, &len) ||
        len > r->bytes.len - r->pos)
        return false;
    ret->ttl = (uint32_t)ttl_high << 16 | ttl_low;
    struct slice rdata = slice_of(r->bytes.data + r->pos, len);
    /* An empty RDATA is what UPDATE uses to speak of a whole RRset (RFC 2136 section 2.4). */
    if (len && !dns_rdata_text(r->bytes, r->pos, len, ret->type, &text))
        r->message->malformed = true;
    if (ret->type == DNS_TYPE_OPT) {
        read_edns(r, ret, rdata);
        put_edns(ret, &text);
    }
    if (ret->type == DNS_TYPE_SOA && len >= 20) {
        struct cursor c = cursor_of(rdata.data + len - 20, 20);
        ret->soa_serial = cursor_be32(&c);
    }
    r->message->cut |= text.cut;
    r->pos += len;
    ret->rdata = arena_dup(r->arena, slice_of(buffer, text.len));
    return ret->rdata.data != NULL;
}

static bool read_section(struct reader *r, enum dns_section section, size_t *kept)
{
    struct dns_message *m = r->message;
    size_t count = m->counts[section + 1];
    size_t room = plausible(r, count, 11, DNS_MAX_RECORDS - *kept);
    struct dns_record *records = arena_calloc(r->arena, room ? room : 1, sizeof *records);
    if (!records)
        return false;
    m->records[section] = records;
    for (size_t i = 0; i < count; i++) {
        if (i >= room) {
            m->cut |= *kept >= DNS_MAX_RECORDS;
            return false;
        }
        if (!read_record(r, &records[i]))
            return false;
        m->record_count[section]++;
        (*kept)++;
    }
    return true;
}

static bool read_header(struct slice bytes, struct dns_message *m)
{
    struct cursor c = cursor_of(bytes.data, bytes.len);
    *m = (struct dns_message){0};
    m->id = cursor_be16(&c);
    m->flags = cursor_be16(&c);
    for (int i = 0; i < 4; i++)
        m->counts[i] = cursor_be16(&c);
    if (c.bad)
        return false;
    m->is_response = m->flags & 0x8000;
    m->opcode = m->flags >> 11 & 15;
    m->rcode = m->flags & 15;
    m->is_authoritative = m->flags & 0x0400;
    m->is_truncated = m->flags & 0x0200;
    return true;
}

bool dns_parse_question(struct arena *arena, struct slice bytes, struct dns_message *ret_message)
{
    if (!read_header(bytes, ret_message))
        return false;
    struct reader r = {
        .arena = arena, .bytes = bytes, .pos = DNS_HEADER_BYTES, .message = ret_message};
    ret_message->malformed = !read_questions(&r);
    return true;
}

bool dns_parse(struct arena *arena, struct slice bytes, struct dns_message *ret_message)
{
    struct dns_message *m = ret_message;
    if (!read_header(bytes, m))
        return false;
    struct reader r = {.arena = arena, .bytes = bytes, .pos = DNS_HEADER_BYTES, .message = m};
    size_t kept = 0;
    bool ok = read_questions(&r);
    for (int section = 0; ok && section < DNS_SECTIONS; section++)
        ok = read_section(&r, (enum dns_section)section, &kept);
    /* A message that had to be cut short (TC) may end anywhere. */
    if (!ok && !m->cut && !m->is_truncated)
        m->malformed = true;
    return true;
}

/* ── is it DNS at all? ── */

static bool skip_name(struct slice bytes, size_t *pos)
{
    size_t total = 0;
    while (*pos < bytes.len) {
        uint8_t len = bytes.data[*pos];
        if ((len & 0xc0) == 0xc0) {
            bool ok = bytes.len - *pos >= 2;
            size_t target = ok ? (size_t)(len & 0x3f) << 8 | bytes.data[*pos + 1] : 0;
            *pos += 2;
            return ok && target >= DNS_HEADER_BYTES && target < bytes.len;
        }
        total += (size_t)len + 1;
        if (len & 0xc0 || total > MAX_NAME_BYTES || len >= bytes.len - *pos)
            return false;
        *pos += (size_t)len + 1;
        if (len == 0)
            return true;
    }
    return false;
}

/* NetBIOS names (RFC 1002) travel in the same format: 32 letters from A to P. */
static bool is_netbios(struct slice bytes, unsigned type)
{
    if ((type != DNS_TYPE_NB && type != DNS_TYPE_SRV) || bytes.len < 46 || bytes.data[12] != 32)
        return false;
    for (size_t i = 13; i < 45; i++)
        if (bytes.data[i] < 'A' || bytes.data[i] > 'P')
            return false;
    return true;
}

static bool is_class(unsigned klass)
{
    klass &= 0x7fff; /* mDNS: unicast wanted, cache flush */
    return klass == 1 || klass == 3 || klass == 4 || klass == 254 || klass == 255;
}

static bool skip_record(struct slice bytes, size_t *pos)
{
    if (!skip_name(bytes, pos) || bytes.len - *pos < 10)
        return false;
    struct cursor c = cursor_of(bytes.data + *pos, 10);
    unsigned type = cursor_be16(&c);
    unsigned klass = cursor_be16(&c);
    cursor_skip(&c, 4);
    size_t len = cursor_be16(&c);
    *pos += 10;
    if (len > bytes.len - *pos || type == 0 || (type != DNS_TYPE_OPT && !is_class(klass)))
        return false;
    *pos += len;
    return true;
}

static bool is_header(const struct dns_message *m)
{
    bool known = m->opcode <= DNS_STATUS || (m->opcode >= DNS_NOTIFY && m->opcode <= DNS_DSO);
    if (!known || m->flags & 0x0040 || m->counts[0] > 64)
        return false;
    if (m->is_response)
        return m->rcode <= 11;
    /* A query carries no rcode, and no answers but mDNS's known ones. */
    return m->rcode == 0 && m->counts[1] <= 512;
}

bool dns_may_begin(struct slice bytes, size_t whole_len)
{
    struct dns_message m;
    if (!read_header(bytes, &m) || !is_header(&m) || m.counts[0] + m.counts[1] == 0)
        return false;
    size_t records = (size_t)m.counts[1] + m.counts[2] + m.counts[3];
    return DNS_HEADER_BYTES + m.counts[0] * (size_t)5 + records * 11 <= whole_len;
}

bool dns_is_plain_query(struct slice bytes)
{
    struct dns_message m;
    size_t pos = DNS_HEADER_BYTES;
    if (!read_header(bytes, &m) || !is_header(&m) || m.is_response || m.opcode != DNS_QUERY ||
        m.counts[0] != 1 || m.counts[1] || m.counts[2] || m.counts[3] > 2)
        return false;
    if (!skip_name(bytes, &pos) || bytes.len - pos < 4 || pos < DNS_HEADER_BYTES + 4)
        return false;
    for (size_t i = DNS_HEADER_BYTES; i + 1 < pos; i++)
        if (bytes.data[i] >= 0x7f || bytes.data[i] == ' ')
            return false;
    struct cursor c = cursor_of(bytes.data + pos, 4);
    unsigned type = cursor_be16(&c);
    return type && type <= DNS_TYPE_CAA && cursor_be16(&c) == 1 && !is_netbios(bytes, type);
}

enum dns_shape dns_shape_of(struct slice bytes)
{
    struct dns_message m;
    size_t pos = DNS_HEADER_BYTES;
    bool netbios = false;
    if (!read_header(bytes, &m) || !is_header(&m))
        return DNS_IS_NOT;
    for (unsigned i = 0; i < m.counts[0]; i++) {
        if (!skip_name(bytes, &pos) || bytes.len - pos < 4)
            return bytes.len == DNS_HEADER_BYTES ? DNS_IS_NOT : DNS_IS_CUT;
        unsigned type = (unsigned)bytes.data[pos] << 8 | bytes.data[pos + 1];
        unsigned klass = (unsigned)bytes.data[pos + 2] << 8 | bytes.data[pos + 3];
        if (type == 0 || !is_class(klass))
            return DNS_IS_NOT;
        netbios |= is_netbios(bytes, type);
        pos += 4;
    }
    bool empty = m.counts[0] == 0 && m.counts[1] == 0;
    unsigned records = (unsigned)m.counts[1] + m.counts[2] + m.counts[3];
    for (unsigned i = 0; i < records; i++)
        if (!skip_record(bytes, &pos))
            return m.counts[0] ? DNS_IS_BROKEN : DNS_IS_NOT;
    if (empty || netbios || pos != bytes.len)
        return DNS_IS_LIKELY;
    return DNS_IS_EXACT;
}

/* ── the whole message as text ── */

static struct slice record_line(struct arena *arena, const struct dns_record *record, bool is_mdns)
{
    char type[16];
    char klass[16];
    if (record->type == DNS_TYPE_OPT)
        return arena_printf(arena, "; EDNS: %.*s\n", SLICE_ARGS(record->rdata));
    /* The top bit of the class is mDNS's cache-flush (RFC 6762 section 10.2). */
    unsigned shown = is_mdns ? record->klass & 0x7fff : record->klass;
    return arena_printf(arena, "%.*s %u %s %s %.*s\n", SLICE_ARGS(record->name), record->ttl,
                        dns_class_name(shown, klass), dns_type_name(record->type, type),
                        SLICE_ARGS(record->rdata));
}

static void put_header(const struct dns_message *m, struct dns_text *out)
{
    char name[16];
    dns_put(out, "; %s %s, id %u%s%s%s%s%s%s\n", dns_opcode_name(m->opcode, name),
            m->is_response ? "response" : "request", m->id, m->is_authoritative ? ", aa" : "",
            m->is_truncated ? ", tc" : "", m->flags & 0x0100 ? ", rd" : "",
            m->flags & 0x0080 ? ", ra" : "", m->flags & 0x0020 ? ", ad" : "",
            m->flags & 0x0010 ? ", cd" : "");
    if (m->is_response)
        dns_put(out, "; %s\n", dns_rcode_name(m->rcode, name));
}

struct slice dns_message_text(struct arena *arena, const struct dns_message *m)
{
    static const char *const titles[2][DNS_SECTIONS] = {{"answer", "authority", "additional"},
                                                        {"prerequisite", "update", "additional"}};
    char header[256];
    struct dns_text out = {.data = header, .cap = sizeof header};
    put_header(m, &out);
    size_t most = 1 + m->question_count + DNS_SECTIONS;
    for (int s = 0; s < DNS_SECTIONS; s++)
        most += m->record_count[s];
    struct slice *lines = arena_alloc(arena, most * sizeof *lines);
    if (!lines)
        return SLICE_NONE;
    size_t n = 0;
    size_t total = 0;
    char type[16];
    char klass[16];
    lines[n++] = slice_of(header, out.len);
    for (size_t i = 0; i < m->question_count; i++)
        lines[n++] = arena_printf(arena, ";%.*s %s %s\n", SLICE_ARGS(m->questions[i].name),
                                  dns_class_name(m->questions[i].klass & 0x7fff, klass),
                                  dns_type_name(m->questions[i].type, type));
    for (int s = 0; s < DNS_SECTIONS; s++) {
        if (m->record_count[s])
            lines[n++] = arena_printf(arena, "; %s\n", titles[m->opcode == DNS_UPDATE][s]);
        for (size_t i = 0; i < m->record_count[s]; i++)
            lines[n++] = record_line(arena, &m->records[s][i], m->opcode == DNS_QUERY);
    }
    for (size_t i = 0; i < n; i++)
        total += lines[i].len;
    uint8_t *text = arena_alloc(arena, total);
    size_t len = 0;
    for (size_t i = 0; text && i < n; i++) {
        if (lines[i].len)
            memcpy(text + len, lines[i].data, lines[i].len);
        len += lines[i].len;
    }
    return text ? slice_of(text, len) : SLICE_NONE;
}
