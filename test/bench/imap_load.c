/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imap_load: an IMAP (and LMTP) load client for any server.  Prints one line of JSON to stdout; any
 * reply but OK ends the run with status 1 and prints that line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "load.h"

static const struct option options[] = {{"host", 1, NULL, 'h'}, {"port", 1, NULL, 'p'},
    {"tls", 1, NULL, 't'}, {"conns", 1, NULL, 'c'}, {"threads", 1, NULL, 'j'},
    {"seconds", 1, NULL, 's'}, {"warmup", 1, NULL, 'w'}, {"user", 1, NULL, 'u'},
    {"user-prefix", 1, NULL, 'U'}, {"users", 1, NULL, 'n'}, {"password", 1, NULL, 'P'},
    {"gateway", 1, NULL, 'g'}, {"gateway-password", 1, NULL, 'G'}, {"mailbox", 1, NULL, 'm'},
    {"size", 1, NULL, 'z'}, {"batch", 1, NULL, 'b'}, {"range", 1, NULL, 'r'},
    {"count", 1, NULL, 'C'}, {"word", 1, NULL, 'W'}, {"pid", 1, NULL, 'i'},
    {"resume", 0, NULL, 'R'}, {"mech", 1, NULL, 'M'}, {"cert", 1, NULL, 'E'}, {"key", 1, NULL, 'K'},
    {NULL, 0, NULL, 0}};

static void
usage(void)
{
	fprintf(stderr,
	    "usage: imap_load [options] SCENARIO\n"
	    "  --host A --port P --tls CA_FILE         where (127.0.0.1, 143, plain)\n"
	    "  --cert FILE --key FILE                  a certificate to show under TLS\n"
	    "  --mech plain|external                   how a gateway logs in (plain)\n"
	    "  --resume                                resume TLS sessions where connections end\n"
	    "  --conns N --threads 1|2                 connections, client threads (1, 1)\n"
	    "  --seconds S --warmup S                  measured time, and before it (5, 1)\n"
	    "  --users N --user-prefix X | --user U    X0001 … XN (1, user), or one user for all\n"
	    "  --password P --gateway U --gateway-password P\n"
	    "  --mailbox M --size BYTES --batch MESSAGES --range MESSAGES --count MESSAGES --word "
	    "W\n"
	    "  --pid PID                               the server, for idle\n"
	    "scenarios:\n");
	load_script_list();
}

static void
take_option(struct load_run *run, int opt)
{
	switch (opt) {
	case 'h':
		run->host = optarg;
		break;
	case 'p':
		run->port = optarg;
		break;
	case 't':
		run->tls = true;
		run->ca_file = optarg;
		break;
	case 'c':
		run->conns = (unsigned)atoi(optarg);
		break;
	case 'j':
		run->threads = (unsigned)atoi(optarg);
		break;
	case 's':
		run->seconds = atof(optarg);
		break;
	case 'w':
		run->warmup = atof(optarg);
		break;
	case 'u':
		run->user = optarg;
		break;
	case 'U':
		run->user_prefix = optarg;
		break;
	case 'n':
		run->users = (unsigned)atoi(optarg);
		break;
	case 'P':
		run->password = optarg;
		break;
	case 'g':
		run->gateway = optarg;
		break;
	case 'G':
		run->gateway_password = optarg;
		break;
	case 'm':
		run->mailbox = optarg;
		break;
	case 'z':
		run->size = (size_t)atol(optarg);
		break;
	case 'b':
		run->batch = (unsigned)atoi(optarg);
		break;
	case 'r':
		run->range = (unsigned)atoi(optarg);
		break;
	case 'C':
		run->count = (uint64_t)atoll(optarg);
		break;
	case 'W':
		run->word = optarg;
		break;
	case 'R':
		run->resume = true;
		break;
	case 'M':
		run->external = strcmp(optarg, "external") == 0;
		if (!run->external && strcmp(optarg, "plain") != 0) {
			usage();
			exit(2);
		}
		break;
	case 'E':
		run->cert_file = optarg;
		break;
	case 'K':
		run->key_file = optarg;
		break;
	case 'i':
		run->pid = atoi(optarg);
		break;
	default:
		usage();
		exit(2);
	}
}

static void
parse_options(struct load_run *run, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(run, opt);
	run->scenario = optind + 1 == argc ? load_script_find(argv[optind]) : NULL;
	if (run->scenario == NULL || run->conns < 1 || run->users < 1 || run->threads < 1 ||
	    run->size < 1000 || run->batch < 1 || (run->external && run->cert_file == NULL)) {
		usage();
		exit(2);
	}
	if (run->user != NULL)
		run->users = 1;
	if (run->threads > run->conns)
		run->threads = run->conns;
}

static SSL_CTX *
tls_client(const struct load_run *run)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const char *key = run->key_file != NULL ? run->key_file : run->cert_file;

	if (ctx == NULL || SSL_CTX_load_verify_locations(ctx, run->ca_file, NULL) != 1) {
		fprintf(stderr, "imap_load: cannot read the certificates in %s\n", run->ca_file);
		exit(2);
	}
	if (run->cert_file != NULL &&
	    (SSL_CTX_use_certificate_chain_file(ctx, run->cert_file) != 1 ||
	        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)) {
		fprintf(stderr, "imap_load: cannot use the certificate in %s\n", run->cert_file);
		exit(2);
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                          SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	return ctx;
}

