import { UsageError } from "../../core/base/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import { type MessageEvent, type TracedRegion, TraceReader } from "../trace/index.ts";

/** A recorded session that is to be played. */
export interface ReplayScript {
  readonly session: number;
  readonly messages: readonly MessageEvent[];
  /** Bytes of the memory objects, by name: they hold every region that was in them. */
  readonly memory: ReadonlyMap<string, number>;
  /** Name of the device type, if the recorded offer shows it. */
  readonly device?: string | undefined;
}

/** The part of a capture that is played. */
export interface ScriptOptions {
  /** Session of the capture. Default: its first one. */
  readonly session?: number | undefined;
  /** Number of the last message to play. Default: all. */
  readonly to?: number | undefined;
}

/**
 * Reads a session of a capture.
 *
 * @throws {UsageError} the text is not a capture, or has no such session
 */
export function readScript(text: string, { session, to }: ScriptOptions = {}): ReplayScript {
  const messages: MessageEvent[] = [];
  const memory = new Map<string, number>();
  let chosen = session;
  let device: string | undefined;
  for (const { event, state } of new TraceReader().read(text)) {
    if (event.type !== "message") continue;
    chosen ??= event.session;
    if (event.session !== chosen || event.number > (to ?? Infinity)) continue;
    messages.push(event);
    device = state.device?.name;
    for (const region of state.regions) noteRegion(memory, region);
  }
  if (chosen === undefined || messages.length === 0) {
    const what = session === undefined ? "no messages" : `no messages of session ${session}`;
    throw new UsageError(
      `the capture has ${what}; choose another one, capture stat says what it has`,
    );
  }
  return { session: chosen, messages, memory, device };
}

/** The side that speaks first on a socket. */
export function otherSide(side: Direction): Direction {
  return side === "front-end" ? "back-end" : "front-end";
}

function noteRegion(memory: Map<string, number>, region: TracedRegion): void {
  const { name, mmapOffset, size, descriptor } = region;
  const end = Number(mmapOffset + size);
  const bytes = Math.max(memory.get(name) ?? 0, end, descriptor?.object.bytes ?? 0);
  memory.set(name, bytes);
}
