/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pins: while one exists, no blob is freed.  What was expunged stays in the
 * queue on disk (or in the list of dropped files) until the last pin is gone or
 * has expired.  So a reader that took its list of messages after the pin finds
 * them all.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/read/read_int.h"

struct store_pin {
	struct store_pin *next;
	struct store *store;
	uint64_t until; /* clock_mono_ms; background.mutex */
};

bool
background_pinned(struct background *bg)
{
	uint64_t now = clock_mono_ms();

	for (const struct store_pin *p = bg->pins; p != NULL; p = p->next)
		if (p->until > now)
			return true;
	return false;
}

struct store_pin *
store_pin_new(struct store *store, unsigned seconds)
{
	struct background *bg = &store->bg;
	struct store_pin *pin = mem_zalloc(sizeof *pin);

	block_here("store_pin_new");
	pin->store = store;
	pin->until = clock_mono_ms() + (uint64_t)seconds * 1000;
	pthread_mutex_lock(&bg->mutex);
	pin->next = bg->pins;
	bg->pins = pin;
	/* Wait for a collection that looked for references earlier. */
	while (bg->collecting)
		pthread_cond_wait(&bg->calm, &bg->mutex);
	pthread_mutex_unlock(&bg->mutex);
	return pin;
}

bool
store_pin_renew(struct store_pin *pin, unsigned seconds)
{
	struct background *bg = &pin->store->bg;
	uint64_t now = clock_mono_ms();
	bool held;

	pthread_mutex_lock(&bg->mutex);
	held = pin->until > now;
	if (held)
		pin->until = now + (uint64_t)seconds * 1000;
	pthread_mutex_unlock(&bg->mutex);
	return held;
}

void
store_pin_free(struct store_pin **pp)
{
	struct store_pin *pin = *pp, **at;
	struct background *bg;

	if (pin == NULL)
		return;
	bg = &pin->store->bg;
	pthread_mutex_lock(&bg->mutex);
	for (at = &bg->pins; *at != pin; at = &(*at)->next)
		continue;
	*at = pin->next;
	pthread_cond_signal(&bg->wake);
	pthread_mutex_unlock(&bg->mutex);
	mem_free(pin);
	*pp = NULL;
}
