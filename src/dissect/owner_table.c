#include "dissect/owner_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/string_map.h"

/* The recorder looks for a new connection's owner for about so long. */
#define LOOK_LATER_NS (4 * NS_PER_S)

enum {
    FIRST_SLOTS = 1024,
    TEXTS_MAX = 16 * 1024 * 1024,
    CONN_TIME_DIGITS = 13, /* of base32hex: 65 bits, the first 64 are the time */
    PROTO_TCP = 6,
    PROTO_UDP = 17
};

struct seen {
    struct owner_end end;
    int64_t seen_ns;
    uint32_t node, process; /* numbers */
    uint32_t next;          /* of the same end: index + 1 */
};

struct owner_table {
    struct hash_key key;
    struct arena texts;
    struct string_map nodes, processes; /* to their numbers + 1 */
    struct owner_process *known;
    uint32_t known_count, known_cap, node_count;
    struct seen *rows;
    uint32_t row_count, row_cap;
    uint32_t *slots; /* first row of an end + 1 */
    uint32_t slot_count;
    struct buf scratch;
    struct entry_copy copy;
    bool texts_refused;
};

struct owner_table *owner_table_new(void)
{
    struct owner_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->key = hash_random_key();
    arena_init(&table->texts, TEXTS_MAX);
    string_map_init(&table->nodes);
    string_map_init(&table->processes);
    buf_init(&table->scratch, OWNER_NOTE_MAX_BYTES);
    return table;
}

void owner_table_free(struct owner_table *table)
{
    if (!table)
        return;
    arena_done(&table->texts);
    string_map_done(&table->nodes, NULL);
    string_map_done(&table->processes, NULL);
    buf_done(&table->scratch);
    free(table->known);
    free(table->rows);
    free(table->slots);
    entry_copy_done(&table->copy);
    free(table);
}

/* ── adding ── */

static int64_t number_in(struct string_map *map, struct slice key, uint32_t *count)
{
    void *known = string_map_get(map, key);
    if (known)
        return (int64_t)(uintptr_t)known - 1;
    int r = string_map_set(map, key, (void *)(uintptr_t)(*count + 1), NULL);
    return r < 0 ? r : (int64_t)(*count)++;
}

static bool copy_text(struct owner_table *table, struct slice *text)
{
    if (text->len)
        *text = arena_dup(&table->texts, *text);
    return text->data != NULL || text->len == 0;
}

/* -ENOSPC when there are enough. */
static int64_t process_number(struct owner_table *table, const struct owner_process *process)
{
    struct owner_note name = {.process = *process};
    buf_reset(&table->scratch);
    if (owner_note_put(&table->scratch, &name) < 0)
        return -ENOMEM;
    uint32_t before = table->known_count;
    if (before == table->known_cap) {
        uint32_t cap = before ? before * 2 : 64;
        struct owner_process *grown = reallocarray(table->known, cap, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        table->known = grown;
        table->known_cap = cap;
    }
    int64_t number = number_in(&table->processes, buf_slice(&table->scratch), &table->known_count);
    if (number != before)
        return number;
    struct owner_process *copy = &table->known[before];
    *copy = *process;
    if (copy_text(table, &copy->name) && copy_text(table, &copy->exe) &&
        copy_text(table, &copy->container))
        return number;
    *copy = (struct owner_process){0}; /* stands for nobody */
    table->texts_refused = true;
    return -ENOSPC;
}

static uint32_t *slot_of(const struct owner_table *table, const struct owner_end *end)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t at = (uint32_t)hash_bytes(table->key, end, sizeof *end) & mask;
    while (table->slots[at] &&
           memcmp(&table->rows[table->slots[at] - 1].end, end, sizeof *end) != 0)
        at = (at + 1) & mask;
    return &table->slots[at];
}

