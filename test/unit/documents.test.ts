import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { answers } from "../../src/endpoints/backend/handlers/index.ts";
import { BackendSession } from "../../src/endpoints/backend/index.ts";
import { ExitCode } from "../../src/app/cli/exit-code.ts";
import { Output } from "../../src/app/cli/output.ts";
import { splitWords } from "../../src/lab/conformance/targets/words.ts";
import { createProgram } from "../../src/app/cli/program.ts";
import { FrontendRequests } from "../../src/endpoints/frontend/index.ts";
import { FrontendRequest, frontendRequests, requestSpec } from "../../src/core/protocol/index.ts";
import { consoleSteps, type Document, readDocument } from "../support/markdown.ts";
import { refusals } from "../coverage/evidence.ts";
import { packageRoot } from "../support/package-root.ts";

const documents = [
  "README.md",
  "README.ja.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  ...pagesIn("docs/decisions"),
  ...pagesIn("docs/reference"),
];
const readme = readDocument("README.md");
const readmeJa = readDocument("README.ja.md");

test("both READMEs have the same headings by level, code blocks and table rows", () => {
  assert.deepEqual(
    readmeJa.headings.map(({ level }) => level),
    readme.headings.map(({ level }) => level),
  );
  assert.deepEqual(readmeJa.blocks, readme.blocks);
  const rows = ({ prose }: Document): number => prose.match(/^\|/gm)?.length ?? 0;
  assert.equal(rows(readmeJa), rows(readme));
});

test("every command of the documents is one that the command line has", async () => {
  const commands = documents.flatMap((path) =>
    readDocument(path).blocks.flatMap(({ language, text }) =>
      language === "console" || language === "sh" ? vhostUserCommands(text) : [],
    ),
  );
  assert.ok(commands.length > 10, "too few commands were found to check");
  for (const command of commands) await parse(command);
  await assert.rejects(parse("vhost-user probe disk.sock --no-such-option"));
  await assert.rejects(parse("vhost-user prob disk.sock"));
});

test("the examples are the ones that the README shows", () => {
  const snippets = readme.blocks.filter(({ language }) => language === "ts");
  const names = readdirSync(join(packageRoot, "examples"));
  assert.equal(snippets.length, names.length);
  for (const name of names) {
    const text = readFileSync(join(packageRoot, "examples", name), "utf8").trimEnd();
    assert.ok(
      snippets.some((snippet) => snippet.text === text),
      `the README lacks examples/${name} as it is`,
    );
    assert.ok(text.split("\n").length <= 15, `examples/${name} has more than 15 lines`);
    assert.ok(readme.prose.includes(`(examples/${name})`), `no link to examples/${name}`);
  }
});

test("the table of exit codes has those that there are", () => {
  for (const document of [readme, readmeJa]) {
    const codes = [...document.prose.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    assert.deepEqual(codes, Object.values(ExitCode));
  }
});

test("each request is a method of the client; the back-end serves it, or refuses it on purpose", () => {
  const served = new Set<string>();
  const session = Object.assign(Object.create(BackendSession.prototype) as BackendSession, {
    device: {},
    capabilities: {},
  });
  for (const answer of answers) {
    answer(session, {
      on: (request) => void served.add(requestSpec("front-end", request)?.name ?? ""),
    });
  }
  const refused = refusals.filter(({ role }) => role === "back-end").map(({ name }) => name);
  for (const { name } of Object.values(frontendRequests)) {
    assert.notEqual(served.has(name), refused.includes(name), name);
  }
  const methods = Object.getOwnPropertyNames(FrontendRequests.prototype);
  for (const name of Object.keys(FrontendRequest)) {
    assert.ok(methods.includes(name.charAt(0).toLowerCase() + name.slice(1)), name);
  }
});

test("the index of decisions lists every page, and each has its context and consequence", () => {
  const { prose } = readDocument("docs/decisions/README.md");
  const listed = [...prose.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name = ""]) => name);
  const pages = pagesIn("docs/decisions").filter((path) => !path.endsWith("/README.md"));
  assert.deepEqual(new Set(listed), new Set(pages.map((path) => basename(path))));
  for (const path of pages) {
    const { headings } = readDocument(path);
    const texts = headings.filter(({ level }) => level === 2).map(({ text }) => text);
    assert.deepEqual(texts, ["Context", "Decision", "Consequence"], path);
  }
});

test("messages under troubleshooting are the literal ones", () => {
  const says = messageFinder(allSources());
  for (const { prose } of [readme, readmeJa]) {
    const messages = [...prose.matchAll(/^\| `([^`]+)` \|.*$/gm)]
      .map(([, message = ""]) => message)
      .filter((message) => message.includes(" "));
    assert.ok(messages.length > 5, "too few messages were found to check");
    for (const message of messages) {
      for (const part of message.split("…").map((each) => each.trim())) {
        assert.ok(says(part), `no source says "${part}"`);
      }
    }
  }
});

test("the READMEs have what a user of the test suite looks for", () => {
  for (const { prose, blocks } of [readme, readmeJa]) {
    for (const message of [
      "qemu-system-x86_64 not found",
      "connect: Permission denied",
      "Timeout waiting for vhost-user socket",
      "KVM is not usable",
    ]) {
      assert.ok(prose.includes(`| \`${message}`), `troubleshooting lacks "${message}"`);
    }
    for (const name of ["SOCKET_PATH", "MEMORY_SIZE", "QEMU", "QEMU_EXTRA_ARGS"]) {
      assert.ok(prose.includes(`| \`${name}\` |`), `the configuration lacks ${name}`);
    }
    for (const distribution of ["Debian", "Ubuntu", "Fedora", "CentOS"]) {
      assert.match(prose, new RegExp(`^[^|]*${distribution}.*:$`, "m"));
    }
    const commands = blocks.map(({ text }) => text).join("\n");
    for (const words of [
      ...["check", "build", "basic", "qemu-test", "test-all"].map((target) => `make ${target}`),
      ...["start", "status", "restart", "stop"].map((verb) => `vhost-user qemu ${verb}`),
      "vhost-user qemu start --kind block",
      "vhost-user clean",
      "vhost-user test perf",
      "vhost-user test stress --clients",
    ]) {
      assert.ok(commands.includes(words), `no block has "${words}"`);
    }
  }
});

