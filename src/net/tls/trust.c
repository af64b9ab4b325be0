/* SPDX-License-Identifier: Apache-2.0 */
/* Trust anchors, revocation lists, and judging chains by them (RFC 5280): see trust.h. */
#include "net/tls/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "net/tls/certmap.h"
#include "net/tls/tls_int.h"

enum { ANCHORS_MAX = 1024, CRLS_MAX = 1024, AUTH_LEVEL = 2 /* no keys below 112 bits */ };

struct tls_trust {
	X509_STORE *store;
	STACK_OF(X509) * anchors;
	STACK_OF(X509_CRL) * crls;
	bool revocation;
};

bool
tls_time(const ASN1_TIME *t, int64_t *seconds_r)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*seconds_r = (int64_t)timegm(&tm);
	return true;
}

/* ---- files */

static FILE *
open_pem(struct tls_trust_file *file)
{
	FILE *f = fopen(file->name, "re");

	if (f == NULL)
		buf_printf(&file->why, "%s: %s", file->name, strerror(errno));
	return f;
}

/* At the end of a PEM file the reader reports that no further block begins; all else is a fault. */
static bool
at_end(struct tls_trust_file *file, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return true;
	}
	buf_printf(&file->why, "%s in %s cannot be used: %s", what, file->name, tls_why());
	return false;
}

static bool
add_anchor(
    struct tls_trust *t, X509 *cert, struct tls_trust_file *file, int64_t now, unsigned *valid)
{
	int64_t end = 0;

	if (!tls_time(X509_get0_notAfter(cert), &end) || end >= now) {
		*valid += 1;
	} else {
		buf_puts(&file->warnings, "the certificate of ");
		certmap_name_print(X509_get_subject_name(cert), &file->warnings);
		buf_puts(&file->warnings, " has expired: it verifies nobody\n");
	}
	return X509_STORE_add_cert(t->store, cert) == 1 && sk_X509_push(t->anchors, cert) > 0;
}

static bool
read_anchors(struct tls_trust *t, struct tls_trust_file *file, int64_t now)
{
	FILE *f = open_pem(file);
	unsigned valid = 0;
	X509 *cert;
	bool ok = f != NULL;

	while (ok && (cert = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		ok =
		    sk_X509_num(t->anchors) < ANCHORS_MAX && add_anchor(t, cert, file, now, &valid);
		if (!ok) {
			X509_free(cert);
			buf_printf(&file->why, "%s: more than %d certificates, or no memory",
			    file->name, ANCHORS_MAX);
		}
	}
	ok = ok && at_end(file, "a certificate");
	if (f != NULL)
		(void)fclose(f);
	if (ok && valid == 0) {
		buf_printf(&file->why,
		    sk_X509_num(t->anchors) == 0 ? "%s holds no certificate (PEM)"
		                                 : "%s: all certificates have expired",
		    file->name);
		ok = false;
	}
	return ok;
}

/* Returns false only if an anchor has the issuer's name but not its key. */
static bool
signature_ok(const struct tls_trust *t, X509_CRL *crl)
{
	bool named = false;

	for (int i = 0; i < sk_X509_num(t->anchors); i++) {
		X509 *cert = sk_X509_value(t->anchors, i);

		if (X509_NAME_cmp(X509_get_subject_name(cert), X509_CRL_get_issuer(crl)) != 0)
			continue;
		if (X509_CRL_verify(crl, X509_get0_pubkey(cert)) == 1)
			return true;
		named = true;
	}
	ERR_clear_error();
	return !named;
}

static bool
add_crl(struct tls_trust *t, X509_CRL *crl, struct tls_trust_file *file, int64_t now)
{
	int64_t end = 0;

	if (!signature_ok(t, crl)) {
		buf_printf(&file->why, "%s: the list of ", file->name);
		certmap_name_print(X509_CRL_get_issuer(crl), &file->why);
		buf_puts(&file->why, " is not signed by the CA of that name in tls.client_ca");
		return false;
	}
	if (tls_time(X509_CRL_get0_nextUpdate(crl), &end) && end < now) {
		buf_puts(&file->warnings, "the list of ");
		certmap_name_print(X509_CRL_get_issuer(crl), &file->warnings);
		buf_puts(&file->warnings, " is out of date: certificates of that CA are refused\n");
	}
	if (sk_X509_CRL_num(t->crls) == CRLS_MAX || X509_STORE_add_crl(t->store, crl) != 1 ||
	    sk_X509_CRL_push(t->crls, crl) <= 0) {
		buf_printf(
		    &file->why, "%s: more than %d lists, or no memory", file->name, CRLS_MAX);
		return false;
	}
	return true;
}

static bool
read_crls(struct tls_trust *t, struct tls_trust_file *file, int64_t now)
{
	FILE *f = open_pem(file);
	X509_CRL *crl;
	bool ok = f != NULL;

	while (ok && (crl = PEM_read_X509_CRL(f, NULL, NULL, NULL)) != NULL) {
		ok = add_crl(t, crl, file, now);
		if (!ok)
			X509_CRL_free(crl);
	}
	ok = ok && at_end(file, "a list of revoked certificates");
	if (f != NULL)
		(void)fclose(f);
	if (ok && sk_X509_CRL_num(t->crls) == 0) {
		buf_printf(&file->why, "%s holds no list of revoked certificates (PEM, X509 CRL)",
		    file->name);
		ok = false;
	}
	return ok;
}

/* One file may serve as both. */
static void
name_other_blocks(struct tls_trust_files *files)
{
	const char *ca = files->ca.name, *crl = files->crl.name;
	bool same = ca != NULL && crl != NULL && strcmp(ca, crl) == 0;
	const char *const certificates[] = {"CERTIFICATE", same ? "X509 CRL" : NULL, NULL};
	const char *const lists[] = {"X509 CRL", NULL};

	if (ca != NULL)
		tls_name_other_blocks(ca, certificates, &files->ca.warnings);
	if (crl != NULL && !same)
		tls_name_other_blocks(crl, lists, &files->crl.warnings);
}

struct tls_trust *
tls_trust_new(struct tls_trust_files *files, int64_t now)
{
	struct tls_trust *t;
	bool ok;

	if (files->ca.name == NULL && files->crl.name == NULL)
		return NULL;
	t = mem_zalloc(sizeof(*t));
	ERR_clear_error();
	t->store = X509_STORE_new();
	t->anchors = sk_X509_new_null();
	t->crls = sk_X509_CRL_new_null();
	t->revocation = files->crl.name != NULL;
	ok = t->store != NULL && t->anchors != NULL && t->crls != NULL;
	if (!ok)
		buf_puts(files->ca.name != NULL ? &files->ca.why : &files->crl.why, "no memory");
	if (ok && files->ca.name != NULL)
		ok = read_anchors(t, &files->ca, now);
	/* Read each file, whatever is wrong with the other. */
	if (files->crl.name != NULL && t->crls != NULL)
		ok &= read_crls(t, &files->crl, now);
	name_other_blocks(files);
	if (!ok || files->ca.name == NULL)
		tls_trust_free(&t);
	return t;
}

void
tls_trust_free(struct tls_trust **tp)
{
	struct tls_trust *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	sk_X509_pop_free(t->anchors, X509_free);
	sk_X509_CRL_pop_free(t->crls, X509_CRL_free);
	X509_STORE_free(t->store);
	mem_free(t);
}

STACK_OF(X509) * tls_trust_anchors(const struct tls_trust *trust)
{
	return trust->anchors;
}

/* ---- verifying */

/*
 * An anchor is trusted as such (RFC 5280 section 6.1): its revocation need not be checked.  OpenSSL
 * would check it too.
 */
static int
anchor_needs_no_crl(int ok, X509_STORE_CTX *x)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(x);

	return ok == 1 || (X509_STORE_CTX_get_error(x) == X509_V_ERR_UNABLE_TO_GET_CRL &&
	                      X509_STORE_CTX_get_error_depth(x) == sk_X509_num(chain) - 1);
}

