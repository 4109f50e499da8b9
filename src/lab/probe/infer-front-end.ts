import { FrontendRequest, type Header, requestSpec } from "../../core/protocol/index.ts";
import type { DeviceKind, FrontendBehaviour, Likeness } from "../../endpoints/devices/kind.ts";
import { deviceKinds, findDeviceKind } from "../../endpoints/devices/registry.ts";
import { otherDevice } from "./expect-device.ts";

/** A request of a front-end. */
export interface FrontendMessage {
  readonly header: Header;
  readonly payload: Uint8Array;
}

/** Bits 0 to 23 belong to the device type. */
const DEVICE_BITS = (1n << 24n) - 1n;

const { GetConfig, SetFeatures, SetVringAddr, SetVringCall, SetVringEnable, SetVringKick } =
  FrontendRequest;
/** Requests whose payload begins with the index of a ring. */
const OF_RINGS: readonly number[] = [
  SetVringAddr,
  SetVringCall,
  SetVringEnable,
  SetVringKick,
  FrontendRequest.SetVringNum,
  FrontendRequest.SetVringBase,
  FrontendRequest.SetVringErr,
];

/**
 * Infers the device type that a front-end wants, which vhost-user never transmits, from what it
 * sent to a back-end whose offer fits many, and where that leaves more than one from the names of
 * device types in its command line (`vhost-user-fs-pci`).
 *
 * @param words its command line; none where that is not known
 * @returns the types that it may want; exactly one: it is inferred
 */
export function inferFrontendDevice(
  messages: readonly FrontendMessage[],
  words: readonly string[] = [],
): readonly DeviceKind[] {
  const sure = kindsLike("surely", messages);
  if (sure.length === 1) return sure;
  const named = kindsNamed(words);
  return named.length > 0 ? named : [...sure, ...kindsLike("perhaps", messages)];
}

/**
 * Returns the device type that a front-end wants if it is another one than the one that is wanted of
 * it; undefined where that is not clear.
 */
export function otherFrontendDevice(
  wanted: DeviceKind,
  messages: readonly FrontendMessage[],
  words: readonly string[] = [],
): DeviceKind | undefined {
  const behaviour = behaviourOf(messages);
  const sure = kindsLike("surely", messages);
  // Rings that are not those of the wanted type count together with the command line.
  const isForeign = behaviour.rings > 0 && wanted.recognizesFrontend?.(behaviour) === "no";
  const likely = sure.length === 1 ? sure : isForeign ? kindsNamed(words) : [];
  const [inferred] = likely;
  return likely.length === 1 ? otherDevice(wanted.name, inferred) : undefined;
}

/** Returns whether these messages identify the device type, whatever follows. */
export function identifiesDevice(messages: readonly FrontendMessage[]): boolean {
  return kindsLike("surely", messages).length === 1;
}

function kindsLike(likeness: Likeness, messages: readonly FrontendMessage[]): DeviceKind[] {
  const behaviour = behaviourOf(messages);
  return deviceKinds.filter((kind) => kind.recognizesFrontend?.(behaviour) === likeness);
}

/** Returns what of a front-end depends on its device type. */
function behaviourOf(messages: readonly FrontendMessage[]): FrontendBehaviour {
  let [features, protocol, rings, configEnd] = [0n, 0n, 0, 0];
  let [enablesEarly, isSetUp] = [false, false];
  for (const { header, payload } of messages) {
    const { request } = header;
    protocol |= requestSpec("front-end", request)?.requires.protocol ?? 0n;
    if (payload.length < 8) continue;
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (request === SetFeatures) features |= view.readBigUInt64LE(0) & DEVICE_BITS;
    if (request === GetConfig) configEnd = Math.max(configEnd, endOf(payload));
    if (!OF_RINGS.includes(request)) continue;
    // Bit 8 of SET_VRING_CALL, ERR and KICK says that no descriptor came.
    rings = Math.max(rings, 1 + (view.readUInt32LE(0) & 0xff));
    isSetUp ||= request === SetVringAddr || request === SetVringKick;
    enablesEarly ||= request === SetVringEnable && view.readUInt32LE(4) === 1 && !isSetUp;
  }
  return { features, protocol, rings, configEnd, enablesEarly };
}

/** Returns the end of what GET_CONFIG asks for; 0: its payload is too short. */
function endOf(payload: Uint8Array): number {
  const codec = requestSpec("front-end", GetConfig)?.payload;
  if (codec === undefined || payload.length < codec.minSize) return 0;
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return view.readUInt32LE(0) + view.readUInt32LE(4);
}

/** Returns the device types that words of a command line name as QEMU does. */
function kindsNamed(words: readonly string[]): DeviceKind[] {
  const names = words.flatMap((word) => [
    ...word.matchAll(/(?:vhost-user|vhost-device|virtio)-([a-z0-9]+)/g),
  ]);
  return [...new Set(names.flatMap(([, name = ""]) => findDeviceKind(name) ?? []))];
}
