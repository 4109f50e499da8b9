import { NegotiationError } from "../../core/base/index.ts";
import type { DeviceType } from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { deviceKinds } from "../../endpoints/devices/registry.ts";
import type { Client } from "../../endpoints/frontend/index.ts";
import { configReader, inferByConfig } from "./infer-by-config.ts";
import { inferDevice } from "./infer-device.ts";

/**
 * Returns the type of a target if it is another one than the one that is wanted; undefined where the
 * type cannot be inferred, or the wanted one is not in the package.
 *
 * @param wanted the name of a device type
 */
export function otherDevice(
  wanted: string,
  inferred: DeviceKind | undefined,
): DeviceKind | undefined {
  const isKnown = deviceKinds.some(({ name }) => name === wanted);
  return isKnown && inferred?.name !== wanted ? inferred : undefined;
}

/**
 * Makes sure, before any ring runs, that the back-end of a session does not serve another device type:
 * its requests would be answered by nothing. Reads the configuration space if only that may show it.
 *
 * @param program the name of the back-end's program, where it is known
 * @throws {NegotiationError} it does; {@link TimeoutError | PeerClosedError}
 */
export async function expectDevice(
  { requests }: Pick<Client, "requests">,
  { name }: DeviceType,
  program?: string,
): Promise<void> {
  const {
    offered = 0n,
    offeredProtocolFeatures: protocol,
    protocolFeatures,
  } = requests.negotiation;
  const read = configReader(requests);
  const inferred =
    inferDevice(offered, protocol, program) ??
    (await inferByConfig({ virtio: offered, protocol: protocolFeatures, read }, name));
  const other = otherDevice(name, inferred);
  if (other === undefined) return;
  throw new NegotiationError(
    `the back-end serves a ${other.name} device and not a ${name} device: it offers the virtio features ` +
      `0x${offered.toString(16)} and protocol features 0x${protocol.toString(16)}` +
      `${program === undefined ? "" : ` (${program})`}; name the socket of a ${name} back-end; vhost-user probe ` +
      "says what listens on one",
  );
}
