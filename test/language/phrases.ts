/** A retired word or phrase, and what the project says instead. */
export interface Phrase {
  readonly name: string;
  readonly pattern: RegExp;
  readonly use: string;
  /** Beginnings of the paths where it is retired. Default: everywhere. */
  readonly in?: readonly string[];
}

/** A hit that is right, and why: it is in a line of the file that contains `text`. */
export interface Exemption {
  readonly path: string;
  readonly text: string;
  readonly reason: string;
}

/** Matches words of prose and of camel case: `told`, `tellDriver`, but not `foretold`. */
function word(...stems: readonly string[]): RegExp {
  const one = ([first = "", ...rest]: string): string => {
    const [lower, upper] = [first.toLowerCase(), first.toUpperCase()];
    return `(?:(?<![A-Za-z])[${lower}${upper}]|${upper})${rest.join("")}`;
  };
  return new RegExp(`(?:${stems.map(one).join("|")})(?![a-z])`, "g");
}

/** Matches words in a row, also across the end of a line of a comment. */
function phrase(words: string): RegExp {
  return new RegExp(
    String.raw`(?<![A-Za-z-])${words.replaceAll(" ", String.raw`[\s*/]+`)}(?![A-Za-z])`,
    "gi",
  );
}

const RINGS = ["src/core/virtqueue", "src/core/runtime", "src/core/memory"];

/**
 * Words that are right in some places, and phrases of several words. Single words that are never
 * right are in `flagWords` of cspell.json.
 */
export const phrases: readonly Phrase[] = [
  { name: "tell", pattern: word("tells?", "telling", "told"), use: "notify, report, log" },
  {
    name: "give back",
    pattern: phrase("(?:give|gives|giving|given|gave) back"),
    use: "complete, completion; return",
  },
  {
    name: "come back",
    pattern: phrase("(?:come|comes|coming|came) back"),
    use: "complete, return, reconnect",
  },
  { name: "in work", pattern: phrase("in work"), use: "in flight" },
  { name: "under way", pattern: phrase("under way"), use: "in flight, outstanding" },
  { name: "so many", pattern: phrase("so (?:many|often|much)"), use: "N, a number of, `count`" },
  { name: "in place of", pattern: phrase("in place of"), use: "instead of; replaces" },
  {
    name: "comes to",
    pattern: phrase("(?:come|comes|came) to(?! (?:be|life))"),
    use: "reaches, is, results in",
  },
  { name: "unasked", pattern: word("unasked"), use: "opt-in, off by default" },
  {
    name: "arm",
    pattern: word("arm(?![0-9])"),
    use: "enable or disable notifications (kicks, calls)",
  },
  { name: "show", pattern: word("shown?", "shows"), use: "make available, publish", in: RINGS },
  { name: "mutant", pattern: word("mutants?"), use: "fault", in: ["src/"] },
  {
    name: "blk",
    pattern: /(?<![-_A-Za-z"])blk(?![-_/A-Za-z])|Blk/g,
    use: "block, outside of published check ids and names of QEMU",
    in: ["src/"],
  },
  {
    name: "is no",
    pattern: phrase("(?<!there )(?:is|are) no(?! (?:longer|more))"),
    use: "is not a",
  },
  {
    name: "for good",
    pattern: phrase("(?:for good|over and over)"),
    use: "permanently, repeatedly",
  },
  {
    name: "again",
    pattern: phrase("(?:serve|served|execute|executed) again"),
    use: "resubmit, replay",
  },
  { name: "as above", pattern: phrase("as above"), use: "the words themselves" },
  {
    name: "expected where nothing was compared",
    pattern:
      /(?:UsageError|StateError)\(\s*[`"][^`"\n]{0,60}\bexpected\b|, got (?:neither|none\b|something|also\b|no\b|an? )/g,
    use: "must be a …, is not a …, cannot be combined with",
    in: ["src/"],
  },
  {
    name: "doc comment without a subject",
    pattern: /\/\*\*[\s*]+(?:What|Where|Whether|How|Why|Which|Who|Whose|When)\b/g,
    use: "Returns …, The …, True if …",
    in: ["src/"],
  },
  {
    name: "value before a colon",
    pattern: /(?:\/\*\*[\s*]+|[.;,][\s*]+)(?:undefined|false|true): (?=[a-z])/gi,
    use: "undefined if …, Returns false if …",
    in: ["src/"],
  },
  {
    name: "tag behind a sentence",
    pattern: /\/\*\*[^@\n]*[.;)] @(?:param|returns|throws)\b/g,
    use: "a line of its own",
    in: ["src/"],
  },
  {
    name: "reference instead of the errors",
    pattern: /@throws (?:as|like|see)\b/g,
    use: "the errors themselves",
    in: ["src/"],
  },
];

const FAULT = "the name of a fault, which users give on the command line";
const TRIED = "a text that the search is tried on";
export const exemptions: readonly Exemption[] = [
  { path: "src/lab/faults/delivery.ts", text: '"unasked-reply"', reason: FAULT },
  { path: "test/component/support/fault-table.ts", text: '"unasked-reply"', reason: FAULT },
  { path: "test/unit/language.test.ts", text: "// it tells of it", reason: TRIED },
  { path: "test/unit/language.test.ts", text: "queue.tellDriver(1)", reason: TRIED },
  { path: "test/unit/language.test.ts", text: "in place\\n * of it", reason: TRIED },
];
