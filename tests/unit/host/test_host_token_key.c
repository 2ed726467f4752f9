/* SPDX-License-Identifier: MIT */
/* test_host_token_key.c - the token key of another minter in its file: made
 * once, read strictly. */
#include "head.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "crypto/fixed.h"
#include "host/keyfile.h"

static char dir[64], path[96], temp[104];
static mpp_crypto crypto;
static struct fault fault;
static mpp_token_key key;

#define ID "88898a8b"
#define KEY "8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaab"
#define HEAD "mppd token key 1\n"
#define WHOLE HEAD "id " ID "\nkey " KEY "\n"

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/mpp-tokenkey-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/mesh.key", dir);
	(void)snprintf(temp, sizeof(temp), "%s.new", path);
	memset(&key, 0xee, sizeof(key));
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

static void test_octets_stand_where_they_should(void **state)
{
	uint8_t i;

	(void)state;
	put(WHOLE, sizeof(WHOLE) - 1, 0600);
	assert_int_equal(keyfile_token_load(path, &key, &fault), MPP_OK);
	for (i = 0; i < sizeof(key.id); i++)
		assert_int_equal(key.id[i], 0x88 + i);
	for (i = 0; i < sizeof(key.key); i++)
		assert_int_equal(key.key[i], 0x8c + i);
}

static void test_what_was_made_is_read_again(void **state)
{
	mpp_token_key made;
	const mode_t old = umask(0);
	struct stat st;

	(void)state;
	assert_int_equal(keyfile_token_make(path, &crypto, &made, &fault),
			 MPP_OK);
	(void)umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(keyfile_token_load(path, &key, &fault), MPP_OK);
	assert_memory_equal(&key, &made, sizeof(key));
	/* Never written over. */
	assert_int_equal(keyfile_token_make(path, &crypto, &made, &fault),
			 MPP_ERR_EXISTS);
	assert_int_equal(fault.exit_code, EX_CANTCREAT);
	assert_memory_equal(&key, &made, sizeof(key));
	assert_int_equal(keyfile_token_load(path, &made, &fault), MPP_OK);
	assert_memory_equal(&key, &made, sizeof(key));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(keyfile_token_make(path, &crypto, &made, &fault),
			 MPP_OK);
	assert_memory_not_equal(&key, &made, sizeof(key));
}

static void test_malformed_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		HEAD,
		WHOLE "\n",
		WHOLE "x",
		"mppd token key 2\nid " ID "\nkey " KEY "\n",
		"mppd service key 2\nid " ID "\nkey " KEY "\n",
		HEAD "key " KEY "\nid " ID "\n",
		HEAD "id 88898A8B\nkey " KEY "\n",
		HEAD "id " ID "00\nkey " KEY "\n",
		HEAD "id 88898a\nkey " KEY "\n",
		HEAD "id " ID "\nkey " KEY "00\n",
		HEAD "id  " ID "\nkey " KEY "\n",
		HEAD "id " ID "\nkey "
		     "000000000000000000000000000000000000000000000000000000"
		     "0000000000\n",
	};
	mpp_token_key before = key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(rows[i], strlen(rows[i]), 0600);
		if (keyfile_token_load(path, &key, &fault) != MPP_ERR_SYNTAX)
			fail_msg("accepted: %s", rows[i]);
		assert_int_equal(fault.exit_code, EX_DATAERR);
		assert_non_null(strstr(fault.text, path));
		assert_null(strstr(fault.text, "8c8d"));
	}
	for (i = 0; i < sizeof(WHOLE) - 1; i++) {
		put(WHOLE, i, 0600);
		assert_int_equal(keyfile_token_load(path, &key, &fault),
				 MPP_ERR_SYNTAX);
	}
	assert_memory_equal(&key, &before, sizeof(key));
}

static void test_wide_permissions_are_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};
	mpp_token_key before = key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put(WHOLE, sizeof(WHOLE) - 1, modes[i]);
		assert_int_equal(keyfile_token_load(path, &key, &fault),
				 MPP_ERR_AUTH);
		assert_int_equal(fault.exit_code, EX_NOPERM);
		assert_non_null(strstr(fault.text, "the token key /tmp"));
		assert_non_null(strstr(fault.text, "chmod 0600"));
	}
	assert_memory_equal(&key, &before, sizeof(key));
}

static void test_missing_and_no_file(void **state)
{
	(void)state;
	assert_int_equal(keyfile_token_load(path, &key, &fault), MPP_ERR_IO);
	assert_non_null(strstr(fault.text, "cannot open the token key"));
	assert_int_equal(keyfile_token_load(dir, &key, &fault), MPP_ERR_SYNTAX);
	assert_non_null(strstr(fault.text, "not a regular file"));
	assert_int_equal(keyfile_token_make("/nonexistent/x", &crypto, &key,
					    &fault),
			 MPP_ERR_IO);
	assert_non_null(strstr(fault.text, "cannot write the token key"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_octets_stand_where_they_should),
		CASE(test_what_was_made_is_read_again),
		CASE(test_malformed_is_refused),
		CASE(test_wide_permissions_are_refused),
		CASE(test_missing_and_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
