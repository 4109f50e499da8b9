import { spawnSync } from "node:child_process";

/** Words that start a program in namespaces of its own, e.g. `["--net"]`; it ends with them. */
export function unsharing(...namespaces: readonly string[]): readonly string[] {
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return ["unshare", ...user, ...namespaces];
}

/** For a test's `skip`: false where namespaces can be made, else the reason; with `CI=true` it throws. */
export function needsNamespaces(): string | false {
  const [program = "", ...words] = unsharing("--net", "--mount", "true");
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8" });
  if (status === 0) return false;
  const reason = `namespaces cannot be made here: ${error?.message ?? stderr.trim()}`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}
