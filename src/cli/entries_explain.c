#include "cli/entries_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

static void print_clause(const json_t *clause)
{
    static const struct {
        const char *answer, *shown;
    } words[] = {{"columns", "columns"}, {"narrowed", "columns, then entries"}};
    const char *answer = client_text(clause, "answer"), *shown = "entries";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(answer, words[i].answer) == 0)
            shown = words[i].shown;
    printf("%-22s ", shown);
    client_print_text(client_text(clause, "text"), 0);
    (void)putchar('\n');
    if (json_is_string(json_object_get(clause, "sql"))) {
        printf("%-22s   ", "");
        client_print_text(client_text(clause, "sql"), 0);
        (void)putchar('\n');
    }
}

static void print_parameters(const json_t *list)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
    {
        char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        printf("%s$%zu = ", i ? ", " : "parameters  ", i + 1);
        client_print_text(json_is_string(v) ? json_string_value(v) : text ? text : "", 0);
        free(text);
    }
    if (json_array_size(list))
        (void)putchar('\n');
}

void entries_explain_print(const json_t *answer)
{
    size_t i;
    const json_t *item, *clauses = json_object_get(answer, "clauses");
    if (json_array_size(clauses))
        printf("%-22s %s\n", "ANSWERED BY", "CLAUSE");
    json_array_foreach(clauses, i, item)
    {
        print_clause(item);
    }
    print_parameters(json_object_get(answer, "parameters"));
    if (!json_is_true(json_object_get(answer, "judged"))) {
        printf("The columns answer it: none of %lld entries is judged one by one.\n",
               (long long)client_int(answer, "entries"));
        return;
    }
    printf("Judged one by one: %lld of %lld entries, in %lld of %lld blocks of %lld of %lld parts "
           "(reads ",
           (long long)client_int(answer, "entries_judged"),
           (long long)client_int(answer, "entries"), (long long)client_int(answer, "blocks_read"),
           (long long)client_int(answer, "blocks"), (long long)client_int(answer, "parts_read"),
           (long long)client_int(answer, "parts"));
    json_array_foreach(json_object_get(answer, "reads"), i, item)
    {
        printf("%s", i ? ", " : "");
        client_print_text(json_string_value(item) ? json_string_value(item) : "", 0);
    }
    printf(").\n");
}
