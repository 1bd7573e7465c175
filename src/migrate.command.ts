import { Command, CommandRunner, Option } from 'nest-commander';
import { Terminal } from './terminal/terminal.js';

interface Options {
  revert?: boolean;
  json?: boolean;
}

@Command({ name: 'migrate', description: 'Bring the database schema up to date, or revert the last migration' })
export class MigrateCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { revert, json }: Options): Promise<void> {
    const { assertMigratable, migrate } = await import('./migrate.js');
    assertMigratable((await this.terminal.settings()).databasePooler);
    const done = await this.terminal.withDatabase((url) => (revert ? this.revert(url) : migrate(url)));
    if (json) this.terminal.json({ [revert ? 'reverted' : 'applied']: done });
    else
      this.terminal.line(
        done.length === 0 ? 'nothing to do' : `${revert ? 'reverted' : 'applied'}: ${done.join(', ')}`,
      );
  }

  private async revert(url: string): Promise<string[]> {
    const { createDataSource } = await import('./data-source.js');
    const { connecting } = await import('./database/database-errors.js');
    const db = createDataSource(url);
    await connecting(db.initialize());
    try {
      const executed = await db.query<{ name: string }[]>('SELECT name FROM migrations ORDER BY id DESC LIMIT 1');
      await db.undoLastMigration();
      return executed.map((row) => row.name);
    } finally {
      await db.destroy();
    }
  }

  @Option({ flags: '--revert', description: 'Revert the last migration' })
  reverted(): boolean {
    return true;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}
