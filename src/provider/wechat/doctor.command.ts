import { Inject } from '@nestjs/common';
import { Command, CommandRunner, Option } from 'nest-commander';
import { Clock } from '../../common/clock.js';
import type { Examined } from '../../config/settings.js';
import { Terminal } from '../../terminal/terminal.js';
import { type Check, fine } from './doctor-check.js';

interface Options {
  json?: boolean;
}

/**
 * What there is to say of open payments and refunds whose provider is not bound, a line each; null where the database is not
 * known by its address, or the configuration is wrong. @throws Error when the database does not answer
 */
export type TellUnbound = () => Promise<string[] | null>;
export const TELL_UNBOUND = Symbol('tell unbound');

const MARK = { ok: 'ok', warn: 'LOOK', fail: 'WRONG' } as const;

/** Looks at the configuration itself, wrong ones too, so it needs neither the service nor, but for one check, a database. */
@Command({
  name: 'doctor',
  description: 'Check a real WeChat Pay configuration: keys, certificates, clock, reachability. Moves no money',
})
export class DoctorCommand extends CommandRunner {
  constructor(
    private readonly terminal: Terminal,
    @Inject(TELL_UNBOUND) private readonly tellUnbound: TellUnbound,
  ) {
    super();
  }

  override async run(_: string[], { json }: Options): Promise<void> {
    const { examineSettings } = await import('../../config/settings.js');
    const examined = examineSettings(await this.terminal.environment());
    const checks = [...(await examine(examined, new Clock())), ...(await unboundChecks(this.tellUnbound))];
    const failed = checks.filter(({ ok }) => ok === 'fail').length;
    if (failed > 0) process.exitCode = 1;
    if (json) return this.terminal.json({ ok: failed === 0, checks });
    this.terminal.rows(
      checks.map(({ name, ok, message, advice }) => ({
        check: name,
        '': MARK[ok],
        found: message,
        'what to do': advice,
      })),
      false,
    );
    this.terminal.line(verdict(checks, failed));
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}

async function examine(examined: Examined, clock: Clock): Promise<Check[]> {
  const { checkWechat } = await import('./doctor.js');
  const { checkEnvironment } = await import('./doctor-environment.js');
  const { settingOf } = await import('../../config/wechat-environment.js');
  const { wechatSettings } = await import('./settings.js');
  const wrong = new Set(examined.problems.map(settingOf));
  const isWhole = ![...wrong].some((name) => name.startsWith('WECHAT_'));
  const checks = await checkWechat(wechatSettings(examined.wechat), clock, isWhole);
  // What is missing is said once: an empty value has no right form either.
  const values = checks.filter(({ ok, message }) => ok !== 'fail' || !wrong.has(settingOf(message)));
  return [...checkEnvironment(examined), ...values];
}

async function unboundChecks(tellUnbound: TellUnbound): Promise<Check[]> {
  const name = 'payments of another provider';
  const advice =
    'List them with ?unbound=true under /api/admin/payments/ and /api/admin/refunds/, then run end_unbound.';
  try {
    const lines = await tellUnbound();
    if (lines === null) return [];
    if (lines.length === 0) return [fine(name, 'none is open, and no refund')];
    return lines.map((message) => ({ name, ok: 'warn', message, advice }));
  } catch (error) {
    const message = `the database was not read: ${(error as Error).message}`;
    return [{ name, ok: 'warn', message, advice: 'Run this where DATABASE_URL leads to the database.' }];
  }
}

function verdict(checks: Check[], failed: number): string {
  const looks = checks.filter(({ ok }) => ok === 'warn').length;
  if (failed > 0) return `${failed} of ${checks.length} checks failed: this configuration cannot take money.`;
  return looks > 0 ? `Nothing is wrong, ${looks} to look at.` : 'Everything is in order.';
}
