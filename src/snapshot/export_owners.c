#include "snapshot/export_owners.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"
#include "packet/frame.h"
#include "ring/ring_reader.h"

enum {
    MAX_FLOWS = 32768,
    SLOTS = 2 * MAX_FLOWS, /* a power of two */
    MAX_TEXT_BYTES = 2 * 1024 * 1024,
    NAME_BYTES = 80,
    PATH_BYTES = 200,
    OWNER_BYTES = 480,
    COMMENT_BYTES = 2 * (OWNER_BYTES + INET6_ADDRSTRLEN + 16)
};

#define NOBODY   0U         /* not known */
#define DISPUTED UINT32_MAX /* two processes were seen there: neither is named */

struct key { /* a before b */
    uint8_t ip_a[16], ip_b[16];
    uint16_t port_a, port_b;
    uint8_t ip_version, ip_protocol;
};
_Static_assert(sizeof(struct key) == 38, "hashed as bytes");

struct owned {
    struct key key;
    uint8_t told;      /* bit 0: the packets of a, bit 1: those of b */
    uint32_t owner[2]; /* of a and b: place of the text + 1 */
};

struct export_owners {
    struct hash_key secret;
    struct owned flows[MAX_FLOWS];
    size_t count;
    uint32_t slots[SLOTS]; /* number of the flow + 1 */
    struct buf texts;      /* NUL-terminated */
    char comment[COMMENT_BYTES];
};

struct export_owners *export_owners_new(void)
{
    struct export_owners *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->secret = hash_random_key();
    buf_init(&o->texts, MAX_TEXT_BYTES);
    return o;
}

void export_owners_free(struct export_owners *o)
{
    if (!o)
        return;
    buf_done(&o->texts);
    free(o);
}

/* True when the first end is a. */
static bool make_key(struct key *key, const uint8_t *ip, uint16_t port, const uint8_t *other_ip,
                     uint16_t other_port)
{
    int order = memcmp(ip, other_ip, 16);
    bool is_a = order < 0 || (order == 0 && port <= other_port);
    memcpy(key->ip_a, is_a ? ip : other_ip, 16);
    memcpy(key->ip_b, is_a ? other_ip : ip, 16);
    key->port_a = is_a ? port : other_port;
    key->port_b = is_a ? other_port : port;
    return is_a;
}

/* Its slot: of the flow, or the free one it would take. */
static uint32_t slot_of(const struct export_owners *o, const struct key *key)
{
    uint32_t at = (uint32_t)hash_bytes(o->secret, key, sizeof *key) & (SLOTS - 1);
    while (o->slots[at] && memcmp(&o->flows[o->slots[at] - 1].key, key, sizeof *key) != 0)
        at = (at + 1) & (SLOTS - 1);
    return at;
}

static void own(struct export_owners *o, const struct key *key, int end, uint32_t text)
{
    uint32_t slot = slot_of(o, key);
    if (!o->slots[slot]) {
        if (o->count == MAX_FLOWS)
            return;
        o->flows[o->count] = (struct owned){.key = *key};
        o->slots[slot] = (uint32_t)++o->count;
    }
    o->flows[o->slots[slot] - 1].owner[end] = text; /* the last one, as an index has it */
}

/* "nginx (pid 42, /usr/sbin/nginx, container 1f3c…)": its place + 1, NOBODY without room. */
static uint32_t add_text(struct export_owners *o, const struct owner_process *process)
{
    char name[NAME_BYTES], exe[PATH_BYTES], container[NAME_BYTES], text[OWNER_BYTES];
    text_escape(process->name, name, sizeof name);
    text_escape(process->exe, exe, sizeof exe);
    text_escape(process->container, container, sizeof container);
    int n =
        snprintf(text, sizeof text, "%s (pid %u%s%s%s%s)", name[0] ? name : "process", process->pid,
                 exe[0] ? ", " : "", exe, container[0] ? ", container " : "", container);
    if (n < 0 || (size_t)n >= sizeof text || o->texts.len + (size_t)n + 1 > MAX_TEXT_BYTES)
        return NOBODY;
    uint32_t at = (uint32_t)o->texts.len + 1;
    return buf_append(&o->texts, text, (size_t)n + 1) == 0 ? at : NOBODY;
}

