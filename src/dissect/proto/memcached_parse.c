#include "dissect/proto/memcached_parse.h"

enum {
    WORDS_MAX = 24, /* further keys of a get are only counted by the line's length */
    DATA_MAX = 1 << 30
};

struct words {
    struct slice word[WORDS_MAX];
    size_t count;
    bool more;
};

static struct words split(struct slice line)
{
    struct words w = {.count = 0};
    for (size_t at = 0; at < line.len;) {
        if (line.data[at] == ' ') {
            at++;
            continue;
        }
        size_t from = at;
        while (at < line.len && line.data[at] != ' ')
            at++;
        if (w.count == WORDS_MAX) {
            w.more = true;
            break;
        }
        w.word[w.count++] = slice_of(line.data + from, at - from);
    }
    return w;
}

static bool is_text(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] < ' ' || line.data[i] == 0x7f)
            return false;
    return true;
}

static bool parse_number(struct slice s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (!s.len || s.len > 20)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || v > max / 10)
            return false;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
    }
    *ret = v;
    return v <= max;
}

static bool is_signed(struct slice s)
{
    uint64_t v;
    bool minus = s.len && s.data[0] == '-';
    return parse_number(slice_sub(s, minus, SIZE_MAX), UINT64_MAX - 1, &v);
}

enum shape {
    SHAPE_STORE,     /* key flags exptime bytes [noreply] */
    SHAPE_CAS,       /* key flags exptime bytes unique [noreply] */
    SHAPE_GET,       /* key … */
    SHAPE_TOUCH_GET, /* exptime key … */
    SHAPE_KEY,       /* key [number] [noreply] */
    SHAPE_NUMBER,    /* key number [noreply] */
    SHAPE_ANY,       /* words [noreply] */
    SHAPE_META,      /* key flags … */
    SHAPE_META_SET   /* key bytes flags … */
};

static const struct verb {
    const char *name;
    enum shape shape;
    enum mc_reply_form form;
} verbs[] = {
    {"set", SHAPE_STORE, MC_LINE},
    {"add", SHAPE_STORE, MC_LINE},
    {"replace", SHAPE_STORE, MC_LINE},
    {"append", SHAPE_STORE, MC_LINE},
    {"prepend", SHAPE_STORE, MC_LINE},
    {"cas", SHAPE_CAS, MC_LINE},
    {"get", SHAPE_GET, MC_VALUES},
    {"gets", SHAPE_GET, MC_VALUES},
    {"gat", SHAPE_TOUCH_GET, MC_VALUES},
    {"gats", SHAPE_TOUCH_GET, MC_VALUES},
    {"delete", SHAPE_KEY, MC_LINE},
    {"incr", SHAPE_NUMBER, MC_LINE},
    {"decr", SHAPE_NUMBER, MC_LINE},
    {"touch", SHAPE_NUMBER, MC_LINE},
    {"mg", SHAPE_META, MC_META},
    {"ms", SHAPE_META_SET, MC_META},
    {"md", SHAPE_META, MC_META},
    {"ma", SHAPE_META, MC_META},
    {"me", SHAPE_META, MC_META},
    {"mn", SHAPE_ANY, MC_META},
    {"stats", SHAPE_ANY, MC_STATS},
    {"flush_all", SHAPE_ANY, MC_LINE},
    {"version", SHAPE_ANY, MC_LINE},
    {"verbosity", SHAPE_ANY, MC_LINE},
    {"quit", SHAPE_ANY, MC_LINE},
    {"shutdown", SHAPE_ANY, MC_LINE},
    {"slabs", SHAPE_ANY, MC_LINE},
    {"lru", SHAPE_ANY, MC_LINE},
    {"lru_crawler", SHAPE_ANY, MC_LINE},
    {"watch", SHAPE_ANY, MC_STREAM},
    {"cache_memlimit", SHAPE_ANY, MC_LINE},
    {"refresh_certs", SHAPE_ANY, MC_LINE},
};

