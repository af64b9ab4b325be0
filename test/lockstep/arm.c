/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out a plan on one site. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "auth/sharing.h"
#include "base/mem.h"
#include "lmtp/lmtp.h"
#include "lmtp/settings.h"
#include "sites.h"
#include "toy.h"
#include "zip.h"

/* ---- nothing is random: random numbers depend on the step only, so both sites draw the same.  So
 * do they get the same date where code asks the system's clock (grants). */

static uint64_t drawn;

ssize_t
getrandom(void *p, size_t n, unsigned flags)
{
	unsigned char *at = p;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)random_below(&drawn, 256);
	return (ssize_t)n;
}

static time_t date; /* 0: today's */

void
arm_stop_calendar(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	date = now.tv_sec + 3600; /* later than the start of any certificate made from now on */
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_REALTIME || date == 0)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	*ts = (struct timespec){.tv_sec = date};
	return 0;
}

static void
draw_anew(const struct plan *plan, size_t step)
{
	drawn = ((uint64_t)plan->seed << 32) + step * 2 + 1;
	for (unsigned i = 0; i < 4; i++)
		(void)random_below(&drawn, 2);
}

/* ---- an arm */

struct line { /* a connection */
	enum transport transport;
	bool layered, ended;
	struct zip *zip;   /* compression, in that layer if it is on; NULL: none */
	struct buf zipped; /* from the layer, still compressed */
	struct buf text;   /* not sent yet */
	struct buf got;    /* received in this group of steps */
	struct buf kept;   /* to repeat on a login's own connection: ID */
};

struct arm {
	const struct plan *plan;
	bool switching;
	struct site *site;
	struct conf *lmtp_conf;
	struct lmtp_server lmtp;
	struct lmtp_loop ll;
	struct stream_fake *lmtp_fake;
	struct line lines[SLOTS];
	size_t group; /* first step of the group */
	size_t *later, later_n;
	struct buf *record;
};

static struct stream_fake *
fake_of(const struct arm *arm, enum slot slot)
{
	return slot == SLOT_LMTP ? arm->lmtp_fake : arm->site->clients[slot + 1].fake;
}

static void
put_entry(struct arm *arm, size_t step, enum slot slot, struct str text)
{
	buf_be32(arm->record, (uint32_t)step);
	buf_be32(arm->record, slot);
	buf_be32(arm->record, (uint32_t)text.n);
	buf_str(arm->record, text);
}

/* Takes what was received, unwrapped from its layers. */
static void
hear(struct arm *arm, enum slot slot)
{
	struct line *line = &arm->lines[slot];
	struct buf *out, *outer;
	size_t used;

	if (fake_of(arm, slot) == NULL)
		return;
	out = stream_fake_output(fake_of(arm, slot));
	outer = line->zip != NULL ? &line->zipped : &line->got;
	while (line->layered && toy_unwrap(buf_as_str(out), outer, &used))
		buf_consume(out, used);
	buf_str(outer, buf_as_str(out));
	out->n = 0;
	if (line->zip != NULL) {
		zip_unwrap(line->zip, &line->zipped, &line->got);
		if (zip_over(line->zip)) { /* what follows is uncompressed */
			buf_str(&line->got, buf_as_str(&line->zipped));
			line->zipped.n = 0;
		}
	}
	if (!line->ended && stream_fake_ended(fake_of(arm, slot), NULL)) {
		line->ended = true;
		buf_puts(&line->got, "(closed)\r\n");
	}
}

/* ---- sending */

enum { WHOLE, BYTES, ENDS, ANYWHERE, WAYS };

/* Sends bytes in segments, cut differently by each arm. */
static void
push(struct arm *arm, enum slot slot, struct str bytes)
{
	struct stream_fake *fake = fake_of(arm, slot);
	uint64_t rng = (uint64_t)arm->plan->seed * 4099 + arm->group * 2 + arm->switching;
	unsigned way;
	size_t n;

	for (unsigned i = 0; i < 4; i++)
		(void)random_below(&rng, 2);
	way = random_below(&rng, WAYS);
	stream_fake_set_segment(fake, way == BYTES ? 1 : 0);
	while (bytes.n > 0) {
		const char *cr = way == ENDS ? memchr(bytes.p, '\r', bytes.n) : NULL;

		n = cr != NULL        ? (size_t)(cr + 1 - bytes.p)
		    : way == ANYWHERE ? 1 + random_below(&rng, 60)
		                      : bytes.n;
		n = n < bytes.n ? n : bytes.n;
		stream_fake_push(fake, (struct str){bytes.p, n});
		site_run(arm->site);
		bytes = (struct str){bytes.p + n, bytes.n - n};
	}
}

/* Picks a way to end compression, except partial flushes: nothing may follow one in the same
 * write. */
