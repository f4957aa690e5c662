#include <errno.h>
#include <linux/filter.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet/bpf.h"
#include "unit/packet/support_frames.h"
#include "unit/unit_test.h"

static bool matches(uint16_t link_type, const char *expression, const struct bytes *b)
{
    struct bpf *bpf;
    struct error error;
    assert_int_equal(bpf_compile(link_type, 0, expression, &bpf, &error), 0);
    struct packet p = {.data = b->data,
                       .captured_bytes = (uint32_t)b->len,
                       .original_bytes = (uint32_t)b->len,
                       .link_type = link_type};
    bool ret = bpf_match(bpf, &p);
    p.link_type ^= 1;
    assert_false(bpf_match(bpf, &p));
    bpf_free(bpf);
    return ret;
}

static void expressions_match_per_link_type(void **state)
{
    (void)state;
    static const struct {
        uint16_t link_type;
        const char *header;
    } links[] = {{1, "020000000002 020000000001 0800"},
                 {101, ""},
                 {228, ""},
                 {113, "0000 0001 0006 020000000001 0000 0800"},
                 {276, "0800 0000 00000003 0001 04 06 020000000001 0000"},
                 {108, "00000002"}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        static struct bytes b;
        b.len = 0;
        put_hex(&b, links[i].header);
        size_t ip = begin_ipv4(&b, 6);
        put_tcp(&b, 40000, 80, "");
        end_ipv4(&b, ip);
        assert_true(matches(links[i].link_type, "tcp port 80", &b));
        assert_true(matches(links[i].link_type, "host 10.0.0.1 and net 10.0.0.0/8", &b));
        assert_true(matches(links[i].link_type, "", &b));
        assert_false(matches(links[i].link_type, "udp or port 81", &b));
        assert_false(matches(links[i].link_type, "ip6", &b));
    }
}

static void bad_expressions_get_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {"tcp prot 80",     "port",    "((tcp)",
                                      "host 10.0.0.999", "\x1b[2J", "port 99999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bpf *bpf = NULL;
        struct error error;
        assert_int_equal(bpf_compile(1, 0, bad[i], &bpf, &error), -EINVAL);
        assert_null(bpf);
        assert_non_null(strstr(error.text, "cannot be used"));
        assert_null(strchr(error.text, '\x1b'));
    }
    struct bpf *bpf = NULL;
    struct error error;
    char *huge = malloc(20001);
    assert_non_null(huge);
    memset(huge, '(', 20000);
    huge[20000] = 0;
    assert_int_equal(bpf_compile(1, 0, huge, &bpf, &error), -EINVAL);
    huge[16000] = 0;
    assert_int_equal(bpf_compile(1, 0, huge, &bpf, &error), -EINVAL);
    free(huge);
    assert_int_equal(bpf_compile(9999, 0, "tcp", &bpf, &error), -EINVAL);
    bpf_free(NULL);
}

static void the_kernel_takes_the_program(void **state)
{
    (void)state;
    struct bpf *bpf;
    assert_int_equal(bpf_compile(1, 100, "udp port 53 or tcp[13] & 2 != 0", &bpf, NULL), 0);
    size_t count;
    const struct sock_filter *instructions = bpf_instructions(bpf, &count);
    assert_true(count > 4);
    struct sock_filter *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, instructions, count * sizeof *copy);
    struct sock_fprog program = {.len = (unsigned short)count, .filter = copy};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    close(fd);
    free(copy);
    bpf_free(bpf);
}

static void *compile_often(void *arg)
{
    for (int i = 0; i < 200; i++) {
        struct bpf *bpf = NULL;
        struct error error;
        if (bpf_compile(1, 0, i % 2 ? "tcp port 80 and host 10.1.2.3" : "port (", &bpf, &error) !=
            (i % 2 ? 0 : -EINVAL))
            return arg;
        bpf_free(bpf);
    }
    return NULL;
}

static void threads_may_compile_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compile_often, threads), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_match_per_link_type),
        cmocka_unit_test(bad_expressions_get_a_sentence),
        cmocka_unit_test(the_kernel_takes_the_program),
        cmocka_unit_test(threads_may_compile_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
