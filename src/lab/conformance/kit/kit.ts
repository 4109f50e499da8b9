import { isRecord } from "../../../core/base/index.ts";
import type { Check } from "./check.ts";
import type { RequestKit } from "./back-end/kit.ts";

/**
 * All that the conformance suite must know of a device type to judge back-ends of it: `conform
 * --device MODULE` takes the kit that a module exports by default.
 *
 * @example
 * ```ts
 * const kit: Kit = {
 *   kind: { name: "entropy", id: 4, features: [], queues: { once: ["requestq"] } },
 *   rings: [0],
 *   ring: 0,
 *   requestRings: () => [0],
 *   request(memory, scale = 1) {
 *     const buffer = memory.poisoned(64 * scale);
 *     return {
 *       readable: [],
 *       writable: [buffer],
 *       wrong: (written) => (written === 0 ? "no bytes written" : undefined),
 *     };
 *   },
 * };
 * export default kit;
 * ```
 */
export interface Kit extends RequestKit {
  /** Checks of this device type, which run after the general checks. The kit chooses their ids. */
  readonly checks?: readonly Check[];
}

type Shape = readonly [member: string, description: string, holds: (value: unknown) => boolean];

const isFunction = (value: unknown): boolean => typeof value === "function";
const isIndex = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;

const SHAPE: readonly Shape[] = [
  ["rings", "an array of ring indices", (value) => Array.isArray(value) && value.every(isIndex)],
  ["ring", "a ring index", isIndex],
  ["requestRings", "a function", isFunction],
  ["request", "a function", isFunction],
];

const KIND_SHAPE: readonly Shape[] = [
  ["name", "a string", (value) => typeof value === "string" && value !== ""],
  ["id", "a virtio device id", isIndex],
  ["features", "an array", Array.isArray],
  ["queues", "an object", isRecord],
];

const CHECK_SHAPE: readonly Shape[] = [
  ["id", 'a string such as "entropy/1"', (value) => /^[a-z0-9-]+\/\d+$/.test(String(value))],
  ["title", "a string", (value) => typeof value === "string" && value !== ""],
  ["strength", "MUST, SHOULD, ROBUSTNESS or -", isStrength],
  ["section", "a string", (value) => typeof value === "string"],
  ["run", "a function", isFunction],
];

/** Returns whether a value can be used as a kit. */
export function isKit(value: unknown): value is Kit {
  return kitProblem(value) === undefined;
}

/** Returns the first reason why a value is not a kit, e.g. `ring must be a ring index`. */
export function kitProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return "a kit must be an object";
  const { kind, rings, ring, effect, checks } = value;
  if (!isRecord(kind)) return "kind must be an object";
  const problem = shapeProblem("kind.", kind, KIND_SHAPE) ?? shapeProblem("", value, SHAPE);
  if (problem !== undefined) return problem;
  if (!Array.isArray(rings) || !rings.includes(ring)) return "ring must be one of rings";
  if (effect !== undefined) {
    if (!isRecord(effect)) return "effect must be an object";
    if (!isFunction(effect["read"])) return "effect.read must be a function";
    if (!isFunction(effect["write"])) return "effect.write must be a function";
  }
  if (checks === undefined) return undefined;
  if (!Array.isArray(checks)) return "checks must be an array";
  for (const [i, check] of checks.entries()) {
    if (!isRecord(check)) return `checks[${i}] must be an object`;
    const found = shapeProblem(`checks[${i}].`, check, CHECK_SHAPE);
    if (found !== undefined) return found;
  }
  return undefined;
}

function shapeProblem(
  prefix: string,
  value: Readonly<Record<string, unknown>>,
  shape: readonly Shape[],
): string | undefined {
  const broken = shape.find(([member, , holds]) => !holds(value[member]));
  return broken && `${prefix}${broken[0]} must be ${broken[1]}`;
}

function isStrength(value: unknown): boolean {
  return ["MUST", "SHOULD", "ROBUSTNESS", "-"].includes(String(value));
}
