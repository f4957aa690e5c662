/* The YAML side of options.h: one flat mapping `key: value` (values may be lists of scalars).
 * Thread: init-only. */
#ifndef TRAWL_CONFIG_OPTIONS_FILE_H
#define TRAWL_CONFIG_OPTIONS_FILE_H

#include "base/error.h"
#include "base/slice.h"

/* Called once a scalar; list items come one by one with the same key. Non-zero stops. */
typedef int (*options_file_value)(void *ctx, struct slice key, const char *value,
                                  struct error *reterr);

/* 0, or a negative errno with a sentence that names file and line. */
int options_file_load(const char *path, options_file_value on_value, void *ctx,
                      struct error *reterr);

#endif
