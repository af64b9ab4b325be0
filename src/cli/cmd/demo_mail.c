/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up mail of a small boat club.  A message's number picks people, topic, form and flags;
 * neighbours in a folder form threads of four.
 */
#include "cli/cmd/demo_mail.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "store/store.h"

#define DOMAIN "turnstone.example"

const struct demo_folder demo_folders[] = {
    {"Sent", STORE_USE_SENT, 12},
    {"Drafts", STORE_USE_DRAFTS, 3},
    {"Trash", STORE_USE_TRASH, 5},
    {"Junk", STORE_USE_JUNK, 3},
    {"Archive", STORE_USE_ARCHIVE, 14},
    {"Lists/rowing", 0, 12},
    {"Lists/weather", 0, 8},
    {"Lists/werft-größe", 0, 3},
    {"INBOX", 0, 48},
};
const size_t demo_folder_count = sizeof(demo_folders) / sizeof(*demo_folders);

struct person {
	const char *local, *header; /* header: as written in an address */
};

static const struct person people[] = {
    {"ida", "Ida Falk"},
    {"jonas", "\"Falk, Jonas\""},
    {"m.petit", "=?ISO-8859-1?Q?Mari=E9lle_Petit?="},
    {"sato", "=?UTF-8?B?5L2Q6Jek44GR44GE?="},
    {"nkem", "Nkem Obi"},
    {"boris", "=?KOI8-R?B?4s/SydM=?="},
    {"harbour", "Harbour Office"},
    {"noreply", "\"Tide Tables (do not reply)\""},
};

struct topic {
	const char *subject, *text;
};

