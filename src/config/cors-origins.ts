const WRONG =
  'CORS_ORIGINS must be a comma-separated list of origins such as https://shop.example or http://192.168.1.20:5173 ' +
  '(scheme, host and port alone, in lower case), or none. Each one has to be named: * is refused';

/**
 * The origins whose pages may call the API, exactly as browsers send them. `*` is refused: a page that can be read from
 * everywhere could use any token that it came by, and a shop knows where its pages are.
 */
export function corsOrigins(text: string | undefined, problems: string[]): readonly string[] | null {
  if (text === undefined) return null;
  if (text.trim() === 'none') return [];
  const origins = text.split(',').map((origin) => origin.trim());
  if (!origins.every((origin) => isOrigin(origin) && !origin.includes('*'))) problems.push(WRONG);
  return origins;
}

/** `null`, which a browser sends for a page without an origin, is none, nor is anything that a browser would write otherwise. */
export function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
