import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../../core/base/index.ts";
import { isKit, type Kit, kitProblem } from "../../lab/conformance/kit-form.ts";

/**
 * Loads the kit of a device type that the package does not know.
 *
 * @param path the path of an ES module that exports a {@link Kit} by default
 * @throws {UsageError} the module is missing, cannot be loaded, or exports no kit
 */
export async function loadKit(path: string): Promise<Kit> {
  const file = resolve(path);
  if (!existsSync(file))
    throw new UsageError(
      `--device ${path}: the module does not exist; name the file of an ES module`,
    );
  const kit = await importDefault(path, file);
  if (kit === undefined) {
    throw new UsageError(
      `--device ${path}: the module has no default export; have it export a kit (vhost-user/conformance) by default`,
    );
  }
  if (isKit(kit)) return kit;
  throw new UsageError(`--device ${path}: ${kitProblem(kit)}`);
}

async function importDefault(path: string, file: string): Promise<unknown> {
  try {
    const module: { readonly default?: unknown } = await import(pathToFileURL(file).href);
    return module.default;
  } catch (error) {
    throw new UsageError(`--device ${path}: the module cannot be loaded: ${String(error)}`, {
      cause: error,
    });
  }
}
