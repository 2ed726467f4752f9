/* SPDX-License-Identifier: MIT */
/* control.c - see control.h. */
#include "mppd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { DIR_MODE = 0755, SOCKET_MODE = 0660, BACKLOG = 64 };

static mpp_err fail(struct fault *f, const char *what, const char *path)
{
	const int e = errno;

	return fault_set(f, MPP_ERR_IO,
			 e == ENOSPC || e == EIO || e == EDQUOT ? EX_IOERR
								: EX_CANTCREAT,
			 "cannot %s the control socket %s: %s%s", what, path,
			 strerror(e),
			 e == EACCES || e == ENOENT || e == ENOTDIR
				 ? "; its directory must be there and belong "
				   "to the user that runs mppd"
				 : "");
}

static struct sockaddr_un name_of(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	/* The configuration allows no longer path. */
	memcpy(un.sun_path, path, strnlen(path, sizeof(un.sun_path) - 1));
	return un;
}

/* Only the last part of the way: more is the operator's business. */
static void make_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	mode_t old;

	if (slash == NULL || slash == path)
		return;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	old = umask(022);
	(void)mkdir(dir, DIR_MODE);
	(void)umask(old);
}

static bool somebody_answers(const char *path)
{
	const struct sockaddr_un un = name_of(path);
	const int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool answers;

	if (fd < 0)
		return true;
	/* EAGAIN: its queue is full, but somebody has it. */
	answers = connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ||
		  errno != ECONNREFUSED;
	(void)close(fd);
	return answers;
}

/* Take away what a dead mppd left. */
static mpp_err clear_way(const char *path, struct fault *f)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? MPP_OK : fail(f, "look at", path);
	if (!S_ISSOCK(st.st_mode))
		return fault_set(f, MPP_ERR_EXISTS, EX_CANTCREAT,
				 "%s is there and is no socket: choose another "
				 "[service] control",
				 path);
	if (somebody_answers(path))
		return fault_set(f, MPP_ERR_EXISTS, EX_OSERR,
				 "another program answers on the control "
				 "socket %s: stop it, or choose another "
				 "[service] control",
				 path);
	return unlink(path) == 0 ? MPP_OK : fail(f, "replace", path);
}

/* Until its group and mode are set nobody else may connect (umask 0177). */
static bool bind_closed(int fd, const struct sockaddr_un *un)
{
	const mode_t old = umask(0177);
	const bool bound = bind(fd, (const struct sockaddr *)un, sizeof(*un)) ==
			   0;

	(void)umask(old);
	return bound;
}

static bool let_in(const char *path, const char *group)
{
	const struct group *g = group[0] != '\0' ? getgrnam(group) : NULL;

	if (group[0] != '\0' && g == NULL) {
		errno = EINVAL;
		return false;
	}
	return (g == NULL || chown(path, (uid_t)-1, g->gr_gid) == 0) &&
	       chmod(path, SOCKET_MODE) == 0;
}

static bool bind_listen(int fd, const struct conf *c)
{
	const struct sockaddr_un un = name_of(c->control.s);
	int e;

	if (!bind_closed(fd, &un))
		return false;
	if (let_in(un.sun_path, c->control_group.s) && listen(fd, BACKLOG) == 0)
		return true;
	e = errno;
	(void)unlink(un.sun_path);
	errno = e;
	return false;
}

static mpp_err open_socket(const struct conf *c, int *out, struct fault *f)
{
	const int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mpp_err err;

	if (fd < 0)
		return fail(f, "make", c->control.s);
	if (!bind_listen(fd, c)) {
		err = fail(f, "make", c->control.s);
		(void)close(fd);
		return err;
	}
	*out = fd;
	return MPP_OK;
}

mpp_err control_open(const struct conf *c, struct control *out, int *fd,
		     struct fault *f)
{
	mpp_err err;

	make_directory(c->control.s);
	if ((err = clear_way(c->control.s, f)) != MPP_OK)
		return err;
	if ((err = open_socket(c, fd, f)) != MPP_OK)
		return err;
	if (lstat(c->control.s, &out->made) == 0)
		out->path = c->control.s;
	return MPP_OK;
}

void control_remove(struct control *c)
{
	struct stat st;

	if (c->path != NULL && lstat(c->path, &st) == 0 &&
	    st.st_dev == c->made.st_dev && st.st_ino == c->made.st_ino)
		(void)unlink(c->path);
	c->path = NULL;
}
