import { counted, ProtocolError, StateError } from "../../base/index.ts";
import { type Config, ConfigFlags, FrontendRequest } from "../../protocol/index.ts";
import type { RequestHandler } from "../../session/index.ts";
import type { BackendSession } from "../session.ts";

/** The device's configuration space. */
export function answerConfig(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  const { config } = session.device;
  on(FrontendRequest.GetConfig, (payload) => {
    const { offset, flags, data } = payload as Config;
    // The empty reply is how the specification has a back-end refuse.
    if (config === undefined || data.length === 0 || offset + data.length > config.size)
      return undefined;
    const bytes = new Uint8Array(data.length);
    config.read(offset, bytes);
    return { offset, flags, data: bytes };
  });
  on(FrontendRequest.SetConfig, (payload) => {
    const { offset, flags, data } = payload as Config;
    if (config === undefined || offset + data.length > config.size) {
      throw new ProtocolError(
        `VHOST_USER_SET_CONFIG: expected a range within ${counted(config?.size ?? 0, "byte")}, got ${data.length} at ${offset}`,
        { request: "VHOST_USER_SET_CONFIG", field: "offset" },
      );
    }
    const by = flags === ConfigFlags.Migration ? "migration" : "driver";
    if (config.write(offset, data, by)) return;
    throw new StateError(
      `VHOST_USER_SET_CONFIG: a read-only field lies in the ${counted(data.length, "byte")} at ${offset}`,
    );
  });
}
