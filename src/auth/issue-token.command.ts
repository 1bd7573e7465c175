import { Command, CommandRunner, Option } from 'nest-commander';
import { Clock } from '../common/clock.js';
import { newId } from '../common/ids.js';
import { Terminal, UsageError } from '../terminal/terminal.js';
import { type Role, ROLES } from './public.js';

interface Options {
  role?: Role;
  user?: string;
  json?: boolean;
}

/** A new id each time would be another service each time, with neither the orders nor the idempotency keys of the last. */
const DEFAULT_SERVICE = 'default';

@Command({ name: 'issue_token', description: 'Print a bearer token for a role' })
export class IssueTokenCommand extends CommandRunner {
  constructor(private readonly terminal: Terminal) {
    super();
  }

  override async run(_: string[], { role, user, json }: Options): Promise<void> {
    if (!role) throw new UsageError('--role is required: user, operator or service');
    if (role === 'user' && !user) throw new UsageError('--user is required for role user');
    const clock = new Clock();
    const id = user ?? (role === 'service' ? DEFAULT_SERVICE : newId('usr', clock));
    // A token needs the secret alone: it is issued at once, and also while the database is down.
    const { TokensService } = await import('./tokens.service.js');
    const { token, expiresIn } = await new TokensService(await this.terminal.settings(), clock).issue({ id, role });
    if (json)
      this.terminal.json({ access_token: token, token_type: 'Bearer', expires_in: expiresIn, role, user_id: id });
    else this.terminal.line(token);
  }

  @Option({ flags: '--role <role>', description: 'user, operator or service' })
  role(value: string): Role {
    if (!ROLES.includes(value as Role)) throw new UsageError('--role must be user, operator or service');
    return value as Role;
  }

  @Option({
    flags: '--user <id>',
    description: `The user id in the token, for role service its name (default: ${DEFAULT_SERVICE}; else a new id)`,
  })
  user(value: string): string {
    if (!/^[\w.:@|-]{1,64}$/.test(value)) throw new UsageError('--user must be 1 to 64 letters, digits or . : @ | _ -');
    return value;
  }

  @Option({ flags: '--json', description: 'Print JSON' })
  json(): boolean {
    return true;
  }
}
