/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of checks_segments.h as functions. */
#include "entry_rules.h"

DEFINE_SECTION(guest_segments)
