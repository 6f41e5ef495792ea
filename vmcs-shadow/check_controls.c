/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of checks_controls.h as functions. */
#include "entry_rules.h"

DEFINE_SECTION(execution_controls)
DEFINE_SECTION(virtual_tpr)
DEFINE_SECTION(exit_controls)
DEFINE_SECTION(entry_controls)
