import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { failpointsWithoutWay } from '../../prove/crashes/ways.js';
import { FAILPOINTS } from '../../src/common/failpoints.js';

const FOLDERS = ['orders', 'shop', 'payments', 'refunds', 'callbacks', 'reconciliation', 'discrepancies'];
/** Needs no network. */
const HARMLESS = new Set(['clientParams', 'readCallback', 'readTradeBill']);
/** Transactions without a point of their own, each with the reason. */
const ALLOWED: Record<string, string> = {
  'src/payments/payments.service.ts simulatePayment': 'the pretend payment of the mock provider moves no money',
  'src/payments/start-queues.ts keepAll': 'nothing is committed between payment.start.after_call and it',
  'src/refunds/refund-executor.ts recheck': 'only reads, under the lock',
};

const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join('src', folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${folder}/${name}`),
).map((path) => ({ path, file: parse(path, readFileSync(path, 'utf8')) }));

/** What speaks to the channel: everything abstract of the seam but what needs no network. */
const CALLS = methodsOf(parse('seam', readFileSync('src/provider/payment-provider.ts', 'utf8')));

describe('the points at which a process may die', () => {
  it('stand around every call to the channel', () => {
    expect(CALLS).toEqual(expect.arrayContaining(['prepay', 'closePayment', 'refund', 'tradeBill', 'fundBill']));
    expect(bareCalls(parse('example.ts', 'class A { go() { return this.provider.prepay(order); } }'))).toEqual(['go']);
    expect(bareCalls(parse('example.ts', 'class A { go() { return registry.of(row).refund(order); } }'))).toEqual([
      'go',
    ]);
    expect(places(bareCalls)).toEqual([]);
  });

  it('stand before and after every commit', () => {
    const example = parse('example.ts', 'class A { go() { return this.db.transaction(async (tx) => save(tx)); } }');
    expect(bareTransactions(example)).toEqual(['go']);
    expect(places(bareTransactions)).toEqual(Object.keys(ALLOWED).sort());
  });

  it('are all in the code', () => {
    const named = new Set(sources.flatMap(({ file }) => stringsOf(file)));
    const missing = FAILPOINTS.filter(
      (point) => !named.has(point) && !named.has(point.replace(/\.(before|after)_(call|commit)$/, '')),
    );
    expect(missing).toEqual([]);
  });

  it('are each on a way that the proof walks', () => {
    expect(failpointsWithoutWay()).toEqual([]);
  });
});

function places(find: (file: ts.SourceFile) => string[]): string[] {
  return sources.flatMap(({ path, file }) => find(file).map((method) => `${path} ${method}`)).sort();
}

/** Methods in which the channel is called outside of `channelCall`. */
function bareCalls(file: ts.SourceFile): string[] {
  return callsIn(file).flatMap((node) => {
    const { expression: callee } = node;
    const calls =
      ts.isPropertyAccessExpression(callee) &&
      CALLS.includes(callee.name.text) &&
      /(^|\.)provider$|\bregistry\.of\(/.test(callee.expression.getText());
    return calls && !isInside(node, 'channelCall') ? [methodAround(node)] : [];
  });
}

/** Methods with a transaction that neither is `inTransaction` nor marks its points itself. */
function bareTransactions(file: ts.SourceFile): string[] {
  return callsIn(file).flatMap((node) => {
    const name = nameOf(node.expression);
    const opens = name === 'transaction';
    return opens && !/failpoint\(/.test(node.getText()) ? [methodAround(node)] : [];
  });
}

function callsIn(file: ts.SourceFile): ts.CallExpression[] {
  const found: ts.CallExpression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function isInside(node: ts.Node, name: string): boolean {
  for (let at = node.parent; at; at = at.parent)
    if (ts.isCallExpression(at) && nameOf(at.expression) === name) return true;
  return false;
}

function methodAround(node: ts.Node): string {
  for (let at = node.parent; at; at = at.parent)
    if ((ts.isMethodDeclaration(at) || ts.isFunctionDeclaration(at)) && at.name) return at.name.getText();
  return 'outside of a method';
}

function nameOf(callee: ts.Expression): string {
  if (ts.isPropertyAccessExpression(callee)) return callee.name.text;
  return ts.isIdentifier(callee) ? callee.text : '';
}

function stringsOf(file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function methodsOf(file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isAbstract =
      ts.isMethodDeclaration(node) && node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword);
    if (isAbstract && !HARMLESS.has(node.name.getText())) found.push(node.name.getText());
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}
