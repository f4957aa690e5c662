/* What worker and hub say to each other, and how a worker is started. Both sides are hostile to
 * each other by contract: names are data, never paths; every body is bounded.
 *
 * ── Starting ──
 * argv:  trawl worker --hub URL [--node NAME] [--data DIR] [--listen ADDR:PORT] [--token-file FILE]
 *                     [--iface any|NAME …] [--bpf EXPR] [--snaplen N] [--promiscuous]
 *                     [--ring-size SIZE] [--segment-size SIZE] [--buffer SIZE]
 *                     [--exclude ADDR:PORT …] [--no-capture]
 * One supervisor process with two children: `trawl capturer` (CAP_NET_RAW, the ring, nothing else)
 * and the server (ring files and HTTP, no capability). Each is restarted on its own with back-off
 * (0.2 s … 10 s); the capturer goes on when the server or the hub dies. SIGTERM or SIGINT: server
 * ends, then the capturer seals; exit 0 within 5 s; a second signal exits now. Dies with its parent
 * if the parent asks for it (PR_SET_PDEATHSIG in the spawner); its children die with it. Start it
 * as root (or with CAP_NET_RAW): it drops to the user of ring_owner.h by itself. Without the
 * capability the server runs, and status says how to get it. Data: DATA/ring (segments),
 * DATA/worker-id. Lock: DATA/ring/lock.
 *
 * ── Tokens ──
 * worker → hub: `Authorization: Bearer T`, T = first line of --token-file (default
 * DATA/worker-token; or TRAWL_WORKER_TOKEN). The hub makes DATA/worker-token (0600, 64 hex digits)
 * when it starts; the worker waits for the file. T allows the registration route and nothing else.
 * hub → worker: `Authorization: Bearer C`, C = callback_token of the last registration: 64 hex
 * digits, made by each worker server at start. So no worker can use what another one holds.
 *
 * ── Registration, every 5 s ──
 * POST {hub}/api/v1/workers
 *   {"name":"node-1",               1–253 of [A-Za-z0-9._-], beginning with a letter or digit
 *    "instance":"32 hex digits",    stable for this data folder; a hub keeps name → instance and
 *                                   refuses another instance of a living name with 409
 *    "address":"192.0.2.7",         or "" = use the peer address of this request
 *    "port":41234, "token":"C", "version":"0.1.0", "now_ns":1764000000000000000}
 * 200 {"ok":true,"now_ns":…}        now_ns: the hub's clock (round trip / 2 gives the offset)
 * 401, 403, 409: problem document; the worker logs it and tries again.
 *
 * ── Routes of the worker (all want the token C; anything else is 401; unknown is 404) ──
 * All times are integers of nanoseconds, the node's clock. All errors: application/problem+json
 * {"title":…,"status":…,"detail":"one sentence"}.
 *
 * GET /worker/v1/status
 *   {"name":"node-1","instance":"…","version":"0.1.0","now_ns":…,
 *    "state":"recording"|"not_recording"|"waiting_for_interface",
 *    "state_detail":"sentence or empty","paused":false,
 *    "started_ns":…,"heartbeat_ns":…,"captured_until_ns":…,
 *    "packets":…,"captured_bytes":…,"excluded_packets":…,"packets_per_s":…,"bytes_per_s":…,
 *    "drops":{"kernel":…,"ring":…,"disk":…},"drops_5min":{…},
 *    "ring":{"oldest_ns":…|null,"newest_ns":…|null,"used_bytes":…,"budget_bytes":…,
 *            "segment_bytes":…,"segments":…,"retention_ns":…,"recycling":false,
 *            "hour_budget_bytes":…},
 *    "interfaces":[{"name":"eth0","link_type":1,"packets":…,"dropped":…|null,"up":true}],
 *    "filter":"","snaplen":262144,
 *    "covered":[{"from_ns":…,"to_ns":…}],"gaps":[{"from_ns":…,"to_ns":…,"reason":"…"}]}
 *   (covered and gaps of the whole ring: reasons as ring_gap_reason_name)
 *
 * GET /worker/v1/segments[?from_ns=…&to_ns=…]      a side left out is open
 *   {"now_ns":…,
 *    "segments":[{"name":"00001-0000000042.pcapng","sequence":42,"series":1,"link_type":1,
 *                 "sealed":true,"size_bytes":…,"packets":…,"captured_bytes":…,
 *                 "first_ns":…,"last_ns":…,            absent when packets = 0
 *                 "covered_from_ns":…,"covered_to_ns":…,
 *                 "sealed_bytes":…,"sealed_to_ns":…,   only when it was cut since it was sealed
 *                 "drops":{"kernel":…,"ring":…,"disk":…},"sha256":"64 hex"}],  absent when open
 *    "covered":[…],"gaps":[…],"drops":{…},              within the window
 *    "drop_events":[{"from_ns":…,"to_ns":…,"kernel":…,"ring":…,"disk":…}]}
 *
 * POST /worker/v1/rotate {}           seals what is open
 *   200 {"covered_to_ns":…}           everything before is in sealed segments
 *   200 {"covered_to_ns":null}        no capturer runs: what is there is all there is
 *   504 problem                       the capturer did not answer within 2 s
 *
 * POST /worker/v1/pins {"from_ns":…,"to_ns":…}
 *   201 {"id":"32 hex","expires_ns":…,"lease_ns":60000000000}
 *   429 problem: 64 pins exist
 * POST /worker/v1/pins/{id} {}        renew: 200 as above; 410: broken or run out; 404: unknown
 * DELETE /worker/v1/pins/{id}         204, also when it is gone already
 *
 * GET /worker/v1/segments/{name}      application/octet-stream; Range; the published bytes only;
 *   ETag "sha256 hex" when sealed; 404 unknown name or recycled; 400 not a segment name
 * GET /worker/v1/segments/{name}/index   the .idx of a sealed segment (docs/formats/ring.md)
 *
 * GET /worker/v1/openings?from_ns=…&to_ns=…&link_type=…      application/octet-stream: the openings
 *   of connections that began before the window and have packets in it, one pcapng of at most
 *   64 MiB; 204: there are none
 *
 * GET /worker/v1/local
 *   {"ring_dir":"/var/lib/trawl/ring","nonce_file":"nonce-<32 hex>","nonce":"64 hex","uid":65534}
 *   A hub that reads the nonce in ring_dir/nonce_file shares the file system and may hard-link
 *   sealed segments (pin first). The file is remade at each server start. nonce_file is data:
 *   check it against that pattern before opening it.
 *
 * POST /worker/v1/pause {}  /worker/v1/resume {}      200 {"at_ns":…}; 409 when no capturer runs
 */
