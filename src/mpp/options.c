/* SPDX-License-Identifier: MIT */
/* options.c - the command line of mpp. Contract: options.h. */
#include "mpp/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mpp/complain.h"
#include "mpp/duration.h"

enum {
	DEFAULT_TIMEOUT_MS = 10000,
	SPAN_MIN_MS = 1000,
	SPAN_MAX_MS = 24 * 3600 * 1000,
	FIRST_BIT = 0x100, /* values of getopt that are no characters */
	VALUE_HELP = 1,
	VALUE_VERSION = 2,
};

static const struct option table[] = {
	{"state", required_argument, NULL, FIRST_BIT + OPT_STATE},
	{"timeout", required_argument, NULL, FIRST_BIT + OPT_TIMEOUT},
	{"invitation", required_argument, NULL, FIRST_BIT + OPT_INVITATION},
	{"json", no_argument, NULL, FIRST_BIT + OPT_JSON},
	{"store", required_argument, NULL, FIRST_BIT + OPT_STORE},
	{"lease", required_argument, NULL, FIRST_BIT + OPT_LEASE},
	{"transport", required_argument, NULL, FIRST_BIT + OPT_TRANSPORT},
	{"web-url", required_argument, NULL, FIRST_BIT + OPT_WEB_URL},
	{"web-ca", required_argument, NULL, FIRST_BIT + OPT_WEB_CA},
	{"keepalive", required_argument, NULL, FIRST_BIT + OPT_KEEPALIVE},
	{"count", required_argument, NULL, FIRST_BIT + OPT_COUNT},
	{"insecure-key-log", required_argument, NULL, FIRST_BIT + OPT_KEY_LOG},
	{"unlinkable", no_argument, NULL, FIRST_BIT + OPT_UNLINKABLE},
	{"token", required_argument, NULL, FIRST_BIT + OPT_TOKEN},
	{"reverse", no_argument, NULL, FIRST_BIT + OPT_REVERSE},
	{"short", no_argument, NULL, FIRST_BIT + OPT_SHORT},
	{"dnssec", no_argument, NULL, FIRST_BIT + OPT_DNSSEC},
	{"cd", no_argument, NULL, FIRST_BIT + OPT_CD},
	{"listen", required_argument, NULL, FIRST_BIT + OPT_LISTEN},
	{"allow-remote", no_argument, NULL, FIRST_BIT + OPT_ALLOW_REMOTE},
	{"lifetime", no_argument, NULL, FIRST_BIT + OPT_LIFETIME},
	{"help", no_argument, NULL, VALUE_HELP},
	{"version", no_argument, NULL, VALUE_VERSION},
	{NULL, 0, NULL, 0},
};

static int set_text(struct options *o, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= sizeof(o->state))
		return complain(EX_USAGE, "--state: not a directory's name");
	memcpy(o->state, text, strlen(text) + 1);
	return 0;
}

static int set_store(struct options *o, const char *name)
{
	size_t n = 0;

	while (o->stores[n] != NULL)
		n++;
	if (n == STORES_MAX)
		return complain(EX_USAGE, "more than %d times --store",
				STORES_MAX);
	o->stores[n] = name;
	return 0;
}

static int set_listen(struct options *o, const char *address)
{
	size_t n = 0;

	while (o->listen[n] != NULL)
		n++;
	if (n == LISTEN_MAX)
		return complain(EX_USAGE, "more than %d times --listen",
				LISTEN_MAX);
	o->listen[n] = address;
	return 0;
}

static int set_span(uint32_t *out, const char *name, const char *text,
		    uint32_t min_ms)
{
	if (duration_parse(text, min_ms, SPAN_MAX_MS, out))
		return 0;
	return complain(EX_USAGE,
			"--%s %s: give a time such as 30s, 5m, 1h or 250ms, "
			"%s to 24h",
			name, text, min_ms == 0 ? "0" : "1s");
}

static int set_timeout(struct options *o, const char *text)
{
	uint32_t ms = 0;
	const int code = set_span(&ms, "timeout", text, 0);

	o->timeout_ms = (int)ms;
	return code;
}

static int set_count(struct options *o, const char *text)
{
	char *end;

	o->count = strtoull(text, &end, 10);
	if (text[0] >= '1' && text[0] <= '9' && strlen(text) <= 18 &&
	    *end == '\0')
		return 0;
	return complain(EX_USAGE, "--count %s: give a number from 1", text);
}

static int set_transport(struct options *o, const char *text)
{
	static const struct {
		const char *name;
		mpp_transport value;
	} known[] = {
		{"auto", MPP_TRANSPORT_AUTO},
		{"udp", MPP_TRANSPORT_UDP},
		{"web", MPP_TRANSPORT_WEB},
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i].name) == 0) {
			o->transport = known[i].value;
			return 0;
		}
	}
	return complain(EX_USAGE, "--transport %s: give auto, udp or web",
			text);
}

