import { type Direction, requestSpec } from "../../core/protocol/index.ts";
import type { KernelObject } from "../wire/index.ts";
import type { TraceDescriptor } from "./event.ts";

/** Objects that are remembered in a session; behind that the oldest is forgotten. */
const MAX_NAMES = 4096;

/**
 * Names the objects of a session after what they were for when they came first. The same object keeps its
 * name; another one in the same role is counted: `call.0`, then `call.0@2`.
 */
export class ObjectNames {
  readonly #names = new Map<string, string>();
  /** Number of objects of each role. */
  readonly #counts = new Map<string, number>();

  /** Names the descriptors of a message. */
  name(
    channel: Direction,
    request: number,
    ring: number | undefined,
    objects: readonly KernelObject[],
  ): TraceDescriptor[] {
    const pattern = (requestSpec(channel, request)?.carries ?? "fd*").replace(
      "#",
      String(ring ?? "?"),
    );
    return objects.map((object, at) => this.#nameOf(object, pattern, at));
  }

  #nameOf(object: KernelObject, pattern: string, at: number): TraceDescriptor {
    const key = object.id === undefined ? undefined : `${object.kind} ${object.id}`;
    if (key === undefined) return { name: pattern.replace("*", String(at)), object };
    const known = this.#names.get(key);
    if (known !== undefined) {
      const role = pattern.replace("*", "");
      const same = pattern.endsWith("*") ? isNumbered(known, role) : known.split("@")[0] === role;
      return same ? { name: known, object } : { name: known, role, object };
    }
    const name = this.#next(pattern);
    this.#names.set(key, name);
    const [oldest] = this.#names.keys();
    if (this.#names.size > MAX_NAMES && oldest !== undefined) this.#names.delete(oldest);
    return { name, object };
  }

  #next(pattern: string): string {
    const count = this.#counts.get(pattern) ?? 0;
    if (count > 0 || this.#counts.size < MAX_NAMES) this.#counts.set(pattern, count + 1);
    if (pattern.endsWith("*")) return pattern.replace("*", String(count));
    return count === 0 ? pattern : `${pattern}@${count + 1}`;
  }
}

function isNumbered(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}
