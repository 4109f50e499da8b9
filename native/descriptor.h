#ifndef VHOST_USER_DESCRIPTOR_H
#define VHOST_USER_DESCRIPTOR_H

#include "arguments.h"

/* SCM_MAX_FD of the Linux kernel: what one message can carry. */
#define MAX_MESSAGE_FDS 253

/* Whether a descriptor is in blocking mode (1 or 0), or -1: EAGAIN when a call on it
   would have to wait by now. Leaves the mode of the open file alone, which a peer may share. */
int look_ready(int fd, short events);

#endif
