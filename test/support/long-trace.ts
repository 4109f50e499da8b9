/** A capture of any length: messages that set up a ring again and again, and the chains of two rings. */
export interface LongTrace {
  readonly messages: number;
  /** Chains, of which each is two events. */
  readonly chains: number;
}

const RINGS = 2;
const EVENT_US = 5;
/** Chains that are outstanding at a time. */
const DEPTH = 16;

/** Returns the lines of the capture. A few of them are failures. */
export function* longTrace({ messages, chains }: LongTrace): Generator<string> {
  yield JSON.stringify({ schemaVersion: 1, kind: "trace", started: "2026-03-04T05:06:07.890Z" });
  yield JSON.stringify({ event: "opened", us: 0, session: 0 });
  const every = Math.max(1, Math.ceil(chains / messages));
  let [us, chain, message] = [0, 0, 0];
  while (message < messages || chain < chains) {
    us += EVENT_US;
    if (message < messages) yield JSON.stringify(messageLine(us, (message += 1)));
    for (let i = 0; i < every && chain < chains; i += 1) {
      us += EVENT_US;
      yield JSON.stringify(availableLine(us, chain));
      if (chain >= DEPTH) yield JSON.stringify(usedLine(us + 1, chain - DEPTH));
      chain += 1;
    }
  }
  for (let rest = Math.max(0, chains - DEPTH); rest < chains; rest += 1) {
    yield JSON.stringify(usedLine((us += EVENT_US), rest));
  }
}

/** SET_VRING_BASE and the two messages of GET_FEATURES in turn. */
function messageLine(us: number, number: number): object {
  const common = { event: "message", us, session: 0, number, descriptors: [] };
  const features = "0000000040000000";
  switch (number % 3) {
    case 1:
      return { ...common, from: "front-end", hex: "010000000100000000000000" };
    case 2:
      return { ...common, from: "back-end", hex: `010000000500000008000000${features}` };
    default: {
      const base = Buffer.alloc(8);
      base.writeUInt32LE(number % 65_536, 4);
      const hex = `0a0000000100000008000000${base.toString("hex")}`;
      return { ...common, from: "front-end", hex };
    }
  }
}

function chainOf(us: number, chain: number) {
  const ring = chain % RINGS;
  // Anything that does not compress: the sectors of random reads.
  const sector = (Math.imul(chain, 2_654_435_761) ^ (chain * chain)) >>> 8;
  const number = Math.floor(chain / RINGS);
  return {
    us,
    session: 0,
    ring,
    queue: "requestq",
    chain: number,
    head: number % 128,
    descriptors: 3,
    readable: 16,
    writable: 4097,
    text: `READ sector ${sector}, 8 sectors`,
    fields: { sector },
    failed: false,
    depth: Math.min(number, DEPTH),
  };
}

function availableLine(us: number, chain: number): object {
  return { event: "chain-available", ...chainOf(us, chain) };
}

function usedLine(us: number, chain: number): object {
  const found = chainOf(us, chain);
  const failed = chain % 10_000 === 5000;
  const text = `${found.text}: ${failed ? "IOERR" : "OK"}`;
  return { event: "chain-used", ...found, text, failed, written: 4097, latencyUs: 80, marginUs: 5 };
}
