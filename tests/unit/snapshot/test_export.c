/* Merging captures: order, interfaces, filters, formats, and what mergecap and capinfos say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "packet/capture_reader.h"
#include "packet/pcapng_writer.h"
#include "unit/snapshot/support_export.h"
#include "unit/unit_test.h"

static void merges_in_time_order(void **state)
{
    struct fixture *f = *state;
    int64_t a[1000], b[1000];
    for (int i = 0; i < 1000; i++) {
        a[i] = RING_T0 + i * 10;
        b[i] = RING_T0 + i * 10 + (i % 2 ? 5 : 0); /* every other one ties */
    }
    write_capture(f->paths[0], "eth0", a, 1000, 0);
    write_capture(f->paths[1], "eth0", b, 1000, 5000);
    struct export_input inputs[] = {{.path = f->paths[0], .node = "n1"},
                                    {.path = f->paths[1], .node = "n2"}};
    struct export_options o = {.inputs = inputs, .input_count = 2};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 2000);
    assert_int_equal(result.unordered, 0);
    struct seen *s = read_out(f);
    assert_int_equal(s->count, 2000);
    for (size_t i = 0; i < s->count; i++) {
        if (i)
            assert_true(s->stamps[i] >= s->stamps[i - 1]);
        assert_int_equal(s->interfaces[i], s->numbers[i] >= 5000);
        /* a tie keeps the order of the inputs */
        if (i && s->stamps[i] == s->stamps[i - 1])
            assert_true(s->numbers[i - 1] < 5000 && s->numbers[i] >= 5000);
    }
    free(s);
    struct stat st;
    assert_int_equal(stat(f->out, &st), 0);
    assert_int_equal(st.st_size, result.bytes);
    char out[8192];
    char *argv[] = {"capinfos", f->out, NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_non_null(strstr(out, "Strict time order:   True"));
    assert_non_null(strstr(out, "Name = n1:eth0"));
    assert_non_null(strstr(out, "Name = n2:eth0"));
    assert_non_null(strstr(out, "Number of interfaces in file: 2"));
    /* the same again gives the same bytes */
    struct buf first, second;
    buf_init(&first, 10 << 20);
    buf_init(&second, 10 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, f->out, &first), 0);
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(io_read_file(AT_FDCWD, f->out, &second), 0);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_done(&first);
    buf_done(&second);
}

/* What tshark shows of a file, sorted by time then bytes, so that ties do not matter. */
static void fields_of(const char *path, char *out, size_t size)
{
    char script[1400];
    snprintf(script, sizeof script,
             "tshark -r '%s' -T fields -e frame.time_epoch -e frame.len -e frame.cap_len "
             "-e udp.srcport -e data 2>/dev/null | sort",
             path);
    char *argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, out, size), 0);
}

static void agrees_with_mergecap(void **state)
{
    struct fixture *f = *state;
    int64_t a[3000];
    uint32_t random = 12345;
    for (int k = 0; k < 3; k++) {
        int64_t t = RING_T0;
        for (int i = 0; i < 3000; i++) {
            random = random * 1664525 + 1013904223;
            t += random >> 12;
            a[i] = t;
        }
        char interface[] = "eth0";
        interface[3] = (char)('0' + k);
        write_capture(f->paths[k], interface, a, 3000, (uint32_t)k * 10000);
    }
    struct export_input inputs[] = {
        {.path = f->paths[0]}, {.path = f->paths[1]}, {.path = f->paths[2]}};
    struct export_options o = {.inputs = inputs, .input_count = 3};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    char merged[600];
    snprintf(merged, sizeof merged, "%s/merged", f->dir);
    char *argv[] = {"mergecap", "-w", merged, f->paths[0], f->paths[1], f->paths[2], NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
    enum {
        SIZE = 4 << 20
    };
    char *ours = malloc(SIZE), *theirs = malloc(SIZE);
    fields_of(f->out, ours, SIZE);
    fields_of(merged, theirs, SIZE);
    assert_true(strlen(ours) > 9000 * 20);
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
}

static void puts_a_disordered_file_in_order(void **state)
{
    struct fixture *f = *state;
    enum {
        COUNT = 20000
    };
    int64_t *a = calloc(COUNT, sizeof *a);
    uint32_t random = 1;
    for (int i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        a[i] = RING_T0 + i * 1000 - (random >> 16) % 5000; /* jitter of five packets */
    }
    /* and one file that begins again in the middle */
    a[0] = RING_T0 + 10;
    for (int i = COUNT / 2; i < COUNT; i++)
        a[i] -= (COUNT / 4) * 1000;
    write_capture(f->paths[0], "eth0", a, COUNT, 0);
    struct export_input input = {.path = f->paths[0]};
    struct export_options o = {.inputs = &input, .input_count = 1};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, COUNT);
    assert_int_equal(result.unordered, 0);
    struct seen *s = read_out(f);
    for (size_t i = 1; i < s->count; i++) {
        assert_true(s->stamps[i] >= s->stamps[i - 1]);
        /* stable: equal stamps in the file's order */
        if (s->stamps[i] == s->stamps[i - 1])
            assert_true(s->numbers[i] > s->numbers[i - 1]);
    }
    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(s->stamps[i], a[s->numbers[i]]);
    free(s);
    free(a);
}

