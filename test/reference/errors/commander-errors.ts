/** Messages of the parser of the command line (commander), each with a command line that gets it. */
export const commanderErrors: readonly {
  readonly form: string;
  readonly remedy: string;
  /** Words that get this message. */
  readonly example: string;
}[] = [
  {
    form: "unknown command '<word>'",
    remedy: "correct the word; the message names a similar command",
    example: "prob",
  },
  {
    form: "unknown option '<option>'",
    remedy: "correct the option; options belong to the command that they follow",
    example: "probe x --frob",
  },
  {
    form: "missing required argument '<name>'",
    remedy: "give the argument",
    example: "probe",
  },
  {
    form: "too many arguments for '<command>'. Expected <count> argument[s] but got <count>.",
    remedy: "leave the surplus ones out; quote an argument with blanks",
    example: "probe a b",
  },
  {
    form: "required option '<option>' not specified",
    remedy: "add the option",
    example: "io block discard x",
  },
  {
    form: "option '<option>' argument missing",
    remedy: "give the option its value",
    example: "probe x --timeout",
  },
  {
    form: "option '<option>' argument '<value>' is invalid. <reason>",
    remedy: "give a value that the reason allows",
    example: "probe x --timeout soon",
  },
  {
    form: "option '<option>' cannot be used with option '<option>'",
    remedy: "leave one of them out",
    example: "serve block --socket a --image i --size 1M",
  },
];
