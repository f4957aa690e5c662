/* `trawl token show|rotate`: the token of the hub whose data folder this is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/auth.h"
#include "cli/command.h"
#include "cli/data_dir.h"
#include "config/options.h"
#include "hub/data_dir.h"

struct token_flags {
    char *data;
};

static const struct option_def defs[] = {
    DATA_OPTION(struct token_flags, data),
    {0},
};
#define WANTED "Say `trawl token show` or `trawl token rotate`."
static const struct option_spec spec = {
    .usage = "trawl token show|rotate [--data DIR]",
    .summary = "Prints the token that the dashboard and the API want, or makes a new one.",
    .example = "trawl token show --data ./data",
    .defs = defs,
    .operands = 1,
    .wanted = WANTED,
};

static int act(void *given, const struct option_operands *operands)
{
    const struct token_flags *flags = given;
    const char *what = operands->items[0];
    if (strcmp(what, "show") != 0 && strcmp(what, "rotate") != 0)
        return cli_fail("token", 2, WANTED);
    char data[DATA_DIR_PATH_SIZE], token[AUTH_TOKEN_SIZE];
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = data_dir_find(flags->data, "token", data, &err);
    if (!e && strcmp(what, "rotate") == 0)
        e = auth_rotate_token(data, "token", token, &err);
    else if (!e)
        e = auth_read_token(data, "token", token, &err);
    if (e)
        return cli_fail_error("token", 1, &err);
    return printf("%s\n", token) < 0 ? 1 : 0;
}

static int run(int argc, char **argv)
{
    struct token_flags flags = {0};
    return cli_run("token", &spec, argc, argv, &flags, act);
}

const struct command cmd_token = {
    .name = "token", .summary = "print or renew the token of the hub", .run = run};
