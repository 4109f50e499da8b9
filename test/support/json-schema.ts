/** The part of JSON Schema that our published schemas use. */
export interface JsonSchema {
  readonly title?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  /** What properties that are not listed must be; false: there are none. */
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly oneOf?: readonly JsonSchema[];
  /** `#/$defs/NAME` */
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

/** Keywords that {@link schemaFaults} evaluates, and those that carry no condition. */
export const SCHEMA_KEYWORDS: ReadonlySet<string> = new Set(
  (
    "type const enum pattern minimum required properties additionalProperties items minItems " +
    "maxItems oneOf $ref $defs $schema title description"
  ).split(" "),
);

/** Returns where a value does not fit a schema, one line each. */
export function schemaFaults(
  schema: JsonSchema,
  value: unknown,
  at = "$",
  root: JsonSchema = schema,
): string[] {
  const inner = (part: JsonSchema, each: unknown, place: string): string[] =>
    schemaFaults(part, each, place, root);
  if (schema.$ref !== undefined) return inner(referenced(root, schema.$ref), value, at);
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) {
    return [`${at}: is not of type ${types.join(" or ")}`];
  }
  if (value === null) return [];
  return [
    ...valueFaults(schema, value, at),
    ...choiceFaults(schema, value, at, inner),
    ...(Array.isArray(value) ? itemFaults(schema, value, at, inner) : []),
    ...(isRecord(value) ? propertyFaults(schema, value, at, inner) : []),
  ];
}

type Inner = (schema: JsonSchema, value: unknown, at: string) => string[];

function valueFaults(schema: JsonSchema, value: unknown, at: string): string[] {
  const { pattern, minimum } = schema;
  const faults: string[] = [];
  if (schema.const !== undefined && value !== schema.const) {
    faults.push(`${at}: is not ${JSON.stringify(schema.const)}`);
  }
  if (schema.enum && !schema.enum.includes(value)) faults.push(`${at}: not in the enumeration`);
  if (pattern !== undefined && !new RegExp(pattern).test(String(value))) {
    faults.push(`${at}: does not match ${pattern}`);
  }
  if (minimum !== undefined && Number(value) < minimum) faults.push(`${at}: less than ${minimum}`);
  return faults;
}

function choiceFaults({ oneOf }: JsonSchema, value: unknown, at: string, inner: Inner): string[] {
  if (oneOf === undefined) return [];
  const choices = oneOf.map((choice) => inner(choice, value, at));
  const fitting = choices.filter((faults) => faults.length === 0).length;
  if (fitting === 1) return [];
  return [`${at}: fits ${fitting} of ${oneOf.length} choices`, ...choices.flat()];
}

function itemFaults(
  { items, minItems = 0, maxItems = Infinity }: JsonSchema,
  value: readonly unknown[],
  at: string,
  inner: Inner,
): string[] {
  const faults =
    value.length < minItems || value.length > maxItems ? [`${at}: has ${value.length} items`] : [];
  if (items) faults.push(...value.flatMap((each, i) => inner(items, each, `${at}[${i}]`)));
  return faults;
}

function propertyFaults(
  { required = [], properties = {}, additionalProperties = true }: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  at: string,
  inner: Inner,
): string[] {
  const missing = required
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${at}: ${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const schema = properties[name] ?? additionalProperties;
    if (schema === true) return [];
    if (schema === false) return [`${at}: ${name} is unknown`];
    return inner(schema, each, `${at}.${name}`);
  });
  return [...missing, ...wrong];
}

function referenced(root: JsonSchema, ref: string): JsonSchema {
  const schema = root.$defs?.[ref.replace("#/$defs/", "")];
  if (schema === undefined) throw new Error(`the schema has no ${ref}`);
  return schema;
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return isRecord(value);
  return typeof value === type;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