static void cuts_by_time_and_offset(void **state)
{
    struct fixture *f = *state;
    int64_t a[1000];
    for (int i = 0; i < 1000; i++)
        a[i] = RING_T0 + i * MS;
    write_capture(f->paths[0], "eth0", a, 1000, 0);
    write_capture(f->paths[1], "eth0", a, 1000, 5000);
    struct export_input inputs[] = {
        {.path = f->paths[0], .node = "n1"},
        {.path = f->paths[1], .node = "n2", .clock_offset_ns = 100 * MS}};
    struct export_options o = {.inputs = inputs,
                               .input_count = 2,
                               .from_ns = RING_T0 + 200 * MS,
                               .to_ns = RING_T0 + 250 * MS};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    struct seen *s = read_out(f);
    assert_int_equal(s->count, 100);
    assert_int_equal(s->numbers[0], 200);
    assert_int_equal(s->numbers[49], 249);
    assert_int_equal(s->numbers[50], 5300); /* n2's clock is ahead */
    assert_int_equal(s->numbers[99], 5349);
    free(s);
}

/* What is of before the window is no part of the slice's time: it comes whole, in front. */
static void outside_comes_with_a_slice(void **state)
{
    struct fixture *f = *state;
    int64_t opening[10], window[1000];
    for (int i = 0; i < 10; i++)
        opening[i] = RING_T0 - (100 - i) * NS_PER_S;
    for (int i = 0; i < 1000; i++)
        window[i] = RING_T0 + i * MS;
    write_capture(f->paths[0], "eth0", window, 1000, 0);
    write_capture(f->paths[1], "eth0 (opening, outside the window)", opening, 10, 5000);
    struct export_input inputs[] = {{.path = f->paths[0],
                                     .node = "n1",
                                     .times_known = true,
                                     .first_ns = window[0],
                                     .last_ns = window[999]},
                                    {.path = f->paths[1],
                                     .node = "n1",
                                     .times_known = true,
                                     .first_ns = opening[0],
                                     .last_ns = opening[9],
                                     .outside = true}};
    struct export_options o = {.inputs = inputs,
                               .input_count = 2,
                               .from_ns = window[500],
                               .to_ns = window[600],
                               .bpf = "udp src port 4097"}; /* every fourth */
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.unordered, 0);
    struct seen *s = read_out(f);
    assert_int_equal(s->count, 3 + 25);
    assert_int_equal(s->numbers[0], 5001);
    assert_int_equal(s->numbers[3], 501);
    free(s);
    char out[4096];
    char *argv[] = {"tshark",
                    "-n",
                    "-r",
                    f->out,
                    "-Y",
                    "frame.interface_name contains \"outside the window\" && "
                    "frame.comment contains \"outside the window\"",
                    "-T",
                    "fields",
                    "-e",
                    "frame.number",
                    NULL};
    int code = run_program(argv, out, sizeof out);
    if (code != 127) {
        assert_int_equal(code, 0);
        assert_non_null(strstr(out, "1\n2\n3\n")); /* a warning may stand before it */
        assert_null(strstr(out, "4\n"));
    }
}

static void files_outside_the_window_are_not_opened(void **state)
{
    struct fixture *f = *state;
    int64_t a[10];
    for (int i = 0; i < 10; i++)
        a[i] = RING_T0 + i;
    write_capture(f->paths[0], "eth0", a, 10, 0);
    struct export_input inputs[] = {
        {.path = f->paths[0], .node = "n", .times_known = true, .first_ns = a[0], .last_ns = a[9]},
        {.path = "/nonexistent/file",
         .node = "n",
         .times_known = true,
         .first_ns = RING_T0 + 1000,
         .last_ns = RING_T0 + 2000}};
    struct export_options o = {
        .inputs = inputs, .input_count = 2, .from_ns = RING_T0, .to_ns = RING_T0 + 100};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 10);
    o.to_ns = RING_T0 + 1001;
    assert_int_equal(export_to(f, &o, &result, &e), -ENOENT);
}

