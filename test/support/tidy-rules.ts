import ts from 'typescript';

/** Something that may stand in one place only. */
export interface TidyRule {
  what: string;
  /** What to write in its stead. */
  instead: string;
  /** First parts of the paths it is looked for in. */
  within: string[];
  finds: (node: ts.Node) => boolean;
  /** Code that breaks the rule: shows that the rule sees anything at all. */
  example: string;
  /** Files that may, each with the reason. */
  allowed: Readonly<Record<string, string>>;
}

const PRODUCT = ['src/', 'dev/', 'simulator/', 'bench/', 'prove/', 'migrations/'];
const ALL = [...PRODUCT, 'test/'];

const OWN_CLOCK = 'the simulator shares nothing with src, so it has a clock of its own';
const OWN_SETTINGS = 'an entry point of its own: it shares nothing with src, the configuration included';
const TEST_SERVER = "hands the address of the tests' database server to the test files";

/** In the service, but outside of its providers and their settings. */
const outsideOfProviders = (node: ts.Node): boolean => !/^src\/(provider|config)\//.test(node.getSourceFile().fileName);
const BEHIND_THE_SEAM = 'what a provider is asked is in src/provider/payment-provider.ts and provider-rules.ts';

export const TIDY_RULES: TidyRule[] = [
  {
    what: 'the name of a provider',
    instead: BEHIND_THE_SEAM,
    within: ['src/'],
    finds: (node) =>
      outsideOfProviders(node) && ts.isStringLiteralLike(node) && /^(mock|wechat)$|provider\s*=\s*'/.test(node.text),
    example: `'wechat'`,
    allowed: {},
  },
  {
    what: 'an error code of WeChat Pay',
    instead: BEHIND_THE_SEAM,
    within: ['src/'],
    finds: (node) =>
      outsideOfProviders(node) &&
      ts.isStringLiteralLike(node) &&
      /^(ORDER_?\w*|OUT_TRADE_NO_USED|\w+_ERROR|NO_AUTH|NOT_ENOUGH|MCH_NOT_EXISTS|RESOURCE_NOT_EXISTS|REFUND_FEE_MISMATCH|\w*STATEMENT_\w+)$/.test(
        node.text,
      ),
    example: `'NOT_ENOUGH'`,
    allowed: {
      'src/payments/payment.view.ts': 'an example in the API document',
      'src/refunds/refund.view.ts': 'an example in the API document',
    },
  },
  {
    what: 'Chinese text: a column of a bill, or a reply',
    instead: BEHIND_THE_SEAM,
    within: ['src/'],
    finds: (node) => outsideOfProviders(node) && ts.isStringLiteralLike(node) && /\p{Script=Han}/u.test(node.text),
    example: `'交易时间'`,
    allowed: {
      'src/refunds/refunds.service.ts': 'the reason of a refund that its payer reads',
      'src/common/user-messages.ts': 'what a payer reads of a refusal',
    },
  },
  {
    what: 'Date.now()',
    instead: 'inject Clock and call clock.now(); for a duration, performance.now()',
    within: PRODUCT,
    finds: (node) => isMember(node, 'Date', 'now'),
    example: 'Date.now()',
    allowed: { 'simulator/clock.ts': OWN_CLOCK },
  },
  {
    what: 'new Date() without arguments',
    instead: 'inject Clock and call clock.now()',
    within: PRODUCT,
    finds: (node) =>
      ts.isNewExpression(node) && isNamed(node.expression, 'Date') && (node.arguments?.length ?? 0) === 0,
    example: 'new Date()',
    allowed: { 'src/common/clock.ts': 'the one place that reads the clock' },
  },
  {
    what: 'process.env',
    instead: 'add the variable to src/config and inject the settings',
    within: ALL,
    finds: (node) => isMember(node, 'process', 'env'),
    example: 'process.env.PORT',
    allowed: {
      'src/config/settings.ts': 'the one place that reads the environment',
      'simulator/main.ts': OWN_SETTINGS,
      'dev/check-openapi.ts': 'handed on to the linters, with their reports to their makers switched off',
      'test/browser/browser.ts': 'asked for on the command line: pictures are taken anew',
      'test/support/database.ts': TEST_SERVER,
      'test/support/global-setup.mjs': TEST_SERVER,
      'test/mutation/global-setup.mjs': TEST_SERVER,
      'test/mutation/environment.cjs': 'gives each process of the mutation tests a temporary folder of its own',
    },
  },
  {
    what: 'randomUUID',
    instead: 'newId(prefix, clock) of src/common/ids.ts: ids are a prefix and a ULID',
    within: ALL,
    finds: (node) => isNamed(node, 'randomUUID'),
    example: "import { randomUUID } from 'node:crypto'",
    allowed: {},
  },
  {
    what: 'Math.random',
    instead: 'nonce() of src/common/ids.ts or randomBytes of node:crypto; in tests fast-check, which can repeat a run',
    within: ALL,
    finds: (node) => isMember(node, 'Math', 'random'),
    example: 'Math.random()',
    allowed: {},
  },
  {
    what: 'parseFloat',
    instead: 'whole fen; yuanToFen of src/common/money.ts for the yuan text of a bill',
    within: PRODUCT,
    finds: (node) => isNamed(node, 'parseFloat'),
    example: 'Number.parseFloat(text)',
    allowed: {},
  },
  {
    what: 'synchronize or dropSchema switched on',
    instead: 'a migration in migrations/: the schema is made by nothing else',
    within: ALL,
    finds: (node) =>
      ts.isPropertyAssignment(node) &&
      (isNamed(node.name, 'synchronize') || isNamed(node.name, 'dropSchema')) &&
      node.initializer.kind !== ts.SyntaxKind.FalseKeyword,
    example: 'const options = { synchronize: true }',
    allowed: {},
  },
  {
    what: 'request.url or request.originalUrl',
    instead: 'what stands on the route (request.pool, request.routeOptions): one path has many spellings',
    within: ['src/'],
    finds: (node) => isMember(node, 'request', 'url') || isMember(node, 'request', 'originalUrl'),
    example: "request.url.startsWith('/api')",
    allowed: { 'src/http/cors.ts': 'a preflight has no route of its own; a spelling that is not known is refused' },
  },
  {
    what: 'forwardRef',
    instead: 'imports that run one way: move what both need down',
    within: ALL,
    finds: (node) => isNamed(node, 'forwardRef'),
    example: 'forwardRef(() => Service)',
    allowed: {},
  },
  {
    what: 'jest.mock or jest.spyOn',
    instead: 'the real thing on a real database, and look at what can be seen from outside',
    within: ['test/'],
    finds: (node) => isMember(node, 'jest', 'mock') || isMember(node, 'jest', 'spyOn'),
    example: "jest.mock('../src/a.js')",
    allowed: {},
  },
  {
    what: 'a focused test',
    instead: 'the test without .only: the others of its file would not run',
    within: ['test/'],
    finds: (node) => ['it', 'test', 'describe'].some((name) => isMember(node, name, 'only')),
    example: "it.only('…', () => {})",
    allowed: {},
  },
];