static void
print_result(const struct load_run *run, const struct load_worker *w)
{
	struct load_hist *h = mem_zalloc(sizeof(*h));
	double ops = 0, msgs = 0, in = 0, out = 0;
	uint64_t all = 0;

	for (unsigned i = 0; i < run->threads; i++) {
		double s = (double)(w[i].to.at - w[i].from.at) / 1e9;

		all += w[i].now.ops;
		load_hist_merge(h, &w[i].hist);
		if (w[i].to.at == 0 || s <= 0)
			continue;
		ops += (double)(w[i].to.ops - w[i].from.ops) / s;
		msgs += (double)(w[i].to.msgs - w[i].from.msgs) / s;
		in += (double)(w[i].to.in - w[i].from.in) / s;
		out += (double)(w[i].to.out - w[i].from.out) / s;
	}
	printf("{\"scenario\":\"%s\",\"conns\":%u,\"tls\":%s,\"threads\":%u,\"ops\":%llu,\"all_"
	       "ops\":%llu,"
	       "\"ops_s\":"
	       "%.1f,"
	       "\"msgs_s\":%.1f,\"in_bytes_s\":%.0f,\"out_bytes_s\":%.0f,\"mean_us\":%.1f,\"p50_"
	       "us\":%.1f,"
	       "\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}\n",
	    run->scenario->name, run->conns, run->tls ? "true" : "false", run->threads,
	    (unsigned long long)h->count, (unsigned long long)all, ops, msgs, in, out,
	    h->count > 0 ? (double)h->sum / (double)h->count / 1e3 : 0.0,
	    (double)load_hist_at(h, 500) / 1e3, (double)load_hist_at(h, 900) / 1e3,
	    (double)load_hist_at(h, 990) / 1e3, (double)load_hist_at(h, 999) / 1e3,
	    (double)h->max / 1e3);
	mem_free(h);
}

/* All connections wait: lets the server settle, and compares memory. */
static void
print_memory(const struct load_run *run, const struct load_memory *before)
{
	struct load_memory after;

	usleep(2000000);
	after = load_memory_of(run->pid);
	printf("{\"scenario\":\"%s\",\"conns\":%u,\"tls\":%s,\"rss_before_kib\":%llu,"
	       "\"rss_after_kib\":%llu,\"pss_before_kib\":%llu,\"pss_after_kib\":%llu,"
	       "\"private_before_kib\":%llu,\"private_after_kib\":%llu,\"kib_per_conn\":%.2f}\n",
	    run->scenario->name, run->conns, run->tls ? "true" : "false", before->rss, after.rss,
	    before->pss, after.pss, before->private, after.private,
	    ((double)after.pss - (double)before->pss) / run->conns);
}

static int
run_threads(struct load_run *run, struct load_worker *w)
{
	int status = 0;

	run->start = clock_mono_ns();
	run->measure = run->start + (uint64_t)(run->warmup * 1e9);
	run->end = run->measure + (uint64_t)(run->seconds * 1e9);
	if (run->scenario->flags & LOAD_COUNTED)
		run->measure = run->start;
	for (unsigned i = 0, first = 0; i < run->threads; first += w[i++].n) {
		w[i].run = run;
		w[i].index = i;
		w[i].first = first;
		w[i].n = run->conns / run->threads + (i < run->conns % run->threads);
		pthread_create(&w[i].thread, NULL, load_worker_main, &w[i]);
	}
	for (unsigned i = 0; i < run->threads; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].failed) {
			fprintf(stderr, "imap_load: %s: %s\n", run->scenario->name, w[i].error);
			status = 1;
		}
	}
	return status;
}

/* Root may exceed the hard limit. */
static void
raise_file_limit(const struct load_run *run)
{
	struct rlimit files = {0};
	rlim_t need = run->conns + 64;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < need)
		files.rlim_max = need;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
		fprintf(stderr, "imap_load: %u connections need %llu open files: ulimit -Hn\n",
		    run->conns, (unsigned long long)need);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct load_run run = {.host = "127.0.0.1",
	    .port = "143",
	    .user_prefix = "user",
	    .password = "",
	    .gateway = "gateway",
	    .gateway_password = "",
	    .mailbox = "INBOX",
	    .conns = 1,
	    .threads = 1,
	    .users = 1,
	    .batch = 100,
	    .range = 10000,
	    .size = 4096,
	    .seconds = 5,
	    .warmup = 1};
	struct load_worker *w;
	struct load_memory before = {0};
	int status;

	parse_options(&run, argc, argv);
	raise_file_limit(&run);
	if (run.tls)
		run.ssl = tls_client(&run);
	load_script_build(&run);
	w = mem_zalloc(run.threads * sizeof(*w));
	if (run.pid > 0)
		before = load_memory_of(run.pid);
	status = run_threads(&run, w);
	if (status == 0 && (run.scenario->flags & LOAD_IDLE))
		print_memory(&run, &before);
	else if (status == 0)
		print_result(&run, w);
	return status;
}
