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
  throw new UsageError(`--device ${device}: check ${taken.id} has the id of a check of the suite`);
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

/**
 * Returns the kit of the device that the suite plays for a front-end. Default: the first kit of the
 * package.
 *
 * @throws {UsageError} the suite cannot play a device of this type
 */
export async function frontendKit(options: ConformOptions): Promise<Kit> {
  const chosen = await chosenDevice(options);
  const kit = chosen === undefined ? kits[0] : chosen.kit;
  if (kit?.play !== undefined) return kit;
  const names = kits.filter(({ play }) => play !== undefined).map(({ kind }) => kind.name);
  throw new UsageError(
    `--front-end cannot judge ${chosen?.device?.name ?? "such"} devices: the suite plays ${names.join(" and ")} devices`,
  );
}
