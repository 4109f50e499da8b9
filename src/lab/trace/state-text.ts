import { counted } from "../../core/base/index.ts";
import { alignColumns } from "./durations.ts";
import type { TracePeer } from "./event.ts";
import { milliseconds } from "./ring-text.ts";
import { oneLine } from "./one-line.ts";
import type { InspectedRing, InspectedSession, NamedBits } from "./state-page.ts";

/** Outstanding chains of a ring that are listed. */
const MAX_LISTED = 32;

/** The state of a session in lines for people. */
export function describeSession(session: InspectedSession): string[] {
  const { device = "unknown", messages, ended, features, protocolFeatures, status } = session;
  const { frontEnd, backEnd, regions, rings } = session;
  const head = ["region", "guest address", "user address", "bytes", "offset", "object"];
  const rows = regions.map(({ name, guestAddress, userAddress, size, offset, object = "" }) => [
    name,
    guestAddress,
    userAddress,
    String(size),
    offset,
    object,
  ]);
  const lines = [
    `session ${session.session}, ${counted(messages, "message")}: front-end ${peer(frontEnd)}, back-end ${peer(backEnd)}`,
    ...(ended === undefined ? [] : [`  ${ended.how}: ${ended.reason}`]),
    `  device ${device}`,
    `  features ${bits(features)}`,
    `  protocol features ${bits(protocolFeatures)}`,
    ...(status === undefined ? [] : [`  status ${bits(status)}`]),
    ...(rows.length === 0 ? ["  no memory"] : alignColumns([head, ...rows]).map((l) => `  ${l}`)),
    ...rings.flatMap(describeRing),
  ];
  return lines.map(oneLine);
}

function describeRing(ring: InspectedRing): string[] {
  const { queue, started, enabled, size, base, addresses, chains, outstanding = [] } = ring;
  const words = [
    started ? "started" : "stopped",
    enabled ? "enabled" : "disabled",
    ...(size === undefined ? [] : [`${size} entries`]),
    ...(base === undefined ? [] : [`base ${base}`]),
  ];
  const lines = [
    `  ring ${ring.ring}${queue === undefined ? "" : ` ${queue}`}: ${words.join(", ")}`,
  ];
  if (addresses !== undefined) {
    const { descriptor, available, used } = addresses;
    lines.push(`    descriptor ${descriptor}, available ${available}, used ${used}`);
  }
  const notifiers = [ring.kick, ring.call, ring.err].filter((each) => each !== undefined);
  if (notifiers.length > 0) lines.push(`    ${notifiers.join(", ")}`);
  if (chains === undefined) return lines;
  lines.push(
    `    ${counted(chains.available, "chain")} made available, ${chains.missed} not seen, ${outstanding.length} outstanding`,
  );
  for (const { chain, head, text, waitedUs } of outstanding.slice(0, MAX_LISTED)) {
    lines.push(`      chain ${chain}, head ${head}: ${text}, for ${milliseconds(waitedUs)} ms`);
  }
  const more = outstanding.length - MAX_LISTED;
  return more > 0 ? [...lines, `      and ${more} more`] : lines;
}

function bits({ bits: word, names }: NamedBits): string {
  const short = names.map((name) => name.replace(/^V[A-Z]+?_(?:.*?_)?F_|^VIRTIO_CONFIG_S_/, ""));
  return names.length === 0 ? word : `${word} [${short.join(" ")}]`;
}

function peer({ pid, program }: TracePeer = {}): string {
  if (pid === undefined) return "unknown";
  return program === undefined ? `pid ${pid}` : `pid ${pid} (${program})`;
}
