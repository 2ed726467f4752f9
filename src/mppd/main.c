/* SPDX-License-Identifier: MIT */
/* main.c - mppd, the presence service. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/keyfile.h"
#include "loop/names.h"
#include "mppd/daemon.h"
#include "mppd/options.h"

static const char help[] =
	"mppd                 serve until SIGTERM\n"
	"\n"
	"  -c, --config FILE  configuration (" MPPD_CONFIG ", if it is there)\n"
	"  --check-config     print OK and all values, or what is wrong\n"
	"  --print-memory     print what each limit costs\n"
	"  --insecure-key-log FILE\n"
	"                     write the keys of all connections, for "
	"Wireshark\n"
	"  --help, --version\n"
	"\n"
	"SIGTERM and SIGINT stop it after what was accepted is on disk.\n"
	"\n"
	"Exit codes: 0 stopped, 64 usage, 65 damaged file, 71 port or "
	"directory\n"
	"in use, 73 cannot create, 74 disk, 77 not permitted, 78 "
	"configuration.\n";

/* Arguments and the names of files may hold anything. */
static int complain(const struct fault *f)
{
	char line[sizeof(f->text)];

	loop_printable((mpp_bytes){(const uint8_t *)f->text, strlen(f->text)},
		       line, sizeof(line));
	(void)fprintf(stderr, "mppd: %s\n", line);
	return f->exit_code;
}

static int complain_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EX_OK;
	(void)fputs("mppd: cannot write the output\n", stderr);
	return EX_IOERR;
}

/* Without -c a missing file is no mistake: there is a default for all. */
static mpp_err read_config(const struct options *o, struct conf *c,
			   struct fault *f)
{
	const char *path = o->config != NULL ? o->config : MPPD_CONFIG;
	mpp_err err = conf_load(path, c, f);

	if (err == MPP_ERR_NOTFOUND && o->config == NULL) {
		conf_defaults(c);
		err = MPP_OK;
	}
	return err == MPP_OK ? conf_check_machine(c, path, f) : err;
}

static int check_config(const struct conf *c)
{
	struct minters m;
	struct fault f;

	if (minters_load(c, &m, &f) != MPP_OK)
		return complain(&f);
	mem_wipe(&m, sizeof(m));
	(void)fputs("OK\n", stdout);
	conf_print(c, stdout);
	return complain_stdout();
}

/* A service is made only to be asked. */
static int print_memory(const struct conf *c)
{
	const mpp_service_config config = memory_config(c);
	mpp_crypto crypto = {NULL, NULL};
	mpp_service_secrets secrets;
	struct memory m = {NULL, 0};
	struct fault f = {EX_SOFTWARE, "no cryptography"};
	mpp_err err = mpp_crypto_new(&crypto);

	if (err == MPP_OK)
		err = keyfile_generate(&crypto, &secrets);
	if (err == MPP_OK)
		err = memory_service(&config, &secrets, &crypto, &m, &f);
	if (err == MPP_OK)
		memory_print(&m, stdout);
	memory_free(&m);
	mem_wipe(&secrets, sizeof(secrets));
	mpp_crypto_free(&crypto);
	return err == MPP_OK ? complain_stdout() : complain(&f);
}

/* Signals that the loop reads are blocked before there is another thread. A
 * pipe that was closed is an error of writing, not our end. */
static void prepare_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void say_ready(const struct daemon *d)
{
	char listen[UDP_SOCKETS_MAX * ADDR_TEXT];
	char endpoints[CONF_ENDPOINTS_MAX * ADDR_ENDPOINT];
	char web[UDP_SOCKETS_MAX * ADDR_TEXT];
	char pid[LOG_NUMBER];

	names_join(d->names.web, web, sizeof(web));
	names_join(d->names.listen, listen, sizeof(listen));
	names_join(d->names.endpoint, endpoints, sizeof(endpoints));
	log_write(LOG_LEVEL_INFO, "ready", "version", MPP_VERSION, "pid",
		  log_number(pid, (uint64_t)getpid()), "listen", listen,
		  "control", d->conf.control.s, "state", d->conf.state.s,
		  "endpoints", endpoints, "web", web, LOG_END);
}

static int serve(const struct conf *c, const char *key_log)
{
	struct daemon *d = malloc(sizeof(*d));
	struct fault f = {EX_OSERR, "out of memory"};
	mpp_err err;

	if (d == NULL)
		return complain(&f);
	log_setup(STDERR_FILENO, (enum log_level)c->log_level);
	(void)umask(077);
	prepare_signals();
	daemon_init(d, c, key_log);
	err = daemon_start(d, &f);
	if (err == MPP_OK) {
		say_ready(d);
		err = daemon_run(d, &f);
	}
	daemon_end(d);
	free(d);
	if (err != MPP_OK)
		return complain(&f);
	log_write(LOG_LEVEL_INFO, "stopped", LOG_END);
	return EX_OK;
}

int main(int argc, char **argv)
{
	struct options o;
	struct conf c;
	struct fault f;

	if (options_parse(argc, argv, &o, &f) != MPP_OK)
		return complain(&f);
	if (o.help || o.version) {
		(void)fputs(o.help ? help : "mppd " MPP_VERSION "\n", stdout);
		return complain_stdout();
	}
	if (read_config(&o, &c, &f) != MPP_OK)
		return complain(&f);
	if (o.check_config)
		return check_config(&c);
	if (o.print_memory)
		return print_memory(&c);
	return serve(&c, o.key_log);
}
