/* The process that records: see src/worker/capturer.h. */
#include <errno.h>
#include <stdlib.h>

#include "cli/command.h"
#include "worker/capturer.h"
#include "worker/worker_options.h"

extern const struct command cmd_capturer;

static int run(int argc, char **argv)
{
    struct worker_options options = {0};
    struct capturer_options capturer;
    struct capture_exclude excludes[CAPTURE_MAX_EXCLUDES];
    struct option_operands operands;
    struct error error = {0};
    int r = options_parse(&worker_capturer_spec, argc, argv, &options, &operands, &error);
    int code = r == 1 ? 0 : 2;
    if (r == 0) {
        if (!options.data_dir)
            options.data_dir = worker_default_data_dir();
        r = worker_capturer_options(&options, excludes, &capturer, &error);
    }
    if (r == 0) {
        r = capturer_run(&capturer, &error);
        code = r < 0 ? 1 : 0;
    }
    if (r < 0)
        code = cli_fail_error("capturer", code, &error);
    options_done(&worker_capturer_spec, &options);
    return code;
}

const struct command cmd_capturer = {
    .name = "capturer", .summary = "record packets into the ring", .run = run, .hidden = true};