static enum zip_last
some_end(const struct arm *arm)
{
	return (enum zip_last)((arm->plan->seed + arm->group + arm->switching) % ZIP_PARTIAL);
}

static void
flush(struct arm *arm, enum slot slot)
{
	enum { LAYER_MAX = 4000 };
	struct line *line = &arm->lines[slot];
	struct str text = buf_as_str(&line->text);
	struct buf wire = {0}, zipped = {0};

	if (text.n > 0 && !line->ended && line->zip != NULL) {
		zip_wrap(line->zip, text, some_end(arm), &zipped);
		text = buf_as_str(&zipped);
	}
	if (text.n > 0 && !line->ended && line->layered) {
		for (size_t at = 0; at < text.n; at += LAYER_MAX)
			toy_wrap((struct str){text.p + at,
			             text.n - at < LAYER_MAX ? text.n - at : LAYER_MAX},
			    &wire);
		push(arm, slot, buf_as_str(&wire));
	} else if (text.n > 0 && !line->ended) {
		push(arm, slot, text);
	}
	buf_fini(&wire);
	buf_fini(&zipped);
	line->text.n = 0;
	hear(arm, slot);
}

/* ---- connections */

static void
connect_lmtp(struct arm *arm)
{
	struct lmtp_conn *conn = lmtp_conn_new(&arm->ll, STR("192.0.2.1"), NULL);
	struct stream *stream;

	arm->lmtp_fake = stream_fake_new(arm->site->loop, false);
	stream = stream_fake_stream(arm->lmtp_fake);
	stream_set_events(stream, lmtp_conn_events(), conn);
	lmtp_conn_start(conn, stream, LMTP_TLS_STARTTLS);
	site_run(arm->site);
}

static void
disconnect(struct arm *arm, enum slot slot)
{
	struct line *line = &arm->lines[slot];

	if (slot == SLOT_LMTP)
		stream_fake_free(&arm->lmtp_fake);
	else
		site_disconnect(arm->site, slot + 1);
	site_run(arm->site);
	line->layered = line->ended = false;
	zip_free(&line->zip);
	line->zipped.n = 0;
}

static void
connect_slot(struct arm *arm, enum slot slot)
{
	static const struct tls_identity gateway = {.standing = TLS_PEER_KNOWN,
	    .user = {"gateway@example.net", 19},
	    .subject = {"CN=gateway", 10},
	    .issuer = {"CN=test", 7},
	    .fingerprint = {"sha256:00", 9}};
	struct line *line = &arm->lines[slot];

	if (slot == SLOT_LMTP) {
		connect_lmtp(arm);
		return;
	}
	site_connect(arm->site, slot + 1, NULL, line->transport == TRANSPORT_TLS, false);
	if (line->transport != TRANSPORT_CLEAR)
		stream_fake_set_identity(fake_of(arm, slot), &gateway);
	if (line->transport == TRANSPORT_STARTTLS) {
		stream_fake_push(fake_of(arm, slot), STR("tls STARTTLS\r\n"));
		site_run(arm->site);
	}
}

/* Replaces the connection by a login's own, and repeats there what survives a switch. */
static void
renew(struct arm *arm, enum slot slot)
{
	struct line *line = &arm->lines[slot];

	flush(arm, slot);
	disconnect(arm, slot);
	connect_slot(arm, slot);
	if (line->kept.n > 0) {
		stream_fake_push(fake_of(arm, slot), buf_as_str(&line->kept));
		site_run(arm->site);
	}
	stream_fake_output(fake_of(arm, slot))->n = 0;
}

/* ---- steps */

/* Remembers the last ID; one with data of a front belongs to the turn, and ends with it. */
static void
keep_name(struct line *line, struct str text)
{
	line->kept.n = 0;
	if (str_find(text, STR("x-originating")) == NULL)
		buf_str(&line->kept, text);
}

/* Logs in where the other arm uses PROXYAUTH.  That keeps compression, so begin it again here. */
static void
enter(struct arm *arm, const struct op *op)
{
	struct line *line = &arm->lines[op->slot];
	struct stream_fake *fake = fake_of(arm, op->slot);

	buf_str(&line->text, buf_as_str(&op->other));
	if (!op->zipped)
		return;
	flush(arm, op->slot);
	line->layered = op->layered;
	if (op->layered)
		toy_wrap(STR("zip COMPRESS DEFLATE\r\n"), &line->text);
	else
		buf_puts(&line->text, "zip COMPRESS DEFLATE\r\n");
	stream_fake_push(fake, buf_as_str(&line->text));
	site_run(arm->site);
	stream_fake_output(fake)->n = line->text.n = 0;
	line->zip = zip_new();
}

