import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { ExitCode, exitCodeOf } from "../../src/app/cli/exit-code.ts";
import { errorCodes, explainCode, SystemError } from "../../src/core/base/index.ts";
import { problemsOf } from "../reference/errors/audit.ts";
import { listedRemedies } from "../reference/errors/listed-remedies.ts";
import { errorClasses, errorsPage } from "../reference/errors/page.ts";
import { saidElsewhere } from "../reference/errors/said-elsewhere.ts";
import { type ErrorSite, errorSites } from "../reference/errors/sites.ts";
import { sourceFiles } from "../reference/errors/sources.ts";
import { systemErrors } from "../reference/errors/system-errors.ts";

const sites = errorSites();

/** Finds the errors of one planted file. */
function planted(text: string, path = "app/cli/planted.ts"): ErrorSite[] {
  return errorSites([{ path, text }]);
}

test("every error of a user says what to do, and no message claims a comparison", () => {
  assert.deepEqual(problemsOf(sites), []);
});

const faults: readonly (readonly [source: string, problem: RegExp])[] = [
  ["new UsageError(`${path} is odd`)", /no remedy: <path> is odd$/],
  ['new EnvironmentError("no printer")', /no remedy: no printer$/],
  ['new CommandError(ExitCode.Failed, "it failed")', /no remedy: it failed$/],
  [
    'new UsageError("--a must be text, expected so; name it")',
    /expected where nothing was compared/,
  ],
  ['new ProtocolError("expected a reply, got none")', /expected where nothing was compared/],
  ["new StateError(`expected 1, got ${count}`)", /expected where nothing was compared/],
  ['new UsageError("--exec cannot be combined")', /does not name both/],
  ["new UsageError(build(parts))", /the message of a UsageError cannot be read/],
];
for (const [source, problem] of faults) {
  test(`the audit finds what is wrong with ${source}`, () => {
    const [found, ...more] = problemsOf(planted(`throw ${source};`));
    assert.match(found ?? "", problem);
    assert.deepEqual(more, []);
  });
}

const good: readonly (readonly [source: string, template: string])[] = [
  [
    'throw new UsageError(\n  `${path}: a ${isFolder ? "folder" : "file"} is in the way; ` +\n    "choose another path",\n);',
    "<path>: a <folder|file> is in the way; choose another path",
  ],
  [
    "throw new ProtocolError(`expected ${a.size} bytes, got ${b}`);",
    "expected <size> bytes, got <b>",
  ],
  [
    'const text = `no room for ${counted(n, "byte")}`;\nthrow new StateError(text);',
    "no room for <n> bytes",
  ],
  [
    "throw new EnvironmentError(missing(x));\n\nfunction missing(x: string): string {\n  return `${x} is missing; install it`;\n}",
    "<x> is missing; install it",
  ],
  [
    'throw bad("must be text");\n\nfunction bad(what: string) {\n  return new UsageError(`line ${n}: ${what}`);\n}',
    "line <n>: must be text",
  ],
];
for (const [source, template] of good) {
  test(`the scan of the sources reads ${JSON.stringify(template)}`, () => {
    assert.deepEqual(
      planted(source).flatMap(({ templates }) => templates),
      [template],
    );
    assert.deepEqual(problemsOf(planted(source)), []);
  });
}

test("every code is explained in sentences, belongs to a class, and has a section", () => {
  const page = errorsPage();
  for (const code of Object.keys(errorCodes)) {
    const { meaning, remedy } = explainCode(code) ?? { meaning: "", remedy: "" };
    assert.match(meaning, /^[A-Z].*\.$/, code);
    assert.match(remedy, /^[A-Z].*\.$/, code);
    assert.ok(
      errorClasses().some((each) => each.code === code),
      `${code} has no class`,
    );
    assert.ok(page.includes(`\n## ${code}\n`), `${code} has no section`);
  }
});

test("every class that the sources throw is on the page", () => {
  const page = errorsPage();
  const shown = new Set([
    ...errorClasses().map(({ name }) => name),
    "CommandError",
    "CleanUpError",
    "MismatchError",
    "SystemError",
    "RangeError",
    "TypeError",
    "InterruptError",
    // A parser's complaint, and what ends in a report of tests or as an internal error.
    "InvalidArgumentError",
    "Error",
  ]);
  assert.deepEqual(
    [...new Set(sites.map(({ type }) => type))].filter((type) => !shown.has(type)),
    [],
  );
  for (const name of errorClasses().map((each) => each.name)) assert.ok(page.includes(name), name);
});

test("no remedy and no message is listed for an error that no longer exists", () => {
  const templates = new Set(sites.flatMap((site) => site.templates));
  for (const template of Object.keys(listedRemedies))
    assert.ok(templates.has(template), `listed-remedies.ts: ${template}`);
  const messages = new Set(sites.map(({ path, message }) => `${path}: ${message}`));
  for (const place of Object.keys(saidElsewhere))
    assert.ok(messages.has(place), `said-elsewhere.ts: ${place}`);
});

test("what is listed as said elsewhere is said in the sources", () => {
  const text = sourceFiles()
    .map((file) => file.text)
    .join("\n");
  for (const template of Object.values(saidElsewhere).flat()) {
    const words = template.split(/<[^<>]*>|[[\]|]/).filter((part) => part.includes(" "));
    for (const part of words.map((each) => each.trim()))
      assert.ok(text.includes(part), `${template}: ${part}`);
  }
});

test("every system error that decides the exit code is explained", () => {
  const known = systemErrors.map(({ code }) => code);
  const deciding = Object.keys(constants.errno).filter(
    (code) => exitCodeOf(new SystemError(code, -1, "open", code)) !== ExitCode.Failed,
  );
  assert.ok(deciding.length > 5);
  assert.deepEqual(
    deciding.filter((code) => !known.includes(code)),
    [],
  );
});
