import { oneLine } from "./one-line.ts";
import type { InspectedRing, InspectedSession, NamedBits } from "./state-page.ts";

/** A fact about a session that differs between two moments. */
export interface StateChange {
  readonly session: number;
  /** The fact, for example `ring 0 base` or `feature VIRTIO_F_VERSION_1`. */
  readonly what: string;
  /** Absent if it was not so at the first moment. */
  readonly before?: string | undefined;
  /** Absent if it is not so any more. */
  readonly after?: string | undefined;
}

/** Returns the differences between what sessions have set up at two moments. */
export function compareStates(
  before: readonly InspectedSession[],
  after: readonly InspectedSession[],
): StateChange[] {
  const numbers = new Set([...before, ...after].map(({ session }) => session));
  return [...numbers].flatMap((session) => {
    const [first, second] = [before, after].map((sessions) =>
      factsOf(sessions.find((each) => each.session === session)),
    );
    const names = new Set([...(first?.keys() ?? []), ...(second?.keys() ?? [])]);
    return [...names].flatMap((what) => {
      const change = { session, what, before: first?.get(what), after: second?.get(what) };
      return change.before === change.after ? [] : [change];
    });
  });
}

/** A difference in one line: `+` is so now, `-` was so, `~` has another value. */
export function describeStateChange({ session, what, before, after }: StateChange): string {
  const head = `#${session} ${what}`;
  const text =
    before !== undefined && after !== undefined
      ? `~ ${head}: ${before} -> ${after}`
      : before === undefined
        ? `+ ${head}${after === "" ? "" : `: ${after}`}`
        : `- ${head}${before === "" ? "" : `: ${before}`}`;
  return oneLine(text);
}

function factsOf(session: InspectedSession | undefined): Map<string, string> {
  const facts = new Map<string, string>();
  if (session === undefined) return facts;
  const { messages, ended, device, features, protocolFeatures, status, regions, rings } = session;
  facts.set("messages", String(messages));
  facts.set("session", ended === undefined ? "open" : `${ended.how}: ${ended.reason}`);
  if (device !== undefined) facts.set("device", device);
  addBits(facts, "feature", features);
  addBits(facts, "protocol feature", protocolFeatures);
  if (status !== undefined) addBits(facts, "status", status);
  for (const { name, guestAddress, userAddress, size, offset, object = "" } of regions) {
    const place = `guest ${guestAddress}, user ${userAddress}, ${size} bytes, offset ${offset}`;
    facts.set(`region ${name}`, object === "" ? place : `${place}, ${object}`);
  }
  for (const ring of rings) addRing(facts, ring);
  return facts;
}

function addBits(facts: Map<string, string>, what: string, { names }: NamedBits): void {
  for (const name of names) facts.set(`${what} ${name}`, "");
}

function addRing(facts: Map<string, string>, ring: InspectedRing): void {
  const name = `ring ${ring.ring}${ring.queue === undefined ? "" : ` ${ring.queue}`}`;
  const { started, enabled, size, base, addresses, kick, call, err, chains } = ring;
  const values = {
    state: `${started ? "started" : "stopped"}, ${enabled ? "enabled" : "disabled"}`,
    entries: size,
    base,
    descriptor: addresses?.descriptor,
    available: addresses?.available,
    used: addresses?.used,
    kick,
    call,
    err,
    "chains made available": chains?.available,
    "chains used": chains?.used,
    "chains not seen": chains?.missed,
  };
  for (const [what, value] of Object.entries(values)) {
    if (value !== undefined) facts.set(`${name} ${what}`, String(value));
  }
  for (const { chain, head, text } of ring.outstanding ?? []) {
    facts.set(`${name} outstanding chain ${chain}`, `head ${head}, ${text}`);
  }
}