static void
say(struct arm *arm, const struct op *op)
{
	struct line *line = &arm->lines[op->slot];

	if (op->kind == OP_LEAVE || op->kind == OP_PROXY) {
		bool own = !arm->switching || (line->ended && line->text.n == 0);

		if (op->kind == OP_LEAVE || !own)
			buf_str(&line->text, buf_as_str(&op->text));
		if (own)
			renew(arm, op->slot);
		if (op->kind == OP_PROXY && own)
			enter(arm, op);
	} else {
		buf_str(&line->text, buf_as_str(&op->text));
	}
	if (op->names_client)
		keep_name(line, buf_as_str(&op->text));
}

static void
do_op(struct arm *arm, const struct op *op)
{
	struct line *line = op->slot < SLOTS ? &arm->lines[op->slot] : NULL;

	switch (op->kind) {
	case OP_OPEN:
		line->transport = (enum transport)op->number;
		connect_slot(arm, op->slot);
		break;
	case OP_SHUT:
		buf_str(&line->text, buf_as_str(&op->text));
		flush(arm, op->slot);
		disconnect(arm, op->slot);
		line->kept.n = 0;
		break;
	case OP_ADVANCE:
		site_advance(arm->site, op->number);
		break;
	case OP_RELOAD:
		site_reload(arm->site, site_conf(op->number));
		break;
	case OP_BACKGROUND:
		store_background_wait(arm->site->store);
		break;
	default:
		say(arm, op);
	}
}

/* Cuts "a7 OK [CAPABILITY …] text" down to what must be equal: the text of PROXYAUTH is not that of
 * a login, and a login that begins a layer sends no capabilities there. */
static void
cut_proxied(struct buf *got, const struct op *op)
{
	char head[32];
	struct buf cut = {0};
	struct str rest = buf_as_str(got), part;

	snprintf(head, sizeof(head), "a%u OK ", op->tag);
	while (rest.n > 0 && str_split(&rest, '\n', &part)) {
		const char *end = NULL;

		if (str_has_prefix(part, str_of(head)))
			end = op->layered ? part.p + strlen(head) : str_chr(part, ']');
		buf_str(&cut, end != NULL ? str_range(part.p, end) : part);
		buf_puts(&cut, end != NULL ? "\r\n" : "\n");
	}
	if (got->n > 0 && got->p[got->n - 1] != '\n')
		cut.n--;
	buf_fini(got);
	*got = cut;
}

static void
end_group(struct arm *arm, size_t step, const struct op *last)
{
	if (last->slot < SLOTS) {
		struct line *line = &arm->lines[last->slot];

		if (last->kind != OP_SHUT)
			flush(arm, last->slot);
		for (size_t i = arm->group; i <= step; i++)
			if (arm->plan->ops[i].kind == OP_PROXY && !arm->plan->ops[i].dropped)
				cut_proxied(&line->got, &arm->plan->ops[i]);
		if (last->kind == OP_LOGIN || last->kind == OP_PROXY)
			line->layered = last->layered;
		else if (last->kind == OP_LEAVE)
			line->layered = false;
		if (line->zip != NULL && zip_over(line->zip))
			zip_free(&line->zip);
		if (last->kind == OP_ZIP && !line->ended)
			line->zip = zip_new();
	}
	for (enum slot slot = 0; slot < SLOTS; slot++) {
		hear(arm, slot);
		if (arm->lines[slot].got.n > 0)
			put_entry(arm, step, slot, buf_as_str(&arm->lines[slot].got));
		arm->lines[slot].got.n = 0;
	}
}

/* Returns the next step that was not dropped; plan->n: none. */
static size_t
next_of(const struct plan *plan, size_t i)
{
	do
		i++;
	while (i < plan->n && plan->ops[i].dropped);
	return i;
}

/* Returns the step after the group. */
static size_t
run_group(struct arm *arm, size_t i)
{
	const struct plan *plan = arm->plan;
	size_t next;

	arm->group = i;
	draw_anew(plan, i);
	for (;; i = next) {
		const struct op *op = &plan->ops[i];

		next = next_of(plan, i);
		do_op(arm, op);
		if (!op->joined || next == plan->n || plan->ops[next].slot != op->slot) {
			end_group(arm, i, op);
			return next;
		}
	}
}

/* Without switching, the distant user's steps run some steps later.  If anything but the store lets
 * one connection see what another did last, the sites then differ. */
static void
run_later(struct arm *arm)
{
	for (size_t k = 0; k < arm->later_n; k++)
		(void)run_group(arm, arm->later[k]);
	arm->later_n = 0;
}

