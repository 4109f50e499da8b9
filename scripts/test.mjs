/**
 * `npm test`: build, fetch the real peers where allowed, lint, and all tiers of tests.
 *
 *     node scripts/test.mjs [lint] [unit] [component] [integration] [programs]
 *                           [newer-programs] [rust-peers] [long]
 *
 * `newer-programs` has programs of another system's tree (`VHOST_USER_PEERS_ROOT`), `rust-peers`
 * programs that cargo builds, `long` soaks of minutes: these run only where they are named.
 *
 * The last line is `N passed, N failed, N skipped`. A step that is not a test (build, lint) and fails
 * counts as one failure, so that "0 failed" always goes with exit code 0.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { install, installCommand, missingPackages } from "./install-peers.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
// On Node 20 the time-out also bounds a whole file: far above what any of them needs.
const tiers = {
  unit: { concurrency: 2, timeoutMs: 120_000 },
  component: { concurrency: 3, timeoutMs: 300_000 },
  integration: { concurrency: 4, timeoutMs: 300_000 },
  programs: { concurrency: 2, timeoutMs: 300_000 },
  "newer-programs": { concurrency: 1, timeoutMs: 900_000, onlyWhenNamed: true },
  "rust-peers": { concurrency: 1, timeoutMs: 900_000, onlyWhenNamed: true },
  long: { concurrency: 1, timeoutMs: 1_800_000, onlyWhenNamed: true },
};
const total = { passed: 0, failed: 0, skipped: 0, notes: [] };

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Runs a step that is not a test, and then prints what it has said; returns whether it succeeded. */
async function step(name, command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  }
  const end = (signal) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
  const [status, signal] = await once(child, "close").catch((error) => [null, error.message]);
  for (const each of ["SIGINT", "SIGTERM"]) process.off(each, end);
  say(`\n== ${name}`);
  process.stdout.write(output);
  if (status === 0) return true;
  say(`${name} failed (${signal ?? `exit code ${status}`})`);
  total.failed++;
  return false;
}

/** Compiled test files of a tier; only those whose source still exists. */
function testFiles(tier) {
  const source = join(root, "test", tier);
  if (!existsSync(source)) return [];
  return readdirSync(source, { recursive: true })
    .filter((path) => path.endsWith(".test.ts") && !path.split("/").includes("support"))
    .sort()
    .map((path) => join(root, "dist", "test", tier, path.replace(/\.ts$/, ".js")));
}

function sourceOf(file) {
  const source = file.replace(join(root, "dist"), root).replace(/\.js$/, ".ts");
  return readFileSync(source, "utf8");
}

