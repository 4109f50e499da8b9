#include "arguments.h"
#include "exports.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A descriptor that reports accesses to pages which have not arrived yet (userfaultfd(2)). Accesses
 * by the kernel are meant too, as data goes from files straight into such memory; that takes
 * CAP_SYS_PTRACE, or vm.unprivileged_userfaultfd.
 */
static napi_value open_userfault(napi_env env, napi_callback_info info) {
  (void)info;
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MISSING_SHMEM};
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (fd == -1) return make_number(env, -errno);
  if (ioctl(fd, UFFDIO_API, &api) == -1) {
    int saved = errno;
    close(fd);
    return make_number(env, -saved);
  }
  return make_number(env, fd);
}

/* From now on a thread that touches a missing page of the window waits until the page is placed. */
static napi_value register_userfault(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd;
  void *address;
  size_t span;
  read_arguments(env, info, 2, argv);
  if (!read_int32(env, argv[0], "fd", &fd) ||
      !read_mapping(env, argv[1], &address, &span))
    return NULL;
  if (address == NULL) return make_number(env, -EINVAL);
  struct uffdio_register range = {
      .range = {.start = (uintptr_t)address, .len = span},
      .mode = UFFDIO_REGISTER_MODE_MISSING,
  };
  return make_result(env, ioctl(fd, UFFDIO_REGISTER, &range));
}

/* Where the window is in this process: the other side translates the faults by it. */
static napi_value mapping_address(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  void *address;
  size_t span;
  read_arguments(env, info, 1, argv);
  if (!read_mapping(env, argv[0], &address, &span)) return NULL;
  return make_number(env, (double)(uintptr_t)address);
}

bool export_userfaults(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"userfaultfd", open_userfault},
      {"userfaultRegister", register_userfault},
      {"mappingAddress", mapping_address},
  };
  return EXPORT(env, exports, functions);
}
