/* SPDX-License-Identifier: MIT */
/* keyfile.c - see keyfile.h. */
#include "host/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"

static const char head_1[] = "mppd service key 1\n"; /* without a token key */
static const char head[] = "mppd service key 2\n";
static const char head_any[] = "mppd service key ";
static const char token_head[] = "mppd token key 1\n";

enum {
	FILE_MODE = 0600,
	FILE_MAX = 1024, /* twice what is in it */
};

/* The lines below the head, in their order. */
struct field {
	const char *name;
	uint8_t *p;
	size_t len;
};

enum { FIELDS_1 = 4, FIELDS = 6 };

static void list_fields(mpp_service_secrets *s, struct field out[FIELDS])
{
	out[0] = (struct field){"x25519", s->x25519, sizeof(s->x25519)};
	out[1] = (struct field){"x448", s->x448, sizeof(s->x448)};
	out[2] = (struct field){"stream-id", s->sid_key, sizeof(s->sid_key)};
	out[3] = (struct field){"reset", s->reset_key, sizeof(s->reset_key)};
	out[4] = (struct field){"token-id", s->token.id, sizeof(s->token.id)};
	out[5] = (struct field){"token", s->token.key, sizeof(s->token.key)};
}

static void list_token(mpp_token_key *k, struct field out[2])
{
	out[0] = (struct field){"id", k->id, sizeof(k->id)};
	out[1] = (struct field){"key", k->key, sizeof(k->key)};
}

/* What a file holds, for messages. */
static const char service_key[] = "service key";
static const char token_key[] = "token key";

static mpp_err fail_kind(struct fault *f, const char *what, const char *kind,
			 const char *path)
{
	const int e = errno;

	return fault_set(f, MPP_ERR_IO,
			 e == ENOSPC || e == EDQUOT || e == EIO ? EX_IOERR
			 : e == EACCES || e == EPERM            ? EX_NOPERM
								: EX_CANTCREAT,
			 "cannot %s the %s %s: %s", what, kind, path,
			 strerror(e));
}

static mpp_err fail(struct fault *f, const char *what, const char *path)
{
	return fail_kind(f, what, service_key, path);
}

/* ---- text ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take(const char **at, const char *word)
{
	const size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* "name hex\n"; every digit is looked at before the next, and the text ends
 * in a NUL, so nothing is read behind it. */
static bool take_field(const char **at, const struct field *f)
{
	size_t i;

	if (!take(at, f->name) || !take(at, " "))
		return false;
	for (i = 0; i < f->len; i++, *at += 2) {
		const int high = digit((*at)[0]);
		const int low = high < 0 ? -1 : digit((*at)[1]);

		if (low < 0)
			return false;
		f->p[i] = (uint8_t)(high << 4 | low);
	}
	return take(at, "\n");
}

/* @return how many fields there are: FIELDS, FIELDS_1; 0: damaged */
static size_t parse(const char *text, size_t len, mpp_service_secrets *out)
{
	struct field fields[FIELDS];
	const char *at = text;
	size_t i, n = 0;

	list_fields(out, fields);
	if (take(&at, head))
		n = FIELDS;
	else if (take(&at, head_1))
		n = FIELDS_1;
	for (i = 0; i < n; i++) {
		if (!take_field(&at, &fields[i]))
			return 0;
	}
	return (size_t)(at - text) == len ? n : 0;
}

