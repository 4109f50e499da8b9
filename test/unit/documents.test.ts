import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { answers } from "../../src/endpoints/backend/handlers/index.ts";
import { BackendSession } from "../../src/endpoints/backend/index.ts";
import { Output } from "../../src/app/cli/output.ts";
import { splitWords } from "../../src/lab/conformance/index.ts";
import { createProgram } from "../../src/app/cli/program.ts";
import { FrontendRequests } from "../../src/endpoints/frontend/index.ts";
import { FrontendRequest, frontendRequests, requestSpec } from "../../src/core/protocol/index.ts";
import { consoleSteps, type Document, pagesIn, readDocument } from "../support/markdown.ts";
import { refusals } from "../coverage/evidence.ts";
import { packageRoot } from "../support/package-root.ts";

/** Paths in backticks, of the repository or below `src`; those with placeholders are left out. */
const PATHS =
  /`((?:src|core|endpoints|lab|app|native|test|scripts|bench|examples|docs|baselines)\/[\w./-]*)`/g;
const guides = pagesIn("docs/guides");
/** Each English page that has a Japanese one, with it. */
const pairs = [
  ["README.md", "README.ja.md"] as const,
  ...guides.map((path) => [path, path.replace("docs/", "docs/ja/")] as const),
].filter(([, japanese]) => existsSync(join(packageRoot, japanese)));
const documents = [
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  "README.md",
  ...guides,
  ...pairs.map(([, japanese]) => japanese),
  ...pagesIn("docs/decisions"),
  ...pagesIn("docs/reference"),
];
const readme = readDocument("README.md");

/** What users read, in each language: the README and all guides. */
const languages = [["README.md", ...guides], pairs.map(([, japanese]) => japanese)].map((paths) => {
  const pages = paths.map((path) => readDocument(path));
  return {
    prose: pages.map(({ prose }) => prose).join("\n"),
    blocks: pages.flatMap(({ blocks }) => blocks),
  };
});

for (const [english, japanese] of pairs) {
  test(`${japanese} has the headings, commands, outputs and tables of ${english}`, () => {
    const [one, other] = [readDocument(english), readDocument(japanese)];
    assert.deepEqual(
      other.headings.map(({ level }) => level),
      one.headings.map(({ level }) => level),
    );
    assert.deepEqual(other.blocks, one.blocks);
    const rows = ({ prose }: Document): number => prose.match(/^\|/gm)?.length ?? 0;
    assert.equal(rows(other), rows(one));
    assert.deepEqual(inlineCommands(other), inlineCommands(one));
    assert.deepEqual(firstColumn(other), firstColumn(one));
  });
}

test("the README fits on few screens: 200 lines, 12 KB", () => {
  const text = readFileSync(join(packageRoot, "README.md"), "utf8");
  assert.ok(text.split("\n").length <= 201, "more than 200 lines");
  assert.ok(Buffer.byteLength(text) <= 12_288, "more than 12 KB");
  const first = readme.blocks.flatMap(({ text: block }) => block.split("\n").slice(0, 1));
  assert.deepEqual(first.slice(0, 2), ["$ npm ci && npm start", "npm ci && npm test"]);
});

test("the index of guides lists every guide", () => {
  const { prose } = readDocument("docs/guides/README.md");
  const listed = [...prose.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name = ""]) => name);
  const names = guides.map((path) => basename(path)).filter((name) => name !== "README.md");
  assert.deepEqual(new Set(listed), new Set(names));
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

test("the README shows the first client and the first back-end as they are", () => {
  const snippets = readme.blocks.filter(({ language }) => language === "ts");
  for (const name of ["client.ts", "backend.ts"]) {
    const text = readFileSync(join(packageRoot, "examples", name), "utf8").trimEnd();
    assert.ok(
      snippets.some((snippet) => snippet.text === text),
      `the README lacks examples/${name} as it is`,
    );
    assert.ok(text.split("\n").length <= 16, `examples/${name} has more than 16 lines`);
  }
});

