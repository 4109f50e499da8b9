#include "arguments.h"
#include "exports.h"
#include "event-loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A uv_poll on the loop of the environment that made it. libuv keeps using the memory until its
 * close callback, and JavaScript may use the handle after that: the two hold it together.
 */
struct poller {
  uint32_t tag;
  int holders;
  bool closing;
  int fd;      /* the caller's */
  int watched; /* the same open file, by a number of our own */
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  /* A uv_poll_t, whose size only libuv knows. */
  _Alignas(max_align_t) unsigned char poll[];
};

static uv_poll_t *poll_of(struct poller *poller) {
  return (uv_poll_t *)poller->poll;
}

static uv_handle_t *handle_of(struct poller *poller) {
  return (uv_handle_t *)poller->poll;
}

static void drop(struct poller *poller) {
  if (--poller->holders == 0) free(poller);
}

static void finalize_handle(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  drop(data);
}

static void on_closed(uv_handle_t *handle) {
  struct poller *poller = uv_handle_get_data(handle);
  napi_remove_async_cleanup_hook(poller->hook);
  drop(poller);
}

static void close_poller(struct poller *poller) {
  if (poller->closing) return;
  poller->closing = true;
  napi_delete_reference(poller->env, poller->callback);
  napi_async_destroy(poller->env, poller->context);
  uv_close(handle_of(poller), on_closed);
  close(poller->watched); /* libuv has taken it out of its epoll */
}

/* A worker that ends while its loop still has a handle aborts the process: this closes it, and the
   environment waits until on_closed removes the hook. */
static void on_environment_exit(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  close_poller(data);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  struct poller *poller = uv_handle_get_data((uv_handle_t *)handle);
  napi_env env = poller->env;
  napi_handle_scope scope;
  napi_value receiver, callback, argument;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_get_global(env, &receiver);
  napi_get_reference_value(env, poller->callback, &callback);
  napi_create_int32(env, status < 0 ? status : events, &argument);
  if (napi_make_callback(env, poller->context, receiver, callback, 1, &argument, NULL) ==
      napi_pending_exception) {
    /* No caller is left to catch it: unless it is handed on here, it is lost without a trace. */
    napi_value exception;
    if (napi_get_and_clear_last_exception(env, &exception) == napi_ok)
      napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

/* A poller that outlives the caller's descriptor would keep the open file alive. */
static int start(struct poller *poller, int events) {
  if (events == 0) return uv_poll_stop(poll_of(poller));
  if (fcntl(poller->fd, F_GETFD) == -1) return -errno;
  return uv_poll_start(poll_of(poller), events, on_poll);
}

/*
 * uv_poll_init makes what it is given non-blocking, and the mode of an open file that a peer shares
 * is not ours to set. So it gets an event descriptor, and the number then becomes that of the
 * caller's open file: libuv adds the number to its epoll when polling starts, and not before.
 */
static int watch(uv_loop_t *loop, struct poller *poller) {
  poller->watched = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (poller->watched == -1) return -errno;
  int status = uv_poll_init(loop, poll_of(poller), poller->watched);
  if (status < 0) close(poller->watched);
  return status;
}

/* 0, or -errno of what epoll refuses: libuv aborts the process when it finds out by itself. */
static int exchange(const uv_loop_t *loop, struct poller *poller) {
  struct epoll_event nothing = {.events = 0};
  int epoll = uv_backend_fd(loop);
  if (dup3(poller->fd, poller->watched, O_CLOEXEC) == -1) return -errno;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, poller->watched, &nothing) == -1) return -errno;
  epoll_ctl(epoll, EPOLL_CTL_DEL, poller->watched, &nothing);
  return 0;
}

/*
 * Whether epoll takes another epoll depends on what that one watches, which a peer who shares it
 * can change at any moment: libuv tries the descriptor now and adds it later, and aborts the
 * process when the second attempt is refused. Deleting what was never added distinguishes the kinds.
 */
static bool is_epoll(int fd, const uv_loop_t *loop) {
  return epoll_ctl(fd, EPOLL_CTL_DEL, uv_backend_fd(loop), NULL) == 0 || errno == ENOENT;
}

/* libuv knows the handle from here on: failures go through its close callback. */
static napi_value adopt(napi_env env, uv_loop_t *loop, struct poller *poller, napi_value callback,
                        int events) {
  napi_value name, handle;
  poller->holders = 1;
  poller->env = env;
  uv_handle_set_data(handle_of(poller), poller);
  napi_create_string_utf8(env, "VHOSTUSERPOLL", NAPI_AUTO_LENGTH, &name);
  napi_create_reference(env, callback, 1, &poller->callback);
  napi_async_init(env, NULL, name, &poller->context);
  napi_add_async_cleanup_hook(env, on_environment_exit, poller, &poller->hook);
  int status = exchange(loop, poller);
  if (status == 0) status = start(poller, events);
  if (status < 0) {
    close_poller(poller);
    return make_number(env, status);
  }
  if (napi_create_external(env, poller, finalize_handle, NULL, &handle) != napi_ok) {
    close_poller(poller);
    return NULL;
  }
  poller->holders = 2;
  return handle;
}

static napi_value poller_start(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int32_t fd, events;
  napi_valuetype type;
  uv_loop_t *loop;
  read_arguments(env, info, 3, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_int32(env, argv[1], "events", &events))
    return NULL;
  if (napi_typeof(env, argv[2], &type) != napi_ok || type != napi_function)
    return throw_type_error(env, "callback must be a function");
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return make_number(env, -EINVAL);
  if (fcntl(fd, F_GETFD) == -1) return make_number(env, -errno);
  if (is_epoll(fd, loop)) return make_number(env, -EPERM);
  struct poller *poller = calloc(1, sizeof *poller + uv_handle_size(UV_POLL));
  if (poller == NULL) return make_number(env, -ENOMEM);
  poller->tag = POLLER_TAG;
  poller->fd = fd;
  int status = watch(loop, poller);
  if (status < 0) {
    free(poller);
    return make_number(env, status);
  }
  return adopt(env, loop, poller, argv[2], events);
}

static struct poller *read_poller(napi_env env, napi_callback_info info, int32_t *events) {
  napi_value argv[2];
  read_arguments(env, info, 2, argv);
  struct poller *poller = read_handle(env, argv[0], POLLER_TAG);
  if (poller == NULL || (events != NULL && !read_int32(env, argv[1], "events", events)))
    return NULL;
  return poller;
}

static napi_value poller_update(napi_env env, napi_callback_info info) {
  int32_t events;
  struct poller *poller = read_poller(env, info, &events);
  if (poller == NULL) return NULL;
  return make_number(env, poller->closing ? -EBADF : start(poller, events));
}

static napi_value poller_stop(napi_env env, napi_callback_info info) {
  struct poller *poller = read_poller(env, info, NULL);
  if (poller != NULL) close_poller(poller);
  return NULL;
}

static napi_value poller_ref(napi_env env, napi_callback_info info) {
  struct poller *poller = read_poller(env, info, NULL);
  if (poller != NULL && !poller->closing) uv_ref(handle_of(poller));
  return NULL;
}

static napi_value poller_unref(napi_env env, napi_callback_info info) {
  struct poller *poller = read_poller(env, info, NULL);
  if (poller != NULL && !poller->closing) uv_unref(handle_of(poller));
  return NULL;
}

bool export_pollers(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"pollerStart", poller_start}, {"pollerUpdate", poller_update}, {"pollerStop", poller_stop},
      {"pollerRef", poller_ref},     {"pollerUnref", poller_unref},
  };
  return EXPORT(env, exports, functions);
}
