/* cmocka with what it wants to see before it. */
#ifndef TRAWL_TESTS_UNIT_TEST_H
#define TRAWL_TESTS_UNIT_TEST_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
