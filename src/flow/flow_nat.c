#include "flow/flow_nat.h"

#include <stdlib.h>

enum {
    MAX_PLACES = 4,
    MAX_CHAIN = 4,
    MIN_SYN_OPTIONS = 12 /* a time stamp is among them: as good as an IP id */
};

/* A 5-tuple that left a print; its slot may be taken over by another (`generation` tells). */
struct tuple {
    struct flow_key key;
    uint32_t generation;
    int64_t since_ns;
};

struct print {
    uint64_t hash; /* 0 = free */
    int64_t ts_ns;
    uint32_t tuple, generation; /* the first half's */
    uint16_t places[MAX_PLACES];
    uint8_t place_count;
    uint8_t lowest_ttl;
    uint8_t side;
    bool is_ambiguous;
};

struct pair {
    struct flow_key second, first;
    uint32_t second_hash, first_hash;
    int64_t agreed_ns; /* when both halves showed the same packet last */
    bool used;
    bool flip; /* side 0 of one is side 1 of the other */
};

struct flow_nat {
    struct print prints[FLOW_NAT_PRINTS];
    struct tuple tuples[FLOW_NAT_TUPLES];
    struct pair pairs[FLOW_NAT_PAIR_SETS][FLOW_NAT_PAIR_WAYS];
    uint64_t total_pairs;
    uint32_t pair_count;
};

_Static_assert(sizeof(struct flow_nat) <= FLOW_NAT_BYTES, "as the header says");

/* An end of a connection: what a packet's addresses stand for. */
struct name {
    struct flow_key key;
    uint32_t hash;
    uint8_t side; /* that sent the packet */
};

struct flow_nat *flow_nat_new(void)
{
    return calloc(1, sizeof(struct flow_nat));
}

void flow_nat_free(struct flow_nat *nat)
{
    free(nat);
}

uint64_t flow_nat_pairs(const struct flow_nat *nat)
{
    return nat->total_pairs;
}