static const struct topic topics[] = {
    {"Boat shed on Saturday",
        "the shed needs a new gutter before the rain comes. I have the ladder and the\r\n"
        "screws; if two of you bring gloves we are done by noon. Soup is in the pot.\r\n"},
    {"Oars for the blue four",
        "two of the oars have play at the collar. I took them to the workshop, they say\r\n"
        "Thursday. Until then please use the red set, and hang it back in order.\r\n"},
    {"=?UTF-8?Q?Pr=C3=BCfung_der_Schwimmwesten?=",
        "all life jackets are due for their yearly test. Put yours on the bench by the\r\n"
        "door, with your name on it. What has no name stays in the tank.\r\n"},
    {"Minutes of the spring meeting",
        "attached is what was decided. The short form: fees stay, the trailer is sold,\r\n"
        "and the key of the gate goes to the two who row before six.\r\n"},
    {"Photographs of the regatta",
        "the light was poor but some came out well. The small one is attached, the rest\r\n"
        "is on the stick in the drawer.\r\n"},
    {"Who has the trailer?",
        "it was there on Sunday and it is not there now. The lock hangs open on the fence.\r\n"
        "If you lent it out, good; if you did not, tell me today.\r\n"},
    {"=?ISO-2022-JP?B?GyRCRXckORsoQg==?= tide notes",
        "low water is an hour later than the old table says. The buoy by the pier has\r\n"
        "moved, keep to the west of it.\r\n"},
    {"Course for beginners",
        "eleven people so far, which is three boats. Nkem takes the first hour, I take\r\n"
        "the second. Please no phones in the boats this time.\r\n"},
    {"Invoice 2231 for varnish",
        "six tins at the price we agreed. They will not take the brushes back, so we have\r\n"
        "brushes until the end of days.\r\n"},
    {"Quiet weekend", "nothing planned. The river is high and brown, stay out of it.\r\n"},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

struct pick { /* what a message is about */
	const char *user;
	const struct demo_folder *folder;
	unsigned n, thread, place; /* place: in its thread */
	const struct person *from;
	const struct topic *topic;
};

static void
put_date(int64_t when, int16_t zone, struct buf *out)
{
	time_t local = (time_t)(when + zone * 60);
	struct tm tm;
	char text[64];

	/* RFC 5322 section 3.3; the names of days and months are English in the C locale. */
	gmtime_r(&local, &tm);
	(void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S", &tm);
	buf_printf(out, "Date: %s %c%02d%02d\r\n", text, zone < 0 ? '-' : '+', abs(zone) / 60,
	    abs(zone) % 60);
}

static void
put_id(const struct pick *p, unsigned place, struct buf *out)
{
	buf_printf(out, "<%zu.%u.%u.%s@" DOMAIN ">", (size_t)(p->folder - demo_folders), p->thread,
	    place, p->user);
}

static void
put_thread(const struct pick *p, struct buf *out)
{
	buf_puts(out, "Message-ID: ");
	put_id(p, p->place, out);
	if (p->place > 0) {
		buf_puts(out, "\r\nIn-Reply-To: ");
		put_id(p, p->place - 1, out);
		buf_puts(out, "\r\nReferences:");
		for (unsigned i = 0; i < p->place; i++) {
			buf_puts(out, i == 0 ? " " : "\r\n ");
			put_id(p, i, out);
		}
	}
	buf_puts(out, "\r\n");
}

static void
put_header_fields(const struct pick *p, const struct demo_mail *mail, struct buf *out)
{
	bool sent = p->folder->use == STORE_USE_SENT || p->folder->use == STORE_USE_DRAFTS;
	bool list = str_has_prefix(str_of(p->folder->name), STR("Lists/"));

	if (!sent && p->folder->use != STORE_USE_ARCHIVE)
		buf_printf(out,
		    "Return-Path: <%s@" DOMAIN ">\r\nReceived: from oar." DOMAIN " (oar." DOMAIN
		    " [192.0.2.%u])\r\n\tby mail." DOMAIN " with ESMTPS id q%u%03u\r\n",
		    p->from->local, 10 + p->n % 200, p->thread, p->n);
	put_date(mail->date, mail->zone, out);
	if (sent)
		buf_printf(out, "From: %s <%s@" DOMAIN ">\r\nTo: %s <%s@" DOMAIN ">\r\n", p->user,
		    p->user, p->from->header, p->from->local);
	else
		buf_printf(out, "From: %s <%s@" DOMAIN ">\r\nTo: %s <%s@" DOMAIN ">\r\n",
		    p->from->header, p->from->local, list ? "members" : p->user,
		    list ? "members" : p->user);
	if (p->n % 5 == 2)
		buf_puts(out, "Cc: Crew: nkem@" DOMAIN ",\r\n ida@" DOMAIN ";\r\n");
	buf_printf(out, "Subject: %s%s%s\r\n", p->place > 0 ? "Re: " : "", list ? "[club] " : "",
	    p->topic->subject);
	put_thread(p, out);
	if (list)
		buf_printf(out, "List-Id: <%s." DOMAIN ">\r\nPrecedence: list\r\n",
		    p->folder->use == 0 ? "members" : "other");
	buf_puts(out, "MIME-Version: 1.0\r\n");
}

static void
put_body_text(const struct pick *p, struct buf *out)
{
	buf_printf(out, "Dear %s,\r\n\r\n%s\r\n", p->user, p->topic->text);
	if (p->place > 0)
		buf_printf(out, "> %.40s\r\n> ...\r\n\r\n", p->topic->text);
	buf_puts(out, "-- \r\nsent from the jetty\r\n");
}

static void
put_plain(const struct pick *p, struct buf *out)
{
	buf_puts(out, "Content-Type: text/plain; charset=us-ascii; format=flowed\r\n\r\n");
	put_body_text(p, out);
}

static void
put_latin(const struct pick *p, struct buf *out)
{
	buf_puts(out,
	    "Content-Type: text/plain; charset=ISO-8859-1\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "Gr=FC=DFe vom Flu=DF; das W=F6rterbuch liegt noch im Caf=E9, und die Rechnung =\r\n"
	    "von 40 =A4 ist bezahlt.\r\n\r\n");
	put_body_text(p, out);
}

static void
put_utf8(const struct pick *p, struct buf *out)
{
	struct buf text = {0}, coded = {0};

	buf_puts(&text, "Привет, вода холодная, but the sun is out ☀.\r\n\r\n");
	put_body_text(p, &text);
	base64_encode(buf_as_str(&text), &coded);
	buf_puts(out, "Content-Type: text/plain; charset=\"utf-8\"\r\n"
	              "Content-Transfer-Encoding: base64\r\n\r\n");
	for (size_t i = 0; i < coded.n; i += 76) {
		buf_put(out, coded.p + i, coded.n - i < 76 ? coded.n - i : 76);
		buf_puts(out, "\r\n");
	}
	buf_fini(&text);
	buf_fini(&coded);
}

static void
put_alternative(const struct pick *p, struct buf *out)
{
	buf_printf(out,
	    "Content-Type: multipart/alternative; boundary=\"=_alt_%u\"\r\n\r\n"
	    "Two forms of one text.\r\n--=_alt_%u\r\n",
	    p->n, p->n);
	put_plain(p, out);
	buf_printf(out,
	    "--=_alt_%u\r\nContent-Type: text/html; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\nContent-Language: en\r\n\r\n"
	    "<html><body><p>Dear %s &ndash; „%s“</p><p>%s</p></body></html>\r\n--=_alt_%u--\r\n",
	    p->n, p->user, "from the jetty", p->topic->text, p->n);
}

static void
put_attachment(const struct pick *p, struct buf *out)
{
	static const unsigned char gif[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0,
	    30, 90, 160, 255, 255, 255, ',', 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 'D', 1, 0, ';'};
	struct buf coded = {0};

	base64_encode((struct str){(const char *)gif, sizeof(gif)}, &coded);
	buf_printf(
	    out, "Content-Type: multipart/mixed; boundary=mix-%u\r\n\r\n--mix-%u\r\n", p->n, p->n);
	if (p->n % 2 == 0)
		put_alternative(p, out);
	else
		put_plain(p, out);
	buf_printf(out,
	    "--mix-%u\r\nContent-Type: image/gif; name=\"jetty.gif\"\r\n"
	    "Content-Transfer-Encoding: base64\r\nContent-ID: <img.%u@" DOMAIN ">\r\n"
	    "Content-Disposition: attachment; filename*=utf-8''steg%%20%%C3%%BC.gif;\r\n "
	    "size=%zu\r\n"
	    "Content-Description: the jetty\r\n\r\n%s\r\n",
	    p->n, p->n, sizeof(gif), buf_cstr(&coded));
	buf_printf(out,
	    "--mix-%u\r\nContent-Type: text/csv; charset=us-ascii\r\n"
	    "Content-Disposition: attachment; filename=crew.csv\r\n\r\n"
	    "seat,name\r\n1,Ida\r\n2,Nkem\r\n--mix-%u--\r\n",
	    p->n, p->n);
	buf_fini(&coded);
}

static void
put_forward(const struct pick *p, struct buf *out)
{
	buf_printf(out,
	    "Content-Type: multipart/mixed; boundary=fwd%u\r\n\r\n--fwd%u\r\n"
	    "Content-Type: text/plain\r\n\r\nSee below.\r\n--fwd%u\r\n"
	    "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n"
	    "Date: Mon, 6 Jan 2025 07:01:02 +0100\r\nFrom: Harbour Office <harbour@" DOMAIN
	    ">\r\nTo: %s <%s@" DOMAIN ">\r\nSubject: Berth %u\r\nMessage-ID: <berth.%u@" DOMAIN
	    ">\r\nMIME-Version: 1.0\r\n",
	    p->n, p->n, p->n, p->user, p->user, p->n, p->n);
	put_latin(p, out);
	buf_printf(out, "--fwd%u--\r\n", p->n);
}

static void
put_calendar(const struct pick *p, struct buf *out)
{
	buf_printf(out,
	    "Content-Type: multipart/alternative; boundary=\"cal %u\"\r\n\r\n--cal %u\r\n", p->n,
	    p->n);
	put_plain(p, out);
	buf_printf(out,
	    "--cal %u\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n"
	    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//boat club//EN\r\nBEGIN:VEVENT\r\n"
	    "UID:row-%u@" DOMAIN "\r\nDTSTAMP:20250106T070000Z\r\nDTSTART:20250118T090000Z\r\n"
	    "SUMMARY:Rowing\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n--cal %u--\r\n",
	    p->n, p->n, p->n);
}

typedef void put_body_f(const struct pick *p, struct buf *out);
static put_body_f *const bodies[] = {put_plain, put_alternative, put_latin, put_attachment,
    put_plain, put_utf8, put_forward, put_attachment, put_calendar};

static uint64_t
flags_of(const struct pick *p)
{
	static const uint64_t inbox[] = {0, 1 << STORE_SEEN, 1 << STORE_SEEN | 1 << STORE_ANSWERED,
	    0, 1 << STORE_SEEN, 1 << STORE_FLAGGED, 1 << STORE_SEEN | 1 << STORE_FLAGGED,
	    1 << STORE_SEEN};

	switch (p->folder->use) {
	case STORE_USE_DRAFTS:
		return 1 << STORE_DRAFT | 1 << STORE_SEEN;
	case STORE_USE_TRASH:
		return 1 << STORE_SEEN | (p->n % 2 == 0 ? 1 << STORE_DELETED : 0);
	case STORE_USE_SENT:
	case STORE_USE_ARCHIVE:
		return 1 << STORE_SEEN;
	default:
		return inbox[p->n % COUNT(inbox)];
	}
}

void
demo_mail_make(const char *user, const struct demo_folder *folder, unsigned n, int64_t now,
    struct demo_mail *mail)
{
	static const int16_t zones[] = {60, 0, -300, 540, 120, 330};
	unsigned seed = (unsigned)folder->name[0] * 7 + (unsigned)user[0], thread = n / 4;
	struct pick p = {.user = user,
	    .folder = folder,
	    .n = n,
	    .thread = thread,
	    .place = n % 4,
	    .from = &people[(seed + n * 3) % COUNT(people)],
	    .topic = &topics[(seed + thread) % COUNT(topics)]};

	mail->bytes.n = 0;
	/* The last half year, oldest first, at odd hours. */
	mail->date = now - (int64_t)(folder->count - n) * 86400 * 180 / folder->count +
	             (int64_t)(seed * 977 + n * 7919) % 36000;
	if (mail->date > now)
		mail->date = now;
	mail->zone = zones[(seed + n) % COUNT(zones)];
	mail->flags = flags_of(&p);
	mail->keyword = n % 9 == 4 ? "$Forwarded" : n % 11 == 7 ? "$Important" : NULL;
	if (folder->use == STORE_USE_JUNK)
		mail->keyword = "$Junk";
	put_header_fields(&p, mail, &mail->bytes);
	bodies[(seed + n) % COUNT(bodies)](&p, &mail->bytes);
}

void
demo_mail_welcome(const char *user, int64_t now, struct demo_mail *mail)
{
	mail->bytes.n = 0;
	mail->date = now;
	mail->zone = 0;
	mail->flags = 0;
	mail->keyword = NULL;
	put_date(now, 0, &mail->bytes);
	buf_printf(&mail->bytes,
	    "From: Harbour Office <harbour@" DOMAIN ">\r\nTo: <%s@" DOMAIN
	    ">\r\nSubject: Welcome\r\nMessage-ID: <welcome.%s@" DOMAIN
	    ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
	    "Welcome to the club, %s.\r\n",
	    user, user, user);
}
