#include "dissect/stream_numbers.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    PAGE_PACKETS = 1 << 18, /* 32 KiB of bits */
    PAGE_WORDS = PAGE_PACKETS / 64,
    BLOCK_WORDS = 8, /* counted together */
    MAX_PAGES = 1 << 14
};

struct page {
    _Atomic uint64_t bits[PAGE_WORDS];
    uint64_t before[PAGE_WORDS / BLOCK_WORDS]; /* connections before each block */
};

struct stream_numbers {
    struct page *pages[MAX_PAGES];
};

struct stream_numbers *stream_numbers_new(void)
{
    return calloc(1, sizeof(struct stream_numbers));
}

void stream_numbers_free(struct stream_numbers *numbers)
{
    for (size_t i = 0; numbers && i < MAX_PAGES; i++)
        free(numbers->pages[i]);
    free(numbers);
}

int stream_numbers_reserve(struct stream_numbers *numbers, uint64_t packet)
{
    uint64_t page = packet / PAGE_PACKETS;
    if (page >= MAX_PAGES || numbers->pages[page])
        return 0;
    numbers->pages[page] = calloc(1, sizeof(struct page));
    return numbers->pages[page] ? 0 : -ENOMEM;
}

static struct page *page_of(const struct stream_numbers *numbers, uint64_t packet)
{
    return packet / PAGE_PACKETS < MAX_PAGES ? numbers->pages[packet / PAGE_PACKETS] : NULL;
}

void stream_numbers_begin(struct stream_numbers *numbers, uint64_t packet)
{
    struct page *page = page_of(numbers, packet);
    if (page)
        atomic_fetch_or_explicit(&page->bits[packet % PAGE_PACKETS / 64],
                                 UINT64_C(1) << packet % 64, memory_order_relaxed);
}

void stream_numbers_forget(struct stream_numbers *numbers, uint64_t packet)
{
    struct page *page = page_of(numbers, packet);
    if (page)
        atomic_fetch_and_explicit(&page->bits[packet % PAGE_PACKETS / 64],
                                  ~(UINT64_C(1) << packet % 64), memory_order_relaxed);
}

void stream_numbers_count(struct stream_numbers *numbers)
{
    uint64_t count = 0;
    for (size_t p = 0; p < MAX_PAGES && numbers->pages[p]; p++) {
        struct page *page = numbers->pages[p];
        for (size_t word = 0; word < PAGE_WORDS; word++) {
            if (word % BLOCK_WORDS == 0)
                page->before[word / BLOCK_WORDS] = count;
            count += (uint64_t)__builtin_popcountll(page->bits[word]);
        }
    }
}

bool stream_numbers_ordinal(const struct stream_numbers *numbers, uint64_t packet,
                            uint64_t *ret_ordinal)
{
    const struct page *page = page_of(numbers, packet);
    size_t word = packet % PAGE_PACKETS / 64;
    uint64_t bit = UINT64_C(1) << packet % 64;
    if (!page || !(page->bits[word] & bit))
        return false;
    uint64_t ordinal = page->before[word / BLOCK_WORDS];
    for (size_t w = word / BLOCK_WORDS * BLOCK_WORDS; w < word; w++)
        ordinal += (uint64_t)__builtin_popcountll(page->bits[w]);
    *ret_ordinal = ordinal + (uint64_t)__builtin_popcountll(page->bits[word] & (bit - 1));
    return true;
}