test("the guide shows the example of a device as it is", () => {
  const { blocks } = readDocument("docs/guides/write-a-device.md");
  const snippets = blocks.filter(({ language }) => language === "ts").map(({ text }) => text);
  const files = ["device.ts", "serve.ts"].map((name) =>
    readFileSync(join(packageRoot, "examples", "entropy", name), "utf8").trimEnd(),
  );
  assert.deepEqual(snippets, files);
});

test("every example has a link in the README or a guide", () => {
  for (const name of readdirSync(join(packageRoot, "examples"))) {
    for (const { prose } of languages) assert.ok(prose.includes(`examples/${name}`), name);
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
  const messages = [
    ...readDocument("docs/guides/troubleshooting.md").prose.matchAll(/^\| `([^`]+)` \|.*$/gm),
  ].map(([, message = ""]) => message);
  assert.ok(messages.length > 5, "too few messages were found to check");
  for (const message of messages) {
    for (const part of message.split("…").map((each) => each.trim())) {
      assert.ok(says(part), `no source says "${part}"`);
    }
  }
});

test("README and guides have what a user of the test suite looks for", () => {
  for (const { prose, blocks } of languages) {
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
    const commands = [prose, ...blocks.map(({ text }) => text)].join("\n");
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

test("the targets that README and guides name are the Makefile's, and the scripts are there", () => {
  const makefile = readFileSync(join(packageRoot, "Makefile"), "utf8");
  const [, targets = ""] = /^\.PHONY: (.*)$/m.exec(makefile) ?? [];
  const { blocks, prose } = languages[0] ?? readme;
  const named = [...blocks.map(({ text }) => text), prose].flatMap((text) =>
    [...text.matchAll(/(?:^\$ |`)make ([a-z-]+)/gm)].map(([, target = ""]) => target),
  );
  assert.ok(named.length >= 5, "too few targets were found to check");
  for (const target of named) assert.ok(targets.split(" ").includes(target), `make ${target}`);
  for (const [, script = ""] of prose.matchAll(/`\.\/([\w.]+)/g)) {
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

test("files and folders that documents name exist", () => {
  const named = documents.flatMap((path) =>
    [...readDocument(path).prose.matchAll(PATHS)].map(([, name = ""]) => [path, name] as const),
  );
  assert.ok(named.length > 50, "too few paths were found");
  const missing = named.filter(
    ([, name]) =>
      ![name, `src/${name}`, `src/${name}.ts`].some((path) => existsSync(join(packageRoot, path))),
  );
  assert.deepEqual(missing, []);
});

test("no document holds a path of the machine that it was written on", () => {
  for (const path of documents) {
    const text = readFileSync(join(packageRoot, path), "utf8");
    assert.doesNotMatch(text, /(?<![\w.])\/(?:work|home|root|Users)\b/, path);
    assert.equal(text.includes(packageRoot), false, path);
  }
});

/** Options, messages and codes that tables begin with. */
function firstColumn({ prose }: Document): string[] {
  return [...prose.matchAll(/^\| (`[^`]+`) \|/gm)].map(([, cell = ""]) => cell);
}

/** Commands in the text itself, and what is added to a command line of QEMU. */
function inlineCommands({ prose }: Document): Set<string> {
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
  return new Set(spans.filter((span) => /^(?:vhost-user |npm |make |-chardev )/.test(span)));
}

/** Commands of a block that begin with `vhost-user`, whatever is done with their output. */
function vhostUserCommands(text: string): string[] {
  const lines = /^\$ /m.test(text)
    ? consoleSteps({ text }).map(({ command }) => command)
    : text.split("\n");
  return lines.flatMap((line) =>
    [...line.replaceAll(/ \d>\S+/g, "").matchAll(/(?:'[^']*'|"[^"]*"|[^|;&<>'"])+/g)]
      .map(([part]) => part)
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
  const most = all.at(-1)?.variadic === true ? Infinity : all.length;
  assert.ok(operands.length <= most, `${line}: too many arguments`);
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

/** Whether the program can say something: verbatim, or with something filled in. */
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
