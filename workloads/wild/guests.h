/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that misbehave: the one list, for the image that has them all (chosen by name on its command line) and for the
 * test that runs them.
 *
 *   name, options of turtles, its exit code, what its one line on stderr says (NULL: no line at all)
 */
#ifndef WORKLOADS_WILD_GUESTS_H
#define WORKLOADS_WILD_GUESTS_H

/* What a guest writes to isa-debug-exit when all went as it should, or when it found that L0 was wrong, */
#define WILD_PASS 0x10
#define WILD_FAIL 0x11
/* and the exit code that comes of it. */
#define WILD_EXIT(v) ((v) << 1 | 1)
#define WILD_ANY (-1)

#define WILD_MEMORY_MIB 64
#define WILD_DEBUG_EXIT 0x4f4 /* far from the ports that random code finds: OUT with an immediate reaches 0xff */

/* clang-format off */
#define WILD_GUESTS(G) \
	/* the end of what a CPU can do */ \
	G(triple_faults,                     "--no-reboot",   4,   "triple fault at rip") \
	G(triple_faults_after_every_reset,   NULL,            4,   "triple fault, 3 times in a row") \
	G(halts_with_interrupts_off,         NULL,            4,   "nothing can wake it") \
	G(halts_until_an_nmi,                NULL,            33,  NULL) \
	G(halts_with_all_interrupts_masked,  "--timeout 0.3", 124, "timeout") \
	G(spins,                             "--timeout 0.3", 124, "timeout") \
	G(spins_in_one_rep_instruction,      "--timeout 0.3", 124, "timeout") \
	G(faults_in_its_fault_handler,       "--timeout 0.3", 124, "timeout") \
	G(resets_for_ever,                   "--timeout 0.3", 124, "timeout") \
	G(resets,                            "--no-reboot",   0,   NULL) \
	G(resets_by_sending_itself_init,     "--no-reboot",   0,   NULL) \
	/* code where there is none, and where there is just enough */ \
	G(runs_the_local_apic,               NULL,            4,   "physical 0xfee00000") \
	G(runs_the_io_apic,                  NULL,            4,   "physical 0xfec00000") \
	G(runs_the_pci_hole,                 NULL,            4,   "physical 0xc0000000") \
	G(runs_the_end_of_the_address_space, NULL,            4,   "physical 0xfffffff0") \
	G(runs_over_the_end_of_ram,          NULL,            4,   "physical 0x4000000") \
	G(runs_half_an_instruction_of_ram,   NULL,            4,   "physical 0x4000000") \
	G(runs_the_last_bytes_of_ram,        NULL,            33,  NULL) \
	G(runs_the_text_screen,              NULL,            33,  NULL) \
	/* structures of the CPU where there is no memory */ \
	G(loads_idt_from_a_device,           "--no-reboot",   4,   "triple fault") \
	G(loads_gdt_from_nowhere,            "--no-reboot",   4,   "triple fault") \
	G(pages_with_tables_in_a_device,     "--no-reboot",   4,   "device memory or nothing") \
	G(pages_with_tables_in_nowhere,      "--no-reboot",   4,   "device memory or nothing") \
	G(pages_with_tables_that_are_its_code, "--no-reboot", 4,   "triple fault") \
	G(switches_to_a_task_in_nowhere,     "--no-reboot",   4,   "triple fault") \
	G(stacks_on_a_device,                NULL,            33,  NULL) \
	G(stacks_on_nothing,                 NULL,            33,  NULL) \
	/* code that changes */ \
	G(writes_over_the_next_instruction,  NULL,            33,  NULL) \
	G(writes_over_its_loop,              NULL,            33,  NULL) \
	G(writes_over_code_on_the_next_page, NULL,            33,  NULL) \
	G(writes_over_itself_with_rep_movs,  NULL,            33,  NULL) \
	G(pushes_over_its_code,              NULL,            33,  NULL) \
	G(keeps_data_beside_its_code,        NULL,            33,  NULL) \
	G(writes_to_pages_full_of_code,      NULL,            33,  NULL) \
	G(fills_the_code_cache,              NULL,            33,  NULL) \
	G(generates_code_again_and_again,    NULL,            33,  NULL) \
	/* devices */ \
	G(reads_every_port,                  NULL,            33,  NULL) \
	G(writes_garbage_to_ports,           NULL,            33,  NULL) \
	G(reads_and_writes_the_holes,        NULL,            33,  NULL) \
	G(writes_garbage_to_the_apics,       NULL,            33,  NULL) \
	G(accesses_across_the_end_of_ram,    NULL,            33,  NULL) \
	G(storms_itself_with_interrupts,     "--clock insns", 33,  NULL) \
	G(drowns_in_interrupts,              "--timeout 0.3", 124, "timeout") \
	G(asks_acpi_for_unknown_sleep,       NULL,            33,  NULL) \
	G(sleeps_without_an_alarm,           NULL,            4,   "nothing can wake it") \
	/* registers */ \
	G(writes_garbage_to_msrs,            NULL,            33,  NULL) \
	G(writes_garbage_to_control_registers, NULL,          33,  NULL) \
	G(steps_every_instruction,           NULL,            33,  NULL) \
	G(watches_its_own_data,              NULL,            33,  NULL) \
	/* may end in any way but by a fault of L0's; its seed comes behind a comma: runs_random_code,7 */ \
	G(runs_random_code,                  "--clock insns --timeout 3 --no-reboot", WILD_ANY, NULL) \
	/* for tests of the console: not wild at all */ \
	G(floods_the_console,                "--timeout 0.3", 124, "timeout") \
	G(echoes,                            "--timeout 0.3", 124, "timeout")
/* clang-format on */

#endif