void export_owners_add_note(struct export_owners *o, struct slice bytes)
{
    struct owner_note note;
    if (owner_note_read(bytes, &note, NULL) < 0 || note.end_count == 0)
        return;
    uint32_t text = add_text(o, &note.process);
    for (size_t i = 0; text != NOBODY && i < note.end_count; i++) {
        struct owner_end end;
        owner_note_end(&note, i, &end);
        struct key key = {.ip_version = end.ip_version, .ip_protocol = end.ip_protocol};
        bool local_is_a =
            make_key(&key, end.local_ip, end.local_port, end.remote_ip, end.remote_port);
        own(o, &key, local_is_a ? 0 : 1, text);
    }
}

void export_owners_add_index(struct export_owners *o, const struct ring_index *index)
{
    uint32_t *texts = calloc(index->owner_count + 1, sizeof *texts); /* of the index's processes */
    for (size_t i = 0; texts && i < index->flow_count; i++) {
        const struct ring_flow *f = &index->flows[i];
        const struct owner_process *owners[2] = {f->owner_a, f->owner_b};
        struct key key = {.ip_version = f->ip_version, .ip_protocol = f->ip_protocol};
        bool a_is_a = make_key(&key, f->ip_a, f->port_a, f->ip_b, f->port_b);
        for (int end = 0; end < 2; end++) {
            uint32_t *text = owners[end] ? &texts[owners[end] - index->owners] : NULL;
            if (text && *text == NOBODY)
                *text = add_text(o, owners[end]);
            if (text && *text != NOBODY)
                own(o, &key, a_is_a ? end : 1 - end, *text);
        }
    }
    free(texts);
}

static size_t put_end(const struct export_owners *o, const struct owned *flow, int end, char *out,
                      size_t size)
{
    uint32_t owner = flow->owner[end];
    if (owner == NOBODY)
        return 0;
    bool v4 = flow->key.ip_version == 4;
    char ip[INET6_ADDRSTRLEN];
    inet_ntop(v4 ? AF_INET : AF_INET6, end ? flow->key.ip_b : flow->key.ip_a, ip, sizeof ip);
    int n = snprintf(out, size, "%s%s%s:%u last seen with %s", v4 ? "" : "[", ip, v4 ? "" : "]",
                     end ? flow->key.port_b : flow->key.port_a,
                     (const char *)o->texts.data + owner - 1);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

const char *export_owners_comment(struct export_owners *o, const struct packet *packet)
{
    struct frame f;
    if (o->count == 0)
        return NULL;
    frame_decode(packet, &f);
    if (f.kind != FRAME_TCP && f.kind != FRAME_UDP)
        return NULL;
    struct key key = {.ip_version = f.ip_version, .ip_protocol = f.ip_protocol};
    bool from_a = make_key(&key, f.src_ip, f.src_port, f.dst_ip, f.dst_port);
    uint32_t slot = slot_of(o, &key);
    uint8_t bit = from_a ? 1 : 2;
    if (!o->slots[slot])
        return NULL;
    struct owned *flow = &o->flows[o->slots[slot] - 1];
    if (flow->told & bit)
        return NULL;
    size_t n = put_end(o, flow, 0, o->comment, sizeof o->comment - 2);
    size_t gap = n ? 2 : 0;
    size_t m = put_end(o, flow, 1, o->comment + n + gap, sizeof o->comment - n - gap);
    if (n && m)
        memcpy(o->comment + n, "; ", 2);
    else
        o->comment[n + (m ? gap + m : 0)] = '\0';
    flow->told |= bit;
    return n || m ? o->comment : NULL;
}
