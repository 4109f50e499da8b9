#ifndef VHOST_USER_SIGBUS_H
#define VHOST_USER_SIGBUS_H

#include "arguments.h"

/* The table of mapped ranges. A slot is >= 0, or -ENOMEM when the table is full. */
int range_register(void *address, size_t span);
void range_unregister(int slot);
bool range_is_broken(int slot);
void range_mark_broken(int slot);
/* A 32-bit counter of windows that broke; it lives as long as the process. */
void *range_breaks(size_t *size);

#endif
