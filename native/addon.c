#include "arguments.h"
#include "deadline.h"
#include "exports.h"

NAPI_MODULE_INIT() {
  bool complete = export_sockets(env, exports) && export_messages(env, exports) &&
                  export_descriptors(env, exports) && export_mappings(env, exports) &&
                  export_pollers(env, exports) && export_wait(env, exports) &&
                  export_folders(env, exports) && export_userfaults(env, exports) &&
                  export_urings(env, exports) && deadline_attach(env);
  return complete ? exports : NULL;
}
