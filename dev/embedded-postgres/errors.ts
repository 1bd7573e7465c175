/** The embedded server cannot start or go on. The message is written for the person at the terminal. */
export class EmbeddedPostgresError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedPostgresError';
  }
}

const HINTS: ReadonlyArray<[pattern: RegExp, hint: string]> = [
  [/ENOSPC|No space left on device|EDQUOT|quota exceeded/i, 'the disk is full: free some space and start again'],
  [/EROFS|Read-only file system/i, 'the file system is read-only: move the project to a writable folder'],
  [
    /EACCES|EPERM|Permission denied|wrong ownership/i,
    'this user may not use it: start as the user it belongs to, or delete the folder to begin with an empty database',
  ],
  [
    /error while loading shared libraries|cannot open shared object/i,
    'a library of the PostgreSQL package is missing: run npm ci again, without --ignore-scripts',
  ],
  [/could not find the database system/i, 'the folder is damaged: delete it to begin with an empty database'],
];

const ALWAYS = 'Or set DATABASE_URL to use a PostgreSQL of your own.';

/** Turns a failure of the file system, of initdb or of the server into an error that says what to do. */
export function explained(doing: string, cause: unknown): EmbeddedPostgresError {
  if (cause instanceof EmbeddedPostgresError) return cause;
  const said = (cause as { stderr?: string } | undefined)?.stderr;
  const text = said || (cause instanceof Error ? cause.message : String(cause));
  const hint = HINTS.find(([pattern]) => pattern.test(text))?.[1];
  return new EmbeddedPostgresError([`${doing}: ${hint ?? 'it failed'}`, text.trim(), ALWAYS].join('\n'), { cause });
}
