/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_MECH_H
#define SASL_MECH_H
/*
 * sasl: mechanisms and names, without I/O and without users.  Start here; client.h is the other
 * side, cyrus.h has the mechanisms of libsasl2 behind the same interface, names.h prepares names.
 *
 * SASL mechanisms (RFC 4422), without I/O.
 *
 * The protocol (imap, lmtp) decodes base64 and feeds responses, the mechanism
 * says what comes next; who verifies a password is neither.  A server's side:
 *
 *	const struct sasl_mech *mech = sasl_mech_find(STR("PLAIN"));
 *	struct sasl_exchange *x = sasl_exchange_new(mech);
 *	step = sasl_exchange_start(x, has_initial ? &initial : NULL);
 *	while (step == SASL_STEP_CHALLENGE)
 *		... send x->challenge, read a response ...
 *		step = sasl_exchange_step(x, response);
 *	if (step == SASL_STEP_KEYS)	(SCRAM; then as above)
 *		step = sasl_exchange_keys(x, what is kept of x->result.authcid);
 *	if (step == SASL_STEP_PASSWORD)
 *		... verify x->result ...
 *	if (step == SASL_STEP_TOKEN)	(if it is not taken; then as above, to the end)
 *		step = sasl_exchange_deny(x, what a client should ask for instead);
 *	if (step == SASL_STEP_PROVEN)
 *		... authcid is who they say, may they act for authzid? ...
 *		layer = sasl_exchange_layer(x);	(NULL: none was negotiated)
 *	sasl_exchange_free(&x);	(wipes what was secret)
 *
 * A client's "*" (cancel) is the protocol's affair: it frees the exchange.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "sasl/scram_keys.h"

enum sasl_limit {
	SASL_BINDING_MAX = 64,    /* bytes of channel binding data */
	SASL_NAME_MAX = 512,      /* bytes of a user name (RFC 4616 asks for 255 at least) */
	SASL_PASSWORD_MAX = 1024, /* bytes of a password */
	SASL_TOKEN_MAX = 16384,   /* bytes of a bearer token */
	SASL_HOST_MAX = 255,      /* bytes of a host's name */
	/* The longest decoded response of a mechanism that does not say otherwise. */
	SASL_RESPONSE_MAX = 2 * SASL_NAME_MAX + SASL_PASSWORD_MAX + 2
};

enum sasl_flag {
	SASL_CLEAR_PASSWORD =
	    1,                 /* sends the password itself: only under TLS unless told otherwise */
	SASL_CLIENT_FIRST = 2, /* the client speaks first, so an initial response saves a turn */
	SASL_BINDS = 4,        /* only where the channel has a binding (-PLUS) */
	SASL_BLOCKS = 8,       /* start and step may wait for files and the network: on a worker */
	SASL_VOUCHES = 16,     /* knows by itself who authcid is (Kerberos): no stamp */
	SASL_TLS_ONLY = 32,    /* too weak without TLS, by the configuration */
	SASL_TOKENS = 64,      /* shows a token: only where there is somebody who knows tokens */
	SASL_FROM_CHANNEL =
	    128,               /* only where the channel says who it is: sasl_exchange_identify() */
	SASL_NO_INITIAL = 256, /* the server speaks first: an initial response is malformed */
};

enum sasl_step {
	SASL_STEP_CHALLENGE,   /* send x->challenge (it may be empty) and feed the response */
	SASL_STEP_PASSWORD,    /* the client's part is over: verify x->result */
	SASL_STEP_TOKEN,       /* whose is x->result.token?  Empty: deny it at once */
	SASL_STEP_KEYS,        /* look up the keys of x->result.authcid: sasl_exchange_keys() */
	SASL_STEP_PROVEN,      /* the client's part is over and has proven who authcid is */
	SASL_STEP_REFUSED,     /* it is over and has not: x->why, for the log only */
	SASL_STEP_MALFORMED,   /* the client broke the rules of the mechanism: x->why */
	SASL_STEP_UNAVAILABLE, /* it cannot be decided now: x->why */
};

/* As the client sent it, well-formed UTF-8 without NUL, not yet prepared: see names.h. */
struct sasl_result {
	struct str authzid; /* for whom; empty: for authcid itself */
	struct str authcid; /* who proves to be who; never empty, but with a token, which says it */
	struct str password; /* never empty; of SASL_STEP_PASSWORD only */
	/* Of SASL_STEP_TOKEN only. */
	struct str token; /* empty: the client asks what it should be a token for */
	struct str host;  /* the server that the client thinks to talk to; may be empty */
	unsigned port;    /* its port; 0: not said */
};

/* What a client whose token is not taken is told (RFC 7628 section 3.2.2); both may be empty. */
struct sasl_denial {
	struct str scope;         /* that a token has to have */
	struct str configuration; /* where OpenID's configuration is: https://… */
};

/* What ties an exchange to the channel below it (RFC 5056); name empty: the channel has nothing. */
struct sasl_binding {
	struct str name; /* "tls-exporter", "tls-unique": static */
	size_t n;
	unsigned char data[SASL_BINDING_MAX];
};

/*
 * A security layer (RFC 4422 section 3.7): bytes both ways in buffers, each with its length in
 * front of it, four octets in network byte order.
 */
struct sasl_layer;

struct sasl_layer_class {
	/* packet: one buffer of the peer, whole, with its length; appends what is in it.  False:
	 * layer->why says what is wrong. */
	bool (*decode)(struct sasl_layer *layer, struct str packet, struct buf *out);
	/* Appends buffers, none larger than the peer takes. */
	bool (*encode)(struct sasl_layer *layer, struct str in, struct buf *out);
	void (*free)(struct sasl_layer *layer);
};

struct sasl_layer {
	const struct sasl_layer_class *class;
	unsigned strength; /* SSF: 1 is integrity only, above it about the bits of a key */
	size_t max_in;     /* the largest buffer of the peer, length not counted */
	const char *why;   /* English, for the log, static */
};

struct sasl_exchange;

struct sasl_mech {
	const char *name; /* upper case, as in AUTH= */
	unsigned flags;   /* of enum sasl_flag */
	/* The first move when there is no initial response. */
	enum sasl_step (*server_start)(struct sasl_exchange *x);
	enum sasl_step (*server_step)(struct sasl_exchange *x, struct str response);
	/* Of those that want keys. */
	enum sasl_step (*server_keys)(
	    struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known);
	/* Of those that show a token. */
	enum sasl_step (*server_deny)(struct sasl_exchange *x, const struct sasl_denial *denial);
	void (*free_own)(void *own);
	/* Of those that have layers: the one that was negotiated, for the caller; or NULL. */
	struct sasl_layer *(*server_layer)(struct sasl_exchange *x);
	enum sasl_scram_hash hash; /* of those that want keys */
	size_t response_max; /* bytes of a decoded response at the most; 0: SASL_RESPONSE_MAX */
	size_t keep_max;     /* bytes of all that a result points to; 0: SASL_RESPONSE_MAX */
};

/* Mechanisms of this process beside those of sasl_mechs (sasl/cyrus.h). */
struct sasl_mech_list {
	const struct sasl_mech *const *mechs;
	size_t n;
};

struct sasl_exchange { /* to be read; only sasl writes it */
	const struct sasl_mech *mech;
	struct str challenge;
	struct sasl_result result; /* lives until the exchange is freed */
	const char *why;           /* English, for the log; holds nothing the client sent */
	unsigned stage;
	struct sasl_binding binding;
	bool tls;       /* TLS is below */
	uint64_t stamp; /* PROVEN by a secret: of the record that it is in */
	bool *oom;      /* NULL: out of memory aborts */
	void *own;      /* the mechanism's */
	size_t kept;    /* bytes of secret in use */
	char secret[];  /* what the result points to */
};

/* All mechanisms, the strongest first. */
extern const struct sasl_mech *const sasl_mechs[];
extern const size_t sasl_mechs_n;

/* By name, in any case; NULL when there is none. */
const struct sasl_mech *sasl_mech_find(struct str name);

/* The longest decoded response that it may want; refuse longer lines early. */
size_t sasl_mech_response_max(const struct sasl_mech *mech);

struct sasl_exchange *sasl_exchange_new(const struct sasl_mech *mech);
/* Tells when memory runs out (base/mem.h): NULL, and later steps give SASL_STEP_UNAVAILABLE. */
struct sasl_exchange *sasl_exchange_try_new(const struct sasl_mech *mech, bool *oom);
/* Wipes and frees, sets *x to NULL; NULL is fine. */
void sasl_exchange_free(struct sasl_exchange **x);
/* What the channel has; before the start.  Without it there is none, and no -PLUS is offered. */
void sasl_exchange_bind(struct sasl_exchange *x, const struct sasl_binding *binding);
/* TLS is below it; before the start. */
void sasl_exchange_tls(struct sasl_exchange *x);
/* Of SASL_FROM_CHANNEL: who the channel says it is, at most SASL_NAME_MAX bytes, copied; before the
 * start.  It becomes the result's authcid. */
void sasl_exchange_identify(struct sasl_exchange *x, struct str authcid);
/* initial: the initial response (it may be empty), NULL when there is none. */
enum sasl_step sasl_exchange_start(struct sasl_exchange *x, const struct str *initial);
/* Only after a step that gave SASL_STEP_CHALLENGE. */
enum sasl_step sasl_exchange_step(struct sasl_exchange *x, struct str response);
/*
 * Only after SASL_STEP_KEYS: keys of x->mech->hash, copied.  For a user that is unknown or has no
 * such keys give keys made up from the name, the same each time, with known false: they fail at the
 * end, as a wrong password does.
 */
enum sasl_step sasl_exchange_keys(
    struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known);

/* Only after SASL_STEP_PROVEN, once: the caller's, sasl_layer_free(); NULL: there is none. */
struct sasl_layer *sasl_exchange_layer(struct sasl_exchange *x);
/* Wipes and frees, sets *layer to NULL; NULL is fine. */
void sasl_layer_free(struct sasl_layer **layer);

/*
 * Only after SASL_STEP_TOKEN: the token is not taken.  Gives a challenge; whatever the client
 * answers, even by cancelling, it is refused.
 */
enum sasl_step sasl_exchange_deny(struct sasl_exchange *x, const struct sasl_denial *denial);

/*
 * The client's side of PLAIN (RFC 4616): appends the one message, not encoded.
 * The caller wipes out (buf_wipe_fini).  False when a part is too long, not
 * UTF-8, has a NUL, or authcid or password is empty, or memory ran out
 * (out->oom); out is then as it was.
 */
bool sasl_plain_message(
    struct str authzid, struct str authcid, struct str password, struct buf *out);
#endif
