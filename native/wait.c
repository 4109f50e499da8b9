#include "arguments.h"
#include "exports.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int wait_for(struct pollfd *polled, size_t count, int64_t timeout_us) {
  int64_t deadline = timeout_us > 0 ? now_us() + timeout_us : 0;
  int64_t left = timeout_us;
  for (;;) {
    struct timespec span = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
    int result = ppoll(polled, count, timeout_us < 0 ? NULL : &span, NULL);
    if (result != -1 || errno != EINTR) return result;
    if (timeout_us > 0) {
      left = deadline - now_us();
      if (left < 0) left = 0;
    }
  }
}

/*
 * waitReadable(fds, count, ready, timeoutUs): blocks this thread. Negative entries of fds are holes
 * and never ready. Also ready: end of stream and errors, which the read that follows will report.
 */
static napi_value wait_readable(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  struct words fds, ready;
  int32_t count;
  double timeout;
  struct pollfd few[64], *polled = few;
  read_arguments(env, info, 4, argv);
  if (!read_int32(env, argv[1], "count", &count)) return NULL;
  if (count < 0) return throw_type_error(env, "count must not be negative");
  if (!read_words(env, argv[0], "fds", (size_t)count, &fds) ||
      !read_words(env, argv[2], "ready", (size_t)count, &ready))
    return NULL;
  if (napi_get_value_double(env, argv[3], &timeout) != napi_ok || timeout != timeout)
    return throw_type_error(env, "timeoutUs must be a number");
  if (timeout > 1e15) timeout = -1; /* Infinity; and thirty years are for ever */
  if ((size_t)count > sizeof few / sizeof few[0]) {
    polled = malloc((size_t)count * sizeof *polled);
    if (polled == NULL) return make_number(env, -ENOMEM);
  }
  for (int32_t i = 0; i < count; i++)
    polled[i] = (struct pollfd){.fd = fds.data[i], .events = POLLIN};
  int result = wait_for(polled, (size_t)count, timeout < 0 ? -1 : (int64_t)timeout);
  if (result == -1) result = -errno;
  for (int32_t i = 0; i < count; i++) {
    ready.data[i] = result > 0 && polled[i].revents != 0;
    /* A closed number is the caller's mistake, and would make every later wait return at once. */
    if (result > 0 && (polled[i].revents & POLLNVAL) != 0) result = -EBADF;
  }
  if (polled != few) free(polled);
  return make_number(env, result);
}

bool export_wait(napi_env env, napi_value exports) {
  static const struct function functions[] = {{"waitReadable", wait_readable}};
  return EXPORT(env, exports, functions);
}