static int grow(struct owner_table *table)
{
    uint32_t cap = table->row_cap ? table->row_cap * 2 : FIRST_SLOTS / 2;
    struct seen *rows = reallocarray(table->rows, cap, sizeof *rows);
    if (!rows)
        return -ENOMEM;
    table->rows = rows;
    uint32_t *slots = calloc(2 * (size_t)cap, sizeof *slots), *old = table->slots;
    if (!slots)
        return -ENOMEM;
    uint32_t old_count = table->slot_count;
    table->slots = slots;
    table->slot_count = 2 * cap;
    table->row_cap = cap;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i])
            *slot_of(table, &table->rows[old[i] - 1].end) = old[i];
    free(old);
    return 0;
}

bool owner_table_is_full(const struct owner_table *table)
{
    return table->row_count > OWNER_TABLE_MAX_ENDS - OWNER_NOTE_MAX_ENDS || table->texts_refused;
}

int owner_table_add(struct owner_table *table, struct slice node, struct slice bytes)
{
    struct owner_note note;
    if (owner_note_read(bytes, &note, NULL) < 0)
        return 0;
    int64_t node_number = number_in(&table->nodes, node, &table->node_count);
    int64_t process = process_number(table, &note.process);
    if (process == -ENOSPC)
        return 0;
    if (node_number < 0 || process < 0)
        return -ENOMEM;
    for (size_t i = 0; i < note.end_count && table->row_count < OWNER_TABLE_MAX_ENDS; i++) {
        struct owner_end end;
        owner_note_end(&note, i, &end);
        end.reserved = 0;
        if (table->row_count == table->row_cap && grow(table) < 0)
            return -ENOMEM;
        uint32_t *slot = slot_of(table, &end);
        struct seen *row = &table->rows[table->row_count++];
        *row = (struct seen){end, note.seen_ns, (uint32_t)node_number, (uint32_t)process, *slot};
        *slot = table->row_count;
    }
    return 0;
}

/* ── asking ── */

struct question {
    const struct entry *entry;
    int64_t first_ns, until_ns; /* of the connection; of this call */
    uint32_t nodes[16];         /* that recorded it */
    size_t node_count;
};

static struct slice text_of(const struct entry *entry, field_id field)
{
    const struct entry_value *value = entry_find(entry, field);
    return value ? value->text : SLICE_NONE;
}

static void add_node(const struct owner_table *table, struct question *q, struct slice name)
{
    void *known = string_map_get(&table->nodes, name);
    if (known && q->node_count < sizeof q->nodes / sizeof q->nodes[0])
        q->nodes[q->node_count++] = (uint32_t)(uintptr_t)known - 1;
}

/* The id of a connection begins with the time of its first packet (entry_id_text). */
static bool conn_first_ns(struct slice id, int64_t *ret_ns)
{
    unsigned __int128 value = 0;
    if (id.len < CONN_TIME_DIGITS)
        return false;
    for (size_t i = 0; i < CONN_TIME_DIGITS; i++) {
        uint8_t c = id.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'V')))
            return false;
        value = value << 5 | (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
    }
    *ret_ns = (int64_t)(uint64_t)(value >> 1);
    return true;
}

static bool ask(const struct owner_table *table, const struct entry *entry, struct question *q)
{
    *q = (struct question){.entry = entry};
    if (!conn_first_ns(text_of(entry, FIELD_CONN_ID_ID), &q->first_ns))
        return false;
    const struct entry_value *elapsed = entry_find(entry, FIELD_ELAPSED_TIME_ID);
    int64_t elapsed_us = elapsed && elapsed->integer > 0 ? elapsed->integer : 0;
    if (elapsed_us > INT64_MAX / 4000)
        elapsed_us = 0;
    q->until_ns = entry->timestamp_ns + elapsed_us * 1000 + LOOK_LATER_NS;
    add_node(table, q, text_of(entry, FIELD_NODE_NAME_ID));
    const struct entry_value *seen_at = entry_find(entry, FIELD_SEEN_AT_ID);
    for (uint32_t i = 0; seen_at && i < seen_at->count; i++) {
        struct slice at = seen_at->items[i];
        const uint8_t *colon = at.len ? memrchr(at.data, ':', at.len) : NULL;
        if (colon)
            add_node(table, q, slice_of(at.data, (size_t)(colon - at.data)));
    }
    return q->node_count > 0;
}

