/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables of L0's own, which user code that runs directly goes through. They lie in the private memory of a monitor's vCPU
 * (monitor.h) and say of each page what the guest's tables say, all of it at once: where the page is in L1's memory, L2's too.
 *
 * A KVM without EPT or NPT shadows them, and it doesn't see what L0 writes there. It may hold on to whatever it has once read. So:
 *
 *	an entry that isn't present becomes present, a right is added      in place: no CPU remembers what was refused
 *	an entry goes, or loses a right                                   never in place: the whole space goes, and the
 *	                                                                   next one is made of pages that never were tables
 *
 * When no such pages are left the memory slot is taken away and given back, which makes KVM forget (monitor.h). SDM vol. 3, "Details of TLB
 * Use" and "Invalidation of TLBs and Paging-Structure Caches"; KVM's API, KVM_SET_USER_MEMORY_REGION.
 */
#ifndef L0_DIRECT_TABLES_H
#define L0_DIRECT_TABLES_H

#include "../cpu/types.h"

#define TABLE_SIZE 4096u

/* Where the monitor is for the vCPU: in the upper half, where no user code that we know of has anything */
#define MONITOR_SLOT 510u
#define MONITOR_LINEAR (0xffff000000000000ull | (u64)MONITOR_SLOT << 39)

/* Pages of private memory: those before `next` have been used since KVM forgot the last time. */
struct tables {
	u8 *base; /* host address of page 0 */
	u64 gpa; /* and its address for the vCPU */
	u32 first, next, count; /* pages: the first that may be a table, the next free one, all */
	u64 monitor; /* the table that every root has at MONITOR_SLOT, which CPL 3 can't reach */
};

/* One address space. Zeroed: nothing is mapped. */
struct space {
	u64 root; /* address of the first table for CR3; 0: none yet */
	bool has_1g, has_4m; /* something of a guest's page of that size is mapped */
};

enum space_result { SPACE_DONE, SPACE_FULL, SPACE_REDUCES };

/*
 * Map the page of 1 << shift bytes (12 or 21) at `linear` to `gpa`. rights: ACC_READ, and ACC_WRITE and ACC_EXEC if allowed. piece: of a larger
 * page of the guest, of 1 << guest_shift bytes (12, 21, 22, 30).
 *
 * SPACE_FULL: no free page is left. SPACE_REDUCES: it would change or take what is there: give up the space and begin anew.
 * Nothing is changed by either.
 */
enum space_result space_map(struct tables *t, struct space *s, u64 linear, u64 gpa, unsigned int shift,
			    unsigned int rights, unsigned int guest_shift);

/* A root, if it has none. False: no free page is left. */
bool space_begin(struct tables *t, struct space *s);

/* The entry that maps `linear`, 0 if none does; *shift: its size. */
u64 space_entry(const struct tables *t, const struct space *s, u64 linear, unsigned int *shift);

/* May the space hold anything that INVLPG of `linear` has to drop? */
bool space_holds(const struct tables *t, const struct space *s, u64 linear);

/* Is any page of the 2 MiB around `linear` mapped? */
bool space_has_region(const struct tables *t, const struct space *s, u64 linear);

/* A table page, zeroed, and its address; NULL: none is left. */
u64 *table_new(struct tables *t, u64 *gpa);

/* Where the entry of a 4 KiB page is; NULL: there is no table for it. For tests, and for those who know what they do. */
u64 *space_leaf(const struct tables *t, const struct space *s, u64 linear);

/* Rights of an entry: ACC_* */
unsigned int entry_rights(u64 entry);
u64 entry_gpa(u64 entry, unsigned int shift);

#endif
