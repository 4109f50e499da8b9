#include "arguments.h"
#include "descriptor.h"
#include "exports.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The credentials have room too: an inherited socket may have SO_PASSCRED set, and without room
   for them the kernel reports truncation although no descriptor was lost. */
union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * MAX_MESSAGE_FDS) + CMSG_SPACE(sizeof(struct ucred))];
};

static napi_value send_message(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  int32_t fd, count;
  struct bytes bytes;
  struct words fds;
  read_arguments(env, info, 6, argv);
  if (!read_int32(env, argv[0], "fd", &fd) ||
      !read_window(env, argv[1], argv[2], argv[3], &bytes) ||
      !read_int32(env, argv[5], "fdCount", &count))
    return NULL;
  if (count < 0 || !read_words(env, argv[4], "fds", (size_t)count, &fds))
    return count < 0 ? throw_type_error(env, "fdCount must not be negative") : NULL;
  /* Without a byte to travel with, the kernel drops the descriptors and reports success. */
  if (count > MAX_MESSAGE_FDS || (count > 0 && bytes.length == 0)) return make_number(env, -EINVAL);

  struct iovec vector = {.iov_base = bytes.data, .iov_len = bytes.length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  union control control;
  if (count > 0) {
    size_t size = sizeof(int) * (size_t)count;
    memset(&control, 0, CMSG_SPACE(size));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds.data, size);
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent == -1 && errno == EINTR);
  return make_result(env, sent);
}

static size_t collect_fds(struct msghdr *message, int *out) {
  size_t count = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t size = header->cmsg_len - CMSG_LEN(0);
    /* Cannot exceed the room: it is bounded by the control buffer. */
    memcpy(out + count, CMSG_DATA(header), size);
    count += size / sizeof(int);
  }
  return count;
}

/*
 * fdsOut[0] becomes the number of descriptors, fdsOut[1...] are they. -EBADMSG: the kernel cut the
 * descriptors short (MSG_CTRUNC: none could be installed, typically for want of free numbers).
 * -EMSGSIZE: more than fdsOut has room for. In both cases all of them are closed, because the
 * message is no longer what the peer meant.
 */
static napi_value receive_message(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int32_t fd;
  struct bytes bytes;
  struct words out;
  read_arguments(env, info, 5, argv);
  if (!read_int32(env, argv[0], "fd", &fd) ||
      !read_window(env, argv[1], argv[2], argv[3], &bytes) ||
      !read_words(env, argv[4], "fdsOut", 1, &out))
    return NULL;
  union control control;
  struct iovec vector = {.iov_base = bytes.data, .iov_len = bytes.length};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  out.data[0] = 0;
  ssize_t received;
  do {
    received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (received == -1 && errno == EINTR);
  if (received == -1) return make_result(env, -1);
  if (message.msg_controllen == 0 && (message.msg_flags & MSG_CTRUNC) == 0)
    return make_number(env, (double)received);

  int fds[sizeof control / sizeof(int)];
  size_t count = collect_fds(&message, fds);
  bool truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  if (truncated || count > out.length - 1) {
    for (size_t i = 0; i < count; i++) close(fds[i]);
    return make_number(env, truncated ? -EBADMSG : -EMSGSIZE);
  }
  memcpy(out.data + 1, fds, count * sizeof(int));
  out.data[0] = (int32_t)count;
  return make_number(env, (double)received);
}

bool export_messages(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"sendMessage", send_message},
      {"receiveMessage", receive_message},
  };
  return EXPORT(env, exports, functions);
}
