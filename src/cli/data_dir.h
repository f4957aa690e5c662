/* Where data is kept when nobody says: /var/lib/trawl as root, else $XDG_STATE_HOME/trawl, else
 * ~/.local/state/trawl. Owned by the caller; NULL without memory. Thread: init-only. */
#ifndef TRAWL_CLI_DATA_DIR_H
#define TRAWL_CLI_DATA_DIR_H

char *cli_default_data_dir(void);

#endif
