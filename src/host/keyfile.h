/* SPDX-License-Identifier: MIT */
/* keyfile.h - the service's secrets in a file of their own:
 *
 *   mppd service key 2
 *   x25519 <64 hex digits>
 *   x448 <112 hex digits>
 *   stream-id <32 hex digits>
 *   reset <64 hex digits>
 *   token-id <8 hex digits>
 *   token <64 hex digits>
 *
 * Exactly these lines; a file of version 1, which ends with reset, is completed
 * when it is read. The file belongs to the user that runs the service and
 * nobody else may read or write it. Whoever has it can pose as the service;
 * whoever loses it must enrol every device anew. */
#ifndef HOST_KEYFILE_H
#define HOST_KEYFILE_H

#include <mpp/service.h>

#include "host/fault.h"

/* Read the file (and complete an older one), or make it from fresh random bytes where there is none:
 * whole and on disk before it has its name, mode 0600 whatever the umask.
 * @param created  says which
 * Errors: AUTH (others may read it, or it is another user's), SYNTAX, IO,
 * RANDOM; f says what to do, *out is untouched. */
MPP_MUSTCHECK mpp_err keyfile_load(const char *path, const mpp_crypto *crypto,
				   mpp_service_secrets *out, bool *created,
				   struct fault *f);

/* A token key of another minter has a file of its own, for whose owner and mode
 * the same holds:
 *
 *   mppd token key 1
 *   id <8 hex digits>
 *   key <64 hex digits>
 *
 * Errors: AUTH, SYNTAX, IO; f says what to do, *out is untouched. */
MPP_MUSTCHECK mpp_err keyfile_token_load(const char *path, mpp_token_key *out,
					 struct fault *f);

/* Make one from fresh random bytes. Errors: EXISTS (there is a file), IO,
 * RANDOM. */
MPP_MUSTCHECK mpp_err keyfile_token_make(const char *path,
					 const mpp_crypto *crypto,
					 mpp_token_key *out, struct fault *f);

/* Only make the secrets. Errors: RANDOM. */
MPP_MUSTCHECK mpp_err keyfile_generate(const mpp_crypto *crypto,
				       mpp_service_secrets *out);

#endif
