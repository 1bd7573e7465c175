// `npm run openapi:check`: makes the OpenAPI document of all routes, without a database, and lets others read it: redocly lint
// (redocly.yaml), Spectral's `spectral:oas`, and openapi-typescript, whose types have to compile. A warning fails too.
// `--out FILE` keeps the document.
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import spectralCore, { type RulesetDefinition } from '@stoplight/spectral-core';
import spectralRulesets from '@stoplight/spectral-rulesets';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import openapiTypescript, { astToString, type OpenAPI3 } from 'openapi-typescript';
import { AppModule } from '../src/app.module.js';
import { parseSettings } from '../src/config/settings.js';
import { openApiDocument } from '../src/openapi.js';

/** From `dist/dev`. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const inPackage = (path: string): string => join(ROOT, 'node_modules', path);
const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;

/** Of the mock provider, which has every route. In preview nothing is made of the modules, so nothing is connected to. */
async function makeDocument(): Promise<object> {
  const settings = parseSettings({ NODE_ENV: 'test' });
  const module = AppModule.with({ settings, databaseUrl: 'postgres://nowhere.invalid/paydesk' });
  const options = { preview: true, abortOnError: false, logger: ['error'] as ['error'] };
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), options);
  return openApiDocument(app, settings);
}

function run(program: string, args: string[]): boolean {
  // Neither figures of use nor a look for a newer version leave this machine.
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  return spawnSync(process.execPath, [program, ...args], { cwd: ROOT, env, stdio: 'inherit' }).status === 0;
}

async function spectral(document: object): Promise<boolean> {
  const linter = new spectralCore.Spectral();
  // The two packages disagree in their types, not in what they do.
  const oas = spectralRulesets.oas as unknown as RulesetDefinition;
  linter.setRuleset({ extends: [[oas, 'recommended']] });
  const found = await linter.run(document as Record<string, unknown>);
  for (const { code, path, message } of found) process.stderr.write(`${code} ${path.join('.')}: ${message}\n`);
  return found.length === 0;
}

async function typescript(document: object, folder: string): Promise<boolean> {
  const path = join(folder, 'paydesk.d.ts');
  writeFileSync(path, astToString(await openapiTypescript(document as OpenAPI3)));
  const use = join(folder, 'use.ts');
  writeFileSync(use, USE);
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck', 'false'];
  return run(inPackage('typescript/bin/tsc'), ['--ignoreConfig', '--noEmit', ...strict, path, use]);
}

/** What a client writes with these types. The last line does not compile if a status were any text. */
const USE = `
import type { components, operations } from './paydesk.js';
type Order = components['schemas']['Order'];
type Created = operations['createOrder']['responses'][201]['content']['application/json'];
export const fen = (order: Order): number => order.amount;
export const paidAt = (order: Created): string | null => order.paid_at;
type Status = components['schemas']['OrderStatus'];
export const status: Status = 'paid';
export const text = (problem: components['schemas']['Problem']): string => problem.user_message;
export const known: 'payed' extends Status ? false : true = true;
`;

const folder = mkdtempSync(join(tmpdir(), 'paydesk-openapi-'));
try {
  const document = await makeDocument();
  const path = join(folder, 'openapi.json');
  writeFileSync(path, JSON.stringify(document, null, 2));
  if (out !== undefined) writeFileSync(out, JSON.stringify(document, null, 2));
  const passed = {
    'redocly lint': run(inPackage('@redocly/cli/bin/cli.js'), ['lint', path, '--config', 'redocly.yaml']),
    'spectral:oas': await spectral(document),
    'openapi-typescript': await typescript(document, folder),
  };
  for (const [name, good] of Object.entries(passed)) console.log(`${name}: ${good ? 'clean' : 'FAILED'}`);
  if (!Object.values(passed).every(Boolean)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
