import { closeNames, UsageError } from "../../core/base/index.ts";
import { FrontendRequest, frontendRequests, requestSpec } from "../../core/protocol/index.ts";
import type { Fault, FaultUse } from "./fault.ts";
import { faults } from "./list.ts";

const SYNTAX = "NAME[=VALUE][@REQUEST[:N]]";
const PREFIX = "VHOST_USER_";
const LAST_REQUEST = Math.max(...Object.values(FrontendRequest));

/**
 * Understands `no-reply`, `cut-reply=7@GET_CONFIG`, `refuse@set_vring_num:2`: the fault, the number
 * that it takes, the request that it strikes (by number or name), and which occurrence of it.
 *
 * @throws {UsageError} naming what was expected, and names close to the one that was given
 */
export function parseFault(text: string): FaultUse {
  const parts = /^([^=@:]+)(?:=([^@]*))?(?:@([^:]*)(?::(.*))?)?$/.exec(text.trim());
  if (parts === null) throw new UsageError(`"${text}" is not a fault; write it as ${SYNTAX}`);
  const [, name = "", value, request, occurrence] = parts;
  const fault = findFault(name);
  if (request !== undefined && !fault.takesRequest) {
    throw new UsageError(`the fault ${fault.name} has no request: remove "@${request}"`);
  }
  return {
    fault,
    request: request === undefined ? undefined : findRequest(request),
    occurrence:
      occurrence === undefined
        ? undefined
        : wholeNumber(occurrence, 1, 1_000_000_000, `the occurrence in ${text}`),
    parameter: parameterOf(fault, value),
  };
}

function findFault(name: string): Fault {
  const wanted = name.toLowerCase().replaceAll("_", "-");
  const fault = faults.find((each) => each.name === wanted);
  if (fault !== undefined) return fault;
  const close = closeNames(
    wanted,
    faults.map((each) => each.name),
  );
  throw new UsageError(
    `"${name}" is not the name of a fault${hint(close)}; see --list-faults for all of them`,
  );
}

function findRequest(text: string): number {
  const wanted = text.toUpperCase().replaceAll("-", "_");
  if (/^\d+$/.test(wanted)) {
    const number = Number(wanted);
    if (requestSpec("front-end", number) !== undefined) return number;
    throw new UsageError(
      `${text} is not the number of a front-end's request from 1 to ${LAST_REQUEST}`,
    );
  }
  const specs = Object.values(frontendRequests);
  const full = wanted.startsWith(PREFIX) ? wanted : PREFIX + wanted;
  const spec = specs.find(({ name }) => name === full);
  if (spec !== undefined) return spec.number;
  const close = closeNames(
    full.slice(PREFIX.length),
    specs.map((each) => each.name.slice(PREFIX.length)),
  );
  throw new UsageError(
    `"${text}" is not a request of the front-end by number or name (GET_FEATURES)${hint(close)}`,
  );
}

function parameterOf({ name, parameter }: Fault, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (parameter === undefined) {
    throw new UsageError(`the fault ${name} takes no number: remove "=${value}"`);
  }
  const { min, max, summary } = parameter;
  return wholeNumber(value, min, max, `${name} (${summary})`);
}

function wholeNumber(text: string, min: number, max: number, what: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${what}: "${text}" is not a whole number from ${min} to ${max}`);
}

function hint(close: readonly string[]): string {
  return close.length === 0 ? "" : ` (did you mean ${close.join(", ")}?)`;
}
