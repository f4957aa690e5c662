#include "base/memory.h"

static _Thread_local uint64_t failures;

uint64_t memory_failures(void)
{
    return failures;
}

void memory_failed(void)
{
    failures++;
}
