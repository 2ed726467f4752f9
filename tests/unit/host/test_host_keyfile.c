/* SPDX-License-Identifier: MIT */
/* test_host_keyfile.c - the service key: made once, read strictly. */
#include "head.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/fixed.h"
#include "host/keyfile.h"

enum { NOBODY = 65534 };

static char dir[64], path[96], temp[104];
static mpp_crypto crypto;
static struct fault fault;
static mpp_service_secrets secrets;
static bool created;

#define X25519 \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define X448                                                               \
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" \
	"404142434445464748494a4b4c4d4e4f5051525354555657"
#define SID "58595a5b5c5d5e5f6061626364656667"
#define RESET "68696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f8081828384858687"
#define TOKEN_ID "88898a8b"
#define TOKEN "8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaab"
#define HEAD_1 "mppd service key 1\n"
#define HEAD "mppd service key 2\n"
#define LINE_1 "x25519 " X25519 "\n"
#define LINE_2 "x448 " X448 "\n"
#define LINE_3 "stream-id " SID "\n"
#define LINE_4 "reset " RESET "\n"
#define LINE_5 "token-id " TOKEN_ID "\n"
#define LINE_6 "token " TOKEN "\n"
#define LINES_4 LINE_4 LINE_5 LINE_6

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/mpp-keyfile-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/service.key", dir);
	(void)snprintf(temp, sizeof(temp), "%s.new", path);
	memset(&secrets, 0xee, sizeof(secrets));
	return crypto_fixed_new(1, &crypto);
}

static int teardown(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	(void)unlink(path);
	(void)unlink(temp);
	return rmdir(dir);
}

