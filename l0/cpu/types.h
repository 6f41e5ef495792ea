/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The integer names that the field uses, and nothing else. */
#ifndef L0_CPU_TYPES_H
#define L0_CPU_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Functions that touch a guest's memory as its code asks for: who races there is the guest, and no business of ThreadSanitizer's. */
#define GUEST_RACES __attribute__((no_sanitize("thread")))

/*
 * Functions that look at what other threads count, while they count: each number is stored and read in one piece, and may be of another
 * moment than the next one.
 */
#define COUNTERS_RACE __attribute__((no_sanitize("thread")))

/*
 * L0 keeps something in a guest's memory that goes from one vCPU to another, and the order of things is up to the guest's code, which
 * ThreadSanitizer doesn't see: what was done by a vCPU up to GUEST_GIVES is before what another one does from GUEST_TAKES on.
 */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define GUEST_GIVES(object) __tsan_release(object)
#define GUEST_TAKES(object) __tsan_acquire(object)
#else
#define GUEST_GIVES(object) ((void)(object))
#define GUEST_TAKES(object) ((void)(object))
#endif

/* guest memory as numbers: aligned to nothing, written by anybody */
typedef u16 __attribute__((aligned(1), may_alias)) guest_u16;
typedef u32 __attribute__((aligned(1), may_alias)) guest_u32;
typedef u64 __attribute__((aligned(1), may_alias)) guest_u64;

#define BIT(n) (1ull << (n))

#endif
