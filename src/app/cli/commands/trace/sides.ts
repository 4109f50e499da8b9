import { UsageError } from "../../../../core/base/index.ts";
import { splitWords } from "../../../../lab/conformance/index.ts";
import { requireSocketPlace } from "../../../../lab/conformance/index.ts";
import type { Direction } from "../../../../core/protocol/index.ts";

/** Options that name the two sides. */
export interface SideOptions {
  readonly listen?: readonly string[] | undefined;
  readonly connect?: readonly string[] | undefined;
  readonly execFrontEnd?: string | undefined;
  readonly execBackEnd?: string | undefined;
  readonly frontEndListens?: true | undefined;
}

/** The way to reach one side. */
export interface Side {
  readonly role: Direction;
  /** True if the side makes its socket, and we connect to it. */
  readonly listens: boolean;
  /** Path of the socket; undefined if a program is started, whose socket is in a folder of its own. */
  readonly path: string | undefined;
  /** The program that is started, as words with `{socket}`. */
  readonly words: readonly string[] | undefined;
}

export interface Sides {
  readonly frontEnd: Side;
  readonly backEnd: Side;
}

/**
 * The two sides that the options name. The back-end listens unless `--front-end-listens` is given. Two
 * `--listen` or two `--connect` are front-end and back-end in this order.
 *
 * @throws {UsageError} not two sides, or a program without `{socket}`
 */
export function sidesOf(options: SideOptions): Sides {
  const { listen = [], connect = [], frontEndListens = false } = options;
  const programs = {
    frontEnd: wordsOf("--exec-front-end", options.execFrontEnd),
    backEnd: wordsOf("--exec-back-end", options.execBackEnd),
  };
  const given =
    listen.length + connect.length + Object.values(programs).filter((each) => each).length;
  if (given !== 2) throw new UsageError(sidesMissing(given));
  if (programs.frontEnd === undefined && programs.backEnd === undefined) {
    if (listen.length === 2 || connect.length === 2) {
      if (frontEndListens) {
        throw new UsageError(
          "--front-end-listens needs one --listen and one --connect: two of a kind say by themselves who listens",
        );
      }
      const listens = connect.length === 2;
      const [first, second] = listens ? connect : listen;
      return {
        frontEnd: { role: "front-end", listens, path: first, words: undefined },
        backEnd: { role: "back-end", listens, path: second, words: undefined },
      };
    }
  }
  const side = (role: Direction, words: readonly string[] | undefined): Side => {
    const listens = (role === "front-end") === frontEndListens;
    if (words !== undefined) return { role, listens, path: undefined, words };
    const [path] = listens ? connect : listen;
    if (path === undefined) throw new UsageError(wrongWay(role, listens));
    return { role, listens, path, words };
  };
  return {
    frontEnd: side("front-end", programs.frontEnd),
    backEnd: side("back-end", programs.backEnd),
  };
}

function wordsOf(option: string, command: string | undefined): readonly string[] | undefined {
  if (command === undefined) return undefined;
  try {
    const words = splitWords(command);
    requireSocketPlace(words);
    return words;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${option}: ${reason}`, { cause });
  }
}

function sidesMissing(given: number): string {
  return (
    `two sides are needed, ${given} given: name the socket that the front-end connects to with --listen ` +
    "or the command that starts it with --exec-front-end, and the socket that the back-end listens on " +
    "with --connect or the command that starts it with --exec-back-end"
  );
}

function wrongWay(role: Direction, listens: boolean): string {
  return listens
    ? `the ${role} listens, so name its socket with --connect; --front-end-listens turns this round`
    : `the ${role} connects, so name the socket for it with --listen; --front-end-listens turns this round`;
}
