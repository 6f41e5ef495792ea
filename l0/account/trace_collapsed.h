/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef L0_ACCOUNT_TRACE_COLLAPSED_H
#define L0_ACCOUNT_TRACE_COLLAPSED_H

#include "trace_export.h"

extern const struct trace_exporter trace_collapsed; /* see trace_export.h */

#endif
