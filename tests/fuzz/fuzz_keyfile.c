/* SPDX-License-Identifier: MIT */
/* fuzz_keyfile.c - files of secrets, the service's own and those of token keys:
 * all of a file is taken, or nothing and it is said why. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static mpp_crypto crypto;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_keyfile: not so: %s\n", what);
	abort();
}

static void clean(void)
{
	(void)unlink(path);
}

static void prepare(void)
{
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/shm/fuzz-keyfile-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0, "a file");
	(void)close(fd);
	(void)atexit(clean);
	must(mpp_crypto_new(&crypto) == MPP_OK, "cryptography");
}

static void put(const uint8_t *p, size_t n)
{
	const int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, p, n) == (ssize_t)n, "a file");
	(void)close(fd);
}

static void check_refusal(mpp_err err, const struct fault *f,
			  const uint8_t *got, size_t n)
{
	size_t i;

	must(err == MPP_ERR_SYNTAX, "only its text can be wrong");
	must(f->text[0] != '\0' && f->exit_code == EX_DATAERR, "it says why");
	for (i = 0; i < n; i++)
		must(got[i] == 0xa5, "nothing changed");
}

static void token_key(void)
{
	struct fault f = {.text = ""};
	mpp_token_key key;
	mpp_err err;

	memset(&key, 0xa5, sizeof(key));
	err = keyfile_token_load(path, &key, &f);
	if (err != MPP_OK)
		check_refusal(err, &f, (const uint8_t *)&key, sizeof(key));
	else
		must(!mem_is_zero(key.key, sizeof(key.key)), "a key");
}

static void secrets(void)
{
	struct fault f = {.text = ""};
	mpp_service_secrets got, again;
	bool created = true;
	mpp_err err;

	memset(&got, 0xa5, sizeof(got));
	err = keyfile_load(path, &crypto, &got, &created, &f);
	if (err != MPP_OK) {
		check_refusal(err, &f, (const uint8_t *)&got, sizeof(got));
		return;
	}
	must(!created, "it was there");
	/* An older one was completed, on disk too. */
	memset(&again, 0, sizeof(again));
	must(keyfile_load(path, &crypto, &again, &created, &f) == MPP_OK,
	     "it can be read again");
	must(memcmp(&got, &again, sizeof(got)) == 0, "and is the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (path[0] == '\0')
		prepare();
	put(data, size);
	token_key();
	secrets();
	return 0;
}
