#include "entries/query_ops.h"

// clang-format off
const struct query_op query_ops[] = {
    {"page", query_op_page},
    {"tail", query_op_tail},
    {"lines", query_op_lines},
    {"har", query_op_har},
    {"count", query_op_count},
    {"explain", query_op_explain},
    {"entry", query_op_entry},
    {"body", query_op_body},
    {"refs", query_op_refs},
    {"neighbours", query_op_neighbours},
    {"conn", query_op_conn},
    {"flows", query_op_flows},
    {"packets", query_op_packets},
    {"timeline", query_op_timeline},
    {"top", query_op_top},
    {NULL, NULL},
};
// clang-format on