static void selections(void **state)
{
    struct fixture *f = *state;
    int64_t a[1000];
    for (int i = 0; i < 1000; i++)
        a[i] = RING_T0 + i * MS;
    write_capture(f->paths[0], "eth0", a, 1000, 0);
    struct export_input input = {.path = f->paths[0], .node = "n1", .sequence = 7};
    struct export_options o = {.inputs = &input, .input_count = 1};
    struct export_result result;
    struct error e;
    struct selection *flows = NULL;
    assert_int_equal(selection_new(SELECT_FLOWS, &flows), 0);
    struct selection_flow flow = {.ip_version = 4,
                                  .ip_protocol = 17,
                                  .ip_a = {10, 0, 0, 2},
                                  .ip_b = {10, 0, 0, 1},
                                  .port_a = 0x2000,
                                  .port_b = 0x1003};
    assert_int_equal(selection_add_flow(flows, &flow), 0);
    assert_int_equal(selection_add_flow(flows, &flow), 0);
    assert_int_equal(selection_seal(flows), 0);
    assert_int_equal(selection_count(flows), 1);
    o.selection = flows;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 250);
    selection_free(flows);
    /* single packets: by the offsets that the reader gave */
    struct selection *packets = NULL;
    assert_int_equal(selection_new(SELECT_PACKETS, &packets), 0);
    int fd = open(f->paths[0], O_RDONLY | O_CLOEXEC);
    struct capture_reader *reader = NULL;
    struct capture_reader_options options = {.packets_only = true};
    assert_int_equal(capture_reader_open(fd, &options, &reader, &e), 0);
    struct packet p;
    for (int i = 0; capture_reader_next(reader, &p, &e) == CAPTURE_PACKET; i++)
        if (i % 100 == 42)
            assert_int_equal(selection_add_packet(packets, "n1", 7, p.offset), 0);
    capture_reader_free(reader);
    close(fd);
    assert_int_equal(selection_add_packet(packets, "n1", 8, 1), 0);
    assert_int_equal(selection_add_packet(packets, "n2", 7, 1), 0);
    /* by way of a file, as the job gets it */
    char path[600];
    snprintf(path, sizeof path, "%s/selection", f->dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(selection_save(packets, fd), 0);
    selection_free(packets);
    assert_int_equal(selection_load(fd, &packets, &e), 0);
    assert_int_equal(selection_count(packets), 12);
    o.selection = packets;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 10);
    struct seen *s = read_out(f);
    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(s->numbers[i], 100 * i + 42);
    free(s);
    selection_free(packets);
    /* damage */
    for (off_t n = 0; n < 60; n++) {
        assert_int_equal(ftruncate(fd, 60 - n), 0);
        assert_true(selection_load(fd, &packets, &e) < 0);
    }
    close(fd);
}

static void drops_names_and_nodes(void **state)
{
    struct fixture *f = *state;
    int64_t a[10];
    for (int i = 0; i < 10; i++)
        a[i] = RING_T0 + i;
    write_capture(f->paths[0], "eth0", a, 10, 0);
    write_capture(f->paths[1], "n2:eth0", a, 10, 100);
    struct export_input inputs[] = {{.path = f->paths[0], .node = "n1"}, {.path = f->paths[1]}};
    struct export_node nodes[] = {{.name = "n1", .drops = {.kernel = 5, .ring = 2, .disk = 1}}};
    struct pcapng_name names[] = {{4, {10, 0, 0, 1}, "front-end.shop"}};
    struct export_options o = {.inputs = inputs,
                               .input_count = 2,
                               .nodes = nodes,
                               .node_count = 1,
                               .names = names,
                               .name_count = 1};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    char out[8192];
    char *names_argv[] = {"tshark", "-N", "n", "-r", f->out, "-c", "1", NULL};
    assert_int_equal(run_program(names_argv, out, sizeof out), 0);
    assert_non_null(strstr(out, "front-end.shop"));
    char *argv[] = {"capinfos", f->out, NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_non_null(strstr(out, "n1 dropped while it was recorded: 5 by the kernel"));
    assert_non_null(strstr(out, "Number of stat entries = 1"));
    const char *only[] = {"n2", NULL};
    o.only_nodes = only;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 10);
    struct seen *s = read_out(f);
    assert_int_equal(s->numbers[0], 100);
    free(s);
}

