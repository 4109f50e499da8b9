import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isRecord, recordOf, UsageError } from "../../../../core/base/index.ts";
import { findDeviceKind, unknownDevice } from "../../../../endpoints/devices/registry.ts";
import { requireSocketPlace, wordsOf } from "../../../../lab/conformance/index.ts";
import { isKitModule } from "../../device-option.ts";
import { withUserFile } from "../../files.ts";

/** One row of the file of targets. */
export interface MatrixTarget {
  readonly name: string;
  readonly version?: string | undefined;
  /** A command, or else the path of a socket. */
  readonly exec?: string | undefined;
  readonly socket?: string | undefined;
  readonly shell?: true | undefined;
  readonly frontEnd?: true | undefined;
  /** A device type, or the path of a module whose default export is a kit. */
  readonly device?: DeviceKind | string | undefined;
  /** A baseline's path, seen from the file of targets. */
  readonly baseline?: string | undefined;
  /** A target that cannot be judged, e.g. as its program is missing, does not fail the run. */
  readonly optional?: true | undefined;
}

/** @throws {UsageError} it is not a list of targets */
export function readTargets(path: string): MatrixTarget[] {
  const remedy = `write {"targets": [{"name": "…", "exec": "…"}]}`;
  const text = withUserFile(path, "a list of targets", remedy, () => readFileSync(path, "utf8"));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not JSON; ${remedy}`, { cause });
  }
  const list = recordOf(value)["targets"];
  if (!Array.isArray(list) || list.length === 0) {
    throw new UsageError(`${path} names no targets; ${remedy}`);
  }
  const folder = dirname(path);
  return list.map((each: unknown, i) => parseTarget(each, `${path}: target ${i + 1}`, folder));
}

/** @param folder where paths of modules begin */
function parseTarget(value: unknown, where: string, folder: string): MatrixTarget {
  if (!isRecord(value)) throw new UsageError(`${where}: must be an object`);
  const text = (key: string): string | undefined => {
    const field = value[key];
    if (field === undefined || typeof field === "string") return field;
    throw new UsageError(`${where}: "${key}" must be text`);
  };
  const name = text("name");
  const [exec, socket] = [text("exec"), text("socket")];
  if (name === undefined || (exec === undefined) === (socket === undefined)) {
    throw new UsageError(`${where}: must have "name", and one of "exec" and "socket"`);
  }
  const flag = (key: string): true | undefined => {
    const field = value[key];
    if (field === undefined || typeof field === "boolean") return field || undefined;
    throw new UsageError(`${where}: "${key}" must be true or false`);
  };
  const shell = flag("shell");
  if (exec !== undefined) {
    try {
      requireSocketPlace(wordsOf(exec, shell === true));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${where} (${name}): ${error.message}`, { cause: error });
    }
  }
  const type = text("device");
  const device = type === undefined ? undefined : deviceOf(type, where, folder);
  const [version, baseline] = [text("version"), text("baseline")];
  const [frontEnd, optional] = [flag("frontEnd"), flag("optional")];
  return { name, version, exec, socket, device, baseline, shell, frontEnd, optional };
}

function deviceOf(type: string, where: string, folder: string): DeviceKind | string {
  if (isKitModule(type)) return resolve(folder, type);
  const kind = findDeviceKind(type);
  if (kind !== undefined) return kind;
  throw new UsageError(
    `${where}: ${unknownDevice(type)}, or the path of a module whose default export is a kit`,
  );
}
