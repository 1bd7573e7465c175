import { readFileSync } from 'node:fs';

/**
 * PEM text out of a variable that holds the text itself (line breaks as `\n` allowed) or a file's path.
 * A problem is added when it is neither; the value is never printed.
 */
export function keyText(name: string, value: string | undefined, problems: string[]): string | null {
  if (!value) return null;
  if (value.includes('-----BEGIN')) return value.replaceAll('\\n', '\n');
  try {
    const text = readFileSync(value, 'utf8');
    if (text.includes('-----BEGIN')) return text;
    problems.push(`${name} names a file that holds no PEM text`);
  } catch {
    problems.push(`${name} is neither PEM text nor the path of a file that can be read`);
  }
  return null;
}