static void put(const char *text, size_t n, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static mpp_err load(void)
{
	return keyfile_load(path, &crypto, &secrets, &created, &fault);
}

static void test_made_with_0600_whatever_the_umask(void **state)
{
	static const mode_t masks[] = {0, 0777, 022};
	struct stat st;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		const mode_t old = umask(masks[i]);

		assert_int_equal(load(), MPP_OK);
		(void)umask(old);
		assert_true(created);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		assert_int_equal(access(temp, F_OK), -1);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_what_was_made_is_read_again(void **state)
{
	mpp_service_secrets first;

	(void)state;
	assert_int_equal(load(), MPP_OK);
	assert_true(created);
	first = secrets;
	memset(&secrets, 0, sizeof(secrets));
	assert_int_equal(load(), MPP_OK);
	assert_false(created);
	assert_memory_equal(&secrets, &first, sizeof(first));
}

static void test_two_keys_differ(void **state)
{
	mpp_service_secrets first;

	(void)state;
	assert_int_equal(load(), MPP_OK);
	first = secrets;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(load(), MPP_OK);
	assert_memory_not_equal(first.x25519, secrets.x25519, 32);
	assert_memory_not_equal(first.x448, secrets.x448, 56);
	assert_memory_not_equal(first.sid_key, secrets.sid_key, 16);
	assert_memory_not_equal(first.reset_key, secrets.reset_key, 32);
	assert_memory_not_equal(first.token.id, secrets.token.id, 4);
	assert_memory_not_equal(first.token.key, secrets.token.key, 32);
}

static void test_octets_stand_where_they_should(void **state)
{
	static const char text[] = HEAD LINE_1 LINE_2 LINE_3 LINES_4;
	unsigned i;

	(void)state;
	put(text, sizeof(text) - 1, 0600);
	assert_int_equal(load(), MPP_OK);
	for (i = 0; i < 32; i++)
		assert_int_equal(secrets.x25519[i], i);
	for (i = 0; i < 56; i++)
		assert_int_equal(secrets.x448[i], 0x20 + i);
	for (i = 0; i < 16; i++)
		assert_int_equal(secrets.sid_key[i], 0x58 + i);
	for (i = 0; i < 32; i++)
		assert_int_equal(secrets.reset_key[i], 0x68 + i);
	for (i = 0; i < 4; i++)
		assert_int_equal(secrets.token.id[i], 0x88 + i);
	for (i = 0; i < 32; i++)
		assert_int_equal(secrets.token.key[i], 0x8c + i);
}

/* A file of version 1 keeps its keys and gets a token key, once. */
static void test_older_is_completed(void **state)
{
	static const char text[] = HEAD_1 LINE_1 LINE_2 LINE_3 LINE_4;
	static const char same[] = HEAD LINE_1 LINE_2 LINE_3 LINE_4 "token-id ";
	mpp_service_secrets first;
	char after[600] = {0};
	struct stat st;
	int fd;

	(void)state;
	put(text, sizeof(text) - 1, 0400);
	assert_int_equal(load(), MPP_OK);
	assert_false(created);
	assert_int_equal(secrets.x25519[31], 31);
	assert_int_equal(secrets.reset_key[31], 0x68 + 31);
	first = secrets;
	fd = open(path, O_RDONLY);
	assert_true(read(fd, after, sizeof(after) - 1) > 0);
	assert_int_equal(close(fd), 0);
	assert_memory_equal(after, same, sizeof(same) - 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(load(), MPP_OK);
	assert_memory_equal(&secrets, &first, sizeof(first));
	/* Another one gets another key. */
	put(text, sizeof(text) - 1, 0600);
	assert_int_equal(load(), MPP_OK);
	assert_memory_not_equal(secrets.token.key, first.token.key, 32);
}

static const struct row {
	const char *sentence;
	const char *text;
	const char *wrong;
} malformed[] = {
	{"nothing", "", "damaged"},
	{"only a line end", "\n", "damaged"},
	{"another file", "-----BEGIN PRIVATE KEY-----\n", "damaged"},
	{"a newer version", "mppd service key 3\nany", "newer version"},
	{"version 1 with the lines of this one",
	 HEAD_1 LINE_1 LINE_2 LINE_3 LINES_4, "damaged"},
	{"this version with the lines of version 1",
	 HEAD LINE_1 LINE_2 LINE_3 LINE_4, "damaged"},
	{"the head alone", HEAD, "damaged"},
	{"a line is missing", HEAD LINE_1 LINE_2 LINE_3 LINE_4 LINE_5,
	 "damaged"},
	{"lines changed places", HEAD LINE_2 LINE_1 LINE_3 LINES_4, "damaged"},
	{"a line twice", HEAD LINE_1 LINE_1 LINE_2 LINE_3 LINES_4, "damaged"},
	{"something follows", HEAD LINE_1 LINE_2 LINE_3 LINES_4 "\n",
	 "damaged"},
	{"no line end at the end",
	 HEAD LINE_1 LINE_2 LINE_3 LINE_4 LINE_5 "token " TOKEN, "damaged"},
	{"line ends of another world",
	 "mppd service key 2\r\n" LINE_1 LINE_2 LINE_3 LINES_4, "damaged"},
	{"a digit is missing",
	 HEAD LINE_1 LINE_2 "stream-id "
			    "8595a5b5c5d5e5f6061626364656667"
			    "\n" LINES_4,
	 "damaged"},
	{"a digit too many", HEAD LINE_1 LINE_2 "stream-id " SID "0\n" LINES_4,
	 "damaged"},
	{"no hex digit",
	 HEAD LINE_1 LINE_2
	 "stream-id g8595a5b5c5d5e5f6061626364656667\n" LINES_4,
	 "damaged"},
	{"capital hex digits, which are never written",
	 HEAD LINE_1 LINE_2
	 "stream-id 58595A5B5C5D5E5F6061626364656667\n" LINES_4,
	 "damaged"},
};

static void test_malformed_is_refused(void **state)
{
	mpp_service_secrets before;
	char after[600];
	ssize_t n;
	size_t i;

	(void)state;
	before = secrets;
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const char *text = malformed[i].text;
		int fd;

		put(text, strlen(text), 0600);
		if (load() != MPP_ERR_SYNTAX ||
		    strstr(fault.text, malformed[i].wrong) == NULL)
			fail_msg("%s: %s", malformed[i].sentence, fault.text);
		assert_int_equal(fault.exit_code, EX_DATAERR);
		assert_non_null(strstr(fault.text, path));
		assert_memory_equal(&secrets, &before, sizeof(before));
		fd = open(path, O_RDONLY);
		n = read(fd, after, sizeof(after));
		assert_int_equal(n, strlen(text));
		assert_memory_equal(after, text, (size_t)n);
		assert_int_equal(close(fd), 0);
	}
}

/* Every cut of a good file is refused, as is each with one octet zeroed. */
static void test_every_cut_is_refused(void **state)
{
	static const char good[] = HEAD LINE_1 LINE_2 LINE_3 LINES_4;
	char text[sizeof(good)];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) - 1; i++) {
		put(good, i, 0600);
		assert_int_equal(load(), MPP_ERR_SYNTAX);
		memcpy(text, good, sizeof(good));
		text[i] = '\0';
		put(text, sizeof(good) - 1, 0600);
		assert_int_equal(load(), MPP_ERR_SYNTAX);
	}
}

