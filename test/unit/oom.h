/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_OOM_H
#define TEST_UNIT_OOM_H
/*
 * An allocator that fails.  A test that includes this is linked with oom_args
 * (test/unit/meson.build), so that all allocations of the tested code come here.  oom_each()
 * repeats an action, failing the first allocation, then the second, … until there are no more: once
 * just that one, and once all from there on.  Whatever fails must report it and leave nothing
 * behind.
 */
#include <stdbool.h>
#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static struct {
	bool on, forever, failed;
	unsigned long left; /* allocations until it fails */
	long live;          /* blocks */
} oom_state;

static bool
oom_fails(void)
{
	if (!oom_state.on || oom_state.left > 1) {
		oom_state.left -= oom_state.on;
		return false;
	}
	if (oom_state.left == 1) {
		if (!oom_state.forever)
			oom_state.left = 0;
		oom_state.failed = true;
		return true;
	}
	return false;
}

void *
__wrap_malloc(size_t n)
{
	void *p = oom_fails() ? NULL : __real_malloc(n);

	oom_state.live += p != NULL;
	return p;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	void *p = oom_fails() ? NULL : __real_calloc(n, size);

	oom_state.live += p != NULL;
	return p;
}

void *
__wrap_realloc(void *old, size_t n)
{
	void *p = oom_fails() ? NULL : __real_realloc(old, n);

	oom_state.live += p != NULL && old == NULL;
	return p;
}

void
__wrap_free(void *p)
{
	oom_state.live -= p != NULL;
	__real_free(p);
}

/* Does the action, with the flag that it must set.  True: it succeeded, and the flag is not set. */
typedef bool oom_f(void *arg, bool *oom);

static void
oom_once(oom_f *fn, void *arg, unsigned long n, bool forever)
{
	bool oom = false, ok;
	long before = oom_state.live;

	oom_state.left = n;
	oom_state.forever = forever;
	oom_state.failed = false;
	oom_state.on = true;
	ok = fn(arg, &oom);
	oom_state.on = false;
	if (oom != oom_state.failed)
		print_error("allocation %lu failed, and the flag is %d\n", n, oom);
	assert_true(oom == oom_state.failed);
	if (!oom && !ok)
		print_error("allocation %lu: not what it was to be\n", n);
	assert_true(oom || ok);
	if (oom_state.live != before)
		print_error("allocation %lu: %ld blocks left\n", n, oom_state.live - before);
	assert_true(oom_state.live == before);
}

/* Returns the number of allocations. */
static unsigned long
oom_each(oom_f *fn, void *arg)
{
	for (int forever = 0;; forever++) {
		unsigned long n = 1;

		do
			oom_once(fn, arg, n++, forever != 0);
		while (oom_state.failed);
		if (forever != 0)
			return n - 2;
	}
}
#endif
