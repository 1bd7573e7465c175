import type { OpenAPIObject } from '@nestjs/swagger';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '../../src/common/errors.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { raw } from '../support/flows.js';

interface Operation {
  name: string;
  path: string;
  operationId?: string;
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; schema?: unknown }[];
  requestBody?: { content: Record<string, { schema?: unknown }> };
  responses: Record<string, { description?: string; content?: Record<string, Content> }>;
  security?: unknown[];
}

interface Content {
  schema?: unknown;
  example?: unknown;
  examples?: Record<string, { value: { code?: string; status?: number } }>;
}

type Schema = Record<string, unknown>;

/** Every object of the document that may be a schema, with its path. Examples are none. */
function schemasIn(node: unknown, path: string[] = []): { path: string; schema: Schema }[] {
  const isExample = /^examples?$/.test(path.at(-1) ?? '') && path.at(-2) !== 'properties';
  if (typeof node !== 'object' || node === null || isExample) return [];
  const inner = Object.entries(node).flatMap(([key, value]) => schemasIn(value, [...path, key]));
  return [{ path: path.join('.'), schema: node as Schema }, ...inner];
}

describe('the OpenAPI document', () => {
  let paydesk: TestApp;
  let document: OpenAPIObject;
  let operations: Operation[];

  beforeAll(async () => {
    paydesk = await startTestApp();
    document = (await (await fetch(`${paydesk.url}/openapi.json`)).json()) as OpenAPIObject;
    operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({
        ...operation,
        path,
        name: `${method.toUpperCase()} ${path}`,
      })),
    );
  });
  afterAll(() => paydesk.close());

  it('is OpenAPI 3.1 with a title, a version, a licence, a server and a way to authorise', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: 'Paydesk', version: '1', license: { identifier: 'MIT' } });
    expect(document.servers).toMatchObject([{ url: '/' }]);
    expect(document.security).toEqual([{ bearer: [] }]);
    expect(document.components?.securitySchemes).toMatchObject({ bearer: { type: 'http', scheme: 'bearer' } });
  });

  it('lists every route that the controllers have', () => {
    const routes: string[] = [];
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' });
    for (const file of sources.filter((name) => name.endsWith('.controller.ts'))) {
      const text = readFileSync(join('src', file), 'utf8');
      const base = /@Controller\('?([^')]*)'?\)/.exec(text)?.[1] ?? '';
      for (const [, method = '', path = ''] of text.matchAll(/^ {2}@(Get|Post|Put|Patch|Delete)\('?([^')]*)'?\)/gm)) {
        const full = `/${base}/${path}`
          .replace(/\/+/g, '/')
          .replace(/\/$/, '')
          .replaceAll(/:(\w+)/g, '{$1}');
        routes.push(`${method.toUpperCase()} ${full}`);
      }
    }
    expect(routes.length).toBeGreaterThanOrEqual(17);
    const listed = new Set(operations.map((operation) => operation.name));
    expect(routes.filter((route) => !listed.has(route))).toEqual([]);
  });

  it('refers to nothing that is not there', () => {
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
      expect([name, document.components?.schemas?.[name] !== undefined]).toEqual([name, true]);
    }
    expect(text).not.toMatch(/"\$ref":"(?!#\/components\/schemas\/)/);
  });

  it('names every parameter of a path, and each operation once', () => {
    for (const { name, path, parameters = [], summary } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const declared = parameters.filter((one) => one.in === 'path');
      expect([name, declared.map((one) => one.name)]).toEqual([name, inPath]);
      for (const parameter of parameters) expect([name, parameter.schema]).not.toEqual([name, undefined]);
      expect([name, typeof summary]).toEqual([name, 'string']);
    }
  });

  it('gives each operation a name of its own that reads as what it does', () => {
    const ids = operations.map((operation) => operation.operationId ?? '');
    expect(ids).toEqual(expect.arrayContaining(['createOrder', 'listOrders', 'getOrder', 'startPayment', 'login']));
    expect(new Set(ids).size).toBe(ids.length);
    const verbs =
      'create|list|get|start|succeed|cancel|sync|approve|reject|retry|resolve|end|mark|login|receive|update|delete';
    // Say an `operationId` in @ApiOperation where the rule of src/openapi.ts makes none that reads well.
    expect(ids.filter((id) => !new RegExp(`^(admin)?(${verbs})([A-Z][a-z]+)*$`, 'i').test(id))).toEqual([]);
  });

  it('says of everything that is counted that it is an integer of 64 bits', () => {
    const schemas = schemasIn(document);
    expect(schemas.filter(({ schema }) => [schema.type].flat().includes('number'))).toEqual([]);
    const integers = schemas.filter(({ schema }) => [schema.type].flat().includes('integer'));
    expect(integers.filter(({ schema }) => schema.format !== 'int64')).toEqual([]);
    const paths = integers.map(({ path }) => path);
    for (const path of ['Order.amount', 'Payment.refunded_amount', 'Refund.amount', 'ProductOrderBody.quantity']) {
      expect(paths).toContain(`components.schemas.${path.replace('.', '.properties.')}`);
    }
  });

  it('says in the words of 3.1 what may be null, and names the lists of words', () => {
    const schemas = schemasIn(document);
    expect(schemas.filter(({ schema }) => 'nullable' in schema).map(({ path }) => path)).toEqual([]);
    expect(document.components?.schemas?.Payment).toMatchObject({
      properties: {
        status: { $ref: '#/components/schemas/PaymentStatus' },
        paid_at: { type: ['string', 'null'], format: 'date-time' },
        failure: { anyOf: [{ $ref: '#/components/schemas/PaymentFailure' }, { type: 'null' }] },
      },
    });
    for (const name of [
      'OrderStatus',
      'PaymentStatus',
      'RefundStatus',
      'ProviderName',
      'CaseType',
      'CallbackOutcome',
    ]) {
      expect(document.components?.schemas?.[name]).toMatchObject({
        type: 'string',
        enum: expect.any(Array) as string[],
      });
    }
    expect(document.components?.schemas?.ErrorCode).toMatchObject({ enum: Object.keys(ERRORS) });
    // Statuses that a view lists itself would be a second truth.
    const unnamed = schemas.filter(({ schema, path }) => /status$/.test(path) && Array.isArray(schema.enum));
    expect(unnamed.map(({ path }) => path)).toEqual([
      'components.schemas.Health.properties.status',
      'components.schemas.MockNotice.properties.status',
    ]);
  });

  it('says truly which routes need a token', async () => {
    for (const { name, path, security } of operations) {
      const [method = ''] = name.split(' ');
      const answer = await raw(paydesk.url, method, path.replaceAll(/\{\w+\}/g, 'nothing'));
      const asked = answer.status === 401 && answer.text.includes('"unauthenticated"');
      expect([name, asked]).toEqual([name, security?.length !== 0]);
    }
  });

  it('says of every answer what it holds', () => {
    for (const { name, responses } of operations) {
      for (const { content = {} } of Object.values(responses)) {
        for (const { schema } of Object.values(content)) {
          const { $ref, type } = schema as { $ref?: string; type?: string };
          expect([name, $ref ?? type]).toEqual([name, expect.stringMatching(/^(#\/components\/schemas\/\w+|string)$/)]);
        }
      }
    }
  });

  it('has a schema or an example for every answer, and a description', () => {
    for (const { name, responses } of operations) {
      expect([name, Object.keys(responses).some((status) => /^2/.test(status))]).toEqual([name, true]);
      for (const [status, { content, description }] of Object.entries(responses)) {
        const bodies = Object.values(content ?? {});
        const told =
          bodies.length > 0 && bodies.every(({ schema, example, examples }) => schema ?? example ?? examples);
        expect([name, status, Boolean(told), typeof description]).toEqual([name, status, true, 'string']);
      }
    }
  });

  it('gives for every refusal an example with a code that exists, under its own status', () => {
    for (const { name, responses } of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        for (const { value } of Object.values(content?.['application/problem+json']?.examples ?? {})) {
          const known = ERRORS[value.code as keyof typeof ERRORS];
          expect([name, value.code, known.status, value.status]).toEqual([
            name,
            value.code,
            Number(status),
            Number(status),
          ]);
        }
      }
    }
  });

  it('says 401 wherever a token is asked for, 404 wherever an id stands in the path', () => {
    for (const { name, security, responses, path } of operations) {
      if (security?.length !== 0) expect([name, '401' in responses]).toEqual([name, true]);
      if (path.includes('{id}')) expect([name, '404' in responses]).toEqual([name, true]);
    }
  });

  it('describes every body that a route takes', () => {
    const creating = operations.filter(({ path, name }) => name.startsWith('POST') && !path.includes('{id}'));
    for (const { name, requestBody } of creating) {
      const schemas = Object.values(requestBody?.content ?? {}).map((content) => content.schema);
      expect([name, schemas.length > 0 && schemas.every(Boolean)]).toEqual([name, true]);
    }
  });

  it.each(['/docs', '/docs/'])('can be read as a page that needs nothing from other hosts: %s', async (path) => {
    const page = await fetch(`${paydesk.url}${path}`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    const html = await page.text();
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
    expect(parts.length).toBeGreaterThan(0);
    for (const part of parts.filter((address) => !address.startsWith('data:'))) {
      const url = new URL(part, page.url);
      expect(url.origin).toBe(new URL(paydesk.url).origin);
      const answer = await fetch(url);
      await answer.arrayBuffer();
      expect([part, answer.status]).toEqual([part, 200]);
    }
  });

  it('leaves out what a real channel does not have', async () => {
    const production = await startTestApp({
      databaseUrl: paydesk.databaseUrl,
      env: {
        NODE_ENV: 'production',
        DATABASE_URL: paydesk.databaseUrl,
        JWT_SECRET: '5f0c8a1e7b3d49f2a6c4e8b0d1f37a95',
      },
    });
    const { paths } = (await (await fetch(`${production.url}/openapi.json`)).json()) as OpenAPIObject;
    expect(Object.keys(paths).filter((path) => /succeed|mock/.test(path) && path.startsWith('/api/payments'))).toEqual(
      [],
    );
    await production.close();
  });
});
