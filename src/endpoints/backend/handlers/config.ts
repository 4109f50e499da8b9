import { counted, ProtocolError, StateError } from "../../../core/base/index.ts";
import { ConfigFlags, FrontendRequest } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { DeviceConfig } from "../capabilities.ts";
import type { SessionState } from "../session-state.ts";

/** The limit on offsets and sizes in messages, which have 32 bits. */
const OFFSETS = 2 ** 32;
/** Cloud Hypervisor before 2026 asks with these for the space from its start. */
const QUIRK = { offset: 0x100, flags: 1 } as const;

/** The device's configuration space. */
export function answerConfig(session: SessionState, answerer: HandlerRegistry<"front-end">): void {
  const { config } = session.capabilities;
  answerer.on(FrontendRequest.GetConfig, ({ offset, flags, data }) => {
    // The empty reply is how the specification has a back-end refuse.
    if (config === undefined || data.length === 0 || offset + data.length > OFFSETS) {
      const asked = `${counted(data.length, "byte")} at ${offset}`;
      const space =
        config === undefined ? "there is none" : `it has ${counted(config.size, "byte")}`;
      session.problems.refuse(
        new ProtocolError(
          `VHOST_USER_GET_CONFIG: ${asked} of the configuration space are refused: ${space}`,
          { request: "VHOST_USER_GET_CONFIG", field: "size" },
        ),
      );
      return undefined;
    }
    const isQuirk = offset === QUIRK.offset && flags === QUIRK.flags;
    if (
      isQuirk &&
      !session.problems.tolerates(
        "VHOST_USER_GET_CONFIG at offset 0x100 with flags 1: the front-end means offset 0, as Cloud " +
          "Hypervisor before 2026 does",
      )
    )
      return undefined;
    return { offset, flags, data: readConfig(config, isQuirk ? 0 : offset, data.length) };
  });
  answerer.on(FrontendRequest.SetConfig, ({ offset, flags, data }) => {
    if (config === undefined || offset + data.length > config.size) {
      throw new ProtocolError(
        `VHOST_USER_SET_CONFIG: expected a range within ${counted(config?.size ?? 0, "byte")}, got ${data.length} at ${offset}`,
        { request: "VHOST_USER_SET_CONFIG", field: "offset" },
      );
    }
    const by = flags === ConfigFlags.Migration ? "migration" : "driver";
    if (config.write(offset, data, by)) return;
    throw new StateError(
      `VHOST_USER_SET_CONFIG: the ${counted(data.length, "byte")} at ${offset} contain a read-only field`,
    );
  });
}

/** Reads a range of the space, with zeroes behind its end: OpenVMM always asks for 256 bytes. */
function readConfig(config: DeviceConfig, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const within = Math.min(length, config.size - offset);
  if (within > 0) config.read(offset, bytes.subarray(0, within));
  return bytes;
}
