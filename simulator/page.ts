import { createHash } from 'node:crypto';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Markup that is safe as it stands. */
export class Markup {
  constructor(readonly text: string) {}
}

/** Text from outside, made harmless. */
export function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** Markup with every value escaped, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...values: (string | number | Markup | Markup[])[]): Markup {
  const shown = values.map((value) => {
    if (Array.isArray(value)) return value.map((one) => one.text).join('');
    return value instanceof Markup ? value.text : escapeHtml(String(value));
  });
  return new Markup(strings.reduce((text, part, index) => text + part + (shown[index] ?? ''), ''));
}

export interface Page {
  text: string;
  /** Content-Security-Policy: only the page's own style and script run. */
  policy: string;
}

/** A whole page around its body. */
export function pageOf(title: string, style: string, body: Markup, script = ''): Page {
  const allowed = script === '' ? "'none'" : `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
  return {
    text: [
      '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      `<title>${escapeHtml(title)}</title><style>${style}</style></head>`,
      `<body>${body.text}${script === '' ? '' : `<script>${script}</script>`}</body></html>`,
    ].join(''),
    policy: `default-src 'none'; style-src 'unsafe-inline'; script-src ${allowed}; connect-src 'self'`,
  };
}
