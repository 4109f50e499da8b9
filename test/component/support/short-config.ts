import type { BackendHooks } from "../../../src/endpoints/backend/index.ts";
import { type Config, FrontendRequest } from "../../../src/core/protocol/index.ts";

/** A back-end whose configuration space has a number of bytes, and that refuses to read more. */
export function shortConfig(bytes: number): Pick<BackendHooks, "handler"> {
  return {
    handler: (request, plain) =>
      request !== FrontendRequest.GetConfig
        ? plain
        : (payload, incoming) => {
            const { offset, data } = payload as Config;
            return offset + data.length > bytes ? undefined : plain(payload, incoming);
          },
  };
}