#ifndef TRAWL_WORKER_WORKER_PROTOCOL_H
#define TRAWL_WORKER_WORKER_PROTOCOL_H

#include <stdbool.h>

enum {
    WORKER_NAME_MAX = 253,
    WORKER_INSTANCE_SIZE = 33,         /* 32 hex digits and a NUL */
    WORKER_TOKEN_SIZE = 65,            /* 64 hex digits and a NUL */
    WORKER_MAX_BODY_BYTES = 64 * 1024, /* of a request */
    WORKER_MAX_ANSWER_BYTES = 16 * 1024 * 1024,
    WORKER_MAX_OPENINGS_BYTES = 64 * 1024 * 1024,
    WORKER_REGISTER_SECONDS = 5,
    WORKER_SILENT_SECONDS = 15 /* a hub shows a node as silent after this */
};

#define WORKER_ROUTE_PREFIX  "/worker/v1"
#define WORKER_REGISTER_PATH "/api/v1/workers"
#define WORKER_TOKEN_FILE    "worker-token"

#define WORKER_NAME_RULE                                                                     \
    "--node takes 1 to 253 letters, digits, dots, dashes and underscores, beginning with a " \
    "letter or digit."

/* 1–253 of [A-Za-z0-9._-], beginning with a letter or digit. */
static inline bool worker_name_valid(const char *name)
{
    unsigned n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (n >= WORKER_NAME_MAX || !(alnum || (n && (c == '.' || c == '_' || c == '-'))))
            return false;
    }
    return n > 0;
}

#endif
