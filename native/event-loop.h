/*
 * The functions of libuv that the addon calls. Node's headers are not needed to build it: they are
 * missing where a distribution packages them apart. The structures stay incomplete, so that no
 * layout of one libuv is compiled in; these declarations are the same in every libuv 1.
 */
#ifndef VHOST_USER_EVENT_LOOP_H
#define VHOST_USER_EVENT_LOOP_H

#include <pthread.h>
#include <stddef.h>

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_poll_s uv_poll_t;

/* One value of uv_handle_type. */
enum { UV_POLL = 8 };

size_t uv_handle_size(int type);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, void (*closed)(uv_handle_t *handle));
int uv_backend_fd(const uv_loop_t *loop);
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events,
                  void (*ready)(uv_poll_t *handle, int status, int events));
int uv_poll_stop(uv_poll_t *handle);

/* pthread_once and pthread_create have new versions in glibc 2.34; a binary that calls them needs
   that one. */
#define UV_ONCE_INIT PTHREAD_ONCE_INIT
void uv_once(pthread_once_t *guard, void (*callback)(void));
int uv_thread_create(pthread_t *thread, void (*entry)(void *argument), void *argument);

#endif
