#include "cli/data_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *cli_default_data_dir(void)
{
    char path[4096];
    const char *state = getenv("XDG_STATE_HOME"); // NOLINT(concurrency-mt-unsafe): at the start
    const char *home = getenv("HOME");            // NOLINT(concurrency-mt-unsafe)
    if (geteuid() == 0)
        return strdup("/var/lib/trawl");
    if (state && state[0] == '/')
        snprintf(path, sizeof path, "%s/trawl", state);
    else
        snprintf(path, sizeof path, "%s/.local/state/trawl", home ? home : "");
    return strdup(path);
}
