/* SPDX-License-Identifier: MIT */
/* test_err.c - errors: their numbers are frozen, so each stands here again as
 * a literal, with its name and its band. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/base.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct row {
	mpp_err err;
	int number;
	const char *name;
	mpp_err_band band;
	int band_number;
} rows[] = {
	// clang-format off
	{MPP_OK, 0, "OK", MPP_BAND_OK, 0},
	{MPP_ERR_INVALID, -1, "INVALID", MPP_BAND_CALLER, 1},
	{MPP_ERR_NOSPACE, -2, "NOSPACE", MPP_BAND_CALLER, 1},
	{MPP_ERR_LIMIT, -3, "LIMIT", MPP_BAND_CALLER, 1},
	{MPP_ERR_STATE, -4, "STATE", MPP_BAND_CALLER, 1},
	{MPP_ERR_EXISTS, -5, "EXISTS", MPP_BAND_CALLER, 1},
	{MPP_ERR_NOTFOUND, -6, "NOTFOUND", MPP_BAND_CALLER, 1},
	{MPP_ERR_AGAIN, -7, "AGAIN", MPP_BAND_CALLER, 1},
	{MPP_ERR_TRUNCATED, -100, "TRUNCATED", MPP_BAND_DROP, 2},
	{MPP_ERR_TRAILING, -101, "TRAILING", MPP_BAND_DROP, 2},
	{MPP_ERR_SYNTAX, -102, "SYNTAX", MPP_BAND_DROP, 2},
	{MPP_ERR_UTF8, -103, "UTF8", MPP_BAND_DROP, 2},
	{MPP_ERR_DEPTH, -104, "DEPTH", MPP_BAND_DROP, 2},
	{MPP_ERR_RANGE, -105, "RANGE", MPP_BAND_DROP, 2},
	{MPP_ERR_DUPLICATE, -106, "DUPLICATE", MPP_BAND_DROP, 2},
	{MPP_ERR_MISSING, -107, "MISSING", MPP_BAND_DROP, 2},
	{MPP_ERR_TYPE, -108, "TYPE", MPP_BAND_DROP, 2},
	{MPP_ERR_VERSION, -109, "VERSION", MPP_BAND_DROP, 2},
	{MPP_ERR_AUTH, -110, "AUTH", MPP_BAND_DROP, 2},
	{MPP_ERR_REPLAY, -111, "REPLAY", MPP_BAND_DROP, 2},
	{MPP_ERR_STRANGER, -112, "STRANGER", MPP_BAND_DROP, 2},
	{MPP_ERR_PADDING, -113, "PADDING", MPP_BAND_DROP, 2},
	{MPP_ERR_UNSUPPORTED, -114, "UNSUPPORTED", MPP_BAND_DROP, 2},
	{MPP_ERR_CHECKSUM, -115, "CHECKSUM", MPP_BAND_DROP, 2},
	{MPP_ERR_REFUSED, -200, "REFUSED", MPP_BAND_SESSION, 3},
	{MPP_ERR_KEY_CHANGED, -201, "KEY_CHANGED", MPP_BAND_SESSION, 3},
	{MPP_ERR_CLOSED, -202, "CLOSED", MPP_BAND_SESSION, 3},
	{MPP_ERR_TIMEOUT, -203, "TIMEOUT", MPP_BAND_SESSION, 3},
	{MPP_ERR_CRYPTO, -300, "CRYPTO", MPP_BAND_OUTSIDE, 4},
	{MPP_ERR_RANDOM, -301, "RANDOM", MPP_BAND_OUTSIDE, 4},
	{MPP_ERR_IO, -302, "IO", MPP_BAND_OUTSIDE, 4},
	{MPP_ERR_STORE, -303, "STORE", MPP_BAND_OUTSIDE, 4},
	{MPP_ERR_NOMEM, -304, "NOMEM", MPP_BAND_OUTSIDE, 4},
	// clang-format on
};

static void numbers_are_frozen(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if ((int)rows[i].err != rows[i].number)
			fail_msg("%s is %d", rows[i].name, (int)rows[i].err);
		assert_string_equal(mpp_err_name(rows[i].err), rows[i].name);
		assert_int_equal(mpp_err_band_of(rows[i].err), rows[i].band);
		assert_int_equal(rows[i].band, rows[i].band_number);
	}
}

/* An error that is new has to be written down above. */
static void every_error_is_in_the_table(void **state)
{
	static const int all[] = {MPP_OK,
#define NUMBER(name, value, text) name,
				  MPP_ERRORS(NUMBER)
#undef NUMBER
	};
	size_t i;

	(void)state;
	assert_int_equal(COUNT(all), COUNT(rows));
	for (i = 0; i < COUNT(all); i++)
		assert_int_equal(all[i], rows[i].number);
}

static void texts_are_for_people(void **state)
{
	const char *text;
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		text = mpp_err_text(rows[i].err);
		assert_in_range(strlen(text), 5, 60);
		assert_null(strchr(text, '_'));
		for (k = 0; k < i; k++)
			assert_string_not_equal(text,
						mpp_err_text(rows[k].err));
	}
	assert_string_equal(mpp_err_text(MPP_ERR_TRUNCATED),
			    "input ends too early");
}

/* A number that a newer library may give still has a band. */
static void unknown_numbers_are_said_to_be(void **state)
{
	static const struct {
		int number;
		mpp_err_band band;
	} unknown[] = {
		{-99, MPP_BAND_CALLER},
		{-199, MPP_BAND_DROP},
		{-299, MPP_BAND_SESSION},
		{-399, MPP_BAND_OUTSIDE},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(unknown); i++) {
		mpp_err err = (mpp_err)unknown[i].number;

		assert_string_equal(mpp_err_name(err), "UNKNOWN");
		assert_string_equal(mpp_err_text(err), "unknown error");
		assert_int_equal(mpp_err_band_of(err), unknown[i].band);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_frozen),
		cmocka_unit_test(every_error_is_in_the_table),
		cmocka_unit_test(texts_are_for_people),
		cmocka_unit_test(unknown_numbers_are_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
