/* Where data is kept when nobody says: /var/lib/trawl as root, else $XDG_STATE_HOME/trawl, else
 * ~/.local/state/trawl. Owned by the caller; NULL without memory. Thread: init-only. */
#ifndef TRAWL_CLI_DATA_DIR_H
#define TRAWL_CLI_DATA_DIR_H

char *cli_default_data_dir(void);

/* The row of --data in a `struct option_def` table; `member` is a char *, NULL when not given. */
#define DATA_OPTION(parent, member)                                              \
    {                                                                            \
        .name = "data", .type = OPTION_TEXT, .offset = offsetof(parent, member), \
        .value_name = "DIR",                                                     \
        .doc = "data folder; default: /var/lib/trawl as root, else "             \
               "~/.local/state/trawl"                                            \
    }

#endif
