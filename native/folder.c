#include "arguments.h"
#include "exports.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* openat(2) of a name that is bytes, in no encoding. O_CLOEXEC always. */
static napi_value open_at(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int32_t folder, flags;
  struct bytes name;
  char path[PATH_MAX];
  read_arguments(env, info, 5, argv);
  if (!read_int32(env, argv[0], "folder", &folder) ||
      !read_window(env, argv[1], argv[2], argv[3], &name) ||
      !read_int32(env, argv[4], "flags", &flags))
    return NULL;
  if (name.length >= sizeof path) return make_number(env, -ENAMETOOLONG);
  /* The kernel would take the bytes before a NUL for the whole name. */
  if (memchr(name.data, 0, name.length) != NULL) return make_number(env, -EINVAL);
  memcpy(path, name.data, name.length);
  path[name.length] = 0;
  int result;
  do {
    result = openat(folder, path, flags | O_CLOEXEC);
  } while (result == -1 && errno == EINTR);
  return make_result(env, result);
}

/* The target of a symbolic link that is open itself (O_PATH | O_NOFOLLOW). */
static napi_value read_link(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t fd;
  struct bytes out;
  read_arguments(env, info, 4, argv);
  if (!read_int32(env, argv[0], "fd", &fd) ||
      !read_window(env, argv[1], argv[2], argv[3], &out))
    return NULL;
  return make_result(env, readlinkat(fd, "", (char *)out.data, out.length));
}

/* Entries of a folder from a position on, as struct linux_dirent64. The position is a bigint: file
   systems use all its bits. */
static napi_value read_folder(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int32_t fd;
  int64_t position;
  bool exact;
  struct bytes out;
  read_arguments(env, info, 5, argv);
  if (!read_int32(env, argv[0], "fd", &fd)) return NULL;
  if (napi_get_value_bigint_int64(env, argv[1], &position, &exact) != napi_ok)
    return throw_type_error(env, "position must be a bigint");
  if (!read_window(env, argv[2], argv[3], argv[4], &out)) return NULL;
  if (lseek(fd, position, SEEK_SET) == -1) return make_result(env, -1);
  /* By number: the wrapper is newer than the C library that the binary is meant to run with. */
  return make_result(env, syscall(SYS_getdents64, fd, out.data, out.length));
}

bool export_folders(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"openAt", open_at},
      {"readLink", read_link},
      {"readFolder", read_folder},
  };
  return EXPORT(env, exports, functions);
}