/** Whether a test file starts an emulated machine or a program that polls, by what it says it needs. */
function isGuestFile(file) {
  return /needsGuest\(|needsBootRom\(|"linux\.uml"|"dpdk-testpmd"/.test(sourceOf(file));
}

/** Tests of other tiers that do more where there is time: they ask for the full number. */
function filesWithCounts() {
  const shorter = Object.keys(tiers).filter((tier) => !tiers[tier].onlyWhenNamed);
  return shorter.flatMap(testFiles).filter((file) => /\bfullCount\(/.test(sourceOf(file)));
}

/**
 * Runs a tier; returns the signal. Emulated machines and programs that poll keep a processor busy:
 * one of their files runs at a time, beside those of programs that mostly wait; once these are
 * through, two do.
 */
async function runTier(tier) {
  const files = testFiles(tier);
  if (tier === "long") files.push(...filesWithCounts());
  say(`\n== ${tier}: ${files.length} files`);
  if (files.length === 0) {
    say(`no tests in test/${tier} yet`);
    return undefined;
  }
  const { concurrency, timeoutMs } = tiers[tier];
  const env = tier === "long" ? { VHOST_USER_FULL_COUNTS: "1" } : {};
  const busy = tier === "programs" ? files.filter(isGuestFile) : [];
  const idle = files.filter((file) => !busy.includes(file));
  const later = busy.filter((_, index) => index % 3 === 2);
  const first = busy.filter((file) => !later.includes(file));
  const oneByOne = { concurrency: 1, timeoutMs, env };
  const signals = await Promise.all([
    runFiles(idle, { concurrency, timeoutMs, env }).then(
      (signal) => signal ?? runFiles(later, oneByOne),
    ),
    runFiles(first, { ...oneByOne, atItsEnd: true }),
  ]);
  return signals.find((signal) => signal !== undefined);
}

/**
 * Runs test files to their end, or until a signal comes; prints what they say as it comes, or all of it
 * at their end. All temporary files of its tests are in a folder
 * that is removed afterwards: a test file that crashed, or was ended, removes nothing itself.
 *
 * @returns the signal
 */
async function runFiles(files, { concurrency, timeoutMs, env, atItsEnd = false }) {
  if (files.length === 0) return undefined;
  // A short name: what is below it leads to sockets, whose paths may have 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), "vu-"));
  // Tests that change their user must reach their own folders.
  chmodSync(directory, 0o711);
  const totalsFile = join(directory, "totals.json");
  const runner = spawn(
    process.execPath,
    [
      "--test",
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${timeoutMs}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      `--test-reporter=${new URL("test-totals.mjs", import.meta.url).href}`,
      `--test-reporter-destination=${totalsFile}`,
      ...files,
    ],
    {
      cwd: root,
      stdio: ["ignore", atItsEnd ? "pipe" : "inherit", "inherit"],
      env: { ...process.env, ...env, TMPDIR: directory },
    },
  );
  let output = "";
  runner.stdout?.setEncoding("utf8").on("data", (text) => (output += text));
  let interruption;
  const end = (signal) => {
    interruption = signal;
    runner.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, end);
  const [status] = await once(runner, "close");
  process.stdout.write(output);
  for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, end);
  const text = existsSync(totalsFile) ? readFileSync(totalsFile, "utf8") : "";
  rmSync(directory, { recursive: true, force: true });
  const result = text === "" ? { passed: 0, failed: 0, skipped: 0, notes: [] } : JSON.parse(text);
  // The runner may fail without a failed test: it crashed, or a file broke after its last test.
  if (status !== 0 && result.failed === 0) result.failed = 1;
  for (const key of ["passed", "failed", "skipped"]) total[key] += result[key];
  total.notes.push(...result.notes);
  return interruption;
}

/** Builds the programs of test/fixtures/rust-peers. */
async function buildRustPeers() {
  const manifest = join(root, "test", "fixtures", "rust-peers", "Cargo.toml");
  const target = join(root, "build", "rust-peers");
  const words = ["build", "--locked", "--quiet", "--manifest-path", manifest];
  return step("cargo build", "cargo", [...words, "--target-dir", target]);
}

async function providePeers() {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  say(`\n== peers to install: ${missing.join(" ")}`);
  const refused = await install(missing);
  if (refused === undefined) return;
  // The tests themselves decide what a missing program means: a skip here, a failure in CI.
  say(`not installed: ${refused}. Tests that need them are skipped. To have them, run as root:`);
  say(`  ${installCommand(missing)}`);
}

async function main(names) {
  const unknown = names.filter((name) => name !== "lint" && !Object.hasOwn(tiers, name));
  if (unknown.length > 0) {
    say(`unknown: ${unknown.join(" ")}; there are: lint ${Object.keys(tiers).join(" ")}`);
    return 2;
  }
  const byDefault = Object.keys(tiers).filter((tier) => !tiers[tier].onlyWhenNamed);
  const wanted = names.length > 0 ? names : ["lint", ...byDefault];
  if (await step("build", "npm", ["run", "--silent", "build"])) {
    const wantedTiers = Object.keys(tiers).filter((tier) => wanted.includes(tier));
    // Beside the unit tests: neither depends on how busy the machine is.
    const beside = Promise.all([
      // It mostly waits for the network, and for the disk.
      wanted.includes("programs") && providePeers(),
      wanted.includes("lint") && step("lint", "npm", ["run", "--silent", "lint"]),
    ]);
    if (wantedTiers[0] !== "unit") await beside;
    for (const tier of wantedTiers) {
      if (tier === "rust-peers" && !(await buildRustPeers())) continue;
      const signal = await runTier(tier);
      await beside;
      if (signal !== undefined) return 128 + constants.signals[signal];
    }
    await beside;
    if (wantedTiers.length > 0 && total.passed + total.failed + total.skipped === 0) {
      say("\nnot a single test was run");
      total.failed++;
    }
  }
  say("");
  for (const note of total.notes) say(note);
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
