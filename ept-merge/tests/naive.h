/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EPT read a second time from the manual's text: recursive, slow, sharing nothing with the library but struct ept_space. */
#ifndef EPT_MERGE_TESTS_NAIVE_H
#define EPT_MERGE_TESTS_NAIVE_H

#include "../ept_walk.h"

enum naive_what { NAIVE_TRANSLATES, NAIVE_VIOLATION, NAIVE_MISCONFIG };

struct naive {
	enum naive_what what;
	u64 to, page_size;
	bool readable, writable, execute_s, execute_u;
	unsigned int type;
	bool ipat, accessed, dirty; /* as the tables have them; true if flags aren't in use */
	u32 qualification;
};

bool naive_misconfigured(const struct ept_format *f, unsigned int level, u64 entry);
bool naive_present(const struct ept_format *f, u64 entry);
bool naive_maps_page(const struct ept_format *f, unsigned int level, u64 entry);
struct naive naive_walk(const struct ept_space *s, u64 from, u32 access);

#endif
