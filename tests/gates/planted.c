/* SPDX-License-Identifier: MIT */
/* planted.c - what valgrind and every static analysis must find: memory that
 * is used after it was freed. */
#include <stdlib.h>

int main(void)
{
	int *number = malloc(sizeof(*number));
	int result;

	if (number == NULL)
		return 1;
	*number = 0;
	free(number);
	result = *number;
	return result != 0;
}
