import type { OwnedFd } from "../../core/os/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import { eventDescriptor, substitutesFor } from "./substitute.ts";
import type { Changed } from "./changed.ts";
import { parseFieldChange } from "./set-field.ts";
import type { MessageEvent } from "../trace/index.ts";

/** Changes a message. */
export type Change = (event: MessageEvent, frame: Frame) => Changed;

/** The fate of a message. */
export type InjectedAction =
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "drop" | "duplicate" | "reorder" | "no-reply" | "disconnect" }
  | { readonly kind: "kill"; readonly side: "front-end" | "back-end" }
  | { readonly kind: "change"; readonly change: Change };

/** One line of the help, and the parser of its word. */
interface ActionWord {
  readonly form: string;
  readonly text: string;
  /** Returns the action; undefined if it is another word. */
  parse(word: string, target: string): InjectedAction | undefined;
}

/** Largest delay, in milliseconds. */
const MAX_DELAY_MS = 3_600_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** The actions, in the order of the help. */
export const ACTION_WORDS: readonly ActionWord[] = [
  { form: "delay=DURATION", text: "sends it later; what follows it waits", parse: delayed },
  plainWord("drop", "does not send it; its descriptors are closed"),
  plainWord("duplicate", "sends it twice"),
  plainWord("reorder", "sends it after the next message of its sender on the same socket"),
  {
    form: "truncate=BYTES",
    text: "sends only the first bytes of the payload, with a header that announces all",
    parse: (word) => changing(word, /^truncate=(\d+)$/, ([, bytes]) => truncated(Number(bytes))),
  },
  {
    form: "set FIELD=VALUE",
    text: "changes a field of the payload; or header.flags, header.size, header.request, byte.N",
    parse: (word, target) =>
      word.startsWith("set ")
        ? { kind: "change", change: parseFieldChange(word.slice(4).trim(), target) }
        : undefined,
  },
  {
    form: "close-fd",
    text: "sends it without its descriptors",
    parse: (word) => changing(word, /^close-fd$/, () => (_, frame) => withFds(frame, [], [])),
  },
  {
    form: "extra-fd",
    text: "adds a descriptor: an eventfd",
    parse: (word) =>
      changing(word, /^extra-fd$/, () => (_, frame) => {
        const extra = eventDescriptor();
        return withFds(frame, [...frame.fds, extra], [extra]);
      }),
  },
  {
    form: "swap-fd",
    text: "replaces its descriptors by new objects of the same kind",
    parse: (word) =>
      changing(word, /^swap-fd$/, () => (event, frame) => {
        const made = substitutesFor(event.descriptors.map(({ object }) => object));
        return withFds(frame, made, made);
      }),
  },
  plainWord("no-reply", "sends the request, and not its reply"),
  plainWord("disconnect", "ends the session on both sides"),
  {
    form: "kill=front, kill=back",
    text: "kills a program that trace started, with SIGKILL, before the message is sent",
    parse: (word) => {
      const side = /^kill=(front|back)$/.exec(word)?.[1];
      if (side === undefined) return undefined;
      return { kind: "kill", side: side === "front" ? "front-end" : "back-end" };
    },
  },
];

/**
 * Parses an action.
 *
 * @param target the requests that it is about, for the names of fields
 * @throws {TypeError} naming the actions that exist
 */
export function parseAction(word: string, target: string): InjectedAction {
  for (const each of ACTION_WORDS) {
    const action = each.parse(word, target);
    if (action !== undefined) return action;
  }
  const forms = ACTION_WORDS.map(({ form }) => form).join(", ");
  throw new TypeError(`"${word}" is not an action; choose from ${forms}`);
}

function plainWord(
  name: "drop" | "duplicate" | "reorder" | "no-reply" | "disconnect",
  text: string,
): ActionWord {
  return { form: name, text, parse: (word) => (word === name ? { kind: name } : undefined) };
}

function delayed(word: string): InjectedAction | undefined {
  const parts = /^delay=(\d+(?:\.\d+)?)(ms|s|m)$/.exec(word);
  if (parts === null) {
    if (!word.startsWith("delay")) return undefined;
    throw new TypeError(`${word} must have a duration, e.g. delay=100ms or delay=2s`);
  }
  const ms = Number(parts[1]) * (UNITS[parts[2] ?? ""] ?? 1);
  if (ms > MAX_DELAY_MS) throw new TypeError(`${word} is too long; the longest is 60m`);
  return { kind: "delay", ms };
}

function changing(
  word: string,
  form: RegExp,
  make: (parts: RegExpExecArray) => Change,
): InjectedAction | undefined {
  const parts = form.exec(word);
  return parts === null ? undefined : { kind: "change", change: make(parts) };
}

function truncated(bytes: number): Change {
  return (_, frame) => ({
    frame: { ...frame, payload: frame.payload.subarray(0, bytes) },
    made: [],
  });
}

function withFds(frame: Frame, fds: OwnedFd[], made: readonly OwnedFd[]): Changed {
  return { frame: { ...frame, fds }, made };
}
