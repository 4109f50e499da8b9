import assert from "node:assert/strict";

/** An element of an XML document. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Text directly inside, as a reader gets it. */
  readonly text: string;
}

/** What XML 1.0 allows in a document. */
const FORBIDDEN = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const TOKEN = /<\/([\w-]+)>|<([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

interface OpenElement extends XmlElement {
  readonly children: XmlElement[];
  text: string;
}

function element(name: string, attributes: Readonly<Record<string, string>>): OpenElement {
  return { name, attributes, children: [], text: "" };
}

/** Reads the XML that we write; whatever is not well-formed throws. */
export function parseXml(document: string): XmlElement {
  assert.doesNotMatch(document, FORBIDDEN);
  const [declaration = ""] = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n/.exec(document) ?? [];
  assert.notEqual(declaration, "", "the XML declaration");
  const root = element("", {});
  const open: OpenElement[] = [root];
  TOKEN.lastIndex = declaration.length;
  for (let end = TOKEN.lastIndex; end < document.length; end = TOKEN.lastIndex) {
    const token = TOKEN.exec(document);
    assert.ok(token, `not well-formed: ${document.slice(end, end + 80)}`);
    const [, closing, opening, attributes = "", empty, text = ""] = token;
    const inner = open.at(-1);
    assert.ok(inner, "something after the end");
    if (closing !== undefined) {
      assert.equal(closing, inner.name);
      open.pop();
    } else if (opening === undefined) {
      inner.text += decode(text.replaceAll("\r\n", "\n"));
    } else {
      const child = element(opening, readAttributes(attributes));
      inner.children.push(child);
      if (empty === "") open.push(child);
    }
  }
  assert.equal(open.length, 1, "elements that are not closed");
  assert.equal(root.children.length, 1);
  return root.children[0] as XmlElement;
}

function readAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name = "", value = ""]) => {
    // Readers make blanks of white space that is not written as a character reference.
    return [name, decode(value.replaceAll(/[\t\n\r]/g, " "))] as const;
  });
  assert.equal(new Set(pairs.map(([name]) => name)).size, pairs.length, "an attribute twice");
  return Object.fromEntries(pairs);
}

function decode(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|(\w*));?/g, (whole, code?: string, name = "") => {
    assert.ok(whole.endsWith(";"), `a bare & in: ${text}`);
    const character = code === undefined ? ENTITIES[name] : String.fromCodePoint(Number(code));
    assert.ok(character, `an unknown entity: ${whole}`);
    return character;
  });
}

const COUNT = /^\d+$/;
const SECONDS = /^\d+\.\d{3}$/;
const TEXT = /^[\s\S]*$/;
const NAME = /\S/;

interface ElementRule {
  /** Exactly these must be there. */
  readonly attributes: Readonly<Record<string, RegExp>>;
  /** In this order. */
  readonly children: readonly string[];
}

/** What the schema that Jenkins publishes makes of the elements that we use. */
const SCHEMA: Readonly<Record<string, ElementRule>> = {
  testsuites: {
    attributes: { name: NAME, tests: COUNT, failures: COUNT, errors: COUNT, time: SECONDS },
    children: ["testsuite"],
  },
  testsuite: {
    attributes: {
      name: NAME,
      tests: COUNT,
      failures: COUNT,
      errors: COUNT,
      skipped: COUNT,
      time: SECONDS,
      timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/,
    },
    children: ["testcase"],
  },
  testcase: {
    attributes: { classname: NAME, name: NAME, time: SECONDS },
    children: ["skipped", "error", "failure", "system-out"],
  },
  skipped: { attributes: { message: TEXT }, children: [] },
  error: { attributes: { message: TEXT }, children: [] },
  failure: { attributes: { message: TEXT }, children: [] },
  "system-out": { attributes: {}, children: [] },
};

/** Reads a JUnit report; what the format does not allow, or counts that are wrong, throw. */
export function parseJunit(document: string): XmlElement {
  const root = parseXml(document);
  assert.equal(root.name, "testsuites");
  judge(root);
  for (const suite of root.children) {
    const cases = suite.children;
    assert.equal(Number(suite.attributes["tests"]), cases.length);
    for (const [attribute, name] of [
      ["failures", "failure"],
      ["errors", "error"],
      ["skipped", "skipped"],
    ] as const) {
      const count = cases.filter(({ children }) => children.some((each) => each.name === name));
      assert.equal(Number(suite.attributes[attribute]), count.length, attribute);
    }
  }
  for (const attribute of ["tests", "failures", "errors"]) {
    const sum = root.children.reduce((n, suite) => n + Number(suite.attributes[attribute]), 0);
    assert.equal(Number(root.attributes[attribute]), sum, attribute);
  }
  return root;
}

function judge({ name, attributes, children, text }: XmlElement): void {
  const rule = SCHEMA[name];
  assert.ok(rule, `no element <${name}>`);
  assert.deepEqual(Object.keys(attributes).toSorted(), Object.keys(rule.attributes).toSorted());
  for (const [attribute, pattern] of Object.entries(rule.attributes)) {
    assert.match(attributes[attribute] ?? "", pattern, `${attribute} of <${name}>`);
  }
  if (rule.children.length > 0) assert.equal(text.trim(), "", `text in <${name}>`);
  const places = children.map((child) => rule.children.indexOf(child.name));
  assert.ok(!places.includes(-1), `what is in <${name}>`);
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
    `order in <${name}>`,
  );
  for (const child of children) judge(child);
}
