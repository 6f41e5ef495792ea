/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of checks_host.h as functions. */
#include "entry_rules.h"

DEFINE_SECTION(host_registers)
DEFINE_SECTION(host_segments)
DEFINE_SECTION(address_space)
