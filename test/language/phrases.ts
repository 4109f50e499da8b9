/** A word or phrase of the retired dialect, and what the project says now. */
export interface Phrase {
  readonly name: string;
  readonly pattern: RegExp;
  readonly use: string;
  /** Beginnings of the paths where it is retired; everywhere where nothing is given. */
  readonly in?: readonly string[];
}

/** Hits that are right, each with its reason: a line of the file that contains `text`. */
export interface Exemption {
  readonly path: string;
  readonly text: string;
  readonly reason: string;
}

/** Matches words of prose and of camel case: `pieces`, `addPieces`, but not `masterpiece`. */
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

/** What language.md retires. A single word with no hit left moves to `flagWords` of cspell.json. */
export const phrases: readonly Phrase[] = [
  { name: "piece", pattern: word("pieces?"), use: "descriptor, segment or buffer" },
  { name: "nobody", pattern: word("nobody"), use: "the driver, the device, the caller …" },
  { name: "somebody", pattern: word("somebody"), use: "the driver, the device, the caller …" },
  { name: "anybody", pattern: word("anybody"), use: "the driver, the device, the caller …" },
  { name: "everybody", pattern: word("everybody"), use: "all drivers, devices, callers …" },
  { name: "whoever", pattern: word("whoever"), use: "the driver, the device, the caller …" },
  { name: "others", pattern: word("others"), use: "what they are: other processes, the rest …" },
  { name: "stands", pattern: word("stands?"), use: "is" },
  { name: "lies", pattern: word("lies?"), use: "is" },
  { name: "tell", pattern: word("tells?", "telling", "told"), use: "notify, report, log" },
  { name: "lap", pattern: word("laps?"), use: "wrap counter" },
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
  { name: "anew", pattern: word("anew"), use: "again" },
  { name: "unshown", pattern: word("unshown"), use: "unpublished" },
  { name: "noted", pattern: word("noted"), use: "tracked, recorded" },
  {
    name: "arm",
    pattern: word("arm(?:s|ed|ing)?(?![0-9])", "disarm(?:s|ed|ing)?"),
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
];

const TRIED = "a text that the search is tried on";
export const exemptions: readonly Exemption[] = [
  { path: "test/unit/language.test.ts", text: "// a piece of it", reason: TRIED },
  { path: "test/unit/language.test.ts", text: "queue.addPieces(1)", reason: TRIED },
  { path: "test/unit/language.test.ts", text: "in place\\n * of it", reason: TRIED },
];
