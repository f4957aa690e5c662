#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "dissect/registry.h"
#include "dissect/run_internal.h"

enum {
    DEFAULT_FLOW_MEMORY = 96 * 1024 * 1024,
    PROGRESS_PACKETS = 4096,
    LINKTYPE_SLL = 113,
    LINKTYPE_SLL2 = 276,
    TICK_MS = 20,
    PROGRESS_ENTRIES = 64
};

#define PROGRESS_NS (100 * NS_PER_MS)

/* ── from the shards to the sorter ── */

static bool is_wanted(const struct run *run, const char *protocol)
{
    for (size_t i = 0; i < run->wanted_count; i++)
        if (strcmp(run->wanted[i], protocol) == 0)
            return true;
    return run->wanted_count == 0;
}

static void on_entry(void *ctx, const struct entry *entry)
{
    struct run_out *out = ctx;
    if (out->run->options->tap) {
        if (out->run->options->tap->result < 0)
            atomic_store(&out->run->error, out->run->options->tap->result);
        return;
    }
    const struct entry_value *stream = entry_find(entry, FIELD_STREAM_ID);
    if (stream && !out->run->live)
        stream_numbers_begin(out->run->streams, (uint64_t)stream->integer);
    if (!is_wanted(out->run, entry->protocol))
        return;
    if (!out->run->live)
        hop_list_add(&out->hops, out->run->hop_key, entry);
    int r = out->run->live ? run_live_entry(out->run, entry) : sorter_add(out->lane, entry);
    if (r < 0)
        atomic_store(&out->run->error, r);
    else
        atomic_fetch_add_explicit(&out->run->found, 1, memory_order_relaxed);
}

static struct slice node_of(void *ctx, uint32_t file)
{
    const struct run *run = ctx;
    return slice_str(run->options->inputs[file].node);
}

static struct slice vantage_of(void *ctx, uint32_t vantage)
{
    const struct run *run = ctx;
    return input_merge_vantage(run->merge, vantage);
}

/* ── from the reader to the shards ── */

/* Tells the shard of a flow that turned out to be a part of another. */
static void absorb(struct run *run, const struct flow_packet *like, const struct frame *frame,
                   int64_t since_ns)
{
    struct flow_packet packet = *like;
    packet.frame = frame;
    packet.ref.ts_ns = since_ns;
    run_workers_absorb(run->workers, flow_shard_hash(frame) % RUN_SHARDS, &packet);
}

/* What stood in the packet: src first. */
static void set_own_key(struct flow_packet *packet, const struct frame *frame)
{
    uint8_t side;
    flow_key_of(frame, &packet->own_key, &side);
    memcpy(packet->own_key.ip[0], frame->src_ip, sizeof packet->own_key.ip[0]);
    memcpy(packet->own_key.ip[1], frame->dst_ip, sizeof packet->own_key.ip[1]);
    packet->own_key.port[0] = frame->src_port;
    packet->own_key.port[1] = frame->dst_port;
    packet->is_translated = true;
}

static enum flow_place place_of(const struct dissect_input *input)
{
    return !input->outside ? FLOW_IN_WINDOW : input->lead_in ? FLOW_IN_LEAD_IN : FLOW_IN_OPENING;
}

