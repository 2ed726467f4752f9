/* SPDX-License-Identifier: MIT */
/* keylog.c - see keylog.h. */
#include "host/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/wr.h"

enum {
	FILE_MODE = 0600,
	LINE_MAX_LEN = 192, /* RUD1 to-service 32 32 64 8 */
};

static mpp_err check(int fd, const char *path, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fault_set(f, MPP_ERR_IO, EX_IOERR,
				 "cannot look at the key log %s: %s", path,
				 strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_set(f, MPP_ERR_IO, EX_CANTCREAT,
				 "the key log %s is not a regular file", path);
	if ((st.st_mode & 077) != 0)
		return fault_set(
			f, MPP_ERR_AUTH, EX_NOPERM,
			"the key log %s has mode %04o: others may read "
			"it; do chmod 0600 on it, or name another file",
			path, (unsigned)(st.st_mode & 07777));
	if (st.st_uid != geteuid())
		return fault_set(f, MPP_ERR_AUTH, EX_NOPERM,
				 "the key log %s belongs to uid %ld, but this "
				 "runs as uid %ld: name another file",
				 path, (long)st.st_uid, (long)geteuid());
	return MPP_OK;
}

mpp_err keylog_open(const char *path, struct keylog *out, struct fault *f)
{
	/* NONBLOCK: a pipe in its place is refused, not waited for. */
	const int fd = open(path,
			    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
				    O_NONBLOCK | O_CLOEXEC,
			    FILE_MODE);
	mpp_err err;

	*out = (struct keylog){-1, false};
	if (fd < 0)
		return fault_set(f, MPP_ERR_IO,
				 errno == EACCES || errno == EPERM
					 ? EX_NOPERM
					 : EX_CANTCREAT,
				 "cannot open the key log %s: %s", path,
				 strerror(errno));
	if ((err = check(fd, path, f)) != MPP_OK) {
		(void)close(fd);
		return err;
	}
	out->fd = fd;
	return MPP_OK;
}

static void put_hex(struct wr *w, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	wr_u8(w, ' ');
	for (i = 0; i < len; i++) {
		wr_u8(w, (uint8_t)digits[p[i] >> 4]);
		wr_u8(w, (uint8_t)digits[p[i] & 15]);
	}
}

static void put_text(struct wr *w, const char *text)
{
	wr_raw(w, text, strlen(text));
}

bool keylog_write(struct keylog *k, const mpp_key_entry *e)
{
	uint8_t line[LINE_MAX_LEN];
	struct wr w = wr_init(line, sizeof(line));
	ssize_t n;

	put_text(&w, "RUD1 ");
	put_text(&w, e->to_service ? "to-service" : "to-device");
	put_hex(&w, e->connection, 16);
	put_hex(&w, e->hdr, 16);
	put_hex(&w, e->key, 32);
	put_hex(&w, e->salt, 4);
	wr_u8(&w, '\n');
	do {
		n = write(k->fd, line, w.n);
	} while (n < 0 && errno == EINTR);
	mem_wipe(line, sizeof(line));
	k->failed = k->failed || n != (ssize_t)w.n;
	return n == (ssize_t)w.n;
}

void keylog_close(struct keylog *k)
{
	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = -1;
}
