/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COMPRESS=DEFLATE (RFC 4978).
 *
 * The layer (net/deflate.h) belongs to the login and lies above the SASL layer, so UNAUTHENTICATE
 * ends it and PROXYAUTH passes it on (imap/layer.h).  RFC 4978 section 5 defines the command for
 * authenticated state: before login it is BAD and not announced.
 *
 * While the layer is active, its memory counts towards limits.connection_memory.
 */
#include "wire/ext/compress.h"
#include "imap/ext/list.h"
#include "imap/layer.h"
#include "net/deflate.h"

struct settings {
	int64_t level;
};

/* Always false with this server's TLS, which does not compress; section 3 requires a reply of its
 * own. */
static bool
tls_compresses(const struct imap_conn *conn)
{
	struct stream_tls_info info;

	return stream_tls_info(conn->session.stream, &info) && info.compresses;
}

static enum imap_next
cmd_compress(struct imap_cmd *cmd)
{
	const struct settings *s = imap_ext_settings(cmd->conn, &imap_ext_compress);

	if (!wire_compress_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	if (imap_layers_compress(cmd->conn))
		return cmd_bad(cmd, "Compression is already active");
	if (tls_compresses(cmd->conn))
		return cmd_no(cmd, "COMPRESSIONACTIVE", "DEFLATE is active via TLS");
	if (cmd_room(cmd) < DEFLATE_MEMORY)
		return cmd_no_room(cmd);
	imap_layer_push(imap_login(cmd->conn), imap_layer_compressing(cmd->conn, (int)s->level));
	cmd->after = IMAP_AFTER_LAYER;
	return cmd_ok(cmd, "DEFLATE active");
}

static const struct conf_opt opts[] = {
    {.name = "compress_level",
        .type = CONF_INT,
        .def = "3",
        .min = 1,
        .max = 9,
        .offset = offsetof(struct settings, level),
        .prose = "How hard output is compressed after COMPRESS: 1 is fastest, 9 is smallest. "
                 "Clients that do not use COMPRESS are not affected."},
};

static const struct conf_table conf = {
    .name = "compress",
    .prose = "COMPRESS: less to transfer, for more work.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
};

static const struct imap_cmd_def cmds[] = {
    {.name = "COMPRESS", .states = IMAP_LOGGED_IN, .start = cmd_compress},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "COMPRESS=DEFLATE", .rfc = "4978", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

static const struct imap_code codes[] = {
    {"COMPRESSIONACTIVE", "4978", "COMPRESS: another layer compresses already"},
    {NULL, NULL, NULL},
};

const struct imap_ext imap_ext_compress = {
    .name = "compress",
    .title = "COMPRESS=DEFLATE (RFC 4978)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
    .conf = &conf,
};