static void classic_pcap(void **state)
{
    struct fixture *f = *state;
    int64_t a[10];
    for (int i = 0; i < 10; i++)
        a[i] = RING_T0 + i * 7 + 123456789;
    write_capture(f->paths[0], "eth0", a, 10, 0);
    struct export_input inputs[] = {{.path = f->paths[0]}, {.path = f->paths[1]}};
    struct export_options o = {.inputs = inputs, .input_count = 1, .pcap = true};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    struct seen *s = read_out(f);
    assert_int_equal(s->count, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(s->stamps[i], a[i]);
    free(s);
    char out[4096];
    char *argv[] = {"capinfos", "-t", f->out, NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_non_null(strstr(out, "nanosecond"));
    /* two link types do not fit */
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    pcapng_put_section(&bytes, NULL, "test", NULL);
    struct packet_interface raw = {.link_type = 101, .name = "tun0"};
    pcapng_put_interface(&bytes, &raw);
    save(f->paths[1], &bytes);
    buf_done(&bytes);
    o.input_count = 2;
    assert_int_equal(export_to(f, &o, &result, &e), -EINVAL);
    assert_non_null(strstr(e.text, "pcapng"));
}

static void filters(void **state)
{
    struct fixture *f = *state;
    int64_t a[100];
    for (int i = 0; i < 100; i++)
        a[i] = RING_T0 + i;
    write_capture(f->paths[0], "eth0", a, 100, 0);
    struct export_input input = {.path = f->paths[0]};
    struct export_result result;
    struct error e;
    static const struct {
        const char *bpf;
        int packets; /* −1: refused */
    } cases[] = {
        {"udp src port 4097", 25},
        {"udp src port 4097 or udp src port 4098", 50},
        {"tcp", 0},
        {"host 10.0.0.1 and udp", 100},
        {"src net 10.0.0.0/8", 100},
        {"ether host 02:00:00:00:00:01", 100},
        {"udp[4:2] = 26", 100},
        {"(udp port 4097)", 25},
        {"port domain", 0},
        {"vlan", 0},
        {"ip6 host fe80::1", 0},
        {"host example.com", -1},
        {"host 1a.be", -1},
        {"face", -1},
        {"port nosuchservice", -1},
        {"udp port", -1},
        {"udp and and", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct export_options o = {.inputs = &input, .input_count = 1, .bpf = cases[i].bpf};
        int r = export_to(f, &o, &result, &e);
        if (cases[i].packets < 0) {
            if (r != -EINVAL || !e.text[0])
                fail_msg("%s: %d %s", cases[i].bpf, r, e.text);
        } else if (r != 0 || result.packets != (uint64_t)cases[i].packets) {
            fail_msg("%s: %d, %d packets, %s", cases[i].bpf, r, (int)result.packets, e.text);
        }
    }
}

static void damage_costs_what_is_damaged(void **state)
{
    struct fixture *f = *state;
    int64_t a[100];
    for (int i = 0; i < 100; i++)
        a[i] = RING_T0 + i;
    write_capture(f->paths[0], "eth0", a, 100, 0);
    struct buf junk;
    buf_init(&junk, 1000);
    buf_append_fill(&junk, 'x', 500);
    save(f->paths[1], &junk);
    buf_done(&junk);
    struct export_input inputs[] = {
        {.path = f->paths[0], .node = "n", .times_known = true, .first_ns = a[0], .last_ns = a[99]},
        {.path = f->paths[1],
         .node = "n",
         .times_known = true,
         .first_ns = a[0],
         .last_ns = a[99]}};
    struct export_options o = {.inputs = inputs, .input_count = 2};
    struct export_result result;
    struct error e;
    assert_int_equal(export_to(f, &o, &result, &e), 0);
    assert_int_equal(result.packets, 100);
    assert_int_equal(result.damage, 1);
    /* but a person's file has to be a capture */
    inputs[1].times_known = false;
    assert_int_equal(export_to(f, &o, &result, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "in1.pcapng"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(merges_in_time_order, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(agrees_with_mergecap, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(puts_a_disordered_file_in_order, export_setup,
                                        export_teardown),
        cmocka_unit_test_setup_teardown(cuts_by_time_and_offset, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(outside_comes_with_a_slice, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(files_outside_the_window_are_not_opened, export_setup,
                                        export_teardown),
        cmocka_unit_test_setup_teardown(selections, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(drops_names_and_nodes, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(classic_pcap, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(filters, export_setup, export_teardown),
        cmocka_unit_test_setup_teardown(damage_costs_what_is_damaged, export_setup,
                                        export_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
