/* SPDX-License-Identifier: MIT */
/* peers.c - see peers.h. They read their files when they start, so these
 * can be removed soon. */
#include "mppbench/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "mppbench/question.h"

enum {
	PATH_LEN = PLAN_PATH,
	TRIES = 200, /* for the first answer, */
	TRY_MS = 50, /* each so long */
	END_TRIES = 100,
	NOT_INSTALLED = 127,
	LINE = 120,
};

static const char *const files[] = {"zone",    "anchor",       "nsd.conf",
				    "nsd.log", "unbound.conf", "unbound.log"};

static const char nsd_text[] = "server:\n"
			       "  ip-address: 127.0.0.1@%u\n"
			       "  zonesdir: \"%s\"\n"
			       "  database: \"\"\n  pidfile: \"\"\n"
			       "  xfrdfile: \"\"\n  zonelistfile: \"\"\n"
			       "  username: \"\"\n  chroot: \"\"\n"
			       "  server-count: 1\n  rrl-ratelimit: 0\n"
			       "remote-control:\n  control-enable: no\n"
			       "zone:\n  name: bench.example\n"
			       "  zonefile: zone\n";

/* The root's, of 2017. The zone is not signed: no signature is checked while
 * anything is measured, here or there. */
static const char anchor_text[] =
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D084"
	"58E880409BBC683457104237C7F8EC8D\n";

/* What src/dns is told as well; all else as unbound has it. */
static const char unbound_text[] =
	"server:\n"
	"  interface: 127.0.0.1@%u\n"
	"  directory: \"%s\"\n"
	"  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n"
	"  use-syslog: no\n  num-threads: 1\n"
	"  do-not-query-localhost: no\n"
	"  access-control: 127.0.0.0/8 allow\n"
	"  trust-anchor-file: \"%s/anchor\"\n"
	"  domain-insecure: bench.example\n"
	"remote-control:\n  control-enable: no\n"
	"stub-zone:\n  name: bench.example\n"
	"  stub-addr: 127.0.0.1@%u\n";

static mpp_err fail(struct fault *f, const char *what)
{
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "%s: %s", what,
			 strerror(errno));
}

/* ---- files ---- */

static void path_of(const struct peers *p, const char *name, const char *ending,
		    char out[PATH_LEN])
{
	(void)snprintf(out, PATH_LEN, "%s/%s%s", p->folder, name, ending);
}

static FILE *create(const struct peers *p, const char *name)
{
	char path[PATH_LEN];

	path_of(p, name, "", path);
	return fopen(path, "we");
}

static bool write_files(const struct peers *p)
{
	FILE *zone = create(p, "zone"), *nsd = create(p, "nsd.conf");
	FILE *unbound = create(p, "unbound.conf"),
	     *anchor = create(p, "anchor");
	bool good = zone != NULL && nsd != NULL && unbound != NULL &&
		    anchor != NULL;

	good = good && question_zone(zone) && fputs(anchor_text, anchor) >= 0 &&
	       fprintf(nsd, nsd_text, p->nsd_port, p->folder) > 0 &&
	       fprintf(unbound, unbound_text, p->unbound_port, p->folder,
		       p->folder, p->nsd_port) > 0;
	good = (zone == NULL || fclose(zone) == 0) && good;
	good = (anchor == NULL || fclose(anchor) == 0) && good;
	good = (nsd == NULL || fclose(nsd) == 0) && good;
	return (unbound == NULL || fclose(unbound) == 0) && good;
}

void peers_forget_files(struct peers *p)
{
	char path[PATH_LEN];
	size_t i;

	if (p->folder[0] == '\0')
		return;
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		path_of(p, files[i], "", path);
		(void)unlink(path);
	}
	(void)rmdir(p->folder);
	p->folder[0] = '\0';
}

/* What it said at last, for people; empty: nothing. */
static void last_words(const struct peers *p, const char *name, char out[LINE])
{
	char path[PATH_LEN];
	FILE *f;

	out[0] = '\0';
	path_of(p, name, ".log", path);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fgets(out, LINE, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	(void)fclose(f);
}

/* ---- ports ---- */

static int socket_at(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (fd >= 0 &&
	    (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 ||
	     getsockname(fd, (struct sockaddr *)at, &len) != 0))
		at->sin_port = 0;
	return fd;
}

/* Two that nobody has now. */
static bool find_ports(struct peers *p)
{
	struct sockaddr_in a, b;
	const int one = socket_at(&a), two = socket_at(&b);

	p->nsd_port = ntohs(a.sin_port);
	p->unbound_port = ntohs(b.sin_port);
	if (one >= 0)
		(void)close(one);
	if (two >= 0)
		(void)close(two);
	return p->nsd_port != 0 && p->unbound_port != 0;
}

/* ---- processes ---- */

/* In the child. It ends with mppbench, however that ends. */
static _Noreturn void become(const struct peers *p, const char *name, int cpu)
{
	char config[PATH_LEN], log[PATH_LEN];
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	plan_pin(cpu);
	path_of(p, name, ".log", log);
	path_of(p, name, ".conf", config);
	fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(fd, STDERR_FILENO) < 0)
		_exit(EX_OSERR);
	(void)execlp(name, name, "-d", "-c", config, (char *)NULL);
	_exit(errno == ENOENT ? NOT_INSTALLED : EX_OSERR);
}

