import { badField, refuse } from './api-error.js';
import { type CallPoint } from './faults.js';
import { type Fields, fill, type Json, type JsonObject } from './fields.js';
import { type Wire } from './gate.js';

/** A call on its way through a route: the wire plus what was read from it. */
export interface Call extends Wire {
  path: string;
  /** Path parameters, percent-decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** The body as JSON; undefined when there was none. */
  json: Json | undefined;
}

/** What a route answers. No body: 204. */
export interface Reply {
  status: number;
  body?: JsonObject;
  /** Bytes instead of JSON: bills and pages. */
  raw?: { type: string; bytes: Buffer | AsyncIterable<Buffer> };
  headers?: Record<string, string>;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT';
  /** `{name}` stands for one segment. */
  path: string;
  point?: CallPoint;
  /** Bill downloads are answered without signature headers. */
  unsigned?: boolean;
  handle: (call: Call) => Reply | Promise<Reply>;
}

export type Match = { route: Route; params: Record<string, string> } | 'no such path' | 'wrong method';

/** The table of calls and how a target finds its line. */
export class Router {
  readonly #lines: { route: Route; segments: string[] }[];

  constructor(routes: readonly Route[]) {
    this.#lines = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  find(method: string, path: string): Match {
    const segments = path.split('/');
    let match: Match = 'no such path';
    for (const line of this.#lines) {
      const params = fit(line.segments, segments);
      if (!params) continue;
      if (line.route.method === method) return { route: line.route, params };
      match = 'wrong method';
    }
    return match;
  }
}

function fit(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith('{')) {
      const value = decoded(segment);
      if (value === null || value === '') return null;
      params[part.slice(1, -1)] = value;
    } else if (part !== segment) return null;
  }
  return params;
}

function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** Splits a target into path and query. */
export function split(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?');
  if (mark === -1) return { path: target, query: new URLSearchParams() };
  return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}

/** Reads a body that must be JSON in UTF-8. @throws ApiError PARAM_ERROR */
export function readJson(body: Buffer): Json | undefined {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as Json;
  } catch {
    throw refuse('PARAM_ERROR', '请求体不是有效的 JSON', 268435461);
  }
}

/** The query string held against its form. A parameter given twice is refused. */
export function readQuery<T>(fields: Fields, query: URLSearchParams): T {
  const values: JsonObject = {};
  for (const [key, value] of query) {
    if (Object.hasOwn(values, key)) throw badField('query', `/${key}`, value, '参数重复');
    values[key] = value;
  }
  return fill<T>(fields, values, 'query');
}

export const ok = (body: JsonObject): Reply => ({ status: 200, body });
export const noContent = (): Reply => ({ status: 204 });
