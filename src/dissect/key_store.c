#include "dissect/key_store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"

enum {
    FIRST_SLOTS = 256, /* a power of two */
    CHUNK_SECRETS = 256,
    MAX_CHUNKS = KEY_STORE_MAX_SECRETS / CHUNK_SECRETS,
    FILE_MAX_BYTES = 64 * 1024 * 1024,
    READ_BYTES = 64 * 1024,
    LINE_MAX_BYTES = 1024
};

struct secret {
    uint8_t label[KEY_LABEL_MAX], random[KEY_RANDOM_MAX], secret[KEY_SECRET_MAX];
    uint8_t label_len, random_len, secret_len;
};

struct key_store {
    struct hash_key key;
    pthread_rwlock_t lock;
    struct secret *chunks[MAX_CHUNKS]; /* never move */
    uint32_t *slots;                   /* number + 1; 0 = free */
    uint32_t slot_count;
    struct key_store_counts counts;
};

int key_store_new(struct key_store **ret_store)
{
    struct key_store *store = calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->slots = calloc(FIRST_SLOTS, sizeof *store->slots);
    if (!store->slots) {
        free(store);
        return -ENOMEM;
    }
    store->slot_count = FIRST_SLOTS;
    store->key = hash_random_key();
    pthread_rwlock_init(&store->lock, NULL);
    *ret_store = store;
    return 0;
}

void key_store_free(struct key_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < MAX_CHUNKS && store->chunks[i]; i++) {
        explicit_bzero(store->chunks[i], CHUNK_SECRETS * sizeof(struct secret));
        free(store->chunks[i]);
    }
    pthread_rwlock_destroy(&store->lock);
    free(store->slots);
    free(store);
}

static struct secret *secret_at(const struct key_store *store, uint32_t number)
{
    return &store->chunks[number / CHUNK_SECRETS][number % CHUNK_SECRETS];
}

static uint64_t hash_of(const struct key_store *store, struct slice label, struct slice random)
{
    uint8_t bytes[KEY_LABEL_MAX + KEY_RANDOM_MAX];
    memcpy(bytes, label.data, label.len);
    memcpy(bytes + label.len, random.data, random.len);
    return hash_bytes(store->key, bytes, label.len + random.len);
}

/* The slot that holds it, or the free one where it belongs. */
static uint32_t *slot_of(const struct key_store *store, struct slice label, struct slice random)
{
    uint64_t hash = hash_of(store, label, random);
    for (;; hash++) {
        uint32_t *slot = &store->slots[hash & (store->slot_count - 1)];
        if (!*slot)
            return slot;
        const struct secret *s = secret_at(store, *slot - 1);
        if (slice_eq(slice_of(s->label, s->label_len), label) &&
            slice_eq(slice_of(s->random, s->random_len), random))
            return slot;
    }
}

