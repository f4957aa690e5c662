/* Entry point: finds the sub-command and runs it. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli/command.h"

static void print_help(FILE *out)
{
    fputs(
        "usage: trawl COMMAND [options]\n\nA packet flight recorder: record into a bounded ring, take a snapshot after the fact,\n"
        "dissect it into API calls, browse it, open it in Wireshark.\n\n",
        out);
    for (size_t i = 0; commands[i]; i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`trawl COMMAND --help` shows the options and an example.\n", out);
}

int main(int argc, char **argv)
{
    /* Children are started through /proc/self/exe: `ps` should call them by their name. */
    (void)prctl(PR_SET_NAME, "trawl", 0, 0, 0);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--") == 0 && argc > 2) { /* ends the options: there are none here */
        argc--;
        argv++;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    static char version[] = "version";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    fprintf(stderr, "trawl: there is no command \"%.40s\"; `trawl --help` lists them.\n", argv[1]);
    return 2;
}
