/* The operations of the query protocol (query.h). Each writes the value of "result", or fills the
 * question's problem. Thread: owner. */
#ifndef TRAWL_ENTRIES_QUERY_OPS_H
#define TRAWL_ENTRIES_QUERY_OPS_H

#include "entries/question.h"

int query_op_tail(struct question *q, struct json_writer *w);
int query_op_page(struct question *q, struct json_writer *w);
int query_op_lines(struct question *q, struct json_writer *w);
int query_op_har(struct question *q, struct json_writer *w);
int query_op_count(struct question *q, struct json_writer *w);
int query_op_explain(struct question *q, struct json_writer *w);
int query_op_entry(struct question *q, struct json_writer *w);
int query_op_body(struct question *q, struct json_writer *w);
int query_op_refs(struct question *q, struct json_writer *w);
int query_op_neighbours(struct question *q, struct json_writer *w);
int query_op_conn(struct question *q, struct json_writer *w);
int query_op_flows(struct question *q, struct json_writer *w);
int query_op_packets(struct question *q, struct json_writer *w);
int query_op_top(struct question *q, struct json_writer *w);
int query_op_timeline(struct question *q, struct json_writer *w);

#endif