/* Translated packets go where the connection is that they belong to. */
static int deliver(struct run *run, const struct merged_packet *in, const struct frame *frame)
{
    const struct packet *packet = &in->packet;
    bool cooked = packet->link_type == LINKTYPE_SLL || packet->link_type == LINKTYPE_SLL2;
    struct flow_packet flow_packet = {
        .frame = frame,
        .ref = {.ts_ns = packet->ts_ns, .offset = packet->offset, .file = in->file},
        .vantage = in->vantage,
        .place = place_of(&run->options->inputs[in->file]),
        .vantage_uncertain = cooked,
        .tuple_hash = flow_shard_hash(frame),
        .number = run->number - 1,
        .print = flow_packet_print(frame)};
    unsigned shard = flow_packet.tuple_hash % RUN_SHARDS;
    struct flow_nat_verdict verdict;
    enum flow_nat_result result = flow_nat_packet(run->nat, &flow_packet, &verdict);
    if (result == FLOW_NAT_FIRST_HALF)
        absorb(run, &flow_packet, &verdict.absorbed, verdict.since_ns);
    if (result == FLOW_NAT_NEWLY_TRANSLATED)
        absorb(run, &flow_packet, frame, packet->ts_ns);
    if (result == FLOW_NAT_TRANSLATED || result == FLOW_NAT_NEWLY_TRANSLATED) {
        set_own_key(&flow_packet, frame);
        flow_packet.frame = &verdict.frame;
        shard = flow_shard_hash(&verdict.frame) % RUN_SHARDS;
    }
    return run_workers_packet(run->workers, shard, &flow_packet);
}

static int take_packet(struct run *run, const struct merged_packet *in)
{
    struct frame frame, whole;
    frame_decode(&in->packet, &frame);
    const struct frame *use = &frame;
    if (frame.kind == FRAME_FRAGMENT) {
        struct slice ip;
        if (defrag_add(run->defrag, &in->packet, &frame, &ip) != DEFRAG_COMPLETE)
            return 0;
        frame_decode_ip(ip, &whole);
        whole.vlan = frame.vlan;
        whole.tunnel_id = frame.tunnel_id;
        use = &whole;
    }
    if (use->kind == FRAME_BAD)
        run->stats.undecodable += !run->options->inputs[in->file].outside;
    if (use->kind != FRAME_TCP && use->kind != FRAME_UDP && use->kind != FRAME_ICMP &&
        use->kind != FRAME_SCTP)
        return 0;
    return deliver(run, in, use);
}

/* What is of before the window is neither counted nor a sign of time. */
static int take_outside(struct run *run, const struct merged_packet *in)
{
    struct frame frame;
    if (run->options->inputs[in->file].lead_in)
        return take_packet(run, in);
    frame_decode(&in->packet, &frame);
    return frame.kind == FRAME_TCP ? deliver(run, in, &frame) : 0;
}

int run_move_clock(struct run *run, int64_t now_ns)
{
    if (now_ns < run->clock_ns || now_ns - run->clock_ns < TICK_MS * NS_PER_MS)
        return 0;
    run->clock_ns = now_ns;
    return run_workers_tick(run->workers, now_ns);
}

/* Capture time moves on when two packets in a row agree, so that one wrong stamp does no harm. */
static int see_time(struct run *run, int64_t ts_ns)
{
    int64_t now_ns = ts_ns < run->last_ts_ns ? ts_ns : run->last_ts_ns;
    run->last_ts_ns = ts_ns;
    return run_move_clock(run, now_ns);
}

static void count_packet(struct run *run, const struct packet *packet)
{
    struct dissect_statistics *s = &run->stats;
    if (s->packets == 0 || packet->ts_ns < s->first_ns)
        s->first_ns = packet->ts_ns;
    if (s->packets == 0 || packet->ts_ns > s->last_ns)
        s->last_ns = packet->ts_ns;
    s->packets++;
    s->bytes += packet->captured_bytes;
}

static int report_progress(struct run *run)
{
    int64_t now_ns = clock_mono_ns();
    if (!run->sink->progress || now_ns < run->next_progress_ns)
        return 0;
    run->next_progress_ns = now_ns + PROGRESS_NS;
    run->stats.read_bytes = input_merge_read_bytes(run->merge);
    run->stats.entries = atomic_load(&run->found);
    run->stats.damages = input_merge_damages(run->merge);
    return run->sink->progress(run->sink->ctx, &run->stats) ? -ECANCELED : 0;
}

