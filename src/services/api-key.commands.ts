import { Command, CommandRunner, Option } from 'nest-commander';
import { after, Clock, DAY } from '../common/clock.js';
import { Terminal, UsageError } from '../terminal/terminal.js';
import type { ApiKeyRow, ApiKeys } from './api-keys.js';
import { SCOPE_NAMES, type ScopeName, SCOPES } from './scopes.js';

interface CreateOptions {
  name?: string;
  expires?: string;
  scopes?: ScopeName[] | null;
  json?: boolean;
}

interface ListOptions {
  name?: string;
  json?: boolean;
}

/** How every scope is written, those of later versions included. */
const ALL = 'all';

@Command({
  name: 'create_api_key',
  description: "Make an API key of a service (the shop's own backend) and print it: it cannot be shown again",
})
export class CreateApiKeyCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { name, expires, scopes, json }: CreateOptions): Promise<void> {
    if (name === undefined) throw new UsageError('--name is required: the name of the service');
    const clock = new Clock();
    const expiresAt = expires === undefined ? null : await readEnd(expires, clock.now());
    const asked = { service: name, scopes: scopes ?? null, expiresAt, by: 'create_api_key' };
    const { key, row } = await withKeys(this.terminal, clock, (keys) => keys.create(asked));
    const { id, service, prefix, scopes: granted, expires_at } = viewOf(row, clock.now());
    const made = { id, service, prefix, scopes: granted, expires_at };
    if (json) return this.terminal.json({ ...made, key });
    this.terminal.report({ ...made, scopes: granted.join(', ') }, false);
    this.terminal.line(`The API key, which cannot be shown again:\n${key}`);
  }

  @Option({ flags: '--name <service>', description: 'The name of the service: its orders and refunds belong to it' })
  name(value: string): string {
    return readName(value);
  }

  @Option({
    flags: '--expires <when>',
    description:
      'When it ends: a day (YYYY-MM-DD, its last one, in China time), a time (RFC 3339) or days from now (90d); ' +
      'default: never',
  })
  expires(value: string): string {
    return value;
  }

  @Option({
    flags: '--scopes <scopes>',
    description: `What it may be used for, separated by commas (default: ${ALL}): ${Object.entries(SCOPES)
      .map(([scope, opens]) => `${scope} (${opens})`)
      .join(', ')}`,
  })
  scopes(value: string): ScopeName[] | null {
    if (value === ALL) return null;
    const names = new Set(value.split(',').map((name) => name.trim()));
    for (const name of names) {
      if (!SCOPE_NAMES.includes(name as ScopeName))
        throw new UsageError(`--scopes must be ${ALL}, or some of ${SCOPE_NAMES.join(', ')}`);
    }
    return [...names] as ScopeName[];
  }

  @Option({ flags: '--merchant <merchant>', description: 'Cannot be used yet: there is one merchant' })
  merchant(): never {
    throw new UsageError('--merchant cannot be used: there is one merchant, that of the environment');
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

@Command({ name: 'list_api_keys', description: 'List the API keys: prefix, scopes, end, last use, revocation' })
export class ListApiKeysCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { name, json }: ListOptions): Promise<void> {
    const clock = new Clock();
    const rows = await withKeys(this.terminal, clock, (keys) => keys.list(name ?? null));
    const views = rows.map((row) => viewOf(row, clock.now()));
    if (json) return this.terminal.json(views);
    if (views.length === 0) return this.terminal.line('no API keys');
    this.terminal.rows(
      views.map(({ created_by: _by, revoked_by: _revoker, ...view }) => ({ ...view, scopes: view.scopes.join(', ') })),
      false,
    );
  }

  @Option({ flags: '--name <service>', description: 'Only those of this service' })
  name(value: string): string {
    return readName(value);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

@Command({
  name: 'revoke_api_key',
  arguments: '<key>',
  description: 'Revoke an API key, named by its id, its prefix or itself; within a second no process accepts it',
})
export class RevokeApiKeyCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run([text = '']: string[], { json }: { json?: boolean }): Promise<void> {
    const { readKeyName } = await import('./api-keys.js');
    const named = readKeyName(text);
    // Without the text: it may be a key with a letter too few.
    if (named === null)
      throw new UsageError('KEY must be the id of an API key (key_…), its prefix (pdk_…) or the whole key');
    const clock = new Clock();
    const row = await withKeys(this.terminal, clock, (keys) => keys.revoke(named, 'revoke_api_key'));
    const { id, service, prefix, state, revoked_at } = viewOf(row, clock.now());
    this.terminal.report({ id, service, prefix, state, revoked_at }, json);
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

async function withKeys<T>(terminal: Terminal, clock: Clock, work: (keys: ApiKeys) => Promise<T>): Promise<T> {
  const { ApiKeys } = await import('./api-keys.js');
  return terminal.withTables((db) => work(new ApiKeys(db, clock)));
}

/** What is shown of a key. */
function viewOf(row: ApiKeyRow, now: Date) {
  const { scopes, ...rest } = row;
  return { ...rest, scopes: scopes ?? [ALL], state: stateOf(row, now) };
}

function stateOf({ revoked_at, expires_at }: ApiKeyRow, now: Date): 'live' | 'expired' | 'revoked' {
  if (revoked_at !== null) return 'revoked';
  return expires_at !== null && expires_at <= now ? 'expired' : 'live';
}

/** As a token's `sub`: a service may use both. @throws UsageError */
function readName(value: string): string {
  if (!/^[\w.:@|-]{1,64}$/.test(value)) throw new UsageError('--name must be 1 to 64 letters, digits or . : @ | _ -');
  return value;
}

/** @throws UsageError */
async function readEnd(text: string, now: Date): Promise<Date> {
  const { isISO8601, isRFC3339 } = await import('class-validator');
  const [, days] = /^([1-9]\d{0,4})d$/.exec(text) ?? [];
  let ends: Date | null = null;
  if (days !== undefined) ends = after(now, Number(days) * DAY);
  else if (/^\d{4}-\d{2}-\d{2}$/.test(text) && isISO8601(text, { strict: true }))
    ends = new Date(`${text}T24:00:00+08:00`);
  else if (isRFC3339(text) && isISO8601(text, { strict: true })) ends = new Date(text);
  if (ends === null || Number.isNaN(ends.getTime()))
    throw new UsageError('--expires must be a day (YYYY-MM-DD), a time (RFC 3339) or days from now (90d)');
  if (ends <= now) throw new UsageError('--expires must be in the future');
  return ends;
}
