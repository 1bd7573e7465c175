import type { OpenAPIObject } from '@nestjs/swagger';
import { problemAnswer } from './openapi.js';

type Json = Record<string, unknown>;

interface Operation {
  summary?: string;
  description?: string;
  security?: unknown[];
  responses?: Record<string, unknown>;
  tags?: string[];
}

/** Parts of a document that are values and not schemas. */
const DATA = new Set(['example', 'examples', 'default', 'const', 'enum']);
/** Parts whose keys are names, which may read like one of the above. */
const BY_NAME = new Set(['properties', 'schemas', 'parameters', 'headers']);
const VERBS = new Set(['get', 'post', 'put', 'patch', 'delete']);

/**
 * What `@nestjs/swagger` cannot say itself, done once to the whole document:
 *
 * - `number` becomes `integer` of 64 bits. Everything that is counted here is whole: fen, seconds, rows. As `number` a client in
 *   Go would keep fen in a `float32`. What is no whole number says so by a `format` of its own.
 * - `allOf` of one reference becomes the reference: OpenAPI 3.1 allows a description beside it.
 * - Classes named after what they are in the code are named after what they are for a client: `Order` of `OrderView`.
 * - A route without `@ApiBearerAuth` says that it needs no token, as the document asks for one by default.
 * - Every request may be refused: 400 if it is no good HTTP, 503 if there are too many.
 * - A route whose summary says all has it as its description too: linters and generators want one.
 * - Tags that no route has are left out.
 */
export function finishDocument(document: OpenAPIObject): OpenAPIObject {
  const operations = Object.values(document.paths).flatMap((path) =>
    Object.entries(path as Record<string, Operation>).flatMap(([verb, one]) => (VERBS.has(verb) ? [one] : [])),
  );
  for (const operation of operations) {
    operation.security ??= [];
    operation.description ??= `${operation.summary}.`;
    const answers = (operation.responses ??= {});
    answers['503'] ??= problemAnswer(['service_unavailable']);
    if (!Object.keys(answers).some((status) => status.startsWith('4'))) {
      answers['400'] = problemAnswer(['invalid_request']);
    }
  }
  const used = new Set(operations.flatMap((operation) => operation.tags ?? []));
  document.tags = document.tags?.filter((tag) => used.has(tag.name));
  const schemas = document.components?.schemas ?? {};
  const names = new Map(Object.keys(schemas).map((name) => [name, name.replace(/View$/, '')]));
  visit(document, (schema) => finishSchema(schema, names));
  if (document.components) {
    document.components.schemas = Object.fromEntries(
      Object.entries(schemas).map(([name, schema]) => [names.get(name) ?? name, schema]),
    );
  }
  return document;
}

function visit(node: unknown, change: (schema: Json) => void): void {
  if (Array.isArray(node)) return node.forEach((inner) => visit(inner, change));
  if (typeof node !== 'object' || node === null) return;
  for (const [key, inner] of Object.entries(node)) {
    if (BY_NAME.has(key)) Object.values(inner as Json).forEach((named) => visit(named, change));
    else if (!DATA.has(key)) visit(inner, change);
  }
  change(node as Json);
}

function finishSchema(schema: Json, names: ReadonlyMap<string, string>): void {
  const { type, format, allOf, $ref } = schema;
  const types = [type].flat();
  if (types.includes('number') && format === undefined) {
    schema.type = Array.isArray(type) ? types.map((one) => (one === 'number' ? 'integer' : one)) : 'integer';
  }
  if ([schema.type].flat().includes('integer')) schema.format ??= 'int64';
  if (Array.isArray(allOf) && allOf.length === 1) {
    delete schema.allOf;
    Object.assign(schema, allOf[0]);
  }
  if (typeof $ref === 'string') {
    const [, name = ''] = /^#\/components\/schemas\/(.+)$/.exec($ref) ?? [];
    schema.$ref = $ref.replace(name, names.get(name) ?? name);
  }
}
