import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  backendRequests,
  frontendRequests,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../../src/core/protocol/index.ts";
import { packageRoot } from "../support/package-root.ts";
import { conversations, recordedBy } from "./conversations.ts";
import { hostileGroups, type Place } from "./hostile-groups.ts";
import { peerFiles, reasons, refusals, type Role } from "./evidence.ts";

/** A request or a feature bit, and the words by which a test names it. */
export interface Subject {
  /** The specification's full name. */
  readonly name: string;
  readonly words: readonly string[];
}

const roles: readonly Role[] = ["client", "back-end"];

/** `GET_VRING_BASE` of the full name. */
const short = (name: string): string =>
  name.replace(/^VHOST_USER_(BACKEND_|PROTOCOL_F_)?/, "").replace(/^VIRTIO_/, "");

const camel = (pascal: string): string => pascal.charAt(0).toLowerCase() + pascal.slice(1);

interface Numbered {
  readonly number: number;
}

function requestSubjects(): Subject[] {
  const main = Object.entries(frontendRequests).map(([key, { number, name }]) => ({
    number,
    name,
    words: [`FrontendRequest.${key}`, `${camel(key)}(`, key],
  }));
  const back = Object.entries(backendRequests).map(([key, { number, name }]) => ({
    number,
    name,
    words: [`BackendRequest.${key}`, key, `${camel(key).replace(/Msg$|^vring(?=Host)/g, "")}(`],
  }));
  const byNumber = (a: Numbered, b: Numbered): number => a.number - b.number;
  return [...main.sort(byNumber), ...back.sort(byNumber)].map(({ name, words }) => ({
    name,
    words: [...words, short(name), name.replace("VHOST_USER_", "")],
  }));
}

function featureSubjects(): Subject[] {
  const protocol = Object.entries(ProtocolFeature).map(([key, mask]) => {
    const [name = ""] = protocolFeatureNames(mask);
    return { name, words: [`ProtocolFeature.${key}`, key, short(name)] };
  });
  const gate = { name: "VHOST_USER_F_PROTOCOL_FEATURES", words: ["ProtocolFeatures"] };
  const [log = ""] = virtioFeatureNames(VirtioFeature.LogAll);
  return [gate, { name: log, words: ["LogAll", "LOG_ALL"] }, ...protocol];
}

export const requests: readonly Subject[] = requestSubjects();
export const features: readonly Subject[] = featureSubjects();

/** Whether a text names a subject, as a word of its own. */
export function names(text: string, { name, words }: Subject): boolean {
  return [name, ...words].some((word) => {
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
      const before = text[at - 1] ?? " ";
      const after = text[at + word.length] ?? " ";
      if (!/\w/.test(before) && (word.endsWith("(") || !/\w/.test(after))) return true;
    }
    return false;
  });
}

const texts = new Map<string, string>();

function textOf(path: string): string {
  const known = texts.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(join(packageRoot, path), "utf8");
  texts.set(path, text);
  return text;
}

function filesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** The cases of `test basic` run as unit tests, too. */
const unitFiles = [...filesIn("test/unit/core/protocol"), ...filesIn("src/lab/selftest/basic")];
const pairFiles = filesIn("test/component").filter((path) => path.endsWith(".test.ts"));

/** Files that name a subject, those that say most about it first. */
function naming(files: readonly string[], subject: Subject, most: number): string[] {
  const count = (path: string): number =>
    subject.words.reduce((sum, word) => sum + textOf(path).split(word).length - 1, 0);
  return files
    .filter((path) => names(textOf(path), subject))
    .sort((a, b) => count(b) - count(a) || a.localeCompare(b))
    .slice(0, most);
}

const link = (
  path: string,
  text = path.replace(/^test\/\w+\/|^src\/|(\.test)?\.ts$/g, ""),
): string => `[${text}](../../${path})`;

/** Which real programs a subject passed with, in one role. */
export function peersOf(subject: Subject, role: Role): string[] {
  const recorded = conversations()
    .filter((each) => each.role === role)
    .filter((each) => [...each.requests, ...each.features].includes(subject.name))
    .map(({ peer }) => link(recordedBy(peer), peer));
  const elsewhere = peerFiles
    .filter((each) => each.role === role && names(textOf(each.path), subject))
    .map(({ peer, path }) => link(path, peer));
  const gate = /^VHOST_USER_F_PROTOCOL_FEATURES$/.test(subject.name);
  const all = gate
    ? conversations()
        .filter((each) => each.role === role)
        .map(({ peer }) => link(recordedBy(peer), peer))
    : [...recorded, ...elsewhere];
  return [...new Set(all)];
}

/** Why there is no real program for a subject in one role. */
export function reasonFor(subject: Subject, role: Role): string | undefined {
  return reasons.find((each) => each.role === role && each.names.includes(subject.name))?.why;
}

/** Every test of this package's own that names a subject. */
export function ownTestsOf(subject: Subject): string[] {
  return naming([...unitFiles, ...pairFiles], subject, Number.POSITIVE_INFINITY);
}

function cells(subject: Subject): string[] {
  const unit = naming(unitFiles, subject, 1).map((path) => link(path));
  const pair = naming(pairFiles, subject, 2).map((path) => link(path));
  return roles.flatMap((role) => {
    const refusal = refusals.find((each) => each.role === role && each.name === subject.name);
    const peers = peersOf(subject, role);
    const why = reasonFor(subject, role);
    const peer = peers.length > 0 ? peers.join(", ") : why === undefined ? "" : `none: ${why}`;
    const ours = pair.join(", ");
    return [unit.join(", "), refusal ? `refused (${refusal.why}): ${ours}` : ours, peer];
  });
}

function table(title: string, subjects: readonly Subject[]): string {
  const head = `| ${title} | client: unit | client: our own pair | client: real peer | back-end: unit | back-end: our own pair | back-end: real peer |`;
  const line = `|${" --- |".repeat(7)}`;
  const rows = subjects.map((subject) => `| \`${subject.name}\` | ${cells(subject).join(" | ")} |`);
  return [head, line, ...rows].join("\n");
}

/** docs/reference/hostile-input.md */
export function hostilePage(): string {
  const list = (places: readonly Place[] | string): string =>
    typeof places === "string"
      ? places
      : places.map(([file, title]) => `[${title}](../../test/${fileOf(file)})`).join(", ");
  const rows = hostileGroups.map(
    ({ number, what, backend, client }) =>
      `| ${number} | ${what} | ${list(backend)} | ${list(client)} |`,
  );
  return `# Hostile input

What a peer can do wrong, in 40 groups, and the tests that see our back-end and our client survive
it: alive, within bounds, with no descriptor, mapping or timer left behind, each refusal with a
reason. Made by \`npm run docs\`; a test looks for every title.

| | what | against the back-end | against the client |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}

/** A file below test/, named without its ending. */
export function fileOf(name: string): string {
  return name.includes("/support/") ? `${name}.ts` : `${name}.test.ts`;
}

/** docs/reference/protocol-coverage.md */
export function coveragePage(): string {
  return `# Protocol coverage

Every request and every feature bit of the newest specification text, in both roles, and what shows
that it works: tests of the bytes (unit), tests in which both ends are ours, and tests with programs
that we did not write. Made from the protocol table by \`npm run docs\`; a test fails when
this page is not what the table and the tests say. A file is named only where it names the request;
which requests passed with a real program is recorded from what passed
(\`test/coverage/conversations.json\`).

## Requests

${table("request", requests)}

## Feature bits

${table("feature", features)}
`;
}
