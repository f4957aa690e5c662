/* GraphQL documents, requests, responses and the JSON around them. */
#include "dissect/proto/graphql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct graphql_operation operation;
    struct graphql_call call;
    struct graphql_errors errors;
    struct slice text = slice_of(data, size);
    arena_init(&arena, 4 * 1024 * 1024);
    (void)graphql_read_document(text, SLICE_LITERAL("B"), &operation);
    (void)graphql_read_request(&arena, text, size & 1, &call);
    graphql_read_errors(&arena, text, &errors);
    arena_done(&arena);
    return 0;
}
