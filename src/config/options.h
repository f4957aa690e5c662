/* Flags, environment and YAML file into a struct, from one table per sub-command. Precedence: flag
 * > TRAWL_* > file > default.
 * --help and the docs are printed from the same table. `--config FILE`
 * is understood by every sub-command. Thread: init-only. Strings that land in the
 * struct are owned by it: free with options_done. */
#ifndef TRAWL_CONFIG_OPTIONS_H
#define TRAWL_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum option_type {
    OPTION_BOOL,     /* bool; flag without a value, or --name=false */
    OPTION_INT,      /* int64_t, within [min, max] when max > min */
    OPTION_SIZE,     /* uint64_t bytes: "1GiB" */
    OPTION_DURATION, /* int64_t nanoseconds: "5m" */
    OPTION_TEXT,     /* char *, NULL when not given and no default */
    OPTION_LIST      /* struct option_list; the flag repeats, or commas */
};

struct option_list {
    char **items;
    size_t count;
};

struct option_def {
    const char *name; /* "ring-size": --ring-size, TRAWL_RING_SIZE, ring_size: in the file */
    char letter;      /* 'o' for -o, 0 for none */
    enum option_type type;
    size_t offset;             /* offsetof(struct x, ring_size_bytes) */
    const char *default_value; /* as a person would type it, or NULL */
    int64_t min, max;
    const char *value_name; /* "SIZE" for the help, or NULL */
    const char *doc;        /* one line */
    bool secret;            /* never accepted as a flag: environment or file only */
};

#define OPERANDS_ANY (-1)

struct option_spec {
    const char *usage;             /* "trawl ring status [--data DIR]" */
    const char *summary;           /* one sentence */
    const char *example;           /* a line that works */
    const struct option_def *defs; /* ends with name == NULL */
    int operands;                  /* how many there must be; OPERANDS_ANY */
    const char *wanted;            /* what to say when there are not so many; NULL: the usage */
};

struct option_operands {
    char **items; /* borrowed from argv */
    size_t count;
};

/* 1 when --help was printed (exit 0), 0, or -EINVAL with a sentence (exit 2). `argv[0]` is the
 * sub-command's name. */
int options_parse(const struct option_spec *spec, int argc, char **argv, void *dest,
                  struct option_operands *ret_operands, struct error *reterr);
/* Reads one YAML file into the options not given by flag or environment; called by options_parse
 * for --config. */
void options_done(const struct option_spec *spec, void *dest);
void options_print_help(const struct option_spec *spec, FILE *out);

#endif
