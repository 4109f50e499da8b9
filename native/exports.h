/* One function for each file of the addon: it exports that file's functions to JavaScript. */
#ifndef VHOST_USER_EXPORTS_H
#define VHOST_USER_EXPORTS_H

#include "arguments.h"

bool export_sockets(napi_env env, napi_value exports);
bool export_messages(napi_env env, napi_value exports);
bool export_descriptors(napi_env env, napi_value exports);
bool export_folders(napi_env env, napi_value exports);
bool export_userfaults(napi_env env, napi_value exports);
bool export_mappings(napi_env env, napi_value exports);
bool export_pollers(napi_env env, napi_value exports);
bool export_wait(napi_env env, napi_value exports);
bool export_urings(napi_env env, napi_value exports);

#endif
