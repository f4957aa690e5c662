/* `trawl token show|rotate`: the token of the hub whose data folder this is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/auth.h"
#include "cli/command.h"
#include "config/options.h"
#include "hub/data_dir.h"

struct token_flags {
    char *data;
};

static const struct option_def defs[] = {
    {.name = "data",
     .type = OPTION_TEXT,
     .offset = offsetof(struct token_flags, data),
     .value_name = "DIR",
     .doc = "data folder; default: /var/lib/trawl as root, else ~/.local/state/trawl"},
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl token show|rotate [--data DIR]",
    .summary = "Prints the token that the dashboard and the API want, or makes a new one.",
    .example = "trawl token show --data ./data",
    .defs = defs,
    .positional = true,
};

static int act(const char *what, const struct token_flags *flags)
{
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
    struct option_operands operands;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = options_parse(&spec, argc, argv, &flags, &operands, &err), code;
    if (e == 1)
        code = 0;
    else if (e < 0)
        code = cli_fail_error("token", 2, &err);
    else if (operands.count != 1 ||
             (strcmp(operands.items[0], "show") != 0 && strcmp(operands.items[0], "rotate") != 0))
        code = cli_fail("token", 2, "Say `trawl token show` or `trawl token rotate`.");
    else
        code = act(operands.items[0], &flags);
    options_done(&spec, &flags);
    return code;
}

const struct command cmd_token = {
    .name = "token", .summary = "print or renew the token of the hub", .run = run};
