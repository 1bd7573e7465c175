import { INestApplicationContext, Inject, Injectable } from '@nestjs/common';
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type { DataSource } from 'typeorm';
import { hiddenCharacter } from '../common/hidden-character.js';
import type { Settings } from '../config/settings.js';

/** Starts what commands work on (database and services, no port, no timers), runs the work and stops it again. */
export type OpenApp = <T>(work: (app: INestApplicationContext) => Promise<T>) => Promise<T>;
export const OPEN_APP = Symbol('open app');

/** Runs work with the database's address alone, before there are any tables. */
export type OpenDatabase = <T>(work: (databaseUrl: string) => Promise<T>) => Promise<T>;
export const OPEN_DATABASE = Symbol('open database');

/** Runs work on the tables, which are brought up to date first where that can be: without the application. */
export type OpenTables = <T>(work: (db: DataSource) => Promise<T>) => Promise<T>;
export const OPEN_TABLES = Symbol('open tables');

/** Reads the configuration. @throws ConfigError with every problem at once */
export type OpenSettings = () => Promise<Settings>;
export const OPEN_SETTINGS = Symbol('open settings');

/** What takes the place of this command's own environment: the running service's, or nothing. */
export type OpenEnvironment = () => Promise<Record<string, string>>;
export const OPEN_ENVIRONMENT = Symbol('open environment');

/** What a person typed wrong, beyond what the option parser sees. Ends the command with exit code 2. */
export class UsageError extends Error {}

/** The value of `--note`, with the rule that notes have over HTTP. @throws UsageError */
export function readNote(value: string): string {
  if (value.length < 1 || value.length > 2000 || hiddenCharacter(value) !== null)
    throw new UsageError('--note must be 1 to 2000 characters, all of them visible');
  return value;
}

/** What commands print: a table for people, `--json` for scripts, a progress bar on a terminal for long work. */
@Injectable()
export class Terminal {
  constructor(
    @Inject(OPEN_APP) readonly withApp: OpenApp,
    @Inject(OPEN_DATABASE) readonly withDatabase: OpenDatabase,
    @Inject(OPEN_TABLES) readonly withTables: OpenTables,
    @Inject(OPEN_SETTINGS) readonly settings: OpenSettings,
    @Inject(OPEN_ENVIRONMENT) readonly environment: OpenEnvironment,
  ) {}

  /** Prints one object: its JSON, or its fields in two columns. */
  report(values: Record<string, unknown>, json: boolean | undefined): void {
    if (json) return this.json(values);
    const table = new Table({ style: { head: [], border: [] } });
    for (const [name, value] of Object.entries(values)) {
      if (!Array.isArray(value)) table.push({ [name]: text(value) });
    }
    this.line(table.toString());
  }

  /** Prints rows: a JSON array, or a table with a head. */
  rows(rows: Record<string, unknown>[], json: boolean | undefined): void {
    if (json) return this.json(rows);
    const first = rows[0];
    if (!first) return;
    const table = new Table({ head: Object.keys(first), style: { head: [], border: [] } });
    for (const row of rows) table.push(Object.values(row).map(text));
    this.line(table.toString());
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  line(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  /** A bar on standard error while the work runs; nothing where standard error is no terminal. */
  async progress<T>(label: string, work: (done: (count: number) => void) => Promise<T>): Promise<T> {
    if (!process.stderr.isTTY) return work(() => undefined);
    const bar = new SingleBar({ format: `${label} {value} done in {duration_formatted}`, stream: process.stderr });
    bar.start(0, 0);
    try {
      return await work((count) => bar.update(count));
    } finally {
      bar.stop();
    }
  }
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value).replace(/^"(.*)"$/, '$1');
}

/** A whole number of at least 1, for `--limit`. @throws UsageError */
export function positiveInteger(name: string): (value: string) => number {
  return (value) => {
    if (!/^[1-9]\d{0,8}$/.test(value)) throw new UsageError(`${name} must be a whole number of at least 1`);
    return Number(value);
  };
}
