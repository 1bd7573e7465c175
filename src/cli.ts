#!/usr/bin/env node
import { Module, OnApplicationBootstrap } from '@nestjs/common';
import { CommandFactory, InjectCommander } from 'nest-commander';
import { EndUnboundCommand } from './admin/end-unbound.command.js';
import { ResolveCaseCommand } from './admin/resolve-case.command.js';
import { IssueTokenCommand } from './auth/issue-token.command.js';
import { SimulateCallbackCommand } from './callbacks/simulate-callback.command.js';
import type { Settings } from './config/settings.js';
import { MigrateCommand } from './migrate.command.js';
import { ExpirePaymentsCommand, ReconcilePaymentsCommand } from './payments/payments.commands.js';
import { DoctorCommand, TELL_UNBOUND, type TellUnbound } from './provider/wechat/doctor.command.js';
import { ReconcileBillCommand } from './reconciliation/reconcile-bill.command.js';
import { RetryAbnormalRefundCommand, SyncRefundsCommand, TakeOverRefundCommand } from './refunds/refunds.commands.js';
import { CreateApiKeyCommand, ListApiKeysCommand, RevokeApiKeyCommand } from './services/api-key.commands.js';
import {
  OPEN_APP,
  OPEN_DATABASE,
  OPEN_ENVIRONMENT,
  OPEN_SETTINGS,
  OPEN_TABLES,
  type OpenApp,
  type OpenDatabase,
  type OpenEnvironment,
  type OpenTables,
  Terminal,
  UsageError,
} from './terminal/terminal.js';

/**
 * Commands of operators: exit code 0 done, 1 something failed, 2 wrong usage, 78 wrong configuration. Why is said on
 * standard error, and with `--json` on standard output as `{ "error": { "code", "message" } }`. What a command
 * works with is loaded when it runs: the application takes a second, which help and a token need not wait for.
 */
const EXIT_USAGE = 2;

/** As package.json names the program, and the image's PATH. */
const NAME = 'paydesk';

const openEnvironment: OpenEnvironment = async () => (await import('./running-service.js')).runningEnvironment();

/** Read anew each time: a service that was starting is known when its database answers. */
const openSettings = async (): Promise<Settings> => {
  const { readSettings } = await import('./config/settings.js');
  const { checkWechat } = await import('./provider/provider.module.js');
  return readSettings(checkWechat, await openEnvironment());
};

/** The configured database, or the embedded one: the running service's if there is one. */
const openDatabase: OpenDatabase = async (work) => {
  const { databaseUrl } = await openSettings();
  if (databaseUrl !== null) return work(databaseUrl);
  const { attachEmbedded } = await import('./embedded-database.js');
  const embedded = await attachEmbedded();
  try {
    return await work(embedded.url);
  } finally {
    await embedded.stop();
  }
};

const openTables: OpenTables = (work) =>
  openDatabase(async (databaseUrl) => {
    const { databasePooler } = await openSettings();
    const { migrateOrCheck } = await import('./migrate.js');
    await migrateOrCheck(databaseUrl, databasePooler);
    const { dataSourceOptions } = await import('./data-source.js');
    const { DataSource } = await import('typeorm');
    const db = await new DataSource(dataSourceOptions(databaseUrl, 2, databasePooler)).initialize();
    try {
      return await work(db);
    } finally {
      await db.destroy();
    }
  });

const openApp: OpenApp = (work) =>
  openDatabase(async (databaseUrl) => {
    const settings = { ...(await openSettings()), jobsEnabled: false };
    const { enableFailpoint } = await import('./common/failpoints.js');
    enableFailpoint(settings.crashAt);
    if (settings.channel === 'disabled')
      for (const line of settings.warnings) process.stderr.write(`WARNING: ${line}\n`);
    const { migrateOrCheck } = await import('./migrate.js');
    await migrateOrCheck(databaseUrl, settings.databasePooler);
    const { AppModule } = await import('./app.module.js');
    const { NestFactory } = await import('@nestjs/core');
    const { Logger } = await import('nestjs-pino');
    const module = AppModule.with({ settings: { ...settings, logLevel: 'warn', logToStderr: true }, databaseUrl });
    const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'], abortOnError: false });
    app.useLogger(app.get(Logger));
    try {
      return await work(app);
    } finally {
      await app.close();
    }
  });

const tellUnbound: TellUnbound = async () => {
  const { readUnbound } = await import('./unbound-count.js');
  return readUnbound(openSettings);
};

/** What is used here of the option parser. */
interface Commander {
  name(name: string): unknown;
  commands: readonly {
    exitOverride(handler: (error: Error) => never): { allowExcessArguments(allowed: boolean): unknown };
  }[];
}

@Module({
  providers: [
    Terminal,
    { provide: OPEN_APP, useValue: openApp },
    { provide: OPEN_DATABASE, useValue: openDatabase },
    { provide: OPEN_TABLES, useValue: openTables },
    { provide: OPEN_SETTINGS, useValue: openSettings },
    { provide: OPEN_ENVIRONMENT, useValue: openEnvironment },
    { provide: TELL_UNBOUND, useValue: tellUnbound },
    ExpirePaymentsCommand,
    ReconcilePaymentsCommand,
    ReconcileBillCommand,
    SyncRefundsCommand,
    TakeOverRefundCommand,
    RetryAbnormalRefundCommand,
    EndUnboundCommand,
    ResolveCaseCommand,
    SimulateCallbackCommand,
    IssueTokenCommand,
    CreateApiKeyCommand,
    ListApiKeysCommand,
    RevokeApiKeyCommand,
    DoctorCommand,
    MigrateCommand,
  ],
})
class CliModule implements OnApplicationBootstrap {
  constructor(@InjectCommander() private readonly commander: Commander) {}

  /** What is set on the program does not hold for its commands: each one gets it. */
  onApplicationBootstrap(): void {
    this.commander.name(NAME);
    for (const command of this.commander.commands) command.exitOverride(endWith).allowExcessArguments(false);
  }
}

/** What scripts read on standard output when a command was called with `--json` and did not succeed. */
function printFailure(code: string, message: string): void {
  if (!process.argv.includes('--json')) return;
  process.stdout.write(`${JSON.stringify({ error: { code, message } }, null, 2)}\n`);
}

function usage(message: string): never {
  printFailure('usage', message);
  process.stderr.write(`${message}\nUse --help to see the commands and their options.\n`);
  process.exit(EXIT_USAGE);
}

/** The parser says why it stops: help that was asked for, or wrong usage, which it has explained already. */
function endWith(error: Error): never {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  if (code === 'commander.helpDisplayed' || code === 'commander.version') process.exit(0);
  if (error instanceof UsageError) usage(error.message);
  if (exitCode !== undefined) {
    printFailure('usage', error.message.replace(/^error: /, ''));
    process.exit(EXIT_USAGE);
  }
  throw error;
}

async function fail(error: unknown): Promise<never> {
  if (error instanceof UsageError) usage(error.message);
  process.exitCode = 1;
  const { failureOf } = await import('./failure.js');
  const { code, message } = failureOf(error);
  printFailure(code, message);
  const { fatal } = await import('./start.js');
  return fatal(error);
}

try {
  await CommandFactory.run(CliModule, {
    cliName: NAME,
    logger: ['error'],
    errorHandler: endWith,
    serviceErrorHandler: (error) => void fail(error),
  });
} catch (error) {
  await fail(error);
}