test("the targets that the READMEs name are the Makefile's, and the scripts are there", () => {
  const makefile = readFileSync(join(packageRoot, "Makefile"), "utf8");
  const [, targets = ""] = /^\.PHONY: (.*)$/m.exec(makefile) ?? [];
  const named = [...readme.blocks.map(({ text }) => text), readme.prose].flatMap((text) =>
    [...text.matchAll(/(?:^\$ |`)make ([a-z-]+)/gm)].map(([, target = ""]) => target),
  );
  assert.ok(named.length >= 5, "too few targets were found to check");
  for (const target of named) assert.ok(targets.split(" ").includes(target), `make ${target}`);
  for (const [, script = ""] of readme.prose.matchAll(/`\.\/([\w.]+)/g)) {
    assert.ok(existsSync(join(packageRoot, script)), script);
  }
});

test("each test that SECURITY.md names exists", () => {
  const { prose } = readDocument("SECURITY.md");
  const claims = [...prose.matchAll(/`(test\/[^`]+\.test\.ts)`: "([^"]+)"/g)];
  assert.ok(claims.length > 20, "too few claims were found to check");
  for (const [, path = "", name = ""] of claims) {
    const text = readFileSync(join(packageRoot, path), "utf8");
    for (const part of name.split("…").map((each) => each.trim())) {
      assert.ok(text.includes(part), `${path} has no test "${name}"`);
    }
  }
});

test("links inside of the package resolve", () => {
  for (const path of documents) {
    const { prose } = readDocument(path);
    for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const absolute = join(packageRoot, dirname(path), file);
      assert.ok(file === "" || existsSync(absolute), `${path}: ${target} does not exist`);
      if (anchor === undefined) continue;
      const { headings } = readDocument(file === "" ? path : join(dirname(path), file));
      const anchors = headings.map(({ text }) => slug(text));
      assert.ok(anchors.includes(anchor), `${path}: no heading for #${anchor}`);
    }
  }
});

test("no document holds a path of the machine that it was written on", () => {
  for (const path of documents) {
    const text = readFileSync(join(packageRoot, path), "utf8");
    assert.doesNotMatch(text, /(?<![\w.])\/(?:work|home|root|Users)\b/, path);
    assert.equal(text.includes(packageRoot), false, path);
  }
});

/** The Markdown files of a folder of the package. */
function pagesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

/** Commands of a block that begin with `vhost-user`, whatever is done with their output. */
function vhostUserCommands(text: string): string[] {
  const lines = /^\$ /m.test(text)
    ? consoleSteps({ language: "console", text }).map(({ command }) => command)
    : text.split("\n");
  return lines.flatMap((line) =>
    line
      .split(/&&|\|\||[|;&<>]/)
      .map((part) => part.trim().replace(/^npx /, ""))
      .filter((part) => part.startsWith("vhost-user ")),
  );
}

/** Lets the real definitions read a command line; nothing is run. */
async function parse(line: string): Promise<void> {
  const { stdout, stderr } = process;
  const output = new Output({ stdout, stderr, quiet: true });
  const [, ...words] = splitWords(line);
  const context = { output, signal: new AbortController().signal };
  let command: Command = await createProgram(context, words);
  while (command.commands.length > 0) {
    const name = words.shift();
    const next = command.commands.find((each) => each.name() === name);
    if (next === undefined && name !== undefined && command.registeredArguments.length > 0) {
      words.unshift(name);
      break;
    }
    assert.ok(next, `${line}: no command ${name}`);
    command = next as unknown as Command;
  }
  const dashes = words.indexOf("--");
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const { operands, unknown } = command.parseOptions(own);
  assert.deepEqual(unknown, [], `${line}: unknown options`);
  const { registeredArguments: all } = command;
  const least = all.filter(({ required }) => required).length;
  assert.ok(operands.length >= least, `${line}: too few arguments`);
  assert.ok(operands.length <= all.length, `${line}: too many arguments`);
}

/** All program text, with strings that are put together over several lines joined. */
function allSources(): string {
  const folders = ["src", "bin", "scripts"];
  const files = folders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|js|mjs)$/.test(name))
      .map((name) => join(packageRoot, folder, name)),
  );
  return files
    .map((file) => readFileSync(file, "utf8"))
    .join("\n")
    .replaceAll(/[`"]\s*\+\s*[`"]/g, "");
}

/** Whether the program can say something: as it stands, or with something filled in. */
function messageFinder(sources: string): (message: string) => boolean {
  const templates = [...sources.matchAll(/`([^`\n]*\$\{[^`\n]*)`/g)]
    .map(([, template = ""]) => template.split(/\$\{[^}]*\}/))
    .filter((parts) => parts.join("").trim().length >= 8)
    .map(
      (parts) =>
        new RegExp(
          `^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join("\\S+")}`,
        ),
    );
  return (message) => sources.includes(message) || templates.some((each) => each.test(message));
}

/** As GitHub makes anchors of headings. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}
