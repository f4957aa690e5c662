/* DATA/audit.jsonl: who did what, one JSON object a line, each with the SHA-256 of the line before
 * (docs/formats/audit.md): {"seq","at","who","peer","action","target","detail","prev","hash"};
 * hash = SHA-256 of the line as it would be without `,"hash":"…"`. A torn last line (power loss) is
 * cut at open and noted. Thread: any. */
#ifndef TRAWL_API_AUDIT_H
#define TRAWL_API_AUDIT_H

#include "base/buf.h"
#include "base/error.h"

struct audit;

int audit_open(const char *data_dir, struct audit **ret_audit, struct error *reterr);
void audit_close(struct audit *audit);
/* On disk before it returns. Texts may hold anything; long ones are cut. */
int audit_write(struct audit *audit, const char *who, const char *peer, const char *action,
                const char *target, const char *detail);

struct audit_check {
    uint64_t lines;
    bool intact;
    uint64_t broken_at; /* seq of the first line that does not fit, when !intact */
};
/* Reads the whole file; the last `max` lines are appended to `out` as a JSON array (NULL: only
 * checks). */
int audit_read(const char *data_dir, size_t max, struct buf *out, struct audit_check *ret_check,
               struct error *reterr);

#endif
