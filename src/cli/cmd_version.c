/* `trawl version`. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") != 0)
        return cli_fail("version", 2, "It takes no arguments.");
    if (argc > 1)
        return fputs("usage: trawl version\n\nExample:\n  trawl version\n", stdout) < 0;
    return printf("trawl %s\n", TRAWL_VERSION) < 0;
}

const struct command cmd_version = {.name = "version", .summary = "print the version", .run = run};