static bool from_its_nodes(const struct question *q, uint32_t node)
{
    for (size_t i = 0; i < q->node_count; i++)
        if (q->nodes[i] == node)
            return true;
    return false;
}

/* The one seen nearest to the call. */
static const struct owner_process *find(const struct owner_table *table, const struct question *q,
                                        const struct owner_end *end)
{
    const struct seen *best = NULL;
    int64_t best_ns = INT64_MAX;
    for (uint32_t at = *slot_of(table, end); at; at = table->rows[at - 1].next) {
        const struct seen *row = &table->rows[at - 1];
        int64_t away = row->seen_ns - q->entry->timestamp_ns;
        away = away < 0 ? -away : away;
        if (row->seen_ns < q->first_ns || row->seen_ns > q->until_ns || away >= best_ns ||
            !from_its_nodes(q, row->node))
            continue;
        best = row;
        best_ns = away;
    }
    return best ? &table->known[best->process] : NULL;
}

static bool read_ip(struct slice text, uint8_t out[16], uint8_t *version)
{
    char address[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof address)
        return false;
    memcpy(address, text.data, text.len);
    address[text.len] = '\0';
    *version = memchr(address, ':', text.len) ? 6 : 4;
    return inet_pton(*version == 6 ? AF_INET6 : AF_INET, address, out) == 1;
}

static uint16_t port_of(const struct entry *entry, field_id field)
{
    const struct entry_value *value = entry_find(entry, field);
    return value && value->integer > 0 && value->integer <= 65535 ? (uint16_t)value->integer : 0;
}

/* ── filling ── */

static void put_int(struct owner_table *table, field_id field, int64_t value)
{
    entry_copy_put(&table->copy,
                   (struct entry_value){.field = field, .type = FIELD_INT, .integer = value});
}

static void put_text(struct owner_table *table, field_id field, struct slice text)
{
    if (text.len)
        entry_copy_put(&table->copy,
                       (struct entry_value){.field = field, .type = FIELD_TEXT, .text = text});
}

int owner_table_fill(struct owner_table *table, const struct entry *entry,
                     const struct entry **ret_entry)
{
    *ret_entry = entry;
    struct question q;
    struct owner_end src = {.ip_protocol =
                                entry->transport == ENTRY_TRANSPORT_UDP ? PROTO_UDP : PROTO_TCP};
    struct owner_end dst = src;
    if (table->row_count == 0 || entry->transport == ENTRY_TRANSPORT_NONE ||
        !ask(table, entry, &q) ||
        !read_ip(text_of(entry, FIELD_SRC_IP_ID), src.local_ip, &src.ip_version) ||
        !read_ip(text_of(entry, FIELD_DST_IP_ID), dst.local_ip, &dst.ip_version))
        return 0;
    memcpy(src.remote_ip, dst.local_ip, sizeof src.remote_ip);
    memcpy(dst.remote_ip, src.local_ip, sizeof dst.remote_ip);
    src.local_port = dst.remote_port = port_of(entry, FIELD_SRC_PORT_ID);
    dst.local_port = src.remote_port = port_of(entry, FIELD_DST_PORT_ID);
    const struct owner_process *from = find(table, &q, &src), *to = find(table, &q, &dst);
    if (!from && !to)
        return 0;
    int r = entry_copy_begin(&table->copy, entry, OWNER_TABLE_FIELDS);
    if (r < 0)
        return r;
    if (from) {
        put_int(table, FIELD_SRC_PROCESS_PID_ID, from->pid);
        put_text(table, FIELD_SRC_PROCESS_NAME_ID, from->name);
        put_text(table, FIELD_SRC_PROCESS_EXE_ID, from->exe);
        put_text(table, FIELD_SRC_CONTAINER_ID, from->container);
    }
    if (to) {
        put_int(table, FIELD_DST_PROCESS_PID_ID, to->pid);
        put_text(table, FIELD_DST_PROCESS_NAME_ID, to->name);
        put_text(table, FIELD_DST_PROCESS_EXE_ID, to->exe);
        put_text(table, FIELD_DST_CONTAINER_ID, to->container);
    }
    *ret_entry = entry_copy_end(&table->copy);
    return 0;
}