static void take_meta_flags(const struct words *w, size_t from, struct mc_command *ret)
{
    for (size_t i = from; i < w->count; i++) {
        ret->is_quiet |= slice_eq_str(w->word[i], "q");
        if (w->word[i].data[0] == 'O')
            ret->opaque = slice_sub(w->word[i], 1, SIZE_MAX);
    }
}

static bool fill(const struct verb *verb, const struct words *w, struct mc_command *ret)
{
    size_t n = w->count;
    if (n > 1 && slice_eq_str(w->word[n - 1], "noreply")) {
        ret->no_reply = true;
        n--;
    }
    uint64_t v;
    size_t store = verb->shape == SHAPE_CAS ? 6 : 5;
    switch (verb->shape) {
    case SHAPE_STORE:
    case SHAPE_CAS:
        if (n != store || !parse_number(w->word[2], UINT32_MAX, &v) || !is_signed(w->word[3]) ||
            !parse_number(w->word[4], DATA_MAX, &ret->data_bytes))
            return false;
        ret->has_data = ret->is_strong = true;
        break;
    case SHAPE_GET:
        if (n < 2)
            return false;
        break;
    case SHAPE_TOUCH_GET:
        if (n < 3 || !is_signed(w->word[1]))
            return false;
        ret->key = w->word[2];
        return ret->key.len <= MC_KEY_MAX;
    case SHAPE_KEY:
        if (n < 2 || n > 3 || (n == 3 && !is_signed(w->word[2])))
            return false;
        break;
    case SHAPE_NUMBER:
        if (n != 3 || !is_signed(w->word[2]))
            return false;
        break;
    case SHAPE_ANY:
        return n <= 8;
    case SHAPE_META_SET:
        if (n < 3 || !parse_number(w->word[2], DATA_MAX, &ret->data_bytes))
            return false;
        ret->has_data = true;
        take_meta_flags(w, 3, ret);
        break;
    case SHAPE_META:
        if (n < 2)
            return false;
        take_meta_flags(w, 2, ret);
        break;
    }
    ret->key = w->word[1];
    return ret->key.len <= MC_KEY_MAX;
}

bool mc_parse_command(struct slice line, struct mc_command *ret)
{
    *ret = (struct mc_command){0};
    if (!line.len || line.data[0] < 'a' || line.data[0] > 'z' || !is_text(line))
        return false;
    struct words w = split(line);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (!slice_eq_str(w.word[0], verbs[i].name))
            continue;
        ret->name = w.word[0];
        ret->form = verbs[i].form;
        ret->is_quit = slice_eq_str(ret->name, "quit");
        ret->is_noop = slice_eq_str(ret->name, "mn");
        if (slice_eq_str(ret->name, "lru_crawler") && w.count > 1 &&
            slice_eq_str(w.word[1], "metadump"))
            ret->form = MC_STATS;
        return fill(&verbs[i], &w, ret);
    }
    return false;
}

bool mc_parse_reply(struct slice line, struct mc_reply *ret)
{
    static const char *const words[] = {
        "STORED",   "NOT_STORED", "EXISTS",  "NOT_FOUND", "DELETED",      "TOUCHED",
        "OK",       "END",        "VALUE",   "STAT",      "VERSION",      "RESET",
        "BUSY",     "HD",         "VA",      "EN",        "NF",           "NS",
        "EX",       "MN",         "ME",      "ERROR",     "CLIENT_ERROR", "SERVER_ERROR",
        "BADCLASS", "NOSPARE",    "NOTFULL", "UNSAFE",    "SAME"};
    *ret = (struct mc_reply){0};
    uint64_t v;
    if (!line.len || !is_text(line))
        return false;
    struct words w = split(line);
    if (w.count == 1 && parse_number(w.word[0], UINT64_MAX - 1, &v)) { /* incr and decr */
        ret->word = SLICE_LITERAL("VALUE");
        return true;
    }
    bool known = false;
    for (size_t i = 0; w.count && i < sizeof words / sizeof words[0]; i++)
        known |= slice_eq_str(w.word[0], words[i]);
    if (!known)
        return false;
    ret->word = w.word[0];
    ret->is_error = slice_ends_with(ret->word, SLICE_LITERAL("ERROR"));
    if (slice_eq_str(ret->word, "VALUE")) {
        ret->has_data = w.count >= 4 && parse_number(w.word[3], DATA_MAX, &ret->data_bytes);
        ret->key = w.count > 1 ? w.word[1] : SLICE_NONE;
        return ret->has_data;
    }
    if (slice_eq_str(ret->word, "VA")) {
        ret->has_data = w.count >= 2 && parse_number(w.word[1], DATA_MAX, &ret->data_bytes);
        if (!ret->has_data)
            return false;
    }
    for (size_t i = 1; ret->word.len == 2 && i < w.count; i++) {
        if (w.word[i].data[0] == 'O')
            ret->opaque = slice_sub(w.word[i], 1, SIZE_MAX);
        if (w.word[i].data[0] == 'k')
            ret->key = slice_sub(w.word[i], 1, SIZE_MAX);
    }
    return true;
}

