import { fstatSync } from "node:fs";
import type { BackendSession } from "../../../../../../src/endpoints/backend/index.ts";
import { EventFd } from "../../../../../../src/core/os/index.ts";
import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { WrappedQueue } from "../../../../../../src/lab/faults/wrapped-queue.ts";
import type { ChainCursor, DeviceQueue } from "../../../../../../src/core/virtqueue/index.ts";
import type { Frame } from "../../../../../../src/core/transport/index.ts";
import { crashesOn, fault, type Mutant, type Serving, throughHandler } from "../mutant.ts";

const { SetVringAddr, SetVringBase, SetVringCall, SetVringErr, SetVringKick, SetVringNum } =
  FrontendRequest;

/** A back-end whose rings are made of these queues. */
const withQueue = (summary: string, queue: (plain: DeviceQueue) => DeviceQueue): Mutant => ({
  fault: summary,
  apply: (options) => ({ ...options, queue }),
});

const serving = (summary: string, request: number, serve: Serving): Mutant =>
  throughHandler(summary, () => ({ [request]: serve }));

/** Looks at its ring once it was kicked, and not as it starts. */
export class WaitsForKick extends WrappedQueue {
  #kicked = false;

  override next(chain: ChainCursor): boolean {
    return this.#kicked && super.next(chain);
  }

  override hasNext(): boolean {
    return this.#kicked && super.hasNext();
  }

  override enableNotifications(): boolean {
    const nothingNew = super.enableNotifications();
    if (this.#kicked) return nothingNew;
    this.#kicked = true;
    return true;
  }
}

/** Shows completions in a way of its own. */
class Publishing extends WrappedQueue {
  readonly #after: (queue: DeviceQueue) => void;

  constructor(queue: DeviceQueue, after: (queue: DeviceQueue) => void) {
    super(queue);
    this.#after = after;
  }