/* Decryption secrets in an input: they exist for all packets that come after them. */
static int on_secrets(void *ctx, struct slice text)
{
    struct run *run = ctx;
    if (!run->options->keys)
        return 0;
    int r = key_store_add_log(run->options->keys, text);
    if (r == 0 && run->workers)
        r = run_workers_secrets(run->workers, key_store_counts(run->options->keys).secrets);
    return r;
}

static int on_note(void *ctx, const struct dissect_input *input, struct slice note)
{
    struct run *run = ctx;
    return owner_table_add(run->owners, slice_str(input->node), note);
}

int run_take(struct run *run, const struct merged_packet *in)
{
    run->number++;
    if (run->options->inputs[in->file].outside)
        return take_outside(run, in);
    int64_t now_ns = run->live ? run_live_time(run, in) : in->packet.ts_ns;
    if (run->stats.packets == 0)
        run->last_ts_ns = now_ns;
    count_packet(run, &in->packet);
    int r = see_time(run, now_ns);
    if (r == 0)
        r = take_packet(run, in);
    return r < 0 ? r : atomic_load_explicit(&run->error, memory_order_relaxed);
}

static int read_all(struct run *run)
{
    struct merged_packet in;
    int r;
    while ((r = input_merge_next(run->merge, &in)) > 0) {
        r = stream_numbers_reserve(run->streams, run->number);
        if (r == 0)
            r = run_take(run, &in);
        if (r == 0 && run->stats.packets % PROGRESS_PACKETS == 0)
            r = report_progress(run);
        if (r < 0)
            return r;
    }
    return r;
}

/* ── from the sorter to the sink ── */

void run_count_entry(struct run *run, const char *protocol)
{
    struct dissect_statistics *stats = &run->stats;
    for (size_t i = 0; i < stats->protocol_count; i++) {
        if (strcmp(stats->protocols[i].protocol, protocol) == 0) {
            stats->protocols[i].entries++;
            return;
        }
    }
    if (stats->protocol_count < DISSECT_MAX_PROTOCOLS)
        stats->protocols[stats->protocol_count++] = (struct dissect_protocol_count){protocol, 1};
}

/* So far `stream` was the number of the connection's first packet. */
static void number_stream(const struct run *run, const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        uint64_t ordinal;
        if (value->field == FIELD_STREAM_ID &&
            stream_numbers_ordinal(run->streams, (uint64_t)value->integer, &ordinal))
            value->integer = (int64_t)ordinal;
    }
}

static int compare_withdrawn(const void *a, const void *b)
{
    const struct shard_withdrawn *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int gather_withdrawn(struct run *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->shards_ready; i++)
        count += run->shards[i].withdrawn_count;
    run->withdrawn = calloc(count ? count : 1, sizeof *run->withdrawn);
    if (!run->withdrawn)
        return -ENOMEM;
    for (size_t i = 0; i < run->shards_ready; i++)
        for (size_t w = 0; w < run->shards[i].withdrawn_count; w++) {
            const struct shard_withdrawn *one = &run->shards[i].withdrawn[w];
            run->withdrawn[run->withdrawn_count++] = *one;
            if (one->is_whole)
                stream_numbers_forget(run->streams, one->number);
        }
    qsort(run->withdrawn, run->withdrawn_count, sizeof *run->withdrawn, compare_withdrawn);
    return 0;
}

static int64_t last_packet_ns(const struct entry *entry)
{
    int64_t last_ns = entry->timestamp_ns;
    const struct entry_packets *sides[] = {&entry->request, &entry->response};
    for (int i = 0; i < 2; i++)
        if (sides[i]->count && sides[i]->refs[sides[i]->count - 1].ts_ns > last_ns)
            last_ns = sides[i]->refs[sides[i]->count - 1].ts_ns;
    return last_ns;
}

