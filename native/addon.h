/*
 * Shared declarations of the addon. Rules that hold in every file:
 *  - mechanism, no policy; nothing is ever printed;
 *  - a system-call function returns a number >= 0 or -errno, and throws a TypeError only for
 *    arguments of the wrong type or range;
 *  - every worker thread loads the addon again, but there is one shared object: static state is
 *    shared by all threads of the process and must be lock-free.
 */
#ifndef VHOST_USER_ADDON_H
#define VHOST_USER_ADDON_H

/* accept4, ppoll and MSG_CMSG_CLOEXEC; must come before any system header. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* SCM_MAX_FD of the Linux kernel: what one message can carry. */
#define MAX_MESSAGE_FDS 253

/* First member of what an external value points to, so that a wrong handle is a TypeError. */
enum { MAPPING_TAG = 0x7668756d, POLLER_TAG = 0x76687570 };

struct bytes {
  uint8_t *data;
  size_t length;
};

struct words {
  int32_t *data;
  size_t length;
};

/* Arguments: each returns false with a TypeError pending. `name` is the parameter's name. */
void read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
bool read_int32(napi_env env, napi_value value, const char *name, int32_t *out);
bool read_size(napi_env env, napi_value value, const char *name, int64_t *out);
bool read_bool(napi_env env, napi_value value, const char *name, bool *out);
bool read_window(napi_env env, napi_value array, napi_value offset, napi_value length,
                 struct bytes *out);
bool read_words(napi_env env, napi_value value, const char *name, size_t minimum,
                struct words *out);
/* False also when the string needs more than capacity - 1 bytes; *length is then >= capacity. */
bool read_string(napi_env env, napi_value value, const char *name, char *out, size_t capacity,
                 size_t *length);
/* The window of a mapping's handle; *address is NULL once it is unmapped. */
bool read_mapping(napi_env env, napi_value value, void **address, size_t *span);
void *read_handle(napi_env env, napi_value value, uint32_t tag);

/* Results. */
napi_value make_number(napi_env env, double value);
napi_value make_result(napi_env env, int64_t result); /* result, or -errno where it is -1 */
napi_value make_bool(napi_env env, bool value);
napi_value throw_type_error(napi_env env, const char *message);

struct function {
  const char *name;
  napi_callback callback;
};
bool export_functions(napi_env env, napi_value exports, const struct function *functions,
                      size_t count);
#define EXPORT(env, exports, table) \
  export_functions(env, exports, table, sizeof(table) / sizeof(table[0]))

bool export_sockets(napi_env env, napi_value exports);
bool export_messages(napi_env env, napi_value exports);
bool export_descriptors(napi_env env, napi_value exports);
bool export_folders(napi_env env, napi_value exports);
bool export_userfaults(napi_env env, napi_value exports);
bool export_mappings(napi_env env, napi_value exports);
bool export_pollers(napi_env env, napi_value exports);
bool export_wait(napi_env env, napi_value exports);

/*
 * deadline.c: one system call between the two, if it is one that a signal ends, lasts less than a
 * millisecond on a descriptor in blocking mode, and 11 ms on one whose mode is changed behind the
 * look. Begin returns NULL with errno where that cannot be promised. End returns whether the call is
 * to be repeated, because another signal ended it; when the deadline did, errno is EAGAIN.
 */
struct announcement;
struct announcement *deadline_begin(bool blocking);
bool deadline_end(struct announcement *announcement, int64_t result);
bool deadline_attach(napi_env env); /* once in each thread */

/* descriptor.c: whether a descriptor is in blocking mode (1 or 0), or -1: EAGAIN when a call on it
   would have to wait by now. Leaves the mode of the open file alone, which a peer may share. */
int look_ready(int fd, short events);

/* sigbus.c: the table of mapped ranges. A slot is >= 0, or -ENOMEM when the table is full. */
int range_register(void *address, size_t span);
void range_unregister(int slot);
bool range_is_broken(int slot);
void range_mark_broken(int slot);
/* A 32-bit counter of windows that broke; it lives as long as the process. */
void *range_breaks(size_t *size);

#endif
