/* SPDX-License-Identifier: MIT */
/* main.c - mpp, the client on a device. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "host/keylog.h"
#include "mpp/commands.h"
#include "mpp/complain.h"

static const char help[] =
	"mpp enroll URI|-     enrol this device with an invitation (-: stdin)\n"
	"mpp enroll --token FILE|-   enrol it with a token minted for it\n"
	"mpp enroll USER@DOMAIN --token FILE|- | --invitation FILE|-   by its "
	"domain\n"
	"mpp id               print the id of this device, which tokens name\n"
	"mpp discover DOMAIN  print what the DNS says of a domain's service\n"
	"mpp subscribe        print each publication as it comes\n"
	"mpp unsubscribe      end a subscription that a killed program left\n"
	"mpp status           print the account's current state\n"
	"mpp endpoint         print how the service sees this device, and its "
	"clock\n"
	"mpp publish --store NAME=INDEX[:HEXDIGEST] ...   publish states of "
	"stores\n"
	"mpp dig NAME [TYPE]  ask for a name: -x, --reverse, --short, "
	"--dnssec, --cd\n"
	"mpp dns-stub         answer DNS queries of programs here, by the "
	"service\n"
	"mpp netcheck [SERVER]  say what this network does: --lifetime, -4, "
	"-6\n"
	"mpp decode           print JSON-BCD from stdin as JSON\n"
	"\n"
	"  --state DIR        its key (else $MPP_STATE, then "
	"~/.local/state/mpp); --json\n"
	"  --timeout 10s      give up when nobody answers; 0: never; --help, "
	"--version\n"
	"  --transport WAY    auto, udp or web (HTTP); --web-url URL, --web-ca "
	"FILE\n"
	"  --store NAME       subscribe: only to this store; --count N: end "
	"after so many\n"
	"  --lease 30s        keep a silent device so long; --keepalive 5s; "
	"--unlinkable\n"
	"  --listen ADDRESS   dns-stub: not 127.0.0.1:5353; --allow-remote\n"
	"  --insecure-key-log FILE   write all keys, for Wireshark\n"
	"Exit codes: 0 done, 64 usage, 65 bad input, 66 not enrolled, 68 host "
	"unknown,\n"
	"69 not offered, 74 disk, 75 no answer, 76 another service key, 77 "
	"refused.\n";

enum { ANY_ARGS = 1000 }; /* the command looks at them itself */

static const struct command {
	const char *name;
	int (*run)(const struct options *o);
	unsigned allowed;
	int args; /* negative: up to so many */
	bool needs_state;
} commands[] = {
	{"enroll", command_enroll,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_TOKEN | OPT_INVITATION, 1,
	 true},
	{"id", command_id, OPT_STATE | OPT_JSON, 0, true},
	{"discover", command_discover, OPT_TIMEOUT | OPT_JSON, 1, false},
	{"subscribe", command_subscribe,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_STORE | OPT_LEASE |
		 OPT_KEEPALIVE | OPT_COUNT | OPT_KEY_LOG | OPT_UNLINKABLE,
	 0, true},
	{"status", command_status,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_KEY_LOG, 0, true},
	{"unsubscribe", command_unsubscribe,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_KEY_LOG, 0, true},
	{"endpoint", command_endpoint,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_KEY_LOG, 0, true},
	{"publish", command_publish,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_STORE | OPT_KEY_LOG, 0, true},
	{"dig", command_dig,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_KEY_LOG | OPT_REVERSE |
		 OPT_SHORT | OPT_DNSSEC | OPT_CD,
	 ANY_ARGS, true},
	{"dns-stub", command_dns_stub,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_KEY_LOG | OPT_LISTEN |
		 OPT_ALLOW_REMOTE,
	 0, true},
	{"netcheck", command_netcheck,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_LIFETIME | OPT_FAMILY, -1,
	 true},
	{"decode", command_decode, OPT_JSON, 0, false},
};

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* There is one; -1: none. */
static struct keylog key_log = {-1, false};

static void tell_keys(void *arg, const mpp_key_entry *e)
{
	const struct options *o = arg;
	const bool failed = key_log.failed;

	if (!keylog_write(&key_log, e) && !failed)
		(void)complain(EX_IOERR, "cannot write the key log %s: %s",
			       o->key_log_name, strerror(errno));
}

static int open_key_log(struct options *o)
{
	struct fault f;

	if (o->key_log_name == NULL)
		return 0;
	if (keylog_open(o->key_log_name, &key_log, &f) != MPP_OK)
		return complain(f.exit_code, "%s", f.text);
	o->key_log = (mpp_key_log){tell_keys, o};
	return complain(0,
			"INSECURE: the keys of this connection are written to "
			"%s; whoever reads that file reads what it says",
			o->key_log_name);
}

static const char *missing(const struct command *c)
{
	return c->run == command_discover
		       ? "the domain is missing: mpp discover DOMAIN"
		       : "the invitation is missing: mpp enroll URI, or - to "
			 "read it from stdin";
}

static int run(struct options *o)
{
	const struct command *c = find(o->args[0]);
	const char *stray;
	int args, code;

	if (c == NULL)
		return complain(EX_USAGE,
				"%s: no such command (see mpp --help)",
				o->args[0]);
	if ((stray = options_stray(o, c->allowed)) != NULL)
		return complain(EX_USAGE, "%s does not take %s%s", c->name,
				stray[0] == '-' ? "" : "--", stray);
	args = o->token != NULL && o->n_args < 2 ? 0 : c->args;
	if (args != ANY_ARGS && o->n_args - 1 < args)
		return complain(EX_USAGE, "%s: %s", c->name, missing(c));
	if (o->n_args - 1 > (args < 0 ? -args : args))
		return complain(EX_USAGE, "%s: too many arguments: %s", c->name,
				o->args[(args < 0 ? -args : args) + 1]);
	/* A server that is named takes the place of the enrolment. */
	if (c->needs_state && (c->args >= 0 || o->n_args == 1) &&
	    (code = options_state(o)) != 0)
		return code;
	o->args++;
	if ((code = open_key_log(o)) == 0)
		code = c->run(o);
	keylog_close(&key_log);
	return code;
}

int main(int argc, char **argv)
{
	struct options o;
	int code;

	/* A pipe that was closed is an error of writing, not our end. */
	(void)signal(SIGPIPE, SIG_IGN);
	if ((code = options_parse(argc, argv, &o)) != 0)
		return code;
	if (o.help || o.version) {
		(void)fputs(o.help ? help : "mpp " MPP_VERSION "\n", stdout);
		return complain_stdout();
	}
	if (o.n_args == 0) {
		(void)fputs(help, stderr);
		return EX_USAGE;
	}
	return run(&o);
}