static int grow(struct key_store *store)
{
    uint32_t *slots = calloc((size_t)store->slot_count * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    free(store->slots);
    store->slots = slots;
    store->slot_count *= 2;
    for (uint32_t i = 0; i < store->counts.secrets; i++) {
        const struct secret *s = secret_at(store, i);
        *slot_of(store, slice_of(s->label, s->label_len), slice_of(s->random, s->random_len)) =
            i + 1;
    }
    return 0;
}

static int add(struct key_store *store, const struct secret *secret)
{
    uint32_t number = store->counts.secrets;
    if (number == KEY_STORE_MAX_SECRETS) {
        store->counts.refused++;
        return 0;
    }
    if (number >= store->slot_count / 2 && grow(store) < 0)
        return -ENOMEM;
    uint32_t *slot = slot_of(store, slice_of(secret->label, secret->label_len),
                             slice_of(secret->random, secret->random_len));
    if (*slot) {
        store->counts.repeated++;
        return 0;
    }
    struct secret **chunk = &store->chunks[number / CHUNK_SECRETS];
    if (!*chunk)
        *chunk = malloc(CHUNK_SECRETS * sizeof **chunk);
    if (!*chunk)
        return -ENOMEM;
    *secret_at(store, number) = *secret;
    *slot = number + 1;
    store->counts.secrets++;
    return 0;
}

/* ── the text ── */

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a hexadecimal word, or 0 when it is none or too long. */
static uint8_t decode_hex(struct slice word, uint8_t *out, size_t max)
{
    if (word.len == 0 || word.len % 2 || word.len / 2 > max)
        return 0;
    for (size_t i = 0; i < word.len; i += 2) {
        int high = nibble(word.data[i]), low = nibble(word.data[i + 1]);
        if (high < 0 || low < 0)
            return 0;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (uint8_t)(word.len / 2);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice next_word(struct slice *line)
{
    size_t from = 0;
    while (from < line->len && is_blank(line->data[from]))
        from++;
    size_t to = from;
    while (to < line->len && !is_blank(line->data[to]))
        to++;
    struct slice word = slice_sub(*line, from, to - from);
    *line = slice_sub(*line, to, line->len);
    return word;
}

static bool parse_line(struct slice line, struct secret *ret_secret)
{
    struct slice label = next_word(&line), random = next_word(&line), secret = next_word(&line);
    if (label.len == 0 || label.len > KEY_LABEL_MAX || next_word(&line).len)
        return false;
    memcpy(ret_secret->label, label.data, label.len);
    ret_secret->label_len = (uint8_t)label.len;
    ret_secret->random_len = decode_hex(random, ret_secret->random, KEY_RANDOM_MAX);
    ret_secret->secret_len = decode_hex(secret, ret_secret->secret, KEY_SECRET_MAX);
    return ret_secret->random_len && ret_secret->secret_len;
}

static int take_line(struct key_store *store, struct slice line)
{
    struct slice rest = line;
    struct slice first = next_word(&rest);
    if (first.len == 0 || first.data[0] == '#')
        return 0;
    struct secret secret = {0};
    if (line.len > LINE_MAX_BYTES || !parse_line(line, &secret)) {
        store->counts.refused++;
        return 0;
    }
    int r = add(store, &secret);
    explicit_bzero(&secret, sizeof secret);
    return r;
}

static int take_lines(struct key_store *store, struct slice text)
{
    int r = 0;
    while (r == 0 && text.len) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        r = take_line(store, slice_sub(text, 0, len));
        text = slice_sub(text, end ? len + 1 : len, text.len);
    }
    return r;
}

int key_store_add_log(struct key_store *store, struct slice text)
{
    pthread_rwlock_wrlock(&store->lock);
    int r = take_lines(store, text);
    pthread_rwlock_unlock(&store->lock);
    return r;
}

/* Whole lines go on, the rest is kept for the next part; a line too long for the buffer is read
 * over. */
static int take_part(struct key_store *store, uint8_t *data, size_t *len, bool *skipping)
{
    const uint8_t *last = memrchr(data, '\n', *len);
    if (!last) {
        if (*len < READ_BYTES)
            return 0;
        *skipping = true;
        *len = 0;
        return 0;
    }
    size_t whole = (size_t)(last - data) + 1;
    size_t from = 0;
    if (*skipping) {
        from = (size_t)((const uint8_t *)memchr(data, '\n', *len) - data) + 1;
        store->counts.refused++;
        *skipping = false;
    }
    int r = key_store_add_log(store, slice_of(data + from, whole - from));
    memmove(data, data + whole, *len - whole);
    *len -= whole;
    return r;
}

int key_store_add_file(struct key_store *store, int fd)
{
    uint8_t *data = malloc(READ_BYTES);
    if (!data)
        return -ENOMEM;
    size_t len = 0, total = 0;
    bool skipping = false;
    int r = 0;
    while (r == 0 && total < FILE_MAX_BYTES) {
        ssize_t n = read(fd, data + len, READ_BYTES - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        len += (size_t)n;
        total += (size_t)n;
        r = take_part(store, data, &len, &skipping);
    }
    if (r == 0 && len && !skipping)
        r = key_store_add_log(store, slice_of(data, len));
    explicit_bzero(data, READ_BYTES);
    free(data);
    return r;
}

struct key_store_counts key_store_counts(const struct key_store *store)
{
    return store->counts;
}

bool key_store_find(struct key_store *store, uint32_t visible, struct slice label,
                    struct slice client_random, struct slice *ret_secret)
{
    if (label.len > KEY_LABEL_MAX || client_random.len > KEY_RANDOM_MAX)
        return false;
    pthread_rwlock_rdlock(&store->lock);
    uint32_t number = *slot_of(store, label, client_random);
    pthread_rwlock_unlock(&store->lock);
    if (number == 0 || number > visible)
        return false;
    const struct secret *found = secret_at(store, number - 1);
    *ret_secret = slice_of(found->secret, found->secret_len);
    return true;
}