static bool is_stream_withdrawn(void *ctx, uint64_t stream, int64_t last_ns)
{
    const struct run *run = ctx;
    struct shard_withdrawn key = {.number = stream};
    const struct shard_withdrawn *found =
        run->withdrawn_count
            ? bsearch(&key, run->withdrawn, run->withdrawn_count, sizeof key, compare_withdrawn)
            : NULL;
    return found && last_ns >= found->since_ns;
}

static bool is_withdrawn(struct run *run, const struct entry *entry)
{
    const struct entry_value *stream =
        run->withdrawn_count ? entry_find(entry, FIELD_STREAM_ID) : NULL;
    return stream && is_stream_withdrawn(run, (uint64_t)stream->integer, last_packet_ns(entry));
}

static int link_hops(struct run *run)
{
    struct hop_list *lists[RUN_SHARDS];
    for (size_t i = 0; i < RUN_SHARDS; i++)
        lists[i] = &run->outs[i].hops;
    return hops_link(lists, RUN_SHARDS, is_stream_withdrawn, run, &run->hops);
}

static int give(void *ctx, const struct entry *entry)
{
    struct run *run = ctx;
    if (is_withdrawn(run, entry))
        return SORTER_LEFT_OUT;
    run_count_entry(run, entry->protocol);
    number_stream(run, entry);
    int r = 0;
    if (++run->stats.entries_handed % PROGRESS_ENTRIES == 0)
        r = report_progress(run);
    if (r == 0)
        r = hops_fill(run->hops, entry, &entry);
    if (r == 0)
        r = owner_table_fill(run->owners, entry, &entry);
    return r < 0 ? r : run->sink->entry(run->sink->ctx, entry, run->reterr);
}

/* ── the whole ── */

static int expand_protocols(struct run *run)
{
    for (size_t i = 0; i < run->options->protocol_count; i++) {
        const char *names[PROTOCOL_FLAG_MAX_NAMES];
        int count = registry_expand(run->options->protocols[i], names, run->reterr);
        if (count < 0)
            return count;
        for (int n = 0; n < count && run->wanted_count < DISSECT_MAX_PROTOCOLS; n++)
            run->wanted[run->wanted_count++] = names[n];
    }
    return 0;
}

static int prepare_shards(struct run *run, unsigned lanes)
{
    size_t memory = run->options->flow_memory_bytes ? run->options->flow_memory_bytes
                                                    : (size_t)DEFAULT_FLOW_MEMORY;
    for (unsigned i = 0; i < RUN_SHARDS; i++) {
        run->outs[i] = (struct run_out){.run = run, .lane = sorter_lane_at(run->sorter, i % lanes)};
        struct shard_context context = {.emit = on_entry,
                                        .ctx = &run->outs[i],
                                        .capture_source = slice_str(run->options->capture_source),
                                        .keys = run->options->keys,
                                        .tap = run->options->tap,
                                        .memory_cap_bytes = memory / RUN_SHARDS,
                                        .node_of = node_of,
                                        .vantage_of = vantage_of,
                                        .names = run};
        int r = shard_init(&run->shards[i], &context);
        if (r < 0)
            return r;
        run->shards_ready++;
    }
    return 0;
}

int run_prepare(struct run *run)
{
    const struct dissect_run_options *o = run->options;
    int r = expand_protocols(run);
    if (r < 0)
        return r;
    struct input_merge_options merge = {.inputs = o->inputs,
                                        .input_count = o->input_count,
                                        .grows = run->live,
                                        .damage = run->sink->damage,
                                        .ctx = run->sink->ctx,
                                        .secrets = on_secrets,
                                        .secrets_ctx = run,
                                        .note = on_note,
                                        .note_ctx = run};
    run->hop_key = hash_random_key();
    run->owners = owner_table_new();
    run->nat = flow_nat_new();
    run->streams = stream_numbers_new();
    if (!run->owners || !run->nat || !run->streams)
        return -ENOMEM;
    r = input_merge_new(&merge, &run->merge, run->reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < o->input_count && !run->live; i++) {
        struct stat st;
        bool regular = fstat(o->inputs[i].fd, &st) == 0 && S_ISREG(st.st_mode);
        if (!regular) {
            run->stats.total_bytes = 0;
            break;
        }
        run->stats.total_bytes += (uint64_t)st.st_size;
    }
    unsigned threads = o->threads && !run->live ? o->threads : 1;
    if (threads > DISSECT_MAX_THREADS)
        threads = DISSECT_MAX_THREADS;
    struct sorter_options sorter = {
        .memory_bytes = o->sort_memory_bytes, .lanes = threads, .spill_fd = o->spill_fd};
    r = sorter_new(&sorter, &run->sorter);
    if (r == 0)
        r = defrag_new(NULL, &run->defrag);
    if (r == 0)
        r = prepare_shards(run, threads);
    if (r == 0)
        r = run_workers_start(run->shards, threads, &run->workers);
    return r;
}

