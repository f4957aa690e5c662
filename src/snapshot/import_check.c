/* A manifest that parses and is signed may still be made to do harm: its counts are shown to
 * everybody who lists snapshots. The limits are said in docs/formats/archive.md. */
#include <errno.h>

#include "base/text.h"
#include "snapshot/import_private.h"

enum {
    MAX_INTERVALS = 65536, /* of all nodes: covered and gaps */
    MAX_FILES = 262144,
    MAX_INTERFACES = 65536,
    MAX_MISSING = 65536,
    MIN_PACKET_BYTES = 16 /* of the smallest packet block */
};

#define MAX_BYTES (1ULL << 50)

static int refuse(const struct snapshot_node *node, const char *what, struct error *reterr)
{
    char shown[120];
    text_escape(slice_str(node->name), shown, sizeof shown);
    return error_set(reterr, -EBADMSG, "The archive is refused: in its manifest, %s of node %s.",
                     what, shown);
}

static int check_covered(const struct snapshot_node *node, struct error *reterr)
{
    for (size_t i = 0; i < node->covered_count; i++) {
        const struct snapshot_interval *at = &node->covered[i];
        if (at->from_ns > at->to_ns || (i > 0 && at->from_ns < at[-1].to_ns))
            return refuse(node, "covered times overlap or are out of order", reterr);
    }
    return 0;
}

static int check_gaps(const struct snapshot_node *node, struct error *reterr)
{
    for (size_t i = 0; i < node->gap_count; i++) {
        const struct snapshot_gap *gap = &node->gaps[i];
        if (gap->at.from_ns > gap->at.to_ns || (i > 0 && gap->at.from_ns < gap[-1].at.to_ns))
            return refuse(node, "gaps overlap or are out of order", reterr);
    }
    return 0;
}

static int check_files(const struct snapshot_node *node, struct error *reterr)
{
    for (size_t i = 0; i < node->file_count; i++) {
        const struct snapshot_file *file = &node->files[i];
        uint64_t plain = file->plain_bytes ? file->plain_bytes : file->size_bytes;
        if (file->sequence == 0 || (i > 0 && file->sequence <= file[-1].sequence))
            return refuse(node, "two files have one sequence, or are out of order", reterr);
        if (file->size_bytes > MAX_BYTES || plain > MAX_BYTES)
            return refuse(node, "a file is larger than any can be", reterr);
        if (file->packets > plain / MIN_PACKET_BYTES)
            return refuse(node, "a file has more packets than fit into it", reterr);
    }
    if (node->captured_bytes > MAX_BYTES || node->packets > MAX_BYTES / MIN_PACKET_BYTES)
        return refuse(node, "there are more packets than there can be", reterr);
    return 0;
}

int import_check_manifest(const struct snapshot_manifest *m, struct error *reterr)
{
    size_t files = 0, intervals = 0, interfaces = 0;
    for (size_t n = 0; n < m->node_count; n++) {
        files += m->nodes[n].file_count;
        intervals += m->nodes[n].covered_count + m->nodes[n].gap_count;
        interfaces += m->nodes[n].interface_count;
    }
    if (files > MAX_FILES || intervals > MAX_INTERVALS || interfaces > MAX_INTERFACES ||
        m->missing_count > MAX_MISSING)
        return error_set(reterr, -EBADMSG,
                         "The archive is refused: its manifest has more than %d files, or more "
                         "than %d gaps and covered times, interfaces or missing parts.",
                         MAX_FILES, MAX_INTERVALS);
    int r = 0;
    for (size_t n = 0; r == 0 && n < m->node_count; n++) {
        r = check_covered(&m->nodes[n], reterr);
        if (r == 0)
            r = check_gaps(&m->nodes[n], reterr);
        if (r == 0)
            r = check_files(&m->nodes[n], reterr);
    }
    return r;
}
