/* `trawl entries --parquet -o FILE`: the hub's lines, turned into a Parquet file on their way.
 * Thread: main. */
#ifndef TRAWL_CLI_ENTRIES_PARQUET_H
#define TRAWL_CLI_ENTRIES_PARQUET_H

#include "cli/client.h"

/* question: what is asked of /api/v1/entries/lines. The exit code; errors are printed. */
int entries_parquet(struct client *client, const char *question, const struct option_list *fields,
                    const char *output);

#endif
