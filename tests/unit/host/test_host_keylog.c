/* SPDX-License-Identifier: MIT */
/* The lines of a key log, octet by octet, and a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/keylog.h"

static const uint8_t connection[16] = {0x30, 0x31, [15] = 0xff};
static const uint8_t hdr[16] = {0x01, [15] = 0x0a};
static const uint8_t key[32] = {0x80, [31] = 0x7f};
static const uint8_t salt[4] = {0xde, 0xad, 0xbe, 0xef};
static const mpp_key_entry entry = {true, connection, hdr, key, salt};

#define ZEROS13 "00000000000000000000000000"
#define ZEROS14 ZEROS13 "00"
#define LINE(way)                                                           \
	"RUD1 " way " 3031" ZEROS13 "ff 01" ZEROS14 "0a 80" ZEROS14 ZEROS14 \
	"00007f deadbeef\n"

static void lines_stand_as_they_should(void **state)
{
	char path[] = "/tmp/mpp-keylog-XXXXXX", text[512] = "";
	mpp_key_entry e = entry;
	struct keylog k;
	struct fault f;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(keylog_open(path, &k, &f), MPP_OK);
	assert_true(keylog_write(&k, &e));
	e.to_service = false;
	assert_true(keylog_write(&k, &e));
	assert_false(k.failed);
	keylog_close(&k);
	assert_int_equal(k.fd, -1);
	keylog_close(&k); /* harmless */
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, LINE("to-service") LINE("to-device"));
	close(fd);
	unlink(path);
}

static void a_full_disk_is_told(void **state)
{
	struct keylog k = {open("/dev/full", O_WRONLY), false};

	(void)state;
	if (k.fd < 0)
		skip();
	assert_false(keylog_write(&k, &entry));
	assert_true(k.failed);
	keylog_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_stand_as_they_should),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
