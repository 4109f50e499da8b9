#include "arguments.h"
#include "deadline.h"
#include "descriptor.h"
#include "exports.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(void) {
  return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Closes fd and keeps the errno of the failure before. */
static int64_t fail_closed(int fd) {
  int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

/* 0, or the errno to report; -1 with an exception pending. */
static int read_path(napi_env env, napi_value value, struct sockaddr_un *address) {
  size_t length;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (!read_string(env, value, "path", address->sun_path, sizeof address->sun_path, &length))
    return length >= sizeof address->sun_path ? ENAMETOOLONG : -1;
  if (length == 0) return ENOENT;
  /* A NUL would silently name another path, or an abstract address. */
  return strlen(address->sun_path) == length ? 0 : EINVAL;
}

/* Gives the path of a bound socket its mode and its group (-1: as it is). bind() takes the mode from
   the socket, but subtracts the umask, which belongs to all threads of the process. */
static int set_access(const char *path, mode_t mode, gid_t group) {
  struct stat stats;
  char link[40];
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -1) return -1;
  /* The fstat() of libc needs glibc 2.33; on 64-bit machines its structure is the kernel's. */
  int result = (int)syscall(SYS_fstat, fd, &stats);
  if (result == 0 && !S_ISSOCK(stats.st_mode)) {
    /* Another process has replaced it. */
    errno = ENOTSOCK;
    result = -1;
  }
  if (result == 0 && group != (gid_t)-1 && stats.st_gid != group)
    result = fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH);
  if (result == 0 && (stats.st_mode & 07777) != mode) {
    /* fchmod() refuses a descriptor of O_PATH. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    result = chmod(link, mode);
  }
  return result == -1 ? (int)fail_closed(fd) : close(fd);
}

static int64_t listen_on(const struct sockaddr_un *address, int backlog, mode_t mode,
                         gid_t group) {
  int fd = open_socket();
  if (fd == -1) return -1;
  /* A connect() before listen() is refused, so the path has its final access in time. */
  if (fchmod(fd, 0600) == -1) return fail_closed(fd);
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) == -1) return fail_closed(fd);
  if (set_access(address->sun_path, mode, group) == -1 || listen(fd, backlog) == -1) {
    int saved = errno;
    unlink(address->sun_path);
    errno = saved;
    return fail_closed(fd);
  }
  return fd;
}

static napi_value unix_listen(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  struct sockaddr_un address;
  int32_t backlog, mode;
  int64_t group;
  read_arguments(env, info, 4, argv);
  int problem = read_path(env, argv[0], &address);
  if (problem == -1 || !read_int32(env, argv[1], "backlog", &backlog) ||
      !read_int32(env, argv[2], "mode", &mode) || !read_size(env, argv[3], "group", &group))
    return NULL;
  if (problem != 0) return make_number(env, -problem);
  return make_result(env, listen_on(&address, backlog, (mode_t)mode & 07777, (gid_t)group));
}

static napi_value unix_connect(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct sockaddr_un address;
  read_arguments(env, info, 1, argv);
  int problem = read_path(env, argv[0], &address);
  if (problem == -1) return NULL;
  if (problem != 0) return make_number(env, -problem);
  int fd = open_socket();
  if (fd == -1) return make_result(env, -1);
  int result;
  do {
    result = connect(fd, (const struct sockaddr *)&address, sizeof address);
  } while (result == -1 && errno == EINTR);
  return make_result(env, result == -1 ? fail_closed(fd) : fd);
}

/* A listening socket may be inherited, in blocking mode, by several processes: another one may take
   the connection between the look and the call. */
static int accept_in_time(int fd) {
  struct announcement *announcement;
  int result;
  do {
    int blocking = look_ready(fd, POLLIN);
    if (blocking == -1 || (announcement = deadline_begin(blocking == 1)) == NULL) return -1;
    result = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (deadline_end(announcement, result));
  return result;
}

static napi_value accept_connection(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t fd;
  read_arguments(env, info, 1, argv);
  if (!read_int32(env, argv[0], "fd", &fd)) return NULL;
  return make_result(env, accept_in_time(fd));
}

static napi_value socket_pair(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct words out;
  int pair[2];
  read_arguments(env, info, 1, argv);
  if (!read_words(env, argv[0], "out", 2, &out)) return NULL;
  int result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
  if (result == 0) {
    out.data[0] = pair[0];
    out.data[1] = pair[1];
  }
  return make_result(env, result);
}

static napi_value peer_credentials(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd;
  struct words out;
  struct ucred peer;
  socklen_t size = sizeof peer;
  read_arguments(env, info, 2, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_words(env, argv[1], "out", 3, &out))
    return NULL;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (result == 0) {
    out.data[0] = peer.pid;
    out.data[1] = (int32_t)peer.uid;
    out.data[2] = (int32_t)peer.gid;
  }
  return make_result(env, result);
}

/* The address is the bytes of sun_path, so that an abstract one can start with NUL. */
static napi_value send_datagram(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  struct bytes path, data;
  struct sockaddr_un address;
  read_arguments(env, info, 6, argv);
  if (!read_window(env, argv[0], argv[1], argv[2], &path) ||
      !read_window(env, argv[3], argv[4], argv[5], &data))
    return NULL;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (path.length == 0 || path.length > sizeof address.sun_path)
    return make_number(env, -ENAMETOOLONG);
  memcpy(address.sun_path, path.data, path.length);
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd == -1) return make_result(env, -1);
  ssize_t sent = sendto(fd, data.data, data.length, MSG_NOSIGNAL, (struct sockaddr *)&address,
                        length);
  if (sent == -1) return make_result(env, fail_closed(fd));
  close(fd);
  return make_number(env, (double)sent);
}

static napi_value shut_down(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd, how;
  read_arguments(env, info, 2, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "how", &how)) return NULL;
  return make_result(env, shutdown(fd, how));
}

static napi_value is_listening(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t fd;
  int listening = 0;
  socklen_t size = sizeof listening;
  read_arguments(env, info, 1, argv);
  if (!read_int32(env, argv[0], "fd", &fd)) return NULL;
  int result = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  return make_result(env, result == -1 ? -1 : listening);
}

bool export_sockets(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"unixListen", unix_listen},   {"unixConnect", unix_connect},
      {"accept", accept_connection}, {"socketpair", socket_pair},
      {"shutdown", shut_down},       {"peerCredentials", peer_credentials},
      {"isListening", is_listening}, {"sendDatagram", send_datagram},
  };
  return EXPORT(env, exports, functions);
}
