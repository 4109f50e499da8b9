#include "arguments.h"
#include "exports.h"
#include "sigbus.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGETLBFS 0x958458f6

/*
 * One range of shared memory. JavaScript holds values that lead here, the handle and an ArrayBuffer
 * for each part that it looked at; the range goes with an explicit unmap or else when all were
 * collected, or with the thread's environment. The parts are made on demand because V8 counts each
 * ArrayBuffer as memory of its own: one of more than 64 MiB makes it collect all garbage.
 */
struct mapping {
  uint32_t tag;
  int holders; /* the handle and the buffers */
  void *address; /* NULL once unmapped */
  size_t span;   /* the length, rounded up to the file's page size */
  int slot;
  bool was_broken;
};

static void release(struct mapping *mapping) {
  if (mapping->address == NULL) return;
  mapping->was_broken = range_is_broken(mapping->slot);
  /* First out of the table: once unmapped, the addresses may belong to another mapping. */
  range_unregister(mapping->slot);
  munmap(mapping->address, mapping->span);
  mapping->address = NULL;
}

static void drop(struct mapping *mapping) {
  if (--mapping->holders > 0) return;
  release(mapping);
  free(mapping);
}

static void finalize_handle(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  drop(data);
}

/* Here `data` is the address of the memory: it may be unmapped already and belong to another mapping. */
static void finalize_buffer(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  drop(hint);
}

/* munmap and MAP_FIXED refuse part of a huge page; only the file system reports its length. */
static size_t page_size(int fd) {
  struct statfs fs;
  if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == HUGETLBFS) return (size_t)fs.f_bsize;
  return (size_t)sysconf(_SC_PAGESIZE);
}

static napi_value wrap(napi_env env, struct mapping *mapping) {
  napi_value handle;
  mapping->holders = 1;
  if (napi_create_external(env, mapping, finalize_handle, NULL, &handle) != napi_ok) {
    drop(mapping);
    napi_throw_error(env, NULL, "a handle for the mapping could not be created");
    return NULL;
  }
  return handle;
}

static napi_value map(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t fd;
  int64_t length, offset;
  bool writable;
  read_arguments(env, info, 4, argv);
  if (!read_int32(env, argv[0], "fd", &fd) || !read_size(env, argv[1], "length", &length) ||
      !read_size(env, argv[2], "offset", &offset) ||
      !read_bool(env, argv[3], "writable", &writable))
    return NULL;
  size_t page = page_size(fd);
  size_t span = ((size_t)length + page - 1) / page * page;
  struct mapping *mapping = calloc(1, sizeof *mapping);
  if (mapping == NULL) return make_number(env, -ENOMEM);
  mapping->tag = MAPPING_TAG;
  mapping->span = span;
  void *address =
      mmap(NULL, span, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
  if (address == MAP_FAILED) {
    int saved = errno;
    free(mapping);
    return make_number(env, -saved);
  }
  mapping->slot = range_register(address, span);
  if (mapping->slot < 0) {
    int slot = mapping->slot;
    munmap(address, span);
    free(mapping);
    return make_number(env, slot);
  }
  mapping->address = address;
  return wrap(env, mapping);
}

/* A part of the range as an ArrayBuffer. */
static napi_value mapping_buffer(napi_env env, napi_callback_info info) {
  napi_value argv[3], buffer;
  int64_t offset, length;
  read_arguments(env, info, 3, argv);
  struct mapping *mapping = read_handle(env, argv[0], MAPPING_TAG);
  if (mapping == NULL || !read_size(env, argv[1], "offset", &offset) ||
      !read_size(env, argv[2], "length", &length))
    return NULL;
  if (mapping->address == NULL) return throw_type_error(env, "the mapping was unmapped");
  if ((size_t)offset > mapping->span || (size_t)length > mapping->span - (size_t)offset)
    return throw_type_error(env, "offset and length must be inside the mapping");
  mapping->holders++;
  if (napi_create_external_arraybuffer(env, (char *)mapping->address + offset, (size_t)length,
                                       finalize_buffer, mapping, &buffer) == napi_ok)
    return buffer;
  mapping->holders--;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, NULL, "this Node.js cannot make external ArrayBuffers");
  return NULL;
}