/* Those without a value. */
static void set_flag(struct options *o, unsigned bit)
{
	switch (bit) {
	case OPT_REVERSE:
		o->reverse = true;
		break;
	case OPT_SHORT:
		o->brief = true;
		break;
	case OPT_DNSSEC:
		o->dnssec = true;
		break;
	case OPT_CD:
		o->cd = true;
		break;
	case OPT_ALLOW_REMOTE:
		o->allow_remote = true;
		break;
	case OPT_UNLINKABLE:
		o->unlinkable = true;
		break;
	case OPT_LIFETIME:
		o->lifetime = true;
		break;
	default: /* OPT_JSON */
		o->json = true;
	}
}

static int set_one(struct options *o, unsigned bit, const char *text)
{
	o->given |= bit;
	switch (bit) {
	case OPT_STATE:
		return set_text(o, text);
	case OPT_TIMEOUT:
		return set_timeout(o, text);
	case OPT_INVITATION:
		o->invitation = text;
		return 0;
	case OPT_STORE:
		return set_store(o, text);
	case OPT_LEASE:
		return set_span(&o->lease_ms, "lease", text, SPAN_MIN_MS);
	case OPT_TRANSPORT:
		return set_transport(o, text);
	case OPT_WEB_URL:
		o->web_url = text;
		return 0;
	case OPT_WEB_CA:
		o->web_ca = text;
		return 0;
	case OPT_KEEPALIVE:
		return set_span(&o->keepalive_ms, "keepalive", text,
				SPAN_MIN_MS);
	case OPT_COUNT:
		return set_count(o, text);
	case OPT_LISTEN:
		return set_listen(o, text);
	case OPT_KEY_LOG:
		o->key_log_name = text;
		return 0;
	case OPT_TOKEN:
		o->token = text;
		return 0;
	default:
		set_flag(o, bit);
		return 0;
	}
}

/* $MPP_STATE, else the place that the XDG base directories give. */
static int default_state(struct options *o)
{
	const char *whole = getenv("MPP_STATE");
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (whole != NULL && whole[0] != '\0')
		return set_text(o, whole);
	if (xdg != NULL && xdg[0] == '/')
		n = snprintf(o->state, sizeof(o->state), "%s/mpp", xdg);
	else if (home != NULL && home[0] == '/')
		n = snprintf(o->state, sizeof(o->state), "%s/.local/state/mpp",
			     home);
	else
		return complain(EX_USAGE, "no home directory is known: give "
					  "--state DIR");
	if (n < 0 || (size_t)n >= sizeof(o->state))
		return complain(EX_USAGE, "the home directory's name is too "
					  "long: give --state DIR");
	return 0;
}

static int read_all(int argc, char **argv, struct options *o)
{
	int value, code;

	opterr = 0;
	while ((value = getopt_long(argc, argv, ":hx46", table, NULL)) != -1) {
		if (value == '?')
			return complain(EX_USAGE,
					"%s: no such option (see mpp --help)",
					argv[optind - 1]);
		if (value == ':')
			return complain(EX_USAGE, "%s: a value is missing",
					argv[optind - 1]);
		if (value == VALUE_HELP || value == 'h') {
			o->help = true;
		} else if (value == VALUE_VERSION) {
			o->version = true;
		} else if (value == 'x') {
			o->given |= OPT_REVERSE;
			o->reverse = true;
		} else if (value == '4' || value == '6') {
			o->given |= OPT_FAMILY;
			o->family = value - '0';
		} else {
			code = set_one(o, (unsigned)(value - FIRST_BIT),
				       optarg);
			if (code != 0)
				return code;
		}
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *out)
{
	int code;

	memset(out, 0, sizeof(*out));
	out->timeout_ms = DEFAULT_TIMEOUT_MS;
	if ((code = read_all(argc, argv, out)) != 0)
		return code;
	out->args = argv + optind;
	out->n_args = argc - optind;
	return 0;
}

mpp_loop_config options_loop(const struct options *o, mpp_client_mode mode)
{
	return (mpp_loop_config){
		.state_dir = o->state,
		.mode = mode,
		.timeout_ms = o->timeout_ms,
		.key_log = o->key_log,
		.transport = o->transport,
		.web_url = o->web_url,
		.web_ca = o->web_ca,
	};
}

int options_state(struct options *o)
{
	return o->state[0] == '\0' ? default_state(o) : 0;
}

/* Whoever connects may say how: as enroll does, and all that log keys. */
static unsigned widened(unsigned allowed)
{
	const unsigned connects = OPT_KEY_LOG | OPT_TOKEN;

	return (allowed & connects) == 0
		       ? allowed
		       : allowed | OPT_TRANSPORT | OPT_WEB_URL | OPT_WEB_CA;
}

const char *options_stray(const struct options *o, unsigned allowed)
{
	const struct option *row;

	if ((o->given & ~allowed & OPT_FAMILY) != 0)
		return o->family == 4 ? "-4" : "-6";

	for (row = table; row->val >= FIRST_BIT; row++) {
		const unsigned bit = (unsigned)(row->val - FIRST_BIT);

		if ((o->given & bit) != 0 && (widened(allowed) & bit) == 0)
			return row->name;
	}
	return NULL;
}
