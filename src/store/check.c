/* SPDX-License-Identifier: MIT */
/* check.c - see check.h.
 *
 * The child reports through a pipe: one octet for the result, then the text.
 * Silence means that it died, and the wait status says of what. */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/error.h"
#include "store/pages.h"

enum {
	SAYS_OK = 'o',
	SAYS_CHECKSUM = 'c',
	SAYS_STORE = 's',
	SAYS_NOMEM = 'm',
};

struct report {
	char octets[1 + sizeof(struct store_error)];
	size_t len;
};

/* ---- in the child ---- */

/* Crash like a plain process does: no handler of the parent, no core file,
 * which would hold what the store holds; and never outlive the parent. */
static void calm_down(void)
{
	static const int crashes[] = {SIGBUS, SIGSEGV, SIGABRT, SIGFPE,
				      SIGILL, SIGTERM, SIGINT};
	struct rlimit none = {0, 0};
	sigset_t empty;
	size_t i;

	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static char says(mpp_err rc)
{
	if (rc == MPP_OK)
		return SAYS_OK;
	if (rc == MPP_ERR_CHECKSUM)
		return SAYS_CHECKSUM;
	return rc == MPP_ERR_NOMEM ? SAYS_NOMEM : SAYS_STORE;
}

static _Noreturn void child(check_fn *fn, void *arg, int out)
{
	struct store_error err = {""};
	char octets[1 + sizeof(err.text)];
	size_t len = 1;
	mpp_err rc;

	calm_down();
	rc = fn(arg, &err);
	octets[0] = says(rc);
	if (rc != MPP_OK) {
		len += strnlen(err.text, sizeof(err.text));
		memcpy(octets + 1, err.text, len - 1);
	}
	/* Shorter than PIPE_BUF: written whole or not at all. */
	_exit(write(out, octets, len) == (ssize_t)len ? 0 : 1);
}

/* ---- in the parent ---- */

static void hear(int in, struct report *r)
{
	ssize_t n;

	while (r->len < sizeof(r->octets)) {
		n = read(in, r->octets + r->len, sizeof(r->octets) - r->len);
		if (n > 0)
			r->len += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
}

static bool is_crash(int sig)
{
	return sig == SIGBUS || sig == SIGSEGV || sig == SIGABRT ||
	       sig == SIGFPE || sig == SIGILL;
}

static mpp_err judge_death(int status, const char *path,
			   struct store_error *err)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig != 0 && !is_crash(sig))
		return store_fail(err, MPP_ERR_STORE,
				  "the check of %.300s was killed (%s); start "
				  "again",
				  path, strsignal(sig));
	if (sig != 0)
		return store_damaged(err, path, "the check of it died (%s)",
				     strsignal(sig));
	return store_damaged(err, path, "the check of it ended with status %d",
			     WEXITSTATUS(status));
}

static mpp_err judge(const struct report *r, int status, const char *path,
		     struct store_error *err)
{
	size_t len = r->len > 0 ? r->len - 1 : 0;

	if (r->len == 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return judge_death(status, path, err);
	if (r->octets[0] == SAYS_OK)
		return MPP_OK;
	if (len >= sizeof(err->text))
		len = sizeof(err->text) - 1;
	memcpy(err->text, r->octets + 1, len);
	err->text[len] = '\0';
	if (r->octets[0] == SAYS_CHECKSUM)
		return MPP_ERR_CHECKSUM;
	return r->octets[0] == SAYS_NOMEM ? MPP_ERR_NOMEM : MPP_ERR_STORE;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	/* ECHILD: somebody ignores SIGCHLD; then the pipe alone decides. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

mpp_err check_forked(check_fn *fn, void *arg, const char *path,
		     struct store_error *err)
{
	struct report r = {.len = 0};
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return store_fail_rc(err, path, "check", errno);
	if ((pid = fork()) == 0) {
		close(fd[0]);
		child(fn, arg, fd[1]);
	}
	close(fd[1]);
	if (pid > 0)
		hear(fd[0], &r);
	close(fd[0]);
	if (pid < 0)
		return store_fail_rc(err, path, "check", errno);
	return judge(&r, wait_for(pid), path, err);
}

/* ---- what the child does ---- */

static mpp_err nothing(void *arg, mpp_bytes key, mpp_bytes value)
{
	(void)arg;
	(void)key;
	(void)value;
	return MPP_OK;
}

static mpp_err check_pages(const struct db_place *at, struct store_error *err)
{
	struct hasher h;
	mpp_err rc;

	if ((rc = hasher_init(&h)) != MPP_OK)
		return store_fail(err, MPP_ERR_STORE, "cannot use SHA-512: %s",
				  mpp_err_text(rc));
	rc = pages_check(at->path, &h, err);
	hasher_free(&h);
	return rc;
}

/* Pages first: only then is it safe to let LMDB follow them. No lock file:
 * the caller holds the lock that counts. */
static mpp_err check_all(void *arg, struct store_error *err)
{
	const struct db_place *at = arg;
	struct db db;
	mpp_err rc;

	if ((rc = check_pages(at, err)) != MPP_OK)
		return rc;
	rc = db_open(&db, at, MDB_RDONLY | MDB_NOLOCK, err);
	if (rc != MPP_OK)
		return rc;
	rc = db_walk(&db, nothing, NULL, err);
	db_close(&db);
	return rc;
}

mpp_err check_store(const struct db_place *at, struct store_error *err)
{
	struct db_place place = *at;

	return check_forked(check_all, &place, at->path, err);
}
