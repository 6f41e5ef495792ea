/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka needs these before it; one place for that. */
#ifndef L0_CPU_TESTS_CMOCKA_HEADERS_H
#define L0_CPU_TESTS_CMOCKA_HEADERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
