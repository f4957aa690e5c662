/* A sub-command of the one binary. Each lives in src/cli/cmd_<name>.c as `const struct command
 * cmd_<name>` and has one line in src/cli/commands.c. run() gets argv with argv[0] = the
 * sub-command's name; it returns the process' exit code: 0 success, 1 failure, 2 wrong usage;
 * errors are one sentence on stderr (cli_fail). */
#ifndef TRAWL_CLI_COMMAND_H
#define TRAWL_CLI_COMMAND_H

#include <stdbool.h>

#include "base/error.h"
#include "config/options.h"

struct command {
    const char *name;
    const char *summary; /* one line for `trawl --help` */
    int (*run)(int argc, char **argv);
    bool hidden; /* internal: jobs and child processes */
};

extern const struct command *const commands[]; /* ends with NULL */

/* "trawl NAME: sentence" on stderr; returns exit_code. */
int cli_fail(const char *name, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int cli_fail_error(const char *name, int exit_code, const struct error *error);

/* A run() with options: reads argv into `flags` (a struct as spec->defs describes it), calls `act`
 * with it and the operands, frees what `flags` owns. Help and wrong usage are answered here. */
int cli_run(const char *name, const struct option_spec *spec, int argc, char **argv, void *flags,
            int (*act)(void *flags, const struct option_operands *operands));

#endif
