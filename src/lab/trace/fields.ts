import {
  acknowledgement,
  type Codec,
  count,
  decodePresentConfig,
  deviceStateReply,
  deviceStatus,
  formatUuid,
  macAddress,
  protocolFeatures,
  statusNames,
  virtioFeatures,
} from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { FeatureNames, Json, JsonObject } from "./event.ts";

/** The names and formats of 64-bit numbers. */
const NUMBERS = new Map<Codec<bigint>, (value: bigint) => JsonObject>([
  [count, (value) => ({ count: value.toString() })],
  [acknowledgement, (value) => ({ ack: value.toString(), ok: value === 0n })],
  [deviceStatus, (value) => ({ status: hex(value), names: statusNames(value) })],
  [macAddress, (value) => ({ mac: macAddress.describe(value).replace("mac=", "") })],
  [
    deviceStateReply,
    (value) => ({
      value: hex(value),
      error: (value & 0xffn).toString(),
      hasDescriptor: (value & 0x100n) === 0n,
    }),
  ],
]);

/** The codecs whose values are words of feature bits. */
export function isFeatureWord(codec: Codec<unknown>): boolean {
  return codec === virtioFeatures || codec === protocolFeatures;
}

/**
 * Returns the fields of a decoded payload by name. Numbers of 64 bits are hexadecimal text, bytes are
 * hexadecimal digits.
 *
 * @param features names of the bits, of a word of features
 * @param device decodes the configuration space
 */
export function fieldsOf(
  codec: Codec<unknown>,
  value: unknown,
  features: FeatureNames | undefined,
  device: DeviceKind | undefined,
): JsonObject {
  if (value === undefined) return codec.maxSize === 0 ? {} : { refused: true };
  if (value instanceof Uint8Array) return value.length === 0 ? {} : { body: digits(value) };
  if (typeof value === "bigint") {
    if (features !== undefined) return { features: hex(value), names: features.names };
    const show = NUMBERS.get(codec as Codec<bigint>);
    return show?.(value) ?? { value: hex(value) };
  }
  if (typeof value !== "object" || value === null) return { value: toJson(value) };
  const fields = toJson(value) as JsonObject;
  if ("uuid" in value && value.uuid instanceof Uint8Array) {
    return { ...fields, uuid: formatUuid(value.uuid) };
  }
  const config = configOf(value, device);
  return config === undefined ? fields : { ...fields, config };
}

/** The configuration space by name, where a message has it from its start. */
function configOf(value: object, device: DeviceKind | undefined): Json | undefined {
  if (device?.config === undefined || !("data" in value) || !("offset" in value)) return undefined;
  if (value.offset !== 0 || !(value.data instanceof Uint8Array)) return undefined;
  return toJson(decodePresentConfig(device.config, value.data));
}

function toJson(value: unknown): Json {
  if (typeof value === "bigint") return hex(value);
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  if (value instanceof Uint8Array) return digits(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]));
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const digits = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
