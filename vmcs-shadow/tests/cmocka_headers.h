/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka needs these before it; one place for that. */
#ifndef VMCS_SHADOW_TESTS_CMOCKA_HEADERS_H
#define VMCS_SHADOW_TESTS_CMOCKA_HEADERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif
