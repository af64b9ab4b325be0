/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_MECH_H
#define SASL_MECH_H
/*
 * sasl: mechanisms and names, without I/O and without users.  Start here; client.h is the client's
 * side, cyrus.h has the mechanisms of libsasl2 with the same interface, names.h prepares names.
 *
 * SASL mechanisms (RFC 4422).  The protocol (imap, lmtp) decodes base64 and feeds in responses; the
 * mechanism says what comes next; neither verifies passwords.  The server's side:
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
 *	if (step == SASL_STEP_TOKEN)	(if it is rejected; then as above, to the end)
 *		step = sasl_exchange_deny(x, what a client should ask for instead);
 *	if (step == SASL_STEP_PROVEN)
 *		... authcid is who they say, may they act for authzid? ...
 *		layer = sasl_exchange_layer(x);	(NULL: none was negotiated)
 *	sasl_exchange_free(&x);	(wipes what was secret)
 *
 * The protocol handles a client's "*" (cancel): it frees the exchange.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "sasl/scram_keys.h"

enum sasl_limit {
	SASL_BINDING_MAX = 64,    /* bytes of channel binding data */
	SASL_NAME_MAX = 512,      /* bytes of a user name (RFC 4616 requires at least 255) */
	SASL_PASSWORD_MAX = 1024, /* bytes of a password */
	SASL_TOKEN_MAX = 16384,   /* bytes of a bearer token */
	SASL_HOST_MAX = 255,      /* bytes of a host name */
	/* The longest decoded response, unless the mechanism sets another limit. */
	SASL_RESPONSE_MAX = 2 * SASL_NAME_MAX + SASL_PASSWORD_MAX + 2
};

enum sasl_flag {
	SASL_CLEAR_PASSWORD =
	    1, /* sends the password itself: only under TLS unless configured otherwise */
	SASL_CLIENT_FIRST = 2, /* the client speaks first, so an initial response saves a turn */
	SASL_BINDS = 4,        /* only if the channel has a binding (-PLUS) */
	SASL_BLOCKS = 8,       /* start and step may wait for files and the network: use a worker */
	SASL_VOUCHES = 16,     /* establishes authcid itself (Kerberos): no stamp */
	SASL_TLS_ONLY = 32,    /* too weak without TLS for the configuration */
	SASL_TOKENS = 64,      /* uses a token: only if a database accepts tokens */
	SASL_FROM_CHANNEL =
	    128, /* only if the channel identifies the client: sasl_exchange_identify() */
	SASL_NO_INITIAL = 256, /* the server speaks first: an initial response is malformed */
};

enum sasl_step {
	SASL_STEP_CHALLENGE, /* send x->challenge (may be empty) and feed in the response */
	SASL_STEP_PASSWORD,  /* the client is done: verify x->result */
	SASL_STEP_TOKEN,     /* find out whose x->result.token is; empty: deny it at once */
	SASL_STEP_KEYS,      /* look up the keys of x->result.authcid: sasl_exchange_keys() */
	SASL_STEP_PROVEN,    /* the client is done, and authcid is proven */
	SASL_STEP_REFUSED,   /* the client is done, and proved nothing: x->why, for the log only */
	SASL_STEP_MALFORMED, /* the client violated the mechanism's rules: x->why */
	SASL_STEP_UNAVAILABLE, /* no decision is possible now: x->why */
};

/* As the client sent it, well-formed UTF-8 without NUL, not yet prepared: see names.h. */
struct sasl_result {
	struct str authzid;  /* the user to act for; empty: authcid itself */
	struct str authcid;  /* who authenticates; empty only with a token, which says who */
	struct str password; /* never empty; only for SASL_STEP_PASSWORD */
	/* Only for SASL_STEP_TOKEN. */
	struct str token; /* empty: the client asks what token it needs */
	struct str host;  /* the server the client believes it talks to; may be empty */
	unsigned port;    /* its port; 0: not given */
};

/* What a client learns when its token is rejected (RFC 7628 section 3.2.2); both may be empty. */
struct sasl_denial {
	struct str scope;         /* the scope that a token needs */
	struct str configuration; /* URL of the OpenID configuration: https://… */
};

/* A channel binding (RFC 5056); name empty: the channel has none. */
struct sasl_binding {
	struct str name; /* "tls-exporter", "tls-unique": static */
	size_t n;
	unsigned char data[SASL_BINDING_MAX];
};

/*
 * A security layer (RFC 4422 section 3.7): both sides send buffers, each preceded by its length in
 * four octets, network byte order.
 */
struct sasl_layer;

struct sasl_layer_class {
	/* Decodes a packet, one complete buffer of the peer with its length, and appends the
	 * contents.  False: layer->why says what is wrong. */
	bool (*decode)(struct sasl_layer *layer, struct str packet, struct buf *out);
	/* Encodes in and appends it as buffers no larger than the peer accepts. */
	bool (*encode)(struct sasl_layer *layer, struct str in, struct buf *out);
	void (*free)(struct sasl_layer *layer);
};

