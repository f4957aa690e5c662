#include "base/string_map.h"

#include <errno.h>
#include <stdlib.h>

void string_map_init(struct string_map *map)
{
    *map = (struct string_map){.hash_key = hash_random_key()};
}

void string_map_done(struct string_map *map, void (*free_value)(void *))
{
    if (!map)
        return;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key && free_value)
            free_value(map->entries[i].value);
        free(map->entries[i].key);
    }
    free(map->entries);
    free(map->slots);
    *map = (struct string_map){.hash_key = map->hash_key};
}

/* The slot that holds the key, or the free one where the search ended. Slots of removed entries are
 * walked over. */
static size_t find_slot(const struct string_map *map, struct slice key, uint64_t hash)
{
    size_t mask = map->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t slot = map->slots[i];
        if (slot == 0)
            return i;
        const struct string_map_entry *e = &map->entries[slot - 1];
        if (e->key && e->hash == hash && slice_eq(slice_of(e->key, e->key_len), key))
            return i;
    }
}

static struct string_map_entry *find(const struct string_map *map, struct slice key)
{
    if (map->slot_count == 0)
        return NULL;
    uint32_t slot = map->slots[find_slot(map, key, hash_bytes(map->hash_key, key.data, key.len))];
    return slot ? &map->entries[slot - 1] : NULL;
}

void *string_map_get(const struct string_map *map, struct slice key)
{
    const struct string_map_entry *e = find(map, key);
    return e ? e->value : NULL;
}

/* Drops removed entries and makes room for as many again. */
static int rebuild(struct string_map *map)
{
    size_t cap = map->count < 8 ? 16 : map->count * 2;
    struct string_map_entry *entries = calloc(cap, sizeof *entries);
    size_t slot_count = 1;
    while (slot_count < cap * 2)
        slot_count *= 2;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!entries || !slots || cap > UINT32_MAX / 4) {
        free(entries);
        free(slots);
        return -ENOMEM;
    }
    size_t used = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].key)
            continue;
        entries[used] = map->entries[i];
        size_t slot = entries[used].hash & (slot_count - 1);
        while (slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = (uint32_t)++used;
    }
    free(map->entries);
    free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->used = used;
    map->cap = cap;
    map->slot_count = slot_count;
    return 0;
}

int string_map_set(struct string_map *map, struct slice key, void *value, void **ret_old)
{
    struct string_map_entry *e = find(map, key);
    if (e) {
        if (ret_old)
            *ret_old = e->value;
        e->value = value;
        return 0;
    }
    if (map->used == map->cap) {
        int r = rebuild(map);
        if (r < 0)
            return r;
    }
    char *copy = malloc(key.len + 1);
    if (!copy)
        return -ENOMEM;
    if (key.len)
        memcpy(copy, key.data, key.len);
    copy[key.len] = '\0';
    uint64_t hash = hash_bytes(map->hash_key, key.data, key.len);
    size_t slot = find_slot(map, key, hash);
    map->entries[map->used++] =
        (struct string_map_entry){.key = copy, .key_len = key.len, .hash = hash, .value = value};
    map->slots[slot] = (uint32_t)map->used;
    map->count++;
    if (ret_old)
        *ret_old = NULL;
    return 0;
}

void *string_map_remove(struct string_map *map, struct slice key)
{
    struct string_map_entry *e = find(map, key);
    if (!e)
        return NULL;
    void *value = e->value;
    free(e->key);
    e->key = NULL;
    e->value = NULL;
    map->count--;
    return value;
}

const struct string_map_entry *string_map_next(const struct string_map *map, size_t *pos)
{
    while (*pos < map->used) {
        const struct string_map_entry *e = &map->entries[(*pos)++];
        if (e->key)
            return e;
    }
    return NULL;
}
