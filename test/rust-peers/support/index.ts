import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../support/package-root.ts";

type RustProgram = "block-daemon" | "block-client";

/** The path of a program of test/fixtures/rust-peers. */
export function rustProgram(name: RustProgram): string {
  return join(packageRoot, "build", "rust-peers", "debug", name);
}

/** For a test's `skip`: false when cargo has built the programs, else the reason. */
export function needsRustPrograms(): string | false {
  const missing = (["block-daemon", "block-client"] as const).filter(
    (name) => !existsSync(rustProgram(name)),
  );
  return missing.length > 0 && `not built: ${missing.join(", ")}; npm run test:rust-peers does it`;
}
