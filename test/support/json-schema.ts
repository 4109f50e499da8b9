/** The part of JSON Schema that our published schemas use. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean;
  readonly items?: JsonSchema;
}

/** Where a value does not fit a schema, one line each. */
export function schemaFaults(schema: JsonSchema, value: unknown, at = "$"): string[] {
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) {
    return [`${at}: expected ${types.join(" or ")}`];
  }
  const faults: string[] = [];
  if (schema.const !== undefined && value !== schema.const) {
    faults.push(`${at}: expected ${JSON.stringify(schema.const)}`);
  }
  if (schema.enum && !schema.enum.includes(value)) faults.push(`${at}: not in the enumeration`);
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value))) {
    faults.push(`${at}: expected ${schema.pattern}`);
  }
  if (schema.minimum !== undefined && Number(value) < schema.minimum) {
    faults.push(`${at}: expected at least ${schema.minimum}`);
  }
  if (Array.isArray(value) && schema.items) {
    const { items } = schema;
    faults.push(...value.flatMap((each, i) => schemaFaults(items, each, `${at}[${i}]`)));
  }
  if (typeof value === "object" && value !== null && schema.properties) {
    const record = value as Readonly<Record<string, unknown>>;
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(record, name)) faults.push(`${at}: ${name} is missing`);
    }
    for (const [name, inner] of Object.entries(record)) {
      const property = schema.properties[name];
      if (property) faults.push(...schemaFaults(property, inner, `${at}.${name}`));
      else if (schema.additionalProperties === false) faults.push(`${at}: ${name} is unknown`);
    }
  }
  return faults;
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object")
    return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
