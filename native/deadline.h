#ifndef VHOST_USER_DEADLINE_H
#define VHOST_USER_DEADLINE_H

#include "arguments.h"

/*
 * One system call between the two, if it is one that a signal ends, lasts less than a
 * millisecond on a descriptor in blocking mode, and 11 ms on one whose mode is changed behind the
 * look. Begin returns NULL with errno where that cannot be promised. End returns whether the call is
 * to be repeated, because another signal ended it; when the deadline did, errno is EAGAIN.
 */
struct announcement;
struct announcement *deadline_begin(bool blocking);
bool deadline_end(struct announcement *announcement, int64_t result);
bool deadline_attach(napi_env env); /* once in each thread */

#endif