static void
narrow(struct tls_verdict *v, const ASN1_TIME *from, const ASN1_TIME *end, int64_t now)
{
	int64_t t;

	if (tls_time(from, &t) && t <= now && t > v->from)
		v->from = t;
	/* The last second counts (RFC 5280 section 4.1.2.5). */
	if (tls_time(end, &t) && t + 1 > now && t + 1 < v->until)
		v->until = t + 1;
}

/* Limits the verdict to the next moment when one of these could change it. */
static void
bound(const struct tls_trust *trust, STACK_OF(X509) * chain, int64_t now, struct tls_verdict *v)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		narrow(v, X509_get0_notBefore(cert), X509_get0_notAfter(cert), now);
	}
	for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(trust->crls, i);

		narrow(v, X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl), now);
	}
}

static void
set_params(const struct tls_trust *trust, X509_STORE_CTX *x, int64_t now)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(x);
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;

	if (trust->revocation)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	(void)X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	X509_STORE_CTX_set_verify_cb(x, anchor_needs_no_crl);
}

void
tls_trust_verify(const struct tls_trust *trust, X509 *cert, STACK_OF(X509) * chain, int64_t now,
    struct tls_verdict *verdict_r)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();

	/* Ask again after a second if the answer was no: it may have changed by then. */
	*verdict_r = (struct tls_verdict){X509_V_ERR_OUT_OF_MEM, now, now + 1};
	if (x != NULL && X509_STORE_CTX_init(x, trust->store, cert, chain) == 1 &&
	    X509_STORE_CTX_set_default(x, "ssl_client") == 1) {
		set_params(trust, x, now);
		if (X509_verify_cert(x) == 1) {
			*verdict_r = (struct tls_verdict){X509_V_OK, INT64_MIN, INT64_MAX};
			bound(trust, X509_STORE_CTX_get0_chain(x), now, verdict_r);
		} else {
			verdict_r->code = X509_STORE_CTX_get_error(x);
			if (verdict_r->code == X509_V_OK)
				verdict_r->code = X509_V_ERR_UNSPECIFIED;
		}
	}
	X509_STORE_CTX_free(x);
	ERR_clear_error();
}
