/* Layers: connections inside connections (dissector.h). */
#include <stdlib.h>

#include "base/memory.h"
#include "dissect/conn.h"
#include "dissect/registry.h"

struct dissect_layer {
    struct dissect_layer *next;
    struct dissect_conn *outer, *inner;
};

/* What the inner connection shares with the outer one, its ids included. */
static void inherit(struct dissect_conn *inner, struct dissect_conn *outer)
{
    inner->outer = outer;
    inner->depth = (uint8_t)(outer->depth + 1);
    inner->id_hash = outer->id_hash;
    inner->now_ns = outer->now_ns;
    inner->health = outer->health;
    memcpy(inner->conn_id, outer->conn_id, sizeof inner->conn_id);
    memcpy(inner->flow_id, outer->flow_id, sizeof inner->flow_id);
}

static struct conn_spec spec_of(const struct dissect_conn *outer,
                                const struct dissect_layer_spec *layer)
{
    const struct dissect_tuple *t = &outer->tuple;
    uint8_t client = outer->client_side, server = client ^ 1;
    struct conn_spec spec = {.transport = layer->transport ? layer->transport : outer->transport,
                             .ip_version = t->ip_version,
                             .client_side = client,
                             .late_join = layer->late_join,
                             .base_seq = {outer->side[0].base_seq, outer->side[1].base_seq},
                             .first_ns = outer->first_ns,
                             .first_side = outer->first_side,
                             .node = outer->node};
    memcpy(spec.ip[client], t->client_ip, sizeof t->client_ip);
    memcpy(spec.ip[server], t->server_ip, sizeof t->server_ip);
    spec.port[client] = t->client_port;
    spec.port[server] = t->server_port;
    return spec;
}

struct dissect_layer *dissect_layer_open(struct dissect_conn *conn,
                                         const struct dissect_layer_spec *layer_spec)
{
    if (conn->layer_count >= CONN_MAX_LAYERS || conn->depth >= CONN_MAX_DEPTH)
        return NULL;
    struct dissect_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        memory_failed();
    struct conn_spec spec = spec_of(conn, layer_spec);
    struct dissect_conn *inner = layer ? dissect_conn_new(conn->host, &spec) : NULL;
    if (!inner) {
        free(layer);
        return NULL;
    }
    inherit(inner, conn);
    inner->tls = conn->tls || layer_spec->tls;
    *layer = (struct dissect_layer){.next = conn->layers, .outer = conn, .inner = inner};
    conn->layers = layer;
    conn->layer_count++;
    conn->sides_fixed = true;
    const char *name = layer_spec->dissector;
    int index = name ? registry_find(slice_str(name)) : -1;
    if (index >= 0 && conn->host->mask >> index & 1) {
        conn_begin_work(inner);
        if (layer_spec->params.len)
            inner->params = arena_dup(&inner->arena, layer_spec->params);
        conn_open(inner, index);
        conn_end_work(inner);
    }
    return layer;
}

static uint8_t side_of(const struct dissect_layer *layer, enum dissect_dir dir)
{
    return layer->outer->client_side ^ (uint8_t)(dir == DIR_SERVER);
}

void dissect_layer_data(struct dissect_layer *layer, enum dissect_dir dir,
                        const struct dissect_span *origin, struct slice bytes)
{
    struct dissect_conn *inner = layer->inner;
    struct conn_packet packet = {.ref = {.ts_ns = layer->outer->now_ns},
                                 .side = side_of(layer, dir),
                                 .info = layer->outer->packet,
                                 .origin = origin};
    if (conn_is_datagram(inner))
        dissect_conn_datagram(inner, &packet, bytes);
    else if (!inner->side[packet.side].ended)
        dissect_conn_bytes(inner, &packet, bytes);
}

void dissect_layer_message(struct dissect_layer *layer, enum dissect_dir dir,
                           const struct dissect_span *origin, const struct dissect_message *message,
                           struct slice bytes)
{
    layer->inner->message = *message;
    dissect_layer_data(layer, dir, origin, bytes);
}

void dissect_layer_take(struct dissect_layer *layer, struct dissect_stream *stream, size_t n,
                        struct slice bytes)
{
    struct dissect_conn *conn = layer->outer;
    struct dissect_host *host = conn->host;
    if (!host->origin_refs)
        host->origin_refs = calloc(ENTRY_MAX_PACKETS, sizeof *host->origin_refs);
    if (!host->origin_refs)
        memory_failed();
    struct dissect_span origin = {.refs = host->origin_refs,
                                  .ref_cap = host->origin_refs ? ENTRY_MAX_PACKETS : 0};
    dissect_take(conn, stream, NULL, &origin, n);
    dissect_layer_data(layer, stream->dir, &origin, bytes);
}

void dissect_layer_gap(struct dissect_layer *layer, enum dissect_dir dir, uint64_t bytes)
{
    layer->inner->now_ns = layer->outer->now_ns;
    dissect_conn_gap(layer->inner, side_of(layer, dir), bytes);
}

static void end_side(struct dissect_layer *layer, uint8_t side)
{
    layer->inner->side[side].cut = layer->outer->side[side].cut;
    dissect_conn_end_side(layer->inner, side);
}

void dissect_layer_end(struct dissect_layer *layer, enum dissect_dir dir)
{
    if (!conn_is_datagram(layer->inner))
        end_side(layer, side_of(layer, dir));
}

void conn_end_layers(struct dissect_conn *conn, uint8_t side)
{
    if (conn_view(&conn->side[side]).len && !conn->side[side].broken)
        return;
    for (struct dissect_layer *layer = conn->layers; layer; layer = layer->next)
        if (!conn_is_datagram(layer->inner))
            end_side(layer, side);
}

void dissect_layer_close(struct dissect_layer *layer, enum dissect_end end)
{
    if (!layer)
        return;
    struct dissect_conn *conn = layer->outer;
    struct dissect_layer **link = &conn->layers;
    while (*link && *link != layer)
        link = &(*link)->next;
    if (*link) {
        *link = layer->next;
        conn->layer_count--;
    }
    dissect_conn_close(layer->inner, end);
    conn->detected |= layer->inner->detected;
    dissect_conn_free(layer->inner);
    free(layer);
}

void conn_close_layers(struct dissect_conn *conn, enum dissect_end end)
{
    while (conn->layers)
        dissect_layer_close(conn->layers, end);
}