struct sasl_layer {
	const struct sasl_layer_class *class;
	unsigned strength; /* SSF: 1 is integrity only; above, about the bits of the key */
	size_t max_in;     /* the largest buffer of the peer, without its length */
	const char *why;   /* English, for the log, static */
};

struct sasl_exchange;

struct sasl_mech {
	const char *name; /* upper case, as in AUTH= */
	unsigned flags;   /* of enum sasl_flag */
	/* The first step without an initial response. */
	enum sasl_step (*server_start)(struct sasl_exchange *x);
	enum sasl_step (*server_step)(struct sasl_exchange *x, struct str response);
	/* For mechanisms that need keys. */
	enum sasl_step (*server_keys)(
	    struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known);
	/* For mechanisms with a token. */
	enum sasl_step (*server_deny)(struct sasl_exchange *x, const struct sasl_denial *denial);
	void (*free_own)(void *own);
	/* For mechanisms with layers: the one negotiated, which the caller owns; or NULL. */
	struct sasl_layer *(*server_layer)(struct sasl_exchange *x);
	enum sasl_scram_hash hash; /* for mechanisms that need keys */
	size_t response_max;       /* the longest decoded response; 0: SASL_RESPONSE_MAX */
	size_t keep_max;           /* most bytes that a result points to; 0: SASL_RESPONSE_MAX */
};

/* Mechanisms of this process in addition to sasl_mechs (sasl/cyrus.h). */
struct sasl_mech_list {
	const struct sasl_mech *const *mechs;
	size_t n;
};

struct sasl_exchange { /* read-only outside sasl */
	const struct sasl_mech *mech;
	struct str challenge;
	struct sasl_result result; /* valid until the exchange is freed */
	const char *why;           /* English, for the log; contains nothing that the client sent */
	unsigned stage;
	struct sasl_binding binding;
	bool tls;       /* TLS is below */
	uint64_t stamp; /* PROVEN by a secret: the stamp of its record */
	bool *oom;      /* NULL: out of memory aborts */
	void *own;      /* the mechanism's own state */
	size_t kept;    /* bytes of secret in use */
	char secret[];  /* what the result points to */
};

/* All mechanisms, the strongest first. */
extern const struct sasl_mech *const sasl_mechs[];
extern const size_t sasl_mechs_n;

/* Finds a mechanism by name, case-insensitive; NULL: none. */
const struct sasl_mech *sasl_mech_find(struct str name);

/* The longest decoded response it may need; refuse longer lines early. */
size_t sasl_mech_response_max(const struct sasl_mech *mech);

struct sasl_exchange *sasl_exchange_new(const struct sasl_mech *mech);
/* Reports out of memory (base/mem.h): returns NULL, or later steps return SASL_STEP_UNAVAILABLE. */
struct sasl_exchange *sasl_exchange_try_new(const struct sasl_mech *mech, bool *oom);
/* Wipes and frees, sets *x to NULL; NULL is fine. */
void sasl_exchange_free(struct sasl_exchange **x);
/* Sets the channel binding; call before the start.  Without it no -PLUS is offered. */
void sasl_exchange_bind(struct sasl_exchange *x, const struct sasl_binding *binding);
/* Says that TLS is below; call before the start. */
void sasl_exchange_tls(struct sasl_exchange *x);
/* For SASL_FROM_CHANNEL: sets the identity from the channel, at most SASL_NAME_MAX bytes, copied;
 * call before the start.  It becomes the result's authcid. */
void sasl_exchange_identify(struct sasl_exchange *x, struct str authcid);
/* initial: the initial response, which may be empty; NULL: none. */
enum sasl_step sasl_exchange_start(struct sasl_exchange *x, const struct str *initial);
/* Only after SASL_STEP_CHALLENGE. */
enum sasl_step sasl_exchange_step(struct sasl_exchange *x, struct str response);
/*
 * Only after SASL_STEP_KEYS: passes keys for x->mech->hash, which are copied.  For a user who is
 * unknown or has no keys, pass keys derived from the name, the same each time, with known false:
 * the exchange then fails at the end, like one with a wrong password.
 */
enum sasl_step sasl_exchange_keys(
    struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known);

/* Only after SASL_STEP_PROVEN, once.  The caller owns the layer: sasl_layer_free().  NULL: none. */
struct sasl_layer *sasl_exchange_layer(struct sasl_exchange *x);
/* Wipes and frees, sets *layer to NULL; NULL is fine. */
void sasl_layer_free(struct sasl_layer **layer);

/*
 * Only after SASL_STEP_TOKEN: rejects the token.  Returns a challenge; whatever the client answers,
 * even if it cancels, the exchange fails.
 */
enum sasl_step sasl_exchange_deny(struct sasl_exchange *x, const struct sasl_denial *denial);

/*
 * The client's side of PLAIN (RFC 4616): appends the message, not encoded.  The caller wipes out
 * (buf_wipe_fini).  False: a part is too long, not UTF-8 or contains NUL; authcid or password is
 * empty; or memory ran out (out->oom).  out is unchanged then.
 */
bool sasl_plain_message(
    struct str authzid, struct str authcid, struct str password, struct buf *out);
#endif
