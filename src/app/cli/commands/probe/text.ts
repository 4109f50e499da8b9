import { findDeviceKind } from "../../../../endpoints/devices/registry.ts";
import type { ProbeResult } from "../../../../lab/probe/index.ts";
import { explainProtocolFeatures, explainVirtioFeatures } from "../../../../core/protocol/index.ts";

/** A probe's result for people. */
export function describeProbe(
  result: ProbeResult,
  program: string | undefined,
  explain: boolean,
): string[] {
  const verb = result.role === "back-end" ? "offers" : "acknowledges";
  return [
    `socket            ${result.socket}`,
    `role              ${result.role}${program === undefined ? "" : ` (${program})`}`,
    `device            ${result.device ?? "unknown; name it with --device"}`,
    ...(result.role === "back-end" ? virtioFeatures(result, explain) : []),
    `protocol features ${result.protocolFeatureBits ?? `none: the peer ${verb} no VHOST_USER_F_PROTOCOL_FEATURES`}`,
    ...protocolFeatures(result, explain),
    ...(result.queues === null ? [] : [`queues            ${result.queues}`]),
    ...(result.memorySlots === null ? [] : [`memory slots      ${result.memorySlots}`]),
    ...(result.config === null ? [] : ["config", ...fields(result.config)]),
    ...result.hints.map(({ text }) => `hint              ${text}`),
    `time              ${times(result)}`,
  ];
}

function virtioFeatures(result: ProbeResult, explain: boolean): string[] {
  const bits = BigInt(result.virtioFeatureBits ?? 0);
  const list = explain
    ? explained(explainVirtioFeatures(bits, findDeviceKind(result.device ?? "")))
    : result.virtioFeatures.map((name) => `  ${name}`);
  return [`virtio features   ${result.virtioFeatureBits}`, ...list];
}

function protocolFeatures(result: ProbeResult, explain: boolean): string[] {
  return explain
    ? explained(explainProtocolFeatures(BigInt(result.protocolFeatureBits ?? 0)))
    : result.protocolFeatures.map((name) => `  ${name}`);
}

function explained(features: { bit: number; name: string; text: string }[]): string[] {
  const width = Math.max(0, ...features.map(({ name }) => name.length));
  return features.map(
    ({ bit, name, text }) => `  ${String(bit).padStart(2)} ${name.padEnd(width)}  ${text}`,
  );
}

function fields(config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).map(([name, value]) => {
    const text =
      value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
    return `  ${name.padEnd(22)} ${text}`;
  });
}

function times({ timingsUs }: ProbeResult): string {
  return Object.entries(timingsUs)
    .filter(([, us]) => us !== null)
    .map(([phase, us]) => `${phase} ${us} µs`)
    .join(", ");
}
