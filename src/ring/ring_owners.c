#include "ring/ring_owners.h"

enum {
    MAX_BYTES = 1 << 20, /* of processes; what comes beyond has no owner in the index */
    MAX_PROCESSES = 4096
};

void ring_owners_init(struct ring_owners *owners)
{
    *owners = (struct ring_owners){0};
    buf_init(&owners->processes, MAX_BYTES);
}

void ring_owners_done(struct ring_owners *owners)
{
    buf_done(&owners->processes);
    owners->count = 0;
}

void ring_owners_reset(struct ring_owners *owners)
{
    buf_reset(&owners->processes);
    owners->count = 0;
}

static bool same(const struct owner_process *a, const struct owner_process *b)
{
    return a->pid == b->pid && a->started_ns == b->started_ns && slice_eq(a->name, b->name) &&
           slice_eq(a->exe, b->exe) && slice_eq(a->cgroup, b->cgroup);
}

/* Its number from 1, or 0 when there is no room. */
static uint16_t number_of(struct ring_owners *owners, const struct owner_process *process)
{
    struct slice all = buf_slice(&owners->processes);
    uint16_t number = 0;
    for (size_t at = 0; at < all.len;) {
        struct owner_note known;
        size_t bytes;
        if (owner_note_read(slice_of(all.data + at, all.len - at), &known, &bytes) < 0)
            break;
        number++;
        if (same(&known.process, process))
            return number;
        at += bytes;
    }
    struct owner_note note = {.process = *process};
    size_t len = owners->processes.len;
    if (owners->count == MAX_PROCESSES || len + OWNER_NOTE_MAX_BYTES > MAX_BYTES ||
        owner_note_put(&owners->processes, &note) < 0)
        return 0;
    return (uint16_t)++owners->count;
}

unsigned ring_owners_apply(struct ring_owners *owners, struct ring_flows *flows,
                           const uint64_t secret[2], const struct owner_note *note)
{
    uint16_t number = number_of(owners, &note->process);
    unsigned found = 0;
    for (size_t i = 0; i < note->end_count; i++) {
        struct owner_end end;
        struct ring_flow_key key;
        owner_note_end(note, i, &end);
        bool local_is_a = ring_flow_key_of_end(secret, &end, &key);
        struct ring_flow_record *record = ring_flows_find(flows, &key);
        if (!record)
            continue;
        found++;
        if (number)
            *(local_is_a ? &record->owner_a : &record->owner_b) = number;
    }
    return found;
}
