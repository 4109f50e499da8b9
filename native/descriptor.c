#include "arguments.h"
#include "deadline.h"
#include "descriptor.h"
#include "exports.h"

#include <fcntl.h>
#include <limits.h>
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

/* F_GETFL: the access mode and the status flags of the open file, which every holder shares. */
static napi_value get_status_flags(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, fcntl(fd, F_GETFL));
}

/* F_SETFL, for an open file that no peer has yet: see look_ready. */
static napi_value set_status_flags(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd, flags;
  read_arguments(env, info, 2, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "flags", &flags))
    return NULL;
  return make_result(env, fcntl(fd, F_SETFL, flags));
}

static napi_value create_eventfd(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t initial;
  read_arguments(env, info, 1, argv);
  if (!read_int32(env, argv[0], "initial", &initial)) return NULL;
  return make_result(env, eventfd((unsigned)initial, EFD_NONBLOCK | EFD_CLOEXEC));
}

/*
 * O_NONBLOCK belongs to the open file, which a peer shares: setting it would break a peer that reads
 * in blocking mode, and the peer may change it at any moment. So a blocking descriptor is polled
 * first, and what happens behind the look has a deadline.
 */
int look_ready(int fd, short events) {
  int flags = fcntl(fd, F_GETFL);
  if (flags == -1) return -1;
  if ((flags & O_NONBLOCK) != 0) return 0;
  struct pollfd polled = {.fd = fd, .events = events};
  int ready;
  do ready = poll(&polled, 1, 0);
  while (ready == -1 && errno == EINTR);
  if (ready == 0) errno = EAGAIN;
  return ready > 0 ? 1 : -1;
}

static ssize_t write_in_time(int fd, const void *data, size_t length, bool blocking) {
  struct announcement *announcement;
  ssize_t result;
  do {
    if ((announcement = deadline_begin(blocking)) == NULL) return -1;
    result = write(fd, data, length);
  } while (deadline_end(announcement, result));
  return result;
}

static ssize_t read_in_time(int fd, void *data, size_t length, bool blocking) {
  struct announcement *announcement;
  ssize_t result;
  do {
    if ((announcement = deadline_begin(blocking)) == NULL) return -1;
    result = read(fd, data, length);
  } while (deadline_end(announcement, result));
  return result;
}

static const uint64_t one = 1;

/* -EAGAIN means that the counter is full: the other side has yet to look, and will. */
static napi_value eventfd_write_one(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  int blocking = look_ready(fd, POLLOUT);
  if (blocking == -1) return make_result(env, -1);
  return make_result(env, write_in_time(fd, &one, sizeof one, blocking == 1) == -1 ? -1 : 0);
}

/* Without the look, a third of the time, for a descriptor that was made non-blocking here. A peer
   that fills the counter and changes the mode makes each write last up to the deadline. */
static napi_value eventfd_write_own(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!read_fd(env, info, &fd)) return NULL;
  return make_result(env, write_in_time(fd, &one, sizeof one, false) == -1 ? -1 : 0);
}

/* RWF_NOWAIT belongs to this one call, not to the open file. Named pipes, any pipe before Linux 6.4
   and event descriptors before Linux 5.8 do not know the flag. */
static ssize_t read_nowait(int fd, void *data, size_t length) {
  struct iovec vector = {.iov_base = data, .iov_len = length};
  ssize_t result;
  do {
    result = syscall(SYS_preadv2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
  } while (result == -1 && errno == EINTR);
  if (result != -1 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  int blocking = look_ready(fd, POLLIN);
  return blocking == -1 ? -1 : read_in_time(fd, data, length, blocking == 1);
}

static ssize_t write_nowait(int fd, void *data, size_t length) {
  struct iovec vector = {.iov_base = data, .iov_len = length};
  ssize_t result;
  do {
    result = syscall(SYS_pwritev2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
  } while (result == -1 && errno == EINTR);
  if (result != -1 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  /* A pipe that is writable takes PIPE_BUF bytes without a wait. */
  if (length > PIPE_BUF) length = PIPE_BUF;
  int blocking = look_ready(fd, POLLOUT);
  return blocking == -1 ? -1 : write_in_time(fd, data, length, blocking == 1);
}

/* 1: was signalled, 0: was not. Up to 8 bytes, so that the read end of a pipe works too. -EPIPE at
   the end of a pipe: such a descriptor stays readable for ever and must not be polled again. */
static napi_value eventfd_drain(napi_env env, napi_callback_info info) {
  int32_t fd;
  uint64_t value;
  if (!read_fd(env, info, &fd)) return NULL;
  ssize_t result = read_nowait(fd, &value, sizeof value);
  if (result == 0) return make_number(env, -EPIPE);
  if (result == -1) return make_number(env, errno == EAGAIN ? 0 : -errno);
  return make_number(env, 1);
}

static bool read_transfer(napi_env env, napi_callback_info info, int32_t *fd, struct bytes *bytes) {
  napi_value argv[4];
  read_arguments(env, info, 4, argv);
  return read_int32(env, argv[0], "fd", fd) &&
         read_window(env, argv[1], argv[2], argv[3], bytes);
}

static napi_value read_available(napi_env env, napi_callback_info info) {
  int32_t fd;
  struct bytes bytes;
  if (!read_transfer(env, info, &fd, &bytes)) return NULL;
  return make_result(env, read_nowait(fd, bytes.data, bytes.length));
}

static napi_value write_available(napi_env env, napi_callback_info info) {
  int32_t fd;
  struct bytes bytes;
  if (!read_transfer(env, info, &fd, &bytes)) return NULL;
  return make_result(env, write_nowait(fd, bytes.data, bytes.length));
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
  /* Any other error is of the file (FUSE, NFS), which may be a peer's; the number is free then. */
  return make_result(env, close(fd) == -1 && errno == EBADF ? -1 : 0);
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
      {"getStatusFlags", get_status_flags},
      {"setStatusFlags", set_status_flags},
      {"eventfd", create_eventfd},
      {"eventfdWrite", eventfd_write_one},
      {"eventfdWriteOwn", eventfd_write_own},
      {"eventfdRead", eventfd_drain},
      {"readAvailable", read_available},
      {"writeAvailable", write_available},
      {"pipe", create_pipe},
      {"dup", duplicate},
      {"close", close_fd},
      {"fallocate", allocate},
  };
  return EXPORT(env, exports, functions);
}
