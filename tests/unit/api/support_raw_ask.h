/* One exchange as bytes: sends head and body, appends everything until the peer closes. The status,
 * 0 when there was none. */
#ifndef TESTS_API_SUPPORT_RAW_ASK_H
#define TESTS_API_SUPPORT_RAW_ASK_H

#include "base/buf.h"

int raw_ask(uint16_t port, const char *head, const char *body, struct buf *out);
/* Like it, but stops reading as soon as `until` was seen. */
int raw_ask_until(uint16_t port, const char *head, const char *until, struct buf *out);

#endif
