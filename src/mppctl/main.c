/* SPDX-License-Identifier: MIT */
/* main.c - mppctl, for the operator of an mppd. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "mppctl/commands.h"
#include "mppctl/complain.h"

static const char help[] =
	"mppctl status [ACCOUNT]            what is going on\n"
	"mppctl account add NAME            add an account\n"
	"mppctl account list                list all accounts\n"
	"mppctl account remove NAME         remove an account, its stores and "
	"devices\n"
	"mppctl invite ACCOUNT              print an invitation for one "
	"device\n"
	"mppctl publish ACCOUNT --store NAME=INDEX[:HEXDIGEST] ...\n"
	"                                   publish states of stores\n"
	"mppctl device list ACCOUNT         list an account's devices\n"
	"mppctl device remove ACCOUNT ID    lock a device out\n"
	"mppctl dns-records DOMAIN          print records for the domain's "
	"zone\n"
	"mppctl token revoke ACCOUNT [ID]   let no token in any more\n"
	"mppctl token revoke --key NAME     none of this token key\n"
	"mppctl token mint ACCOUNT ID       print a token for a device\n"
	"mppctl token key FILE              make a token key for another "
	"minter\n"
	"\n"
	"  --socket PATH      of mppd ($MPPCTL_SOCKET, " MPPCTL_SOCKET ")\n"
	"  --json             mppd's answer as it is, one line\n"
	"  --help, --version\n"
	"invite:\n"
	"  --lifetime 15m     how long the invitation can be used, 1s to 15m\n"
	"  --publish          the device may also publish\n"
	"  --qr               also as a QR code (a secret as well)\n"
	"account remove:\n"
	"  --yes              do not ask (needed without a terminal)\n"
	"token mint:\n"
	"  --rights LIST      subscribe (alone when not given), publish, "
	"reset\n"
	"  --expires 1d       how long it is good, 1s to 365d\n"
	"  --key FILE         mint with this key, without asking mppd; then\n"
	"  --endpoint H:P     where mppd is (may be repeated)\n"
	"  --fingerprint F    of its key (may be repeated)\n"
	"publish:\n"
	"  --reset            also where the index is lower than what is "
	"stored\n"
	"\n"
	"Exit codes: 0 done, 64 usage, 65 refused as wrong, 68 no such "
	"account, "
	"device\n"
	"or key, 69 mppd is not running, 73 cannot open or make a file, 74 "
	"disk,\n"
	"75 try again, 77 no permission or not confirmed.\n";

enum {
	OPT_MINT = OPT_RIGHTS | OPT_EXPIRES | OPT_KEY | OPT_ENDPOINT |
		   OPT_FINGERPRINT,
};

static const struct command {
	const char *name;
	const char *second; /* word, or NULL */
	int (*run)(const struct options *o);
	unsigned allowed;
	int min, max; /* arguments */
	const char *usage;
} commands[] = {
	{"status", NULL, command_status, 0, 0, 1, "status [ACCOUNT]"},
	{"account", "add", command_account_add, 0, 1, 1, "account add NAME"},
	{"account", "list", command_account_list, 0, 0, 0, "account list"},
	{"account", "remove", command_account_remove, OPT_YES, 1, 1,
	 "account remove NAME"},
	{"invite", NULL, command_invite, OPT_LIFETIME | OPT_PUBLISH | OPT_QR, 1,
	 1, "invite ACCOUNT"},
	{"publish", NULL, command_publish, OPT_STORE | OPT_RESET, 1, 1,
	 "publish ACCOUNT --store NAME=INDEX"},
	{"device", "list", command_device_list, 0, 1, 1, "device list ACCOUNT"},
	{"device", "remove", command_device_remove, 0, 2, 2,
	 "device remove ACCOUNT ID"},
	{"dns-records", NULL, command_dns_records, 0, 1, 1,
	 "dns-records DOMAIN"},
	{"token", "revoke", command_token_revoke, OPT_KEY, 0, 2,
	 "token revoke ACCOUNT [ID]"},
	{"token", "mint", command_token_mint, OPT_MINT, 2, 2,
	 "token mint ACCOUNT ID"},
	{"token", "key", command_token_key, 0, 1, 1, "token key FILE"},
	{"token", NULL, command_token_mint, OPT_MINT, 2, 2, "token ACCOUNT ID"},
};

static const struct command *find(const struct options *o)
{
	const struct command *c;
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		c = &commands[i];
		if (strcmp(c->name, o->args[0]) == 0 &&
		    (c->second == NULL ||
		     (o->n_args > 1 && strcmp(c->second, o->args[1]) == 0)))
			return c;
	}
	return NULL;
}

static int run(struct options *o)
{
	const struct command *c = find(o);
	const char *stray;
	int words;

	if (c == NULL)
		return complain(EX_USAGE,
				"%s%s%s: no such command (see mppctl --help)",
				o->args[0], o->n_args > 1 ? " " : "",
				o->n_args > 1 ? o->args[1] : "");
	if ((stray = options_stray(o, c->allowed)) != NULL)
		return complain(EX_USAGE, "%s does not take --%s", c->name,
				stray);
	words = c->second != NULL ? 2 : 1;
	o->args += words;
	o->n_args -= words;
	if (o->n_args < c->min || o->n_args > c->max)
		return complain(EX_USAGE, "too %s arguments: mppctl %s",
				o->n_args < c->min ? "few" : "many", c->usage);
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
		(void)fputs(o.help ? help : "mppctl " MPP_VERSION "\n", stdout);
		return complain_stdout();
	}
	if (o.n_args == 0) {
		(void)fputs(help, stderr);
		return EX_USAGE;
	}
	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return complain(EX_SOFTWARE, "libcurl cannot be used");
	code = run(&o);
	curl_global_cleanup();
	return code;
}