static mpp_err fail_ended(const struct peers *p, const char *name, int status,
			  struct fault *f)
{
	char words[LINE];

	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_INSTALLED)
		return fault_set(f, MPP_ERR_NOTFOUND, EX_OSERR,
				 "there is no %s: install the package %s, or "
				 "add /usr/sbin to PATH",
				 name, name);
	last_words(p, name, words);
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "%s ended at once: %s", name,
			 words);
}

/* Ask once; an answer to an earlier try will do. */
static bool answers(int fd, uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t q[QUESTION_MAX], a[512];
	mpp_buf query = {q, sizeof(q), 0};
	ssize_t n;

	question_write(0, 0, &query);
	if (sendto(fd, q, query.len, 0, (const struct sockaddr *)&to,
		   sizeof(to)) < 0 ||
	    poll(&p, 1, TRY_MS) != 1)
		return false;
	n = recv(fd, a, sizeof(a), MSG_DONTWAIT);
	return n > 0 && question_answered((mpp_bytes){a, (size_t)n}, 0, 0);
}

static mpp_err wait_for(const struct peers *p, pid_t *pid, const char *name,
			uint16_t port, struct fault *f)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	mpp_err err = MPP_ERR_AGAIN;
	unsigned i;
	int status;

	for (i = 0; i < TRIES && err == MPP_ERR_AGAIN; i++) {
		if (waitpid(*pid, &status, WNOHANG) == *pid) {
			*pid = 0;
			err = fail_ended(p, name, status, f);
		} else if (answers(fd, port)) {
			err = MPP_OK;
		} else {
			(void)usleep(TRY_MS * 100);
		}
	}
	if (fd >= 0)
		(void)close(fd);
	return err != MPP_ERR_AGAIN ? err
				    : fault_set(f, MPP_ERR_TIMEOUT, EX_OSERR,
						"%s does not answer", name);
}

static mpp_err start_one(const struct peers *p, pid_t *pid, const char *name,
			 int cpu, struct fault *f)
{
	const pid_t child = fork();

	if (child < 0)
		return fail(f, "cannot start a process");
	if (child == 0)
		become(p, name, cpu);
	*pid = child;
	return MPP_OK;
}

mpp_err peers_start(struct peers *p, struct plan *plan, struct fault *f)
{
	const char *tmp = getenv("TMPDIR");
	mpp_err err;

	memset(p, 0, sizeof(*p));
	if (tmp == NULL || strlen(tmp) > PEERS_PATH - 32)
		tmp = "/tmp";
	(void)snprintf(p->folder, sizeof(p->folder), "%s/mppbench-XXXXXX", tmp);
	if (mkdtemp(p->folder) == NULL) {
		p->folder[0] = '\0';
		return fail(f, "cannot make a temporary directory");
	}
	if (!find_ports(p) || !write_files(p))
		return fail(f, "cannot configure nsd and unbound");
	plan->zone_port = p->nsd_port;
	path_of(p, "anchor", "", plan->anchor);
	err = start_one(p, &p->nsd, "nsd", plan->load_cpu, f);
	if (err == MPP_OK)
		err = wait_for(p, &p->nsd, "nsd", p->nsd_port, f);
	if (err == MPP_OK)
		err = start_one(p, &p->unbound, "unbound", plan->server_cpu, f);
	if (err == MPP_OK)
		err = wait_for(p, &p->unbound, "unbound", p->unbound_port, f);
	return err;
}

static void stop_one(pid_t *pid)
{
	unsigned i;

	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGTERM);
	for (i = 0; i < END_TRIES && waitpid(*pid, NULL, WNOHANG) == 0; i++)
		(void)usleep(TRY_MS * 1000);
	if (i == END_TRIES) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

void peers_stop(struct peers *p)
{
	stop_one(&p->unbound);
	stop_one(&p->nsd);
	peers_forget_files(p);
}
