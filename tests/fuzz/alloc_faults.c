#include "fuzz/alloc_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dissect/drive.h"

/* The linker sends our calls to __wrap_ and the wrappers' to the real ones. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);

static _Thread_local struct {
    bool armed;
    uint64_t first, every;
    uint64_t asked, failed;
} state;

static bool fails(void)
{
    if (!state.armed)
        return false;
    uint64_t at = ++state.asked;
    bool hit = at == state.first ||
               (state.every && at > state.first && (at - state.first) % state.every == 0);
    state.failed += hit;
    return hit;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t max)
{
    return fails() ? NULL : __real_strndup(text, max);
}

void alloc_faults_plan(uint64_t first, uint64_t every)
{
    state.armed = false;
    state.first = first;
    state.every = every;
    state.asked = state.failed = 0;
}

void alloc_faults_resume(void)
{
    state.armed = true;
}

void alloc_faults_pause(void)
{
    state.armed = false;
}

uint64_t alloc_faults_failed(void)
{
    return state.failed;
}

uint64_t alloc_faults_asked(void)
{
    return state.asked;
}

void *alloc_faults_malloc(size_t size)
{
    void *p = __real_malloc(size ? size : 1);
    if (!p)
        abort();
    return p;
}

/* Ten bits say which one, the third byte whether others follow and how often. */
static void plan_from(const uint8_t *data, size_t size)
{
    uint8_t tail[3] = {0};
    size_t n = size < sizeof tail ? size : sizeof tail;
    memcpy(tail, data + size - n, n);
    uint64_t first = 1 + ((tail[2] | (unsigned)tail[1] << 8) & 0x3ffu);
    alloc_faults_plan(first, tail[0] & 0x80 ? 1 + (tail[0] & 0x7fu) : 0);
}

static const struct drive_faults drive = {
    .plan = plan_from, .resume = alloc_faults_resume, .pause = alloc_faults_pause};
static bool is_on;

__attribute__((constructor)) static void look_at_environment(void)
{
    const char *mode = getenv("TRAWL_FUZZ_ALLOC");
    is_on = mode && *mode;
    if (is_on)
        dissect_drive_with_faults(&drive);
}

bool alloc_faults_begin(const uint8_t *data, size_t size)
{
    if (!is_on)
        return false;
    plan_from(data, size);
    alloc_faults_resume();
    return true;
}
