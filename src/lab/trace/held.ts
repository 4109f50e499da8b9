import { readdirSync } from "node:fs";
import { delay } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import { kernelObject, type KernelObject } from "../wire/index.ts";
import type { TraceConsumer } from "./consumer.ts";
import type { MessageEvent, OpenedEvent, TraceEvent } from "./event.ts";
import type { TracedSession } from "./traced-session.ts";

/** Objects that are remembered; behind that the oldest is forgotten. */
const MAX_OBJECTS = 4096;
const LOOK_MS = 20;
/** The time that a process has to close what it received, in milliseconds. */
const SETTLE_MS = 500;

/** Descriptors that a side kept open after their session had ended. */
export interface HeldDescriptors {
  readonly role: Direction;
  readonly pid: number;
  /** Session and name of each, e.g. `#0 kick.0`. */
  readonly names: readonly string[];
}

interface Received {
  readonly session: number;
  readonly name: string;
  readonly role: Direction;
  readonly pid: number;
}

/** Remembers what the processes of a trace received, to see what they still hold in the end. */
export class ReceivedObjects implements TraceConsumer {
  readonly #roles: ReadonlySet<Direction>;
  readonly #pids = new Map<number, OpenedEvent>();
  readonly #received = new Map<string, Received>();

  /** @param roles the sides whose processes may be looked at: those that were started here */
  constructor(roles: readonly Direction[]) {
    this.#roles = new Set(roles);
  }

  event(event: TraceEvent, _: TracedSession, passed: readonly OwnedFd[]): void {
    if (event.type === "opened") this.#pids.set(event.session, event);
    if (event.type === "message") this.#message(event, passed);
    if (event.type === "closed") this.#pids.delete(event.session);
  }

  /** Looks until the processes hold nothing of sessions that have ended, or for half a second. */
  async held(): Promise<HeldDescriptors[]> {
    for (const end = performance.now() + SETTLE_MS; ;) {
      const held = this.#look();
      if (held.length === 0 || performance.now() > end) return held;
      await delay(LOOK_MS);
    }
  }

  #message({ session, from, descriptors }: MessageEvent, passed: readonly OwnedFd[]): void {
    const role = from === "front-end" ? "back-end" : "front-end";
    const peers = this.#pids.get(session);
    const { pid } = (role === "back-end" ? peers?.backEnd : peers?.frontEnd) ?? {};
    if (pid === undefined || !this.#roles.has(role)) return;
    for (const [at, { name, object }] of descriptors.entries()) {
      // The receiver of a kick or a call may have got another one than was sent.
      const fd = object.kind === "eventfd" ? passed[at] : undefined;
      const key = keyOf(fd === undefined ? object : kernelObject(fd.fd));
      if (key === undefined) continue;
      this.#received.delete(`${pid} ${key}`);
      this.#received.set(`${pid} ${key}`, { session, name, role, pid });
      const [oldest] = this.#received.keys();
      if (this.#received.size > MAX_OBJECTS && oldest !== undefined) this.#received.delete(oldest);
    }
  }

  #look(): HeldDescriptors[] {
    const ended = [...this.#received].filter(([, { session }]) => !this.#pids.has(session));
    const pids = new Map(ended.map(([, { pid, role }]) => [pid, role]));
    return [...pids].flatMap(([pid, role]) => {
      const open = openObjects(pid);
      const names = ended
        .filter(([key, each]) => each.pid === pid && open.has(key))
        .map(([, { session, name }]) => `#${session} ${name}`);
      return names.length === 0 ? [] : [{ role, pid, names }];
    });
  }
}

/** Returns the objects that a process has open; none once it is gone. */
function openObjects(pid: number): ReadonlySet<string> {
  try {
    const folder = `/proc/${pid}`;
    const keys = readdirSync(`${folder}/fd`).map((fd) => keyOf(kernelObject(Number(fd), folder)));
    return new Set(keys.map((key) => `${pid} ${key}`));
  } catch {
    return new Set();
  }
}

function keyOf({ kind, id }: KernelObject): string | undefined {
  return id === undefined ? undefined : `${kind} ${id}`;
}
