/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for the load client: plausible headers and text, different for each seed. */
#include "base/err.h"
#include "load.h"

static const char *const words[] = {"anchor", "ballast", "bearing", "boom", "buoy", "cabin",
    "capstan", "cargo", "chart", "cleat", "compass", "course", "crew", "current", "deck", "draft",
    "ebb", "fender", "galley", "gale", "halyard", "harbour", "hatch", "helm", "hull", "jetty",
    "keel", "knot", "lantern", "latitude", "ledger", "lock", "log", "mast", "mooring", "navigator",
    "oar", "pilot", "port", "quay", "rigging", "rope", "rudder", "sail", "sextant", "shoal",
    "signal", "sounding", "spar", "star", "stern", "storm", "swell", "tackle", "tide", "tiller",
    "topsail", "transom", "voyage", "wake", "watch", "wharf", "winch", "wind"};

static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void
put_words(struct buf *b, uint64_t *state, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		buf_puts(b, words[next_random(state) % 64]);
	}
}

/* Appends lines of text up to the offset end, where the last one is cut, and CRLF. */
static void
put_text(struct buf *b, uint64_t *state, size_t end)
{
	while (b->n + 2 < end) {
		put_words(b, state, 8);
		buf_puts(b, "\r\n");
	}
	b->n = end - 2;
	while (b->n > 0 && (b->p[b->n - 1] == '\r' || b->p[b->n - 1] == '\n'))
		b->p[b->n - 1] = '.', b->n--;
	while (b->n < end - 2)
		buf_putc(b, '.');
	buf_puts(b, "\r\n");
}

/* Of a mailing list: of 800 messages each hundredth one is of the same thread, and answers the one
 * before it. */
static void
put_place_in_list(struct buf *b, uint64_t seed)
{
	uint64_t first = seed / 800 * 800 + seed % 100;

	buf_printf(b, "Message-ID: <%llu@list.example>\r\n", (unsigned long long)seed);
	for (uint64_t at = first; at < seed; at += 100)
		buf_printf(b, "%s<%llu@list.example>\r\n", at == first ? "References: " : "\t",
		    (unsigned long long)at);
}

static void
put_list_subject(struct buf *b, uint64_t seed)
{
	uint64_t state = seed / 800 * 800 + seed % 100;

	buf_puts(b, seed == state ? "[list] " : "Re: [list] ");
	put_words(b, &state, 5);
}

static void
put_header(struct buf *b, uint64_t seed, bool list, uint64_t *state)
{
	uint64_t from = next_random(state) % 500, to = next_random(state) % 500;

	buf_printf(b, "Return-Path: <sailor%u@fleet.example>\r\n", (unsigned)from);
	buf_printf(b,
	    "Received: from mx%u.fleet.example by mail.harbour.example with ESMTPS id %016llx;\r\n"
	    "\tTue, %02u Sep 2026 %02u:%02u:%02u +0000\r\n",
	    (unsigned)(from % 7), (unsigned long long)next_random(state), (unsigned)(seed % 30 + 1),
	    (unsigned)(seed % 24), (unsigned)(seed % 60), (unsigned)(seed / 7 % 60));
	buf_printf(
	    b, "From: Sailor %u <sailor%u@fleet.example>\r\n", (unsigned)from, (unsigned)from);
	buf_printf(b, "To: Keeper %u <keeper%u@harbour.example>, crew@harbour.example\r\n",
	    (unsigned)to, (unsigned)to);
	buf_puts(b, "Subject: ");
	if (seed % 100 == 0 && !list)
		buf_puts(b, "Regatta ");
	if (list)
		put_list_subject(b, seed);
	else
		put_words(b, state, 5);
	buf_printf(b, "\r\nDate: Tue, %02u Sep 2026 %02u:%02u:00 +0200\r\n",
	    (unsigned)(seed % 30 + 1), (unsigned)(seed % 24), (unsigned)(seed % 60));
	if (list)
		put_place_in_list(b, seed);
	else
		buf_printf(b, "Message-ID: <%llu.%llx@fleet.example>\r\n", (unsigned long long)seed,
		    (unsigned long long)next_random(state));
	buf_puts(b, "MIME-Version: 1.0\r\n");
}

void
load_mail_put(struct buf *b, uint64_t seed, size_t size, bool list)
{
	static const char last[] = "--edge-of-part--\r\n";
	uint64_t state = seed * 2 + 1;
	size_t end = b->n + size;

	TS_ASSERT(size >= 1000);
	put_header(b, seed, list, &state);
	if (seed % 3 != 0) {
		buf_puts(b, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
		if (seed % 1000 == 1)
			buf_puts(b, "The quinquereme comes.\r\n");
		put_text(b, &state, end);
		return;
	}
	buf_puts(b, "Content-Type: multipart/mixed; boundary=\"edge-of-part\"\r\n\r\n"
	            "--edge-of-part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	put_text(b, &state, b->n + 80);
	buf_puts(b, "--edge-of-part\r\nContent-Type: application/octet-stream; name=chart.bin\r\n"
	            "Content-Disposition: attachment; filename=chart.bin\r\n\r\n");
	put_text(b, &state, end - (sizeof(last) - 1));
	buf_puts(b, last);
}
