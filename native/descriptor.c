#include "addon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static bool read_fd(napi_env env, napi_callback_info info, int32_t *fd) {
  napi_value argv[1];
  read_arguments(env, info, 1, argv);
  return read_int32(env, argv[0], "fd", fd);
}

static napi_value memfd(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  char name[250]; /* the kernel's own limit for the name, with its NUL */
  size_t length;
  int32_t flags;
  read_arguments(env, info, 2, argv);
  if (!read_string(env, argv[0], "name", name, sizeof name, &length))
    return length >= sizeof name ? make_number(env, -EINVAL) : NULL;
  if (!read_int32(env, argv[1], "flags", &flags)) return NULL;
  /* By number: the wrapper is newer than the C library that the binary is meant to run with. */
  return make_result(env, syscall(SYS_memfd_create, name, (unsigned)flags));
}

static napi_value add_seals(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd, seals;
  read_arguments(env, info, 2, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "seals", &seals))
    return NULL;
  return make_result(env, fcntl(fd, F_ADD_SEALS, seals));
}

static napi_value get_seals(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, fcntl(fd, F_GET_SEALS));
}

static napi_value create_eventfd(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t initial;
  read_arguments(env, info, 1, argv);
  if (!read_int32(env, argv[0], "initial", &initial)) return NULL;
  return make_result(env, eventfd((unsigned)initial, EFD_NONBLOCK | EFD_CLOEXEC));
}

/*
 * Also before each write the peer may have changed the mode of the open file that it shares, and a
 * full counter would then block this thread, signals included. Kernels know no flag for one write
 * to an event descriptor; what remains is the moment between the two calls.
 */
static int ensure_non_blocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags == -1 || (flags & O_NONBLOCK) != 0) return flags;
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static napi_value write_one(napi_env env, int fd) {
  const uint64_t one = 1;
  ssize_t result;
  do {
    result = write(fd, &one, sizeof one);
  } while (result == -1 && errno == EINTR);
  return make_result(env, result == -1 ? -1 : 0);
}

/* -EAGAIN means that the counter is full: the other side has yet to look, and will. */
static napi_value eventfd_write_one(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  if (ensure_non_blocking(fd) == -1) return make_result(env, -1);
  return write_one(env, fd);
}

/* For a thread that somebody frees when it blocks: a third of the time goes without the look. */
static napi_value eventfd_write_watched(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return write_one(env, fd);
}

/*
 * O_NONBLOCK belongs to the open file, which the peer shares and may change at any moment; a read
 * that trusts it could be made to block the event loop. RWF_NOWAIT belongs to this one call.
 */
static ssize_t read_nowait(int fd, uint64_t *value) {
  struct iovec vector = {.iov_base = value, .iov_len = sizeof *value};
  ssize_t result = syscall(SYS_preadv2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
  if (result != -1 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  /* Named pipes, and any pipe before Linux 6.4, do not know the flag. What remains is the moment
     between the two calls, in which the peer would have to read too. */
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  int ready = poll(&polled, 1, 0);
  if (ready > 0) return read(fd, value, sizeof *value);
  if (ready == 0) errno = EAGAIN;
  return -1;
}

/* 1: was signalled, 0: was not. Up to 8 bytes, so that the read end of a pipe works too. -EPIPE at
   the end of a pipe: such a descriptor stays readable for ever and must not be polled again. */
static napi_value eventfd_drain(napi_env env, napi_callback_info info) {
  int32_t fd;
  uint64_t value;
  if (!read_fd(env, info, &fd)) return NULL;
  ssize_t result;
  do {
    result = read_nowait(fd, &value);
  } while (result == -1 && errno == EINTR);
  if (result == 0) return make_number(env, -EPIPE);
  if (result == -1) return make_number(env, errno == EAGAIN ? 0 : -errno);
  return make_number(env, 1);
}

static napi_value create_pipe(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct words out;
  int ends[2];
  read_arguments(env, info, 1, argv);
  if (!read_words(env, argv[0], "out", 2, &out)) return NULL;
  int result = pipe2(ends, O_CLOEXEC);
  if (result == 0) {
    out.data[0] = ends[0];
    out.data[1] = ends[1];
  }
  return make_result(env, result);
}

static napi_value duplicate(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/* Linux frees the number even when close reports EINTR: never repeat it. */
static napi_value close_fd(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, close(fd) == -1 && errno != EINTR ? -1 : 0);
}

static napi_value set_non_blocking(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, ensure_non_blocking(fd) == -1 ? -1 : 0);
}

static napi_value allocate(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t fd, mode;
  int64_t position, length;
  read_arguments(env, info, 4, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "mode", &mode) ||
      !read_size(env, argv[2], "position", &position) ||
      !read_size(env, argv[3], "length", &length))
    return NULL;
  int result;
  do {
    result = fallocate(fd, mode, position, length);
  } while (result == -1 && errno == EINTR);
  return make_result(env, result);
}

bool export_descriptors(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"memfdCreate", memfd},
      {"addSeals", add_seals},
      {"getSeals", get_seals},
      {"eventfd", create_eventfd},
      {"eventfdWrite", eventfd_write_one},
      {"eventfdWriteWatched", eventfd_write_watched},
      {"eventfdRead", eventfd_drain},
      {"pipe", create_pipe},
      {"dup", duplicate},
      {"close", close_fd},
      {"setNonBlocking", set_non_blocking},
      {"fallocate", allocate},
  };
  return EXPORT(env, exports, functions);
}