static bool same_key(const struct flow_key *a, const struct flow_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* ── pairs ── */

static struct pair *find_pair(struct flow_nat *nat, const struct name *name)
{
    struct pair *set = nat->pairs[name->hash % FLOW_NAT_PAIR_SETS];
    for (int i = 0; i < FLOW_NAT_PAIR_WAYS; i++)
        if (set[i].used && set[i].second_hash == name->hash && same_key(&set[i].second, &name->key))
            return &set[i];
    return NULL;
}

/* From the name in the packet to that of the first half. Pairs join roots, so there is no circle.
 */
static struct name root_of(struct flow_nat *nat, struct name name)
{
    for (int i = 0; i < MAX_CHAIN; i++) {
        const struct pair *pair = find_pair(nat, &name);
        if (!pair)
            break;
        name.key = pair->first;
        name.hash = pair->first_hash;
        name.side ^= (uint8_t)pair->flip;
    }
    return name;
}

static void drop_pair(struct flow_nat *nat, struct pair *pair)
{
    pair->used = false;
    nat->pair_count--;
}

/* In a full set the pair that agreed least recently makes room. */
static void add_pair(struct flow_nat *nat, const struct name *second, const struct name *first,
                     int64_t now_ns)
{
    struct pair *set = nat->pairs[second->hash % FLOW_NAT_PAIR_SETS], *place = &set[0];
    for (int i = 0; i < FLOW_NAT_PAIR_WAYS && place->used; i++)
        if (!set[i].used || set[i].agreed_ns < place->agreed_ns)
            place = &set[i];
    nat->pair_count += !place->used;
    nat->total_pairs++;
    *place = (struct pair){.second = second->key,
                           .first = first->key,
                           .second_hash = second->hash,
                           .first_hash = first->hash,
                           .agreed_ns = now_ns,
                           .used = true,
                           .flip = second->side != first->side};
}

/* ── prints ── */

static bool begins_connection(const struct frame *f)
{
    return f->tcp_flags & FRAME_TCP_SYN && !(f->tcp_flags & FRAME_TCP_ACK);
}

static uint64_t print_of(const struct flow_packet *packet)
{
    uint64_t h = flow_mix(packet->print, packet->frame->ip_version);
    struct slice options = packet->frame->tcp_options;
    if (!begins_connection(packet->frame))
        return h | 1;
    for (size_t i = 0; i < options.len; i += 8) {
        uint64_t v = 0;
        memcpy(&v, options.data + i, options.len - i < 8 ? options.len - i : 8);
        h = flow_mix(h, v);
    }
    return h | 1;
}

static int64_t apart(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* The slot of the tuple, which is its own from now on. */
static uint32_t note_tuple(struct flow_nat *nat, const struct name *name, int64_t ts_ns,
                           bool begins)
{
    uint32_t at = name->hash % FLOW_NAT_TUPLES;
    struct tuple *tuple = &nat->tuples[at];
    if (!same_key(&tuple->key, &name->key)) {
        tuple->key = name->key;
        tuple->since_ns = ts_ns;
        tuple->generation++;
    } else if (begins) {
        tuple->since_ns = ts_ns;
    }
    return at;
}

static bool was_at(const struct print *print, uint32_t place)
{
    for (uint8_t i = 0; i < print->place_count; i++)
        if (print->places[i] == (uint16_t)place)
            return true;
    return print->place_count == MAX_PLACES;
}

static void add_sight(struct print *print, const struct flow_packet *packet)
{
    if (packet->frame->ttl < print->lowest_ttl)
        print->lowest_ttl = packet->frame->ttl;
    if (!was_at(print, packet->vantage))
        print->places[print->place_count++] = (uint16_t)packet->vantage;
}

static void leave_print(struct flow_nat *nat, struct print *print, uint64_t hash,
                        const struct flow_packet *packet, const struct name *root)
{
    const struct frame *f = packet->frame;
    uint32_t at = note_tuple(nat, root, packet->ref.ts_ns, begins_connection(f));
    *print = (struct print){.hash = hash,
                            .ts_ns = packet->ref.ts_ns,
                            .tuple = at,
                            .generation = nat->tuples[at].generation,
                            .places = {(uint16_t)packet->vantage},
                            .place_count = 1,
                            .lowest_ttl = f->ttl,
                            .side = root->side};
}

static bool share_address(const struct flow_key *a, const struct flow_key *b)
{
    for (int i = 0; i < 4; i++)
        if (memcmp(a->ip[i & 1], b->ip[i >> 1], sizeof a->ip[0]) == 0)
            return true;
    return false;
}

/* The header says what is asked of the evidence. */
static bool is_translation(const struct print *print, const struct flow_key *printed,
                           const struct flow_packet *packet, const struct flow_key *key)
{
    const struct frame *f = packet->frame;
    bool was_routed = f->ttl < print->lowest_ttl;
    if (print->is_ambiguous || printed->ip_version != key->ip_version ||
        printed->ip_protocol != key->ip_protocol)
        return false;
    if (f->kind == FRAME_TCP && f->tcp_flags & FRAME_TCP_ACK && f->tcp_ack)
        return !(f->tcp_flags & FRAME_TCP_RST) && (was_routed || !was_at(print, packet->vantage));
    if (!was_routed || apart(packet->ref.ts_ns, print->ts_ns) > FLOW_NAT_WEAK_WINDOW_NS)
        return false;
    if (f->kind == FRAME_TCP)
        return f->ip_id || f->tcp_options.len >= MIN_SYN_OPTIONS;
    return f->payload_bytes >= FLOW_NAT_MIN_DATAGRAM && (f->ip_id || share_address(printed, key));
}

/* ── the whole ── */

static void set_addresses(struct frame *frame, const struct name *name)
{
    uint8_t from = name->side, to = name->side ^ 1;
    memcpy(frame->src_ip, name->key.ip[from], sizeof frame->src_ip);
    memcpy(frame->dst_ip, name->key.ip[to], sizeof frame->dst_ip);
    frame->src_port = name->key.port[from];
    frame->dst_port = name->key.port[to];
}

/* The packet left a print under another name, and nothing speaks against a translation. */
static enum flow_nat_result join(struct flow_nat *nat, const struct print *print,
                                 const struct flow_packet *packet, const struct name *own,
                                 struct flow_nat_verdict *verdict)
{
    const struct frame *f = packet->frame;
    int64_t now_ns = packet->ref.ts_ns;
    const struct tuple *other = &nat->tuples[print->tuple];
    struct name there = {
        .key = other->key, .hash = flow_key_hash(&other->key), .side = print->side};
    struct pair *pair = find_pair(nat, own);
    if (pair) {
        if (f->kind == FRAME_TCP && !(f->tcp_flags & FRAME_TCP_SYN))
            return FLOW_NAT_AS_IT_IS; /* it is known to be somebody else's */
        drop_pair(nat, pair);
    }
    struct name root = root_of(nat, there);
    if (same_key(&root.key, &own->key))
        return FLOW_NAT_AS_IT_IS;
    const struct tuple *mine = &nat->tuples[own->hash % FLOW_NAT_TUPLES];
    bool is_older = !pair && !begins_connection(f) && same_key(&mine->key, &own->key) &&
                    mine->since_ns < other->since_ns && same_key(&root.key, &other->key);
    if (is_older) {
        add_pair(nat, &root, own, now_ns);
        verdict->absorbed = (struct frame){.kind = f->kind, .ip_version = f->ip_version};
        set_addresses(&verdict->absorbed, &root);
        verdict->since_ns = print->ts_ns;
        return FLOW_NAT_FIRST_HALF;
    }
    add_pair(nat, own, &root, now_ns);
    return FLOW_NAT_NEWLY_TRANSLATED;
}

/* Whether the packet says that the pair is over: nobody showed it before. */
static bool ends_pair(const struct pair *pair, const struct flow_packet *packet)
{
    const struct frame *f = packet->frame;
    if (f->kind == FRAME_TCP)
        return begins_connection(f);
    return packet->ref.ts_ns - pair->agreed_ns > FLOW_NAT_IDLE_NS;
}

static enum flow_nat_result compare(struct flow_nat *nat, const struct flow_packet *packet,
                                    const struct name *own, struct flow_nat_verdict *verdict)
{
    uint64_t hash = print_of(packet);
    struct print *print = &nat->prints[hash % FLOW_NAT_PRINTS];
    int64_t now_ns = packet->ref.ts_ns;
    enum flow_nat_result result = FLOW_NAT_AS_IT_IS;
    bool is_known = print->hash == hash && apart(now_ns, print->ts_ns) <= FLOW_COPY_WINDOW_NS &&
                    nat->tuples[print->tuple].generation == print->generation;
    struct pair *pair = nat->pair_count ? find_pair(nat, own) : NULL;
    struct name root = pair ? root_of(nat, *own) : *own;
    if (!is_known) {
        if (pair && ends_pair(pair, packet)) {
            drop_pair(nat, pair);
            root = *own;
        }
        leave_print(nat, print, hash, packet, &root);
        return result;
    }
    struct name there = {.key = nat->tuples[print->tuple].key, .side = print->side};
    if (nat->pair_count) {
        there.hash = flow_key_hash(&there.key);
        there = root_of(nat, there);
    }
    if (same_key(&there.key, &root.key)) {
        if (pair)
            pair->agreed_ns = now_ns;
    } else if (is_translation(print, &there.key, packet, &own->key)) {
        result = join(nat, print, packet, own, verdict);
    } else {
        print->is_ambiguous = true;
        if (pair && ends_pair(pair, packet))
            drop_pair(nat, pair);
    }
    add_sight(print, packet);
    return result;
}

enum flow_nat_result flow_nat_packet(struct flow_nat *nat, const struct flow_packet *packet,
                                     struct flow_nat_verdict *verdict)
{
    const struct frame *f = packet->frame;
    if (f->kind != FRAME_TCP && f->kind != FRAME_UDP)
        return FLOW_NAT_AS_IT_IS;
    bool shows_something = f->payload_bytes || f->tcp_flags & FRAME_TCP_SYN;
    if (!shows_something && nat->pair_count == 0)
        return FLOW_NAT_AS_IT_IS;
    struct name own = {.hash = packet->tuple_hash};
    flow_key_of(f, &own.key, &own.side);
    enum flow_nat_result result = FLOW_NAT_AS_IT_IS;
    if (shows_something)
        result = compare(nat, packet, &own, verdict);
    if (nat->pair_count == 0 || result == FLOW_NAT_FIRST_HALF)
        return result;
    struct name root = root_of(nat, own);
    if (same_key(&root.key, &own.key))
        return FLOW_NAT_AS_IT_IS;
    verdict->frame = *f;
    set_addresses(&verdict->frame, &root);
    return result == FLOW_NAT_AS_IT_IS ? FLOW_NAT_TRANSLATED : result;
}