  override publish(): boolean {
    const call = super.publish();
    this.#after(this.queue);
    return call;
  }
}

/** What a request says of a ring: its index, and its number or first address. */
function stateOf({ payload }: Frame): { index: number; value: bigint } {
  const view = Buffer.from(payload);
  if (view.length < 8) return { index: -1, value: -1n };
  const value = view.length >= 16 ? view.readBigUInt64LE(8) : BigInt(view.readUInt32LE(4));
  return { index: view.readUInt32LE(0), value };
}

const dies = (summary: string, request: number, deadly: (frame: Frame) => boolean): Mutant =>
  crashesOn(summary, (frame) => frame.header.request === request && deadly(frame));

/** Keeps a processor busy until the session is over. */
function spin(session: BackendSession): void {
  let on = true;
  void session.closed.then(() => {
    on = false;
  });
  const turn = (): void => {
    if (on) setImmediate(turn);
  };
  turn();
}

/** Refuses to do without a descriptor. */
const wanting: Serving = (plain) => (payload, incoming) => {
  if (incoming.fds.length === 0) throw new Error("no descriptor came");
  return plain(payload, incoming);
};

export const vring: Readonly<Record<string, Mutant>> = {
  "vring/1": fault("refuse@SET_VRING_ERR"),
  "vring/2": serving("takes no call descriptor for a ring that runs", SetVringCall, refusing(true)),
  "vring/3": throughHandler("wants the base of a ring before its addresses", () => {
    const based = new WeakSet<object>();
    return {
      [SetVringBase]: (plain, session) => (payload, incoming) => {
        based.add(session());
        return plain(payload, incoming);
      },
      [SetVringAddr]: (plain, session) => (payload, incoming) => {
        if (!based.has(session())) throw new Error("no base");
        return plain(payload, incoming);
      },
    };
  }),
  "vring/4": serving(
    "starts a ring as its call descriptor comes",
    SetVringCall,
    (plain, session) => async (payload, incoming) => {
      await plain(payload, incoming);
      session().vrings[(payload as VringState).index]?.setKick(undefined);
    },
  ),
  "vring/5": withQueue("starts a ring with the first kick", (queue) => new WaitsForKick(queue)),
  "vring/6": serving("does not start rings", SetVringKick, () => () => undefined),
  "vring/7": serving("wants a kick descriptor", SetVringKick, wanting),
  "vring/8": serving("wants a call descriptor", SetVringCall, wanting),
  "vring/9": serving("wants an error descriptor", SetVringErr, wanting),
  "vring/10": dies("a ring of one entry", SetVringNum, (frame) => stateOf(frame).value === 1n),
  "vring/11": serving(
    "takes rings of any size",
    SetVringNum,
    (plain) => async (payload, incoming) => {
      try {
        await plain(payload, incoming);
      } catch {
        const { index } = payload as VringState;
        await plain({ index, num: 16 }, incoming);
      }
    },
  ),
  "vring/12": dies("a ring of 32768", SetVringNum, (frame) => stateOf(frame).value === 32_768n),
  "vring/13": dies(
    "misaligned descriptors",
    SetVringAddr,
    (frame) => stateOf(frame).value % 16n !== 0n,
  ),
  "vring/14": serving(
    "has the parts of a ring in one region",
    SetVringAddr,
    (plain) => (payload, incoming) => {
      const { descriptor, used } = payload as { descriptor: bigint; used: bigint };
      if (used - descriptor > 1n << 30n) throw new Error("too far apart");
      return plain(payload, incoming);
    },
  ),
  "vring/15": dies(
    "a ring outside of all regions",
    SetVringAddr,
    (frame) => stateOf(frame).value === 0x5000_0000_0000n,
  ),
  "vring/17": serving("keeps 15 bits of a base", SetVringBase, (plain) => (payload, incoming) => {
    const { index, num } = payload as VringState;
    return plain({ index, num: num & 0x7fff }, incoming);
  }),
  "vring/18": dies("ring 5000", SetVringNum, (frame) => stateOf(frame).index === 5000),
  "vring/19": serving(
    "keeps the first kick descriptor",
    SetVringKick,
    (plain, session) => (payload, incoming) =>
      session().vrings[(payload as VringState).index]?.started
        ? undefined
        : plain(payload, incoming),
  ),
  "vring/20": serving(
    "sends no call once a running ring got another call descriptor",
    SetVringCall,
    (plain, session) => (payload, incoming) => {
      if (session().vrings[(payload as VringState).index]?.started) {
        const [fd] = incoming.fds.splice(0, 1, EventFd.create().descriptor);
        fd?.close();
      }
      return plain(payload, incoming);
    },
  ),
  "vring/23": serving(
    "turns round and round where it is kicked through a pipe",
    SetVringKick,
    (plain, session) => (payload, incoming) => {
      const [fd] = incoming.fds;
      if (fd && fstatSync(fd.fd).isFIFO()) spin(session());
      return plain(payload, incoming);
    },
  ),
  "vring/24": serving("takes no addresses for a ring that runs", SetVringAddr, refusing(true)),
  "vring/25": dies("a size of 8", SetVringNum, (frame) => stateOf(frame).value === 8n),
  "vring/26": withQueue(
    "writes behind the used ring",
    (queue) =>
      new Publishing(queue, ({ raw }) => {
        if (raw.format !== "split") return;
        const { buffer, byteOffset, byteLength } = raw.used16;
        new Uint8Array(buffer, byteOffset + byteLength, 8).fill(0);
      }),
  ),
  "vring/27": withQueue("begins with used index 0", (queue) => {
    const { raw } = queue;
    const first = raw.format === "split" ? Atomics.load(raw.used16, 1) : 0;
    return new Publishing(queue, () => {
      if (raw.format !== "split" || first === 0) return;
      const shown = Atomics.load(raw.used16, 1);
      if (shown >= first) Atomics.store(raw.used16, 1, shown - first);
    });
  }),
  "vring/28": serving(
    "starts a ring only after the one before it",
    SetVringKick,
    (plain, session) => (payload, incoming) => {
      const { index } = payload as VringState;
      if (index > 0 && !session().vrings[index - 1]?.started) throw new Error("too early");
      return plain(payload, incoming);
    },
  ),
};

/** Refuses a request for a ring that runs, or that does not. */
function refusing(running: boolean): Serving {
  return (plain, session) => (payload, incoming) => {
    if (session().vrings[(payload as VringState).index]?.started === running) {
      throw new Error("refused");
    }
    return plain(payload, incoming);
  };
}
