/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of checks_guest.h as functions. */
#include "entry_rules.h"

DEFINE_SECTION(guest_registers)
DEFINE_SECTION(guest_tables)
DEFINE_SECTION(guest_rip)
DEFINE_SECTION(guest_state)
DEFINE_SECTION(guest_nmi)
DEFINE_SECTION(guest_link)
DEFINE_SECTION(guest_pdptes)