/** Rules on the text itself, comments included. */
export interface TextRule {
  what: string;
  instead: string;
  pattern: RegExp;
  example: string;
  allowed: Readonly<Record<string, string>>;
}

export const TEXT_RULES: TextRule[] = [
  {
    what: 'a lint or compiler check switched off',
    instead: 'code that passes the check, or a change of eslint.config.js with its reason',
    // Put together from two parts, so that this file does not find itself.
    pattern: new RegExp(['(eslint', '-disable|@ts', '-ignore|@ts', '-nocheck|@ts', '-expect-error)'].join('')),
    example: ['// @ts', '-ignore'].join(''),
    allowed: {
      'src/provider/wechat/wechat-v3.provider.ts': 'a method without await whose errors must arrive as rejections',
    },
  },
  {
    what: 'an absolute path of somebody’s machine',
    instead: 'a path relative to the project',
    pattern: new RegExp(['(^|[\\s\'"`(=:])/(home', '|Users', '|work', '|workspace)/[\\w.-]'].join('')),
    example: ['see /home', '/me/paydesk'].join(''),
    allowed: {},
  },
];

export const MAX_LINES = 300;

/** Lines of a source file where a rule finds something. */
export function linesWith(rule: TidyRule, path: string, text: string): number[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    if (rule.finds(node)) lines.push(source.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

function isNamed(node: ts.Node, name: string): boolean {
  return ts.isIdentifier(node) && node.text === name;
}

/** `object.member` and `object['member']`. */
function isMember(node: ts.Node, object: string, member: string): boolean {
  if (ts.isPropertyAccessExpression(node)) return isNamed(node.expression, object) && node.name.text === member;
  if (!ts.isElementAccessExpression(node) || !isNamed(node.expression, object)) return false;
  return ts.isStringLiteral(node.argumentExpression) && node.argumentExpression.text === member;
}
