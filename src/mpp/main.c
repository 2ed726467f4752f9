/* SPDX-License-Identifier: MIT */
/* main.c - mpp, the client on a device. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "mpp/commands.h"
#include "mpp/complain.h"

static const char help[] =
	"mpp enroll URI|-     enrol this device with an invitation (-: stdin)\n"
	"mpp subscribe        print each publication as it comes\n"
	"mpp unsubscribe      connect as this device, which ends what "
	"subscription\n"
	"                     it has at the service; not while mpp subscribe "
	"runs\n"
	"mpp status           print the account's current state\n"
	"mpp endpoint         print how the service sees this device, and its "
	"clock\n"
	"mpp publish --store NAME=INDEX[:HEXDIGEST] ...\n"
	"                     publish states of stores (needs the right to)\n"
	"mpp decode           print JSON-BCD from stdin as JSON\n"
	"\n"
	"  --state DIR        where this device keeps its key ($MPP_STATE,\n"
	"                     $XDG_STATE_HOME/mpp, ~/.local/state/mpp)\n"
	"  --timeout 10s      give up when there is no answer; 0: never\n"
	"  --json             one line of JSON for each event\n"
	"  --help, --version\n"
	"subscribe:\n"
	"  --store NAME       only of this store (may be repeated)\n"
	"  --lease 30s        for how long the service keeps a silent device\n"
	"  --keepalive 5s     longest silence of this device\n"
	"  --count N          end after N publications\n"
	"\n"
	"Exit codes: 0 done, 64 usage, 65 bad input, 66 not enrolled, 68 host\n"
	"unknown, 74 disk, 75 no answer, 76 the service's key has changed,\n"
	"77 refused.\n";

static const struct command {
	const char *name;
	int (*run)(const struct options *o);
	unsigned allowed;
	int args;
	bool needs_state;
} commands[] = {
	{"enroll", command_enroll, OPT_STATE | OPT_TIMEOUT | OPT_JSON, 1, true},
	{"subscribe", command_subscribe,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_STORE | OPT_LEASE |
		 OPT_KEEPALIVE | OPT_COUNT,
	 0, true},
	{"status", command_status, OPT_STATE | OPT_TIMEOUT | OPT_JSON, 0, true},
	{"unsubscribe", command_unsubscribe, OPT_STATE | OPT_TIMEOUT | OPT_JSON,
	 0, true},
	{"endpoint", command_endpoint, OPT_STATE | OPT_TIMEOUT | OPT_JSON, 0,
	 true},
	{"publish", command_publish,
	 OPT_STATE | OPT_TIMEOUT | OPT_JSON | OPT_STORE, 0, true},
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

static int run(struct options *o)
{
	const struct command *c = find(o->args[0]);
	const char *stray;
	int code;

	if (c == NULL)
		return complain(EX_USAGE,
				"%s: no such command (see mpp --help)",
				o->args[0]);
	if ((stray = options_stray(o, c->allowed)) != NULL)
		return complain(EX_USAGE, "%s does not take --%s", c->name,
				stray);
	if (o->n_args - 1 < c->args)
		return complain(EX_USAGE,
				"%s: the invitation is missing: mpp "
				"enroll URI, or - to read it from "
				"stdin",
				c->name);
	if (o->n_args - 1 > c->args)
		return complain(EX_USAGE, "%s: too many arguments: %s", c->name,
				o->args[c->args + 1]);
	if (c->needs_state && (code = options_state(o)) != 0)
		return code;
	o->args++;
	return c->run(o);
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
