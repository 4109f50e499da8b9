import { listedRemedies } from "./listed-remedies.ts";

/** A message taken apart. */
export interface Explained {
  /** What is wrong. */
  readonly cause: string;
  /** What to do, of the message itself or of a table here; undefined: neither says it. */
  readonly remedy: string | undefined;
}

/** Verbs with which the part of a message begins that says what to do. */
const VERBS = [
  "add",
  "change",
  "choose",
  "convert",
  "correct",
  "create",
  "do",
  "free",
  "get",
  "give",
  "have",
  "install",
  "leave",
  "let",
  "look",
  "make",
  "name",
  "pass",
  "raise",
  "remove",
  "report",
  "rm",
  "run",
  "see",
  "send",
  "serve",
  "set",
  "split",
  "start",
  "stop",
  "try",
  "use",
  "wait",
  "write",
  "<remedy>",
];

/** The end of a message that says what to do: `; choose another path`, `: when …, remove it`. */
const ADVICE = new RegExp(
  String.raw`(?:[;:\n]|, so) ?((?:(?:as|to|when|where) [^;:,]*[,:]\s*)?(?:\[[^\]]*\])?(?:${VERBS.join("|")})(?![\w-])[^]*|to install \w+:\n[^]*)$`,
);

/** Messages whose form already says what is possible. */
const FORMS: readonly (readonly [form: RegExp, remedy: string])[] = [
  [/ cannot be combined/, "leave one of them out"],
  [/ needs (?:either |one )?(?:--|SOCKET|the other)/, "add what it needs, or leave the first out"],
  [/^--[\w-]+ [A-Z]+ is missing/, "add the option"],
  [
    / must (?:be|have|not|begin)\b| is not (?:a|an|one of|the)\b.*(?: such as | from | multiple of | power of |<)/,
    "give a value that the message allows",
  ],
  [/: <(?:reason|problem|found|error)(?:\|\w+)?>$/, "correct what the reason says"],
  [
    / at most | at least | has \d+ to | is more than | beyond the end /,
    "give a value within the limit",
  ],
];

/** Errors whose cause is a value of the caller, so that the form of the message can say the remedy. */
const OF_THE_CALLER = new Set([
  "CommandError",
  "EnvironmentError",
  "RangeError",
  "TypeError",
  "UsageError",
]);

/** Takes a message apart into what is wrong and what to do. */
export function explained(type: string, template: string): Explained {
  const listed = listedRemedies[template];
  if (listed !== undefined) return { cause: template, remedy: listed };
  const advice = ADVICE.exec(template);
  if (advice !== null) return { cause: template.slice(0, advice.index), remedy: advice[1]?.trim() };
  const forms = OF_THE_CALLER.has(type) ? FORMS : [];
  const form = forms.find(([pattern]) => pattern.test(template));
  return { cause: template, remedy: form?.[1] };
}
