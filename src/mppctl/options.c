/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "mppctl/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "mppctl/complain.h"

enum {
	LIFETIME_MAX_S = 900,
	EXPIRES_MAX_S = 31536000,
	FIRST_BIT = 0x100, /* values of getopt that are no characters */
	VALUE_SOCKET = 1,
	VALUE_JSON = 2,
	VALUE_HELP = 3,
	VALUE_VERSION = 4,
};

static const struct option table[] = {
	{"lifetime", required_argument, NULL, FIRST_BIT + OPT_LIFETIME},
	{"publish", no_argument, NULL, FIRST_BIT + OPT_PUBLISH},
	{"qr", no_argument, NULL, FIRST_BIT + OPT_QR},
	{"store", required_argument, NULL, FIRST_BIT + OPT_STORE},
	{"reset", no_argument, NULL, FIRST_BIT + OPT_RESET},
	{"yes", no_argument, NULL, FIRST_BIT + OPT_YES},
	{"rights", required_argument, NULL, FIRST_BIT + OPT_RIGHTS},
	{"expires", required_argument, NULL, FIRST_BIT + OPT_EXPIRES},
	{"key", required_argument, NULL, FIRST_BIT + OPT_KEY},
	{"endpoint", required_argument, NULL, FIRST_BIT + OPT_ENDPOINT},
	{"fingerprint", required_argument, NULL, FIRST_BIT + OPT_FINGERPRINT},
	{"socket", required_argument, NULL, VALUE_SOCKET},
	{"json", no_argument, NULL, VALUE_JSON},
	{"help", no_argument, NULL, VALUE_HELP},
	{"version", no_argument, NULL, VALUE_VERSION},
	{NULL, 0, NULL, 0},
};

static int set_lifetime(struct options *o, const char *text)
{
	const size_t digits = strspn(text, "0123456789");
	const unsigned long n = strtoul(text, NULL, 10);
	const char *unit = text + digits;

	if (digits > 0 && digits < 5 && strcmp(unit, "s") == 0)
		o->lifetime_s = (uint32_t)n;
	else if (digits > 0 && digits < 5 && strcmp(unit, "m") == 0)
		o->lifetime_s = (uint32_t)n * 60;
	if (o->lifetime_s >= 1 && o->lifetime_s <= LIFETIME_MAX_S)
		return 0;
	return complain(EX_USAGE,
			"--lifetime %s: give a time such as 90s or 10m, 1s to "
			"15m",
			text);
}

static uint32_t seconds_in(const char *unit)
{
	static const struct {
		const char *name;
		uint32_t s;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, unit) == 0)
			return units[i].s;
	}
	return 0;
}

static int set_expires(struct options *o, const char *text)
{
	const size_t digits = strspn(text, "0123456789");
	const uint64_t n = strtoul(text, NULL, 10);
	const uint64_t s = n * seconds_in(text + digits);

	if (digits > 0 && digits < 9 && s >= 1 && s <= EXPIRES_MAX_S) {
		o->expires_s = (uint32_t)s;
		return 0;
	}
	return complain(EX_USAGE,
			"--expires %s: give a time such as 10m, 8h or 30d, 1s "
			"to 365d",
			text);
}

/* "subscribe,publish" */
static int set_rights(struct options *o, const char *text)
{
	static const char *const names[] = {"subscribe", "publish", "reset"};
	const char *at = text;
	unsigned i;
	size_t n;

	o->rights = 0;
	for (;;) {
		n = strcspn(at, ",");
		for (i = 0; i < 3; i++) {
			if (strlen(names[i]) == n &&
			    strncmp(names[i], at, n) == 0)
				break;
		}
		if (i == 3)
			return complain(EX_USAGE,
					"--rights %s: give subscribe, publish "
					"or reset, with commas between",
					text);
		o->rights |= 1u << i; /* MPP_RIGHT_… in this order */
		if (at[n] == '\0')
			return 0;
		at += n + 1;
	}
}

static int add_text(const char *name, const char *text, const char **list,
		    int *n, int most)
{
	if (*n == most)
		return complain(EX_USAGE, "more than %d times --%s", most,
				name);
	list[(*n)++] = text;
	return 0;
}

static int add_store(struct options *o, const char *text)
{
	return add_text("store", text, o->stores, &o->n_stores, STORES_MAX);
}

static int take(struct options *o, int value, const char *text)
{
	if (value > FIRST_BIT)
		o->given |= (unsigned)(value - FIRST_BIT);
	switch (value) {
	case FIRST_BIT + OPT_LIFETIME:
		return set_lifetime(o, text);
	case FIRST_BIT + OPT_STORE:
		return add_store(o, text);
	case FIRST_BIT + OPT_EXPIRES:
		return set_expires(o, text);
	case FIRST_BIT + OPT_RIGHTS:
		return set_rights(o, text);
	case FIRST_BIT + OPT_ENDPOINT:
		return add_text("endpoint", text, o->endpoints, &o->n_endpoints,
				ENDPOINTS_MAX);
	case FIRST_BIT + OPT_FINGERPRINT:
		return add_text("fingerprint", text, o->fingerprints,
				&o->n_fingerprints, FINGERPRINTS_MAX);
	case FIRST_BIT + OPT_KEY:
		o->key = text;
		break;
	case VALUE_SOCKET:
		o->socket = text;
		break;
	case VALUE_JSON:
		o->json = true;
		break;
	case VALUE_HELP:
	case 'h':
		o->help = true;
		break;
	case VALUE_VERSION:
		o->version = true;
		break;
	default: /* said by its bit */
		break;
	}
	return 0;
}

static int read_all(int argc, char **argv, struct options *o)
{
	int value, code;

	opterr = 0;
	while ((value = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (value == '?')
			return complain(EX_USAGE,
					"%s: no such option (see mppctl "
					"--help)",
					argv[optind - 1]);
		if (value == ':')
			return complain(EX_USAGE, "%s: a value is missing",
					argv[optind - 1]);
		if ((code = take(o, value, optarg)) != 0)
			return code;
	}
	return 0;
}

static int find_socket(struct options *o)
{
	const char *from = "--socket";

	if (o->socket == NULL) {
		from = "$MPPCTL_SOCKET";
		o->socket = getenv("MPPCTL_SOCKET");
	}
	if (o->socket == NULL || (from[0] == '$' && o->socket[0] == '\0'))
		o->socket = MPPCTL_SOCKET;
	if (o->socket[0] != '\0' &&
	    strlen(o->socket) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return 0;
	return complain(EX_USAGE, "%s: a socket's path has 1 to 107 octets",
			from);
}

int options_parse(int argc, char **argv, struct options *out)
{
	int code;

	memset(out, 0, sizeof(*out));
	if ((code = read_all(argc, argv, out)) != 0)
		return code;
	out->args = argv + optind;
	out->n_args = argc - optind;
	return find_socket(out);
}

const char *options_stray(const struct options *o, unsigned allowed)
{
	const struct option *row;

	for (row = table; row->val >= FIRST_BIT; row++) {
		const unsigned bit = (unsigned)(row->val - FIRST_BIT);

		if ((o->given & bit) != 0 && (allowed & bit) == 0)
			return row->name;
	}
	return NULL;
}
