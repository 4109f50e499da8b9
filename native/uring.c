#include "arguments.h"
#include "exports.h"

#include <sys/syscall.h>
#include <unistd.h>

/*
 * io_uring(7) by raw system calls. The rings are mapped by mmap and are filled and read in
 * JavaScript. The structures are declared here, because the headers of a system may be older than
 * its kernel; they are the kernel's interface and do not change.
 */
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#define __NR_io_uring_enter 426
#define __NR_io_uring_register 427
#endif

enum { SETUP_CQSIZE = 1 << 3, ENTER_EXT_ARG = 1 << 3 };

struct params {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
  uint32_t reserved[3];
  struct {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
    uint64_t address;
  } sq;
  struct {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
    uint64_t address;
  } cq;
};

struct kernel_timespec {
  int64_t seconds;
  long long nanoseconds;
};

struct wait_argument {
  uint64_t signals;
  uint32_t signals_size, padding;
  uint64_t timeout;
};

/*
 * uringSetup(entries, completions, flags, out). out: features, entries of both rings, then the byte
 * offsets in the mapping: head, tail, array of the submission ring; head, tail, entries of the
 * completion ring.
 */
static napi_value setup(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t entries, completions, flags;
  struct words out;
  read_arguments(env, info, 4, argv);
  if (!read_int32(env, argv[0], "entries", &entries) ||
      !read_int32(env, argv[1], "completions", &completions) ||
      !read_int32(env, argv[2], "flags", &flags) || !read_words(env, argv[3], "out", 9, &out))
    return NULL;
  struct params params = {.flags = (uint32_t)flags | SETUP_CQSIZE,
                          .cq_entries = (uint32_t)completions};
  long fd = syscall(__NR_io_uring_setup, (unsigned)entries, &params);
  if (fd == -1) return make_result(env, -1);
  uint32_t values[] = {params.features, params.sq_entries, params.cq_entries,
                       params.sq.head,  params.sq.tail,    params.sq.array,
                       params.cq.head,  params.cq.tail,    params.cq.cqes};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) out.data[i] = (int32_t)values[i];
  return make_number(env, (double)fd);
}

/* uringEnter(fd, submit, complete, flags, timeoutUs): without a limit if timeoutUs is negative. */
static napi_value enter(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int32_t fd, submit, complete, flags, timeout;
  read_arguments(env, info, 5, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "submit", &submit) ||
      !read_int32(env, argv[2], "complete", &complete) ||
      !read_int32(env, argv[3], "flags", &flags) ||
      !read_int32(env, argv[4], "timeoutUs", &timeout))
    return NULL;
  if (timeout < 0)
    return make_result(env, syscall(__NR_io_uring_enter, fd, (unsigned)submit, (unsigned)complete,
                                    (unsigned)flags, NULL, (size_t)0));
  struct kernel_timespec span = {.seconds = timeout / 1000000,
                                 .nanoseconds = timeout % 1000000 * 1000LL};
  struct wait_argument argument = {.timeout = (uint64_t)(uintptr_t)&span};
  return make_result(env, syscall(__NR_io_uring_enter, fd, (unsigned)submit, (unsigned)complete,
                                  (unsigned)flags | ENTER_EXT_ARG, &argument, sizeof argument));
}

bool export_urings(napi_env env, napi_value exports) {
  static const struct function functions[] = {{"uringSetup", setup}, {"uringEnter", enter}};
  return EXPORT(env, exports, functions);
}
