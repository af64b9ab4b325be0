/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define WIDTH 30
#define DRAW_MS 100
#define LINE_MS 5000

void
progress_init(struct progress *p, bool quiet)
{
	uint64_t now = clock_mono_ms();

	*p = (struct progress){
	    .quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1, .started = now, .last = now};
}

void
progress_clear(struct progress *p)
{
	if (p->drawn)
		(void)fputs("\r\033[K", stderr);
	p->drawn = false;
}

static void
draw_bar(const char *what, uint64_t done, uint64_t total, double rate)
{
	char bar[WIDTH + 1];
	unsigned full = done < total ? (unsigned)((double)done / (double)total * WIDTH) : WIDTH;

	for (unsigned i = 0; i < WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	bar[WIDTH] = 0;
	(void)fprintf(stderr, "\r\033[K[%s] %llu/%llu %.60s, %.0f/s", bar, (unsigned long long)done,
	    (unsigned long long)total, what, rate);
}

void
progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
	uint64_t now = clock_mono_ms();
	double rate = now > p->started ? (double)done * 1000 / (double)(now - p->started) : 0;

	if (p->quiet || now < p->last + (p->terminal ? DRAW_MS : LINE_MS))
		return;
	p->last = now;
	if (p->terminal && total > 0)
		draw_bar(what, done, total, rate);
	else if (total > 0)
		(void)fprintf(stderr, "%.60s: %llu of %llu\n", what, (unsigned long long)done,
		    (unsigned long long)total);
	else
		(void)fprintf(stderr, "%s%llu %.60s, %.0f/s%s", p->terminal ? "\r\033[K" : "",
		    (unsigned long long)done, what, rate, p->terminal ? "" : "\n");
	p->drawn = p->terminal;
	(void)fflush(stderr);
}
