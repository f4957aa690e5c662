/* `trawl job KIND`: what job_start() execs. `trawl job self-test` is for people. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/job_kinds.h"
#include "job/self_test.h"

enum {
    MAX_ATTEMPTS = 64
};

static int self_test(void)
{
    static struct job_self_test_result results[MAX_ATTEMPTS];
    size_t n = job_self_test(results, MAX_ATTEMPTS), failed = 0;
    for (size_t i = 0; i < n; i++) {
        printf("%-5s %-38s %s\n", results[i].held ? "held" : "OPEN", results[i].attempt,
               results[i].text);
        failed += !results[i].held;
    }
    if (!failed)
        return 0;
    return cli_fail("job", 1, "The sandbox does not hold here: %zu of %zu attempts got through.",
                    failed, n);
}

static int run(int argc, char **argv)
{
    static const char usage[] =
        "usage: trawl job self-test\n\nTries in jobs of their own what a job must not do (open, "
        "socket, execve, ptrace …) and says what came of it.\n\nExample:\n  trawl job self-test\n";
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout) < 0;
    if (argc != 2)
        return cli_fail("job", 2, "It takes one argument; `trawl job --help` says more.");
    if (strcmp(argv[1], "self-test") == 0)
        return self_test();
    for (size_t i = 0; job_kinds[i]; i++) {
        if (strcmp(job_kinds[i]->name, argv[1]) != 0)
            continue;
        struct job_context ctx;
        struct error err = {.offset = ERROR_NO_OFFSET};
        int code;
        /* Would read its configuration at first use, when the sandbox is closed. */
        (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS, NULL);
        if (job_context_init(&ctx, job_kinds[i]->name, &err) < 0) {
            (void)job_fail(&ctx, &err);
            code = cli_fail_error("job", 1, &err);
        } else {
            code = job_kinds[i]->run(&ctx);
        }
        job_context_done(&ctx);
        return code;
    }
    return cli_fail("job", 2, "There is no kind of job called \"%.40s\".", argv[1]);
}

const struct command cmd_job = {
    .name = "job", .summary = "run the sandbox self-test", .run = run, .hidden = true};