static size_t
skip_group(const struct plan *plan, size_t i)
{
	size_t next;

	for (;; i = next) {
		next = next_of(plan, i);
		if (!plan->ops[i].joined || next == plan->n ||
		    plan->ops[next].slot != plan->ops[i].slot)
			return next;
	}
}

static void
run_all(struct arm *arm)
{
	const struct plan *plan = arm->plan;
	size_t i = next_of(plan, (size_t)-1);
	uint64_t rng = plan->seed;

	while (i < plan->n) {
		const struct op *op = &plan->ops[i];

		if (op->slot == SLOT_DISTANT && !arm->switching) {
			arm->later[arm->later_n++] = i;
			i = skip_group(plan, i);
			continue;
		}
		if (op->slot == SLOTS) /* time and settings are the same for all */
			run_later(arm);
		i = run_group(arm, i);
		if (random_below(&rng, 5) == 0)
			run_later(arm);
	}
	run_later(arm);
}

/* ---- the state */

static void
put_hex(struct buf *out, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		buf_printf(out, "%02x", (unsigned char)bytes.p[i]);
}

struct blobs {
	struct engine *engine;
	struct buf *out;
};

static void
put_blob(uint64_t blob, void *arg)
{
	struct blobs *b = arg;
	struct buf bytes = {0};
	uint64_t size = 0;

	(void)engine_blob_size(b->engine, blob, &size);
	(void)engine_blob_read(b->engine, blob, 0, size, &bytes);
	buf_printf(b->out, "blob %llx ", (unsigned long long)blob);
	put_hex(b->out, buf_as_str(&bytes));
	buf_putc(b->out, '\n');
	buf_fini(&bytes);
}

static void
put_rows(struct engine *engine, struct buf *out)
{
	struct engine_iter *iter = engine_iter_new(engine, STR_NONE, STR_NONE, false);
	struct blobs b = {engine, out};
	struct str key, value;

	while (engine_iter_next(iter, &key, &value) == TS_OK) {
		put_hex(out, key);
		buf_putc(out, ' ');
		put_hex(out, value);
		buf_putc(out, '\n');
	}
	engine_iter_free(&iter);
	(void)engine_blob_each(engine, put_blob, &b);
}

/* Records everything on disk. */
static void
put_state(struct arm *arm)
{
	struct engine_mem_disk *image = engine_mem_image(arm->site->disk);
	struct engine_options options = {.own = image};
	struct engine *engine;
	struct buf rows = {0};
	char *text = NULL;

	if (engine_mem_class.open(&options, &engine, &text) != TS_OK)
		TS_WRONG("the image cannot be opened");
	free(text);
	put_rows(engine, &rows);
	engine_close(&engine);
	engine_mem_disk_free(&image);
	put_entry(arm, arm->plan->n, SLOT_STATE, buf_as_str(&rows));
	buf_fini(&rows);
}

/* ---- all of it */

static void
begin_lmtp(struct arm *arm)
{
	static const struct conf_table *const tables[] = {&lmtp_conf, &auth_sharing_conf};
	struct conf_faults faults = {0};

	if (conf_parse((struct conf_tables){tables, 2}, STR(""), "lmtp", NULL, &faults,
	        &arm->lmtp_conf) != TS_OK)
		TS_WRONG("no configuration of LMTP");
	conf_faults_fini(&faults);
	arm->lmtp.store = arm->site->store;
	arm->lmtp.auth = arm->site->auth;
	arm->lmtp.workers = arm->site->server.workers;
	arm->lmtp.default_domain = STR("example.net");
	lmtp_server_init(&arm->lmtp);
	lmtp_loop_init(&arm->ll, &arm->lmtp, 0, 1, arm->site->loop, arm->lmtp_conf);
}

void
arm_run(const struct plan *plan, bool switching, struct buf *record)
{
	struct arm arm = {.plan = plan, .switching = switching, .record = record};

	draw_anew(plan, (size_t)-1);
	arm.site = site_equal();
	arm.later = mem_zalloc((plan->n + 1) * sizeof(*arm.later));
	begin_lmtp(&arm);
	run_all(&arm);
	for (enum slot slot = 0; slot < SLOTS; slot++)
		if (fake_of(&arm, slot) != NULL)
			disconnect(&arm, slot);
	store_background_wait(arm.site->store);
	site_run(arm.site);
	put_state(&arm);
	lmtp_loop_fini(&arm.ll);
	lmtp_server_fini(&arm.lmtp);
	conf_unref(&arm.lmtp_conf);
	site_free(&arm.site);
	for (enum slot slot = 0; slot < SLOTS; slot++) {
		buf_fini(&arm.lines[slot].text);
		buf_fini(&arm.lines[slot].got);
		buf_fini(&arm.lines[slot].kept);
		buf_fini(&arm.lines[slot].zipped);
	}
	mem_free(arm.later);
}