/* Whether `array` has `count` buffers, each a part of the range. */
static bool are_parts(napi_env env, struct mapping *mapping, napi_value array, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    napi_value buffer;
    void *data;
    size_t length;
    if (napi_get_element(env, array, i, &buffer) != napi_ok ||
        napi_get_arraybuffer_info(env, buffer, &data, &length) != napi_ok ||
        (uintptr_t)data - (uintptr_t)mapping->address >= mapping->span)
      return false;
  }
  return true;
}

/* Detaches all buffers first, so that what JavaScript still holds has length zero instead of
   pointing at memory that may be mapped for something else a moment later. */
static napi_value unmap(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  uint32_t count;
  read_arguments(env, info, 2, argv);
  struct mapping *mapping = read_handle(env, argv[0], MAPPING_TAG);
  if (mapping == NULL) return NULL;
  if (mapping->address == NULL) return make_number(env, 0);
  if (napi_get_array_length(env, argv[1], &count) != napi_ok ||
      count != (uint32_t)mapping->holders - 1 || !are_parts(env, mapping, argv[1], count))
    return throw_type_error(env, "buffers must be all that were made of the mapping");
  for (uint32_t i = 0; i < count; i++) {
    napi_value buffer;
    if (napi_get_element(env, argv[1], i, &buffer) != napi_ok ||
        napi_detach_arraybuffer(env, buffer) != napi_ok)
      return throw_type_error(env, "a buffer of the mapping cannot be detached");
  }
  release(mapping);
  return make_number(env, 0);
}

bool read_mapping(napi_env env, napi_value value, void **address, size_t *span) {
  struct mapping *mapping = read_handle(env, value, MAPPING_TAG);
  if (mapping == NULL) return false;
  *address = mapping->address;
  *span = mapping->span;
  return true;
}

/* The same addresses, from now on over another file: what JavaScript holds sees that one. */
static napi_value remap(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int32_t fd;
  int64_t offset;
  read_arguments(env, info, 3, argv);
  struct mapping *mapping = read_handle(env, argv[0], MAPPING_TAG);
  if (mapping == NULL || !read_int32(env, argv[1], "fd", &fd) ||
      !read_size(env, argv[2], "offset", &offset))
    return NULL;
  if (mapping->address == NULL) return make_number(env, -EINVAL);
  void *address = mmap(mapping->address, mapping->span, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, fd, offset);
  return make_result(env, address == MAP_FAILED ? -1 : 0);
}

static napi_value mapping_broken(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  read_arguments(env, info, 1, argv);
  struct mapping *mapping = read_handle(env, argv[0], MAPPING_TAG);
  if (mapping == NULL) return NULL;
  return make_bool(env, mapping->address == NULL ? mapping->was_broken
                                                 : range_is_broken(mapping->slot));
}

static napi_value mark_mapping_broken(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  read_arguments(env, info, 1, argv);
  struct mapping *mapping = read_handle(env, argv[0], MAPPING_TAG);
  if (mapping == NULL) return NULL;
  if (mapping->address == NULL) mapping->was_broken = true;
  else range_mark_broken(mapping->slot);
  return NULL;
}

/* The counter itself as memory of JavaScript: looking at it costs a load, not a call. */
static napi_value broken_mappings(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value buffer = NULL;
  size_t size;
  void *counter = range_breaks(&size);
  if (napi_create_external_arraybuffer(env, counter, size, NULL, NULL, &buffer) != napi_ok)
    napi_throw_error(env, NULL, "this Node.js cannot make external ArrayBuffers");
  return buffer;
}

bool export_mappings(napi_env env, napi_value exports) {
  static const struct function functions[] = {
      {"mmap", map},
      {"mappingBuffer", mapping_buffer},
      {"unmap", unmap},
      {"remap", remap},
      {"mappingBroken", mapping_broken},
      {"markMappingBroken", mark_mapping_broken},
      {"brokenMappings", broken_mappings},
  };
  return EXPORT(env, exports, functions);
}