static size_t print_fields(const char *first, const struct field *fields,
			   size_t n, char out[FILE_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char *at = stpcpy(out, first);
	size_t i, k;

	for (i = 0; i < n; i++) {
		at = stpcpy(at, fields[i].name);
		*at++ = ' ';
		for (k = 0; k < fields[i].len; k++) {
			*at++ = digits[fields[i].p[k] >> 4];
			*at++ = digits[fields[i].p[k] & 15];
		}
		*at++ = '\n';
	}
	return (size_t)(at - out);
}

static size_t print(mpp_service_secrets *s, char out[FILE_MAX])
{
	struct field fields[FIELDS];

	list_fields(s, fields);
	return print_fields(head, fields, FIELDS, out);
}

static bool parse_token(const char *text, size_t len, mpp_token_key *out)
{
	struct field fields[2];
	const char *at = text;

	list_token(out, fields);
	return take(&at, token_head) && take_field(&at, &fields[0]) &&
	       take_field(&at, &fields[1]) && (size_t)(at - text) == len &&
	       !mem_is_zero(out->key, sizeof(out->key));
}

/* ---- reading ---- */

static mpp_err check_owner(int fd, const char *kind, const char *path,
			   struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail_kind(f, "look at", kind, path);
	if (!S_ISREG(st.st_mode))
		return fault_set(f, MPP_ERR_SYNTAX, EX_DATAERR,
				 "the %s %s is not a regular file", kind, path);
	if ((st.st_mode & 077) != 0)
		return fault_set(f, MPP_ERR_AUTH, EX_NOPERM,
				 "the %s %s has mode %04o: others "
				 "may have read it; if nobody has, do chmod "
				 "0600 on it",
				 kind, path, (unsigned)(st.st_mode & 07777));
	/* Root may look at a minter's key before the service's user does. */
	if (st.st_uid != geteuid() && (kind != token_key || geteuid() != 0))
		return fault_set(f, MPP_ERR_AUTH, EX_NOPERM,
				 "the %s %s belongs to uid %ld, but "
				 "this runs as uid %ld: chown it",
				 kind, path, (long)st.st_uid, (long)geteuid());
	return MPP_OK;
}

/* As much as fits; a file that fills the room is too long for one of ours.
 * @return -1 with errno, or how much */
static ssize_t slurp(int fd, char *room, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while (n < cap) {
		got = read(fd, room + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* The head of a file of ours, but with another version. */
static bool is_newer(const char *at)
{
	if (!take(&at, head_any) || take(&at, "1\n") || take(&at, "2\n"))
		return false;
	return *at != '\0' && at[strspn(at, "0123456789")] == '\n';
}

static mpp_err fail_content(const char *path, const char *text, struct fault *f)
{
	if (is_newer(text))
		return fault_set(f, MPP_ERR_SYNTAX, EX_DATAERR,
				 "the service key %s was written by a newer "
				 "version",
				 path);
	return fault_set(f, MPP_ERR_SYNTAX, EX_DATAERR,
			 "the service key %s is damaged: put back a copy, or "
			 "move it away to make a new one (then every device "
			 "must be enrolled anew)",
			 path);
}

static mpp_err read_open(int fd, const char *path, mpp_service_secrets *out,
			 size_t *fields, struct fault *f)
{
	char text[FILE_MAX + 1];
	mpp_service_secrets s;
	mpp_err err;
	ssize_t n;

	if ((err = check_owner(fd, service_key, path, f)) != MPP_OK)
		return err;
	n = slurp(fd, text, FILE_MAX);
	if (n < 0)
		return fail(f, "read", path);
	text[n] = '\0';
	*fields = parse(text, (size_t)n, &s);
	if (*fields != 0)
		*out = s;
	else
		err = fail_content(path, text, f);
	mem_wipe(text, sizeof(text));
	mem_wipe(&s, sizeof(s));
	return err;
}

/* ---- making ---- */

mpp_err keyfile_generate(const mpp_crypto *crypto, mpp_service_secrets *out)
{
	return crypto->ops->random(crypto->ctx, (uint8_t *)out, sizeof(*out));
}

static bool write_all(int fd, const char *p, size_t n)
{
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool sync_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const int n = slash == NULL ? 1 : (int)(slash - path) + 1;
	bool done;
	int fd;

	(void)snprintf(dir, sizeof(dir), "%.*s", n, slash == NULL ? "." : path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = fsync(fd) == 0;
	(void)close(fd);
	return done;
}

static bool fill(int fd, const char *text, size_t n)
{
	int e;
	const bool done = fchmod(fd, FILE_MODE) == 0 &&
			  write_all(fd, text, n) && fsync(fd) == 0;

	e = errno;
	if (close(fd) != 0 && done)
		return false;
	errno = e;
	return done;
}

/* Under another name until it is whole and on disk. */
static bool put_file(const char *path, const char *text, size_t n)
{
	char temp[PATH_MAX];
	int e, fd;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp)) {
		errno = ENAMETOOLONG;
		return false;
	}
	(void)unlink(temp); /* of one that was killed here */
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  FILE_MODE);
	if (fd < 0)
		return false;
	if (fill(fd, text, n) && rename(temp, path) == 0)
		return sync_directory(path);
	e = errno;
	(void)unlink(temp);
	errno = e;
	return false;
}

static mpp_err make(const char *path, const mpp_crypto *crypto,
		    mpp_service_secrets *out, struct fault *f)
{
	char text[FILE_MAX];
	mpp_service_secrets s;
	mpp_err err = keyfile_generate(crypto, &s);

	if (err != MPP_OK)
		return fault_set(f, err, EX_OSERR,
				 "cannot make the service key: %s",
				 mpp_err_text(err));
	if (put_file(path, text, print(&s, text)))
		*out = s;
	else
		err = fail(f, "write", path);
	mem_wipe(text, sizeof(text));
	mem_wipe(&s, sizeof(s));
	return err;
}

/* A file of version 1 gets a token key: the new one is whole and on disk
 * before it takes the place of the old one. */
static mpp_err complete(const char *path, const mpp_crypto *crypto,
			mpp_service_secrets *s, struct fault *f)
{
	char text[FILE_MAX];
	mpp_err err = crypto->ops->random(crypto->ctx, (uint8_t *)&s->token,
					  sizeof(s->token));

	if (err != MPP_OK)
		return fault_set(f, err, EX_OSERR,
				 "cannot make a token key for %s: %s", path,
				 mpp_err_text(err));
	if (!put_file(path, text, print(s, text)))
		err = fail(f, "complete", path);
	mem_wipe(text, sizeof(text));
	return err;
}

static mpp_err read_file(int fd, const char *path, const mpp_crypto *crypto,
			 mpp_service_secrets *out, struct fault *f)
{
	mpp_service_secrets s;
	size_t fields = 0;
	mpp_err err = read_open(fd, path, &s, &fields, f);

	if (err == MPP_OK && fields < FIELDS)
		err = complete(path, crypto, &s, f);
	if (err == MPP_OK)
		*out = s;
	mem_wipe(&s, sizeof(s));
	return err;
}

mpp_err keyfile_load(const char *path, const mpp_crypto *crypto,
		     mpp_service_secrets *out, bool *created, struct fault *f)
{
	mpp_err err;
	/* Not blocking: a pipe in its place must not hold us up. */
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		return fail(f, "open", path);
	*created = fd < 0;
	if (fd < 0)
		return make(path, crypto, out, f);
	err = read_file(fd, path, crypto, out, f);
	(void)close(fd);
	return err;
}

/* ---- token keys of others ---- */

static mpp_err read_token(int fd, const char *path, mpp_token_key *out,
			  struct fault *f)
{
	char text[FILE_MAX + 1];
	mpp_token_key key;
	mpp_err err = check_owner(fd, token_key, path, f);
	ssize_t n;

	if (err != MPP_OK)
		return err;
	n = slurp(fd, text, FILE_MAX);
	if (n < 0)
		return fail_kind(f, "read", token_key, path);
	text[n] = '\0';
	if (parse_token(text, (size_t)n, &key))
		*out = key;
	else
		err = fault_set(f, MPP_ERR_SYNTAX, EX_DATAERR,
				"the token key %s is not three lines, \"mppd "
				"token key 1\", \"id\" with 8 and \"key\" with "
				"64 hexadecimal digits; mppctl token key makes "
				"one",
				path);
	mem_wipe(text, sizeof(text));
	mem_wipe(&key, sizeof(key));
	return err;
}

mpp_err keyfile_token_load(const char *path, mpp_token_key *out,
			   struct fault *f)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	mpp_err err;

	if (fd < 0)
		return fail_kind(f, "open", token_key, path);
	err = read_token(fd, path, out, f);
	(void)close(fd);
	return err;
}

mpp_err keyfile_token_make(const char *path, const mpp_crypto *crypto,
			   mpp_token_key *out, struct fault *f)
{
	char text[FILE_MAX];
	struct field fields[2];
	mpp_token_key key;
	mpp_err err;

	if (access(path, F_OK) == 0)
		return fault_set(f, MPP_ERR_EXISTS, EX_CANTCREAT,
				 "there is a file %s already: it was left as "
				 "it is",
				 path);
	err = crypto->ops->random(crypto->ctx, (uint8_t *)&key, sizeof(key));
	if (err != MPP_OK)
		return fault_set(f, err, EX_OSERR,
				 "cannot make a token key: %s",
				 mpp_err_text(err));
	list_token(&key, fields);
	if (put_file(path, text, print_fields(token_head, fields, 2, text)))
		*out = key;
	else
		err = fail_kind(f, "write", token_key, path);
	mem_wipe(text, sizeof(text));
	mem_wipe(&key, sizeof(key));
	return err;
}
