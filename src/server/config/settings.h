/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CONFIG_SETTINGS_H
#define SERVER_CONFIG_SETTINGS_H
/*
 * server/config: options, and what is made from them.  Start here; auth_setup.h makes databases and
 * grants.
 *
 * The options of the server as a whole, and the list of all option tables.  The file is the one
 * that --config names; else the one in the environment variable TURNSTONE_CONFIG; else
 * /etc/turnstone/turnstone.conf if it exists; else there is none, and all options have their
 * defaults.
 */
#include "conf/args.h"
#include "conf/conf.h"
#include "net/tls/tls.h"
#include "store/store.h"

#define SETTINGS_FILE "/etc/turnstone/turnstone.conf"
#define SETTINGS_ENV "TURNSTONE_CONFIG"

enum { SERVER_LISTENERS_MAX = 64 };

enum sandbox_mode { SANDBOX_AUTO, SANDBOX_OFF, SANDBOX_REQUIRE };

struct server_settings {
	struct str default_domain;
	struct str data, control, pid_file, user;
	int64_t loops, workers, work_slice, control_connections;
	uint64_t stop_time, control_patience;
	int log_level; /* enum log_level */
	int sandbox;   /* enum sandbox_mode */
	struct str metrics_address;
	int64_t metrics_port, metrics_connections;
	uint64_t metrics_time;
	int log_format; /* enum logsink_format */
};

struct store_settings {
	int64_t lanes, max_keywords, keyword_length, max_mailboxes, mime_nesting, mime_parts;
	int64_t mail_addresses, max_properties;
	uint64_t property_size, property_total;
	uint64_t copy_memory, held_bytes, cache, write_buffer, free_space, state_budget,
	    blob_threshold;
	uint64_t mail_address_bytes, mail_field_bytes;
	struct str engine_options;
	struct conf_list default_mailboxes; /* NAME or NAME:USE */
};

struct tls_settings {
	struct str certificate, key, ciphers, ciphersuites, ocsp_response;
	int min_version;
	uint64_t ticket_time;
	int client_certificate; /* enum tls_client */
	struct str client_ca, client_crl;
};

struct certificate_settings {
	struct conf_list names;
	struct str certificate, key, ocsp_response;
};

struct certificate_map_settings {
	struct str subject, issuer, san_email, san_uri, fingerprint, user;
	int user_from; /* enum certmap_from */
};

enum listener_protocol { LISTENER_IMAP, LISTENER_LMTP };
enum listener_tls { LISTENER_STARTTLS, LISTENER_IMAPS, LISTENER_NO_TLS };

enum listener_certificate {
	LISTENER_CERTIFICATE_DEFAULT,
	LISTENER_CERTIFICATE_OFF,
	LISTENER_CERTIFICATE_REQUEST,
	LISTENER_CERTIFICATE_REQUIRE
};

struct listener_settings {
	struct str address;
	int64_t port;
	int tls;      /* enum listener_tls */
	int protocol; /* enum listener_protocol */
	struct str path, mode, owner, group;
	int client_certificate; /* enum listener_certificate */
	int preauth;            /* 1: by certificate */
	bool proxy_protocol;
	struct conf_list proxy_from; /* networks */
};

extern const struct conf_table server_conf, store_conf, tls_conf, listener_conf, certificate_conf,
    certificate_map_conf;
struct conf_tables settings_tables(void);

/* Appends the lines "FILE:12: ...", sorted by line number, then those about no line, each once.
 * file may be NULL: no line is about a file. */
void settings_put_faults(struct str lines, const char *file, struct buf *out);
/* Loads the file that --config names (or the default); on faults prints them all to standard error
 * and returns false.  The caller owns the snapshot's reference. */
bool settings_load(const struct args *args, struct conf **conf_r);
/* Loads as much of a file, which may have faults, as settings_control_path() needs to find its
 * server.  False: the file does not say where it is. */
bool settings_find(const struct args *args, struct conf **conf_r);
/* Appends that configuration's default domain; false: it has faults, which are printed. */
bool username_default_domain(const struct args *args, struct buf *domain);
/* NULL: no file. */
const char *settings_path(const struct args *args);
/* If no file was found, says on standard error where it looked; for use when something went
 * wrong. */
void settings_hint(const struct args *args);
/* If the file is unreadable and --config does not name it, says on standard error what does. */
void settings_source(const struct args *args);

/*
 * Makes a folder (mode 0700) and those above it (0755); true if it exists.  owner: the owner of a
 * folder that is made; NULL: the process.  False: why says which level cannot be made, and the
 * reason.
 */
struct passwd;
bool settings_make_folders(const char *path, const struct passwd *owner, struct buf *why);

/* Whether the listener is on its port (a UNIX socket may replace that, or come with it).  settings
 * is the block's. */
bool settings_listener_has_port(const struct conf *conf, const struct listener_settings *settings);
/* A listener as the server will have it. */
struct settings_listener {
	struct str name;
	struct listener_settings s;            /* with changes from --set */
	const struct listener_settings *given; /* its block; NULL: there is no block */
	bool has_port;                         /* besides its path, or instead of one */
};
/* Lists the configured listeners, or the usual two if none are configured; args (may be NULL) may
 * have --set.  The caller frees *list_r with mem_free().  False: lines appended to faults. */
bool settings_listeners(const struct conf *conf, const struct args *args, struct buf *faults,
    struct settings_listener **list_r, size_t *n_r);
/* Appends "FILE:LINE: listener NAME: OPTION" like conf_blame(); false: there is nothing to
 * report. */
bool settings_listener_blame(const struct conf *conf, const struct settings_listener *listener,
    const char *options, struct buf *out);
/* Parses octal digits; false: invalid. */
bool settings_parse_mode(struct str text, unsigned *mode_r);

/* default_domain; empty if it is not a domain name, which config_check() reports. */
struct str settings_default_domain(const struct conf *conf);
/* Appends the path of the control socket. */
void settings_control_path(const struct conf *conf, struct buf *out);
/* What the options do not determine. */
struct settings_tls_how {
	const char *cert_file,
	    *key_file; /* used if none is configured; NULL: check only the rest */
	struct tls_tickets *tickets;
	bool expired;         /* only warn of an expired certificate */
	struct buf *warnings; /* appended lines; may be NULL */
};
/* Appends to why a line for each fault: where the configuration is wrong, and why. */
TS_CHECKED enum ts_err settings_make_tls(const struct conf *conf,
    const struct settings_tls_how *how, struct buf *why, struct tls_ctx **ctx_r);
/* For config_check(): appends a line for each fault.  starting: an expired certificate of our own
 * is a warning instead. */
void settings_check_tls(
    const struct conf *conf, bool starting, struct buf *faults, struct buf *warnings);
void settings_check_listeners(const struct conf *conf, struct buf *faults);
/* What certificate a listener asks its clients for; settings is the block's, or a copy. */
enum tls_client settings_listener_client(
    const struct conf *conf, const struct listener_settings *settings);
/* path and arena must live until the store is open. */
void settings_store_options(
    const struct conf *conf, struct buf *path, struct arena *arena, struct store_options *opt_r);
/* Opens the configured store; prints any fault to standard error. */
bool settings_open_store(const struct conf *conf, struct store **store_r);
/*
 * For checking and repairing a store: no lanes, no background work.  recover: salvages damaged
 * files and opens the store with what they still hold; *text_r (malloc'ed) then says what was
 * wrong, with TS_OK.
 */
TS_CHECKED enum ts_err settings_open_store_still(
    const struct conf *conf, bool recover, struct store **store_r, char **text_r);
#endif
