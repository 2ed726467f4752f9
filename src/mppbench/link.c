/* SPDX-License-Identifier: MIT */
/* link.c - see link.h. */
#include "mppbench/link.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/clock.h"

enum {
	ANSWER_MS = 120000, /* making a million accounts takes its time */
	TURN_US = 30000000,
	SPINS = 1024, /* between two looks at the clock */
};

static mpp_err fail(struct fault *f, const char *what)
{
	return fault_set(f, MPP_ERR_IO, EX_OSERR, "%s: %s", what,
			 strerror(errno));
}

mpp_err link_open(struct link *l, struct fault *f)
{
	int ends[2];

	memset(l, 0, sizeof(*l));
	l->orders = l->other = -1;
	l->shared = mmap(NULL, sizeof(*l->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->shared == MAP_FAILED)
		return fail(f, "cannot share memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fail(f, "cannot make a pair of sockets");
	l->orders = ends[0];
	l->other = ends[1];
	return MPP_OK;
}

void link_keep_child(struct link *l)
{
	(void)close(l->orders);
	l->orders = l->other;
	l->other = -1;
}

void link_keep_parent(struct link *l, pid_t server)
{
	(void)close(l->other);
	l->other = -1;
	l->server = server;
}

static mpp_err fail_silent(struct fault *f)
{
	return fault_set(f, MPP_ERR_IO, EX_SOFTWARE,
			 "the server process has ended or does not answer");
}

mpp_err link_ask(struct link *l, const struct command *c, struct report *r,
		 struct fault *f)
{
	struct pollfd p = {.fd = l->orders, .events = POLLIN};

	if (send(l->orders, c, sizeof(*c), MSG_NOSIGNAL) != sizeof(*c) ||
	    poll(&p, 1, ANSWER_MS) != 1 ||
	    recv(l->orders, r, sizeof(*r), 0) != sizeof(*r))
		return fail_silent(f);
	if (!r->failed)
		return MPP_OK;
	*f = r->fault;
	return MPP_ERR_STATE;
}

static bool server_ended(const struct link *l)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)l->server, &info,
		      WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid != 0;
}

/* Looking is not sleeping, and lets others run all the same. */
static bool wait_turn(const struct link *l, uint64_t turn)
{
	const uint64_t until = clock_now().mono.us + TURN_US;
	unsigned spins = 0;

	while (atomic_load(&l->shared->turns) < turn) {
		(void)sched_yield();
		if (++spins % SPINS == 0 &&
		    (clock_now().mono.us > until || server_ended(l)))
			return false;
	}
	return true;
}

mpp_err link_turn(struct link *l, struct fault *f)
{
	const uint64_t turn = atomic_fetch_add(&l->shared->rung, 1) + 1;

	return wait_turn(l, turn) ? MPP_OK : fail_silent(f);
}

void link_close(struct link *l)
{
	const struct command stop = {.order = ORDER_STOP};

	if (l->server > 0) {
		if (send(l->orders, &stop, sizeof(stop), MSG_NOSIGNAL) !=
			    sizeof(stop) ||
		    close(l->orders) != 0)
			(void)kill(l->server, SIGKILL);
		l->orders = -1;
		(void)waitpid(l->server, NULL, 0);
	}
	l->server = 0;
}
