/** What the proof reads of an OpenAPI document. */
export interface Schema {
  $ref?: string;
  oneOf?: Schema[];
  type?: string;
  enum?: unknown[];
  example?: unknown;
  required?: string[];
  properties?: Record<string, Schema>;
}

interface Parameter {
  name: string;
  in: string;
  schema?: Schema;
}

interface Described {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
}

export interface OpenApi {
  paths: Record<string, Record<string, Described>>;
  components?: { schemas?: Record<string, Schema> };
}

/** One route of the document, with everything that it says a client may send. */
export interface Route {
  /** `POST /api/orders` */
  name: string;
  method: string;
  path: string;
  query: string[];
  /** Every form its body may have; empty where none is taken. */
  bodies: Schema[];
  callback: boolean;
}

export function routesOf(document: OpenApi): Route[] {
  const find = (schema: Schema): Schema[] => {
    if (schema.$ref !== undefined) return [document.components?.schemas?.[schema.$ref.split('/').at(-1) ?? ''] ?? {}];
    return schema.oneOf ? schema.oneOf.flatMap(find) : [schema];
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, { parameters = [], requestBody }]): Route => {
      const method = verb.toUpperCase();
      const bodies = Object.values(requestBody?.content ?? {}).flatMap(({ schema }) => (schema ? find(schema) : []));
      const query = parameters.filter((one) => one.in === 'query').map((one) => one.name);
      return { name: `${method} ${path}`, method, path, query, bodies, callback: path.includes('/callback/') };
    }),
  );
}

/** What is known of a field that is to be left out. */
export const LEFT_OUT = Symbol('left out');

/** A body as the schema wants it, with what is known of a field's value, by its name, in its place. */
export function bodyOf(schema: Schema, known: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {})
      .filter(([name]) => known[name] !== LEFT_OUT)
      .map(([name, field]) => [name, known[name] ?? sample(field)]),
  );
}

function sample({ type, enum: choices, example }: Schema): unknown {
  if (example !== undefined) return example;
  if (choices) return choices[0];
  if (type === 'integer' || type === 'number') return 1;
  return type === 'object' ? {} : 'text';
}
