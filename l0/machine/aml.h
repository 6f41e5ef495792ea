/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small writer of ACPI Machine Language: ACPI specification, "ACPI Machine Language (AML) Specification".
 * Terms are written in order into one buffer; a term with a package length is opened and closed.
 * Too small a buffer is remembered, not overrun: look at `overflow` at the end.
 */
#ifndef L0_MACHINE_AML_H
#define L0_MACHINE_AML_H

#include "../cpu/types.h"

#define AML_DEPTH 8

struct aml {
	u8 *buffer;
	size_t size, at; /* bytes; bytes written */
	bool overflow;
	unsigned int depth;
	size_t open[AML_DEPTH]; /* where the contents of the open terms start */
	size_t resources; /* where the count of an open resource template's bytes belongs */
};

void aml_init(struct aml *a, void *buffer, size_t size);

/* Names are single segments of up to 4 characters, filled up with '_'; "\\" in front is the root. */
void aml_scope(struct aml *a, const char *name); /* until aml_end() */
void aml_device(struct aml *a, const char *name); /* until aml_end() */
void aml_name(struct aml *a, const char *name); /* Name (name, what follows) */
void aml_package(struct aml *a, u8 count); /* count terms until aml_end() */
void aml_end(struct aml *a);

void aml_integer(struct aml *a, u64 value);
void aml_string(struct aml *a, const char *s);
void aml_eisa_id(struct aml *a, const char *id); /* "PNP0501" */

/* A resource template: descriptors between these two (ACPI specification, "Resource Data Types for ACPI") */
void aml_resources(struct aml *a);
void aml_resources_end(struct aml *a);
void aml_res_io(struct aml *a, u16 port, u8 count); /* decoded in full, fixed */
void aml_res_irq(struct aml *a, u8 irq); /* edge-triggered, active high, exclusive */
/* windows that a bridge passes on: first and last address */
void aml_res_bus_window(struct aml *a, u16 first, u16 last);
void aml_res_io_window(struct aml *a, u16 first, u16 last);
void aml_res_memory_window(struct aml *a, u32 first, u32 last, bool cacheable);

#endif
