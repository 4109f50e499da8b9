/*
 * Arguments and results of the functions that JavaScript calls; every file of the addon begins with
 * it. Rules that hold in all of them:
 *  - mechanism, no policy; nothing is ever printed;
 *  - a system-call function returns a number >= 0 or -errno, and throws a TypeError only for
 *    arguments of the wrong type or range;
 *  - every worker thread loads the addon again, but there is one shared object: static state is
 *    shared by all threads of the process and must be lock-free.
 */
#ifndef VHOST_USER_ARGUMENTS_H
#define VHOST_USER_ARGUMENTS_H

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

#endif
