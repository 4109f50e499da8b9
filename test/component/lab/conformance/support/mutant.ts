import type { BackendOptions, BackendSession } from "../../../../../src/endpoints/backend/index.ts";
import { applyFaults, parseFault } from "../../../../../src/lab/faults/index.ts";
import { WrappedQueue } from "../../../../../src/lab/faults/wrapped-queue.ts";
import type { ByteHooks } from "../../../../../src/lab/wire/index.ts";
import type { RequestHandler } from "../../../../../src/core/session/index.ts";
import { type Interception, Interceptor } from "../../../../../src/lab/wire/index.ts";
import type { Frame } from "../../../../../src/core/transport/index.ts";
import type { DeviceQueue } from "../../../../../src/core/virtqueue/index.ts";

/** Which of our healthy devices a mutant is made of; some for the sake of single checks. */
export type Base =
  | "block"
  | "net"
  | "fs"
  | "rng"
  | "read-only"
  | "wce"
  | "shm"
  | "iommu"
  | "direct"
  | "file"
  | "program";

/** What a mutant can do to the process that it pretends to be. */
export interface World {
  /** It is gone, with every connection. */
  crash(signal: NodeJS.Signals): void;
  /** Keeps something for ever (until the test is over). */
  leak(held: { close(): void }): void;
  /** Reserves a number of bytes of memory. */
  hoard(bytes: number): void;
}

/** A back-end of ours with one thing wrong, on which a check must not pass. */
export interface Mutant {
  /** What is wrong, in a few words. */
  readonly fault: string;
  /** Default: block. */
  readonly base?: Base;
  /** Around what the back-end is made of. */
  readonly apply?: (options: BackendOptions, world: World) => BackendOptions;
  /** Between the suite and the back-end, once a connection. */
  readonly bytes?: (world: World) => ByteHooks;
  /** What `/bin/sh` runs instead of the program, whose words are `"$@"`: of the base `program`. */
  readonly script?: string;
  /** The offer is what is wrong: what the check needs is asked of the mutant itself. */
  readonly offers?: true;
}

/** A fault of `src/lab/faults`, as on the command line. */
export function fault(use: string, base: Base = "block"): Mutant {
  const parsed = parseFault(use);
  return {
    fault: `\`${use}\`: ${parsed.fault.summary}`,
    base,
    apply: (options) => applyFaults([parsed], options),
  };
}

/** A mutant whose messages are tampered with. @param make once a connection */
export function throughChannel(
  summary: string,
  make: (world: World) => Interception,
  base: Base = "block",
): Mutant {
  return {
    fault: summary,
    base,
    apply: (options, world) => ({
      ...options,
      channel: (inner) => new Interceptor(inner, make(world)),
    }),
  };
}

/** A mutant that mistreats the stream of bytes. */
export function throughBytes(
  summary: string,
  bytes: (world: World) => ByteHooks,
  base: Base = "block",
): Mutant {
  return { fault: summary, base, bytes };
}

/** What {@link throughHandler} puts in the place of what serves a request. */
export type Serving = (plain: RequestHandler, session: () => BackendSession) => RequestHandler;

/** A mutant that serves some requests in its own way. @param make once a back-end */
export function throughHandler(
  summary: string,
  make: () => Readonly<Partial<Record<number, Serving>>>,
  more: Pick<Mutant, "base" | "offers"> = {},
): Mutant {
  return {
    ...more,
    fault: summary,
    apply: (options) => {
      const serving = make();
      let current: BackendSession | undefined;
      const session = (): BackendSession => {
        if (current === undefined) throw new Error("no session yet");
        return current;
      };
      return {
        ...options,
        onSession: (started) => {
          current = started;
        },
        handler: (request, plain) => serving[request]?.(plain, session) ?? plain,
      };
    },
  };
}

/** A mutant that answers a request, where it succeeds, with something else. */
export function answers<T>(
  summary: string,
  request: number,
  change: (value: T) => T,
  more: Pick<Mutant, "base" | "offers"> = {},
): Mutant {
  const serve: Serving = (plain) => async (payload, incoming) =>
    change((await plain(payload, incoming)) as T);
  return throughHandler(summary, () => ({ [request]: serve }), more);
}

/** Dies of the first request that `deadly` names. */
export function crashesOn(
  summary: string,
  deadly: (frame: Frame) => boolean,
  signal: NodeJS.Signals = "SIGSEGV",
  base: Base = "block",
): Mutant {
  return throughChannel(
    `dies by ${signal} of ${summary}`,
    (world) => ({
      received: (frame) => {
        if (!deadly(frame)) return frame;
        world.crash(signal);
        return undefined;
      },
    }),
    base,
  );
}

/** Does not say a word any more after the first request that `deadly` names. */
export function hangsOn(
  summary: string,
  deadly: (frame: Frame) => boolean,
  base: Base = "block",
): Mutant {
  return throughChannel(
    `hangs on ${summary}`,
    () => {
      let hung = false;
      return {
        received: (frame) => {
          hung ||= deadly(frame);
          return hung ? undefined : frame;
        },
      };
    },
    base,
  );
}

/** The methods that {@link throughQueue} replaces; the ring's own are used for the rest. */
export type Tampering = Partial<
  Pick<DeviceQueue, "next" | "complete" | "publish" | "enableNotifications">
>;

/** A mutant whose device half of a ring does something of its own. @param make once a ring */
export function throughQueue(
  summary: string,
  make: (queue: DeviceQueue, world: World) => Tampering,
  base: Base = "block",
): Mutant {
  return {
    fault: summary,
    base,
    apply: (options, world) => ({
      ...options,
      queue: (queue) => Object.assign(new WrappedQueue(queue), make(queue, world)),
    }),
  };
}
