#include "arguments.h"

#include <stdio.h>

static bool reject(napi_env env, const char *name, const char *expected) {
  char message[128];
  snprintf(message, sizeof message, "%s must be %s", name, expected);
  napi_throw_type_error(env, NULL, message);
  return false;
}

/* Missing arguments arrive as undefined, which no reader accepts. */
void read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
}

bool read_int32(napi_env env, napi_value value, const char *name, int32_t *out) {
  return napi_get_value_int32(env, value, out) == napi_ok || reject(env, name, "a number");
}

bool read_size(napi_env env, napi_value value, const char *name, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0) ||
      number > 9007199254740991.0 || (double)(int64_t)number != number)
    return reject(env, name, "a whole number from 0 to 2^53 - 1");
  *out = (int64_t)number;
  return true;
}

bool read_bool(napi_env env, napi_value value, const char *name, bool *out) {
  return napi_get_value_bool(env, value, out) == napi_ok || reject(env, name, "a boolean");
}

bool read_window(napi_env env, napi_value array, napi_value offset, napi_value length,
                 struct bytes *out) {
  napi_typedarray_type type;
  size_t available;
  void *data;
  int64_t start, wanted;
  if (napi_get_typedarray_info(env, array, &type, &available, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array)
    return reject(env, "bytes", "a Uint8Array");
  if (!read_size(env, offset, "offset", &start) || !read_size(env, length, "length", &wanted))
    return false;
  if ((uint64_t)start > available || (uint64_t)wanted > available - (uint64_t)start)
    return reject(env, "offset and length", "within the Uint8Array");
  out->data = (uint8_t *)data + start;
  out->length = (size_t)wanted;
  return true;
}

bool read_words(napi_env env, napi_value value, const char *name, size_t minimum,
                struct words *out) {
  napi_typedarray_type type;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array)
    return reject(env, name, "an Int32Array");
  if (out->length < minimum) return reject(env, name, "an Int32Array with room for the result");
  out->data = data;
  return true;
}

bool read_string(napi_env env, napi_value value, const char *name, char *out, size_t capacity,
                 size_t *length) {
  *length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, length) != napi_ok)
    return reject(env, name, "a string");
  if (*length >= capacity) return false;
  return napi_get_value_string_utf8(env, value, out, capacity, length) == napi_ok;
}

void *read_handle(napi_env env, napi_value value, uint32_t tag) {
  void *data = NULL;
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_external)
    napi_get_value_external(env, value, &data);
  if (data == NULL || *(uint32_t *)data != tag) {
    reject(env, "handle", "one that this addon made");
    return NULL;
  }
  return data;
}

napi_value make_number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

napi_value make_result(napi_env env, int64_t result) {
  return make_number(env, (double)(result == -1 ? -errno : result));
}

napi_value make_bool(napi_env env, bool value) {
  napi_value result = NULL;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value throw_type_error(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

bool export_functions(napi_env env, napi_value exports, const struct function *functions,
                      size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value value;
    const char *name = functions[i].name;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, functions[i].callback, NULL, &value) !=
            napi_ok ||
        napi_set_named_property(env, exports, name, value) != napi_ok)
      return false;
  }
  return true;
}