static void sum_up(struct run *run)
{
    struct dissect_statistics *s = &run->stats;
    for (size_t i = 0; i < run->shards_ready; i++) {
        s->connections += run->shards[i].flows.total_flows;
        s->copies += run->shards[i].flows.copies;
        s->evictions += run->shards[i].evictions;
        s->failed_allocations += run->shards[i].failed_allocations;
        s->entries_lost += run->shards[i].host.entries_lost;
    }
    const struct defrag_counters *fragments = defrag_counters(run->defrag);
    s->fragments_lost =
        fragments->timed_out + fragments->evicted + fragments->refused + fragments->unusable;
    s->read_bytes = input_merge_read_bytes(run->merge);
    s->damages = input_merge_damages(run->merge);
}

void run_release(struct run *run)
{
    run_workers_free(run->workers);
    for (size_t i = 0; i < run->shards_ready; i++)
        shard_done(&run->shards[i]);
    sorter_free(run->sorter);
    for (size_t i = 0; i < RUN_SHARDS; i++)
        hop_list_done(&run->outs[i].hops);
    hops_free(run->hops);
    owner_table_free(run->owners);
    flow_nat_free(run->nat);
    stream_numbers_free(run->streams);
    free(run->withdrawn);
    defrag_free(run->defrag);
    input_merge_free(run->merge);
    free(run);
}

int run_fail(struct run *run, int r)
{
    if (!run->reterr || run->reterr->code == r)
        return r;
    if (r == -ECANCELED)
        return error_set(run->reterr, r, "it was cancelled");
    if (r == -ENOMEM)
        return error_set(run->reterr, r, "there is not enough memory");
    if (r == -ENOSPC)
        return error_set(run->reterr, r,
                         "the temporary file for sorting is full: free space or set TMPDIR to a "
                         "folder with more");
    return error_set(run->reterr, r, "the dissection failed: %s", strerror(-r));
}

int dissect_run(const struct dissect_run_options *options, const struct dissect_sink *sink,
                struct dissect_statistics *ret_statistics, struct error *reterr)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return error_set(reterr, -ENOMEM, "there is not enough memory");
    if (reterr)
        *reterr = (struct error){.offset = ERROR_NO_OFFSET};
    run->options = options;
    run->sink = sink;
    run->reterr = reterr;
    int r = run_prepare(run);
    if (r == 0)
        r = read_all(run);
    if (run->workers) {
        int ended = run_workers_finish(run->workers, r < 0);
        r = r < 0 ? r : ended;
    }
    if (r == 0)
        r = atomic_load(&run->error);
    if (r == 0) {
        sum_up(run);
        r = gather_withdrawn(run);
        if (r == 0)
            r = link_hops(run);
    }
    if (r == 0) {
        stream_numbers_count(run->streams);
        r = sorter_finish(run->sorter, give, run, reterr);
        run->stats.entries = run->stats.entries_handed;
        *ret_statistics = run->stats;
    }
    if (r < 0)
        run_fail(run, r);
    run_release(run);
    return r;
}