/* ── binary ── */

static const char *const opcodes[] = {
    "Get",        "Set",        "Add",   "Replace", "Delete",   "Increment", "Decrement",
    "Quit",       "Flush",      "GetQ",  "NoOp",    "Version",  "GetK",      "GetKQ",
    "Append",     "Prepend",    "Stat",  "SetQ",    "AddQ",     "ReplaceQ",  "DeleteQ",
    "IncrementQ", "DecrementQ", "QuitQ", "FlushQ",  "AppendQ",  "PrependQ",  "Verbosity",
    "Touch",      "GAT",        "GATQ",  NULL,      "SASLList", "SASLAuth",  "SASLStep",
    "GATK",       "GATKQ"};

const char *mc_opcode_name(uint8_t opcode)
{
    return opcode < sizeof opcodes / sizeof opcodes[0] ? opcodes[opcode] : NULL;
}

bool mc_opcode_is_quiet(uint8_t opcode)
{
    const char *name = mc_opcode_name(opcode);
    size_t n = name ? strlen(name) : 0;
    return n > 2 && name[n - 1] == 'Q';
}

int mc_parse_header(struct slice s, uint8_t magic, struct mc_header *ret)
{
    struct cursor c = cursor_of(s.data, s.len);
    if (s.len && s.data[0] != magic)
        return 0;
    if (s.len > 1 && !mc_opcode_name(s.data[1]))
        return 0;
    if (s.len < MC_HEADER_BYTES)
        return -1;
    *ret = (struct mc_header){.magic = cursor_u8(&c)};
    ret->opcode = cursor_u8(&c);
    ret->key_len = cursor_be16(&c);
    ret->extras_len = cursor_u8(&c);
    uint8_t data_type = cursor_u8(&c);
    ret->status = cursor_be16(&c);
    ret->body_len = cursor_be32(&c);
    ret->opaque = cursor_be32(&c);
    return data_type <= 5 && ret->key_len <= MC_KEY_MAX && ret->extras_len <= 24 &&
           ret->body_len <= DATA_MAX && ret->body_len >= (uint32_t)ret->key_len + ret->extras_len;
}

const char *mc_status_name(uint16_t status, bool *ret_error)
{
    static const char *const names[] = {"SUCCESS", "NOT_FOUND",  "EXISTS",      "TOO_LARGE",
                                        "INVALID", "NOT_STORED", "NON_NUMERIC", "WRONG_VBUCKET"};
    *ret_error = status != 0 && status != 1 && status != 2 && status != 5 && status != 0x21;
    if (status < sizeof names / sizeof names[0])
        return names[status];
    switch (status) {
    case 0x08:
    case 0x20:
        return "AUTH_ERROR";
    case 0x21:
        return "AUTH_CONTINUE";
    case 0x81:
        return "UNKNOWN_COMMAND";
    case 0x82:
        return "OUT_OF_MEMORY";
    case 0x83:
        return "NOT_SUPPORTED";
    case 0x84:
        return "INTERNAL_ERROR";
    case 0x85:
        return "BUSY";
    case 0x86:
        return "TEMPORARY_FAILURE";
    default:
        return "UNKNOWN_STATUS";
    }
}
