import {
  type Check,
  type CheckInfo,
  checks,
  frontendChecks,
  type Kit,
  kits,
  type DeviceWithKit,
  knownDevice,
} from "../../../../lab/conformance/index.ts";
import { UsageError } from "../../../../core/base/index.ts";
import {
  type FrontendMessage,
  inferFrontendDevice,
  otherFrontendDevice,
} from "../../../../lab/probe/index.ts";
import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import { loadKit } from "../../kit-module.ts";
import type { ConformOptions } from "./options.ts";

/**
 * Returns the device type that `--device` names; undefined if it is to be inferred.
 *
 * @throws {UsageError} a module exports no kit, or one whose checks have ids of the suite
 */
export async function chosenDevice({ device }: ConformOptions): Promise<DeviceWithKit | undefined> {
  if (device === undefined) return undefined;
  if (typeof device !== "string") return knownDevice(device);
  const kit = await loadKit(device);
  const ids = new Set(checks.map(({ id }) => id));
  const taken = kit.checks?.find(({ id }) => ids.has(id));
  if (taken === undefined) return { device: kit.kind, kit };
  throw new UsageError(
    `--device ${device}: check ${taken.id} has the id of a check of the suite; give it another`,
  );
}

/** Returns all checks of back-ends: those of the suite, and those of a kit that is not part of it. */
export function checksFor(device: DeviceWithKit | undefined): readonly Check[] {
  const kit = device?.kit;
  return kit === undefined || kits.some((each) => each === kit)
    ? checks
    : [...checks, ...(kit.checks ?? [])];
}

/** Returns the checks that a baseline may name: of both roles, and of the kit. */
export function checksOfBaselines(device: DeviceWithKit | undefined): readonly CheckInfo[] {
  return [...checksFor(device), ...frontendChecks];
}

/** The kit that plays the device while it is not known which one the front-end wants. */
const [PLACEHOLDER] = kits;

/** The device that the suite plays for a front-end. */
export interface ChosenKit {
  readonly kit: Kit;
  /** True if the front-end's behaviour chose it. */
  readonly inferred: boolean;
}

/**
 * Chooses the device that the suite plays for a front-end: the one of `--device`, or the one that fits
 * what the front-end does.
 *
 * @param observe lets the front-end connect once, to a back-end that the given kit plays and whose
 *   offer fits many types
 * @throws {UsageError} the suite cannot play a device of this type, or the type is not clear
 */
export async function frontendKit(
  options: ConformOptions,
  observe: (placeholder: Kit) => Promise<readonly FrontendMessage[]>,
): Promise<ChosenKit> {
  const chosen = await chosenDevice(options);
  if (PLACEHOLDER === undefined) throw new TypeError("the package has no kit");
  const kit = chosen === undefined ? PLACEHOLDER : playable(chosen);
  // A type of another package is met as what it is.
  const isKnown = kits.some((each) => each === kit);
  const messages = await observe(isKnown ? PLACEHOLDER : kit);
  // A front-end that does not connect is for the checks to find.
  if (messages.length === 0) return { kit, inferred: false };
  const words = options.exec === undefined ? [] : [options.exec];
  if (chosen !== undefined) {
    expectWanted(kit.kind, otherFrontendDevice(kit.kind, messages, words));
    return { kit, inferred: false };
  }
  const inferred = inferFrontendDevice(messages, words);
  const [device] = inferred;
  if (inferred.length === 1) return { kit: playable(knownDevice(device)), inferred: true };
  const names = inferred.map(({ name }) => name).join(" or ");
  throw new UsageError(
    `the device type of the front-end is not clear${names && `: it may be ${names}`}; ` +
      `name it with --device TYPE, one of ${playedNames().join(", ")}, or with --device MODULE`,
  );
}

/** @throws {UsageError} the front-end wants another device type */
function expectWanted({ name }: DeviceKind, other: DeviceKind | undefined): void {
  if (other === undefined) return;
  throw new UsageError(
    `the front-end wants a device of type ${other.name}, and --device ${name} plays a ${name} device; ` +
      `leave --device out, or name --device ${other.name}`,
  );
}

/** @throws {UsageError} the suite cannot play a device of this type */
function playable({ device, kit }: DeviceWithKit): Kit {
  if (kit?.play !== undefined) return kit;
  throw new UsageError(
    `--front-end cannot judge ${device?.name ?? "such"} devices: the suite plays ` +
      `${playedNames().join(", ")}; use --device MODULE for a kit that plays another one`,
  );
}

function playedNames(): string[] {
  return kits.filter(({ play }) => play !== undefined).map(({ kind }) => kind.name);
}
