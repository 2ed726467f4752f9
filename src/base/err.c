/* SPDX-License-Identifier: MIT */
/* err.c - names of errors. Contract: mpp/base.h. */
#include <mpp/base.h>

mpp_err_band mpp_err_band_of(mpp_err err)
{
	if (err == MPP_OK)
		return MPP_BAND_OK;
	if (err > -100)
		return MPP_BAND_CALLER;
	if (err > -200)
		return MPP_BAND_DROP;
	return err > -300 ? MPP_BAND_SESSION : MPP_BAND_OUTSIDE;
}

const char *mpp_err_name(mpp_err err)
{
	switch (err) {
	case MPP_OK:
		return "OK";
#define X(name, value, text) \
	case name:           \
		return &#name[sizeof("MPP_ERR_") - 1];
		MPP_ERRORS(X)
#undef X
	}
	return "UNKNOWN";
}

const char *mpp_err_text(mpp_err err)
{
	switch (err) {
	case MPP_OK:
		return "no error";
#define X(name, value, text) \
	case name:           \
		return text;
		MPP_ERRORS(X)
#undef X
	}
	return "unknown error";
}
