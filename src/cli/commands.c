#include <stddef.h>

#include "cli/command.h"

/* Rows: alphabetical but for `up`, which comes first. */
const struct command *const commands[] = {
    NULL,
};