static void test_wide_permissions_are_refused(void **state)
{
	static const char text[] = HEAD LINE_1 LINE_2 LINE_3 LINES_4;
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610,
				       0601, 0644, 0666, 0777};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put(text, sizeof(text) - 1, modes[i]);
		assert_int_equal(load(), MPP_ERR_AUTH);
		assert_int_equal(fault.exit_code, EX_NOPERM);
		assert_non_null(strstr(fault.text, "chmod 0600"));
	}
	put(text, sizeof(text) - 1, 0400);
	assert_int_equal(load(), MPP_OK);
}

static void test_no_regular_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(), MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(), MPP_ERR_SYNTAX);
	assert_int_equal(rmdir(path), 0);
}

static void test_a_dead_one_s_leftover_is_no_hindrance(void **state)
{
	const int fd = open(temp, O_WRONLY | O_CREAT, 0644);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, HEAD, 10), 10);
	assert_int_equal(close(fd), 0);
	assert_int_equal(load(), MPP_OK);
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(load(), MPP_OK);
	assert_false(created);
}

/* In a child as nobody; @return what load() says, as an exit code. */
static int load_as_nobody(void)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
		    setuid(NOBODY) != 0)
			_exit(1);
		_exit(load() == MPP_OK ? 0 : fault.exit_code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_as_nobody(void **state)
{
	static const char text[] = HEAD LINE_1 LINE_2 LINE_3 LINES_4;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(load_as_nobody(), EX_NOPERM);
	assert_int_equal(access(path, F_OK), -1);
	put(text, sizeof(text) - 1, 0600);
	assert_int_equal(load_as_nobody(), EX_NOPERM);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(load_as_nobody(), 0);
	/* And root does not take what is nobody's. */
	assert_int_equal(load(), MPP_ERR_AUTH);
	assert_non_null(strstr(fault.text, "belongs to uid 65534"));
}

static void test_a_missing_directory_is_said(void **state)
{
	(void)state;
	assert_int_equal(keyfile_load("/nonexistent/service.key", &crypto,
				      &secrets, &created, &fault),
			 MPP_ERR_IO);
	assert_int_equal(fault.exit_code, EX_CANTCREAT);
	assert_non_null(strstr(fault.text, "No such file"));
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(test_made_with_0600_whatever_the_umask),
		ONE(test_what_was_made_is_read_again),
		ONE(test_two_keys_differ),
		ONE(test_octets_stand_where_they_should),
		ONE(test_older_is_completed),
		ONE(test_malformed_is_refused),
		ONE(test_every_cut_is_refused),
		ONE(test_wide_permissions_are_refused),
		ONE(test_no_regular_file_is_refused),
		ONE(test_a_dead_one_s_leftover_is_no_hindrance),
		ONE(test_as_nobody),
		ONE(test_a_missing_directory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
