import { Module, OnApplicationBootstrap } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandFactory, InjectCommander } from 'nest-commander';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module.js';
import { IssueTokenCommand } from './auth/auth.commands.js';
import { SimulateCallbackCommand } from './callbacks/simulate-callback.command.js';
import { armCrashPoint } from './common/crash-points.js';
import { readSettings } from './config/settings.js';
import { MigrateCommand } from './migrate.command.js';
import { migrateOrCheck } from './migrate.js';
import { attachEmbeddedPostgres } from './embedded-postgres.js';
import { ExpirePaymentsCommand, ReconcilePaymentsCommand } from './payments/payments.commands.js';
import { checkWechat, DoctorCommand } from './provider/provider.module.js';
import { ReconcileBillCommand } from './reconciliation/reconciliation.commands.js';
import { RetryAbnormalRefundCommand, SyncRefundsCommand } from './refunds/refunds.commands.js';
import { EMBEDDED_DIRECTORY, fatal } from './start.js';
import { OPEN_APP, OPEN_DATABASE, type OpenApp, type OpenDatabase, Terminal, UsageError } from './terminal/terminal.js';

/** Commands of operators: exit code 0 done, 1 something failed, 2 wrong usage, 78 wrong configuration. */
const EXIT_USAGE = 2;

/** The configured database, or the embedded one: the running service's if there is one. */
const openDatabase: OpenDatabase = async (work) => {
  const settings = readSettings(checkWechat);
  if (settings.databaseUrl !== null) return work(settings.databaseUrl, settings.databasePooler);
  const embedded = await attachEmbeddedPostgres({ directory: EMBEDDED_DIRECTORY });
  try {
    return await work(embedded.url, 'session');
  } finally {
    await embedded.stop();
  }
};

const openApp: OpenApp = (work) =>
  openDatabase(async (databaseUrl) => {
    const settings = { ...readSettings(checkWechat), jobsEnabled: false };
    armCrashPoint(settings.crashAt);
    if (settings.channel === 'disabled')
      for (const line of settings.warnings) process.stderr.write(`WARNING: ${line}\n`);
    await migrateOrCheck(databaseUrl, settings.databasePooler);
    const module = AppModule.with({ settings: { ...settings, logLevel: 'warn', logToStderr: true }, databaseUrl });
    const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'], abortOnError: false });
    app.useLogger(app.get(Logger));
    try {
      return await work(app);
    } finally {
      await app.close();
    }
  });

/** What is used here of the option parser. */
interface Commander {
  commands: readonly {
    exitOverride(handler: (error: Error) => never): { allowExcessArguments(allowed: boolean): unknown };
  }[];
}

@Module({
  providers: [
    Terminal,
    { provide: OPEN_APP, useValue: openApp },
    { provide: OPEN_DATABASE, useValue: openDatabase },
    ExpirePaymentsCommand,
    ReconcilePaymentsCommand,
    ReconcileBillCommand,
    SyncRefundsCommand,
    RetryAbnormalRefundCommand,
    SimulateCallbackCommand,
    IssueTokenCommand,
    DoctorCommand,
    MigrateCommand,
  ],
})
class CliModule implements OnApplicationBootstrap {
  constructor(@InjectCommander() private readonly commander: Commander) {}

  /** What is set on the program does not hold for its commands: each one gets it. */
  onApplicationBootstrap(): void {
    for (const command of this.commander.commands) command.exitOverride(endWith).allowExcessArguments(false);
  }
}

function usage(message: string): never {
  process.stderr.write(`${message}\nTry: npm run cli -- --help\n`);
  process.exit(EXIT_USAGE);
}

/** The parser says why it stops: help that was asked for, or wrong usage, which it has explained already. */
function endWith(error: Error): never {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  if (code === 'commander.helpDisplayed' || code === 'commander.version') process.exit(0);
  if (error instanceof UsageError) usage(error.message);
  if (exitCode !== undefined) process.exit(EXIT_USAGE);
  fatal(error);
}

try {
  await CommandFactory.run(CliModule, {
    cliName: 'npm run cli --',
    logger: ['error'],
    errorHandler: endWith,
    serviceErrorHandler: (error) => (error instanceof UsageError ? usage(error.message) : fatal(error)),
  });
} catch (error) {
  if (error instanceof UsageError) usage(error.message);
  fatal(error);
}
