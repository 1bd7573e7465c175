import { createHash } from 'node:crypto';
import { FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform, TransformCallback, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Bill, BillKind } from '../payment-provider.js';
import { WechatCallError } from './call-error.js';
import { WechatClient } from './client.js';
import { JsonObject, NotAsDocumented, idField } from './json.js';
import { WireStream, asCallError } from './transport.js';

/** A day of ten million lines stays below this; more is a mistake or an attack. */
const MAX_PACKED_BYTES = 2 * 1024 ** 3;
const MAX_PLAIN_BYTES = 16 * 1024 ** 3;

/** Downloads may fail half-way, and an address lives for five minutes only: then all is asked for again. */
const ATTEMPTS = 2;

interface BillAddress {
  /** Lower-case hex of SHA-1. */
  hash: string;
  url: URL;
}

/**
 * A day's bill as a stream in bounded memory, by way of a file that has no name any more: no line is handed on before
 * the hash of the whole was right. Null when the channel says that nothing happened that day.
 * @throws WechatCallError; `unknown` / `STATEMENT_CREATING` while it is not ready, `unknown` / `bill_hash_mismatch`
 */
export async function fetchBill(client: WechatClient, day: string, kind: BillKind): Promise<Bill | null> {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) throw new RangeError('a bill has a day of the form YYYY-MM-DD');
  for (let attempt = 1; ; attempt += 1) {
    try {
      const address = await applyForBill(client, day, kind);
      return address && { kind, csv: await downloadBill(client, address) };
    } catch (error) {
      const again = error instanceof WechatCallError && BROKEN_DOWNLOAD.has(error.code);
      if (!again || attempt >= ATTEMPTS) throw error;
    }
  }
}

const BROKEN_DOWNLOAD = new Set(['bill_hash_mismatch', 'bill_not_downloaded', 'bill_address_refused']);

async function applyForBill(client: WechatClient, day: string, kind: BillKind): Promise<BillAddress | null> {
  const target =
    kind === 'trade'
      ? `/v3/bill/tradebill?bill_date=${day}&bill_type=ALL&tar_type=GZIP`
      : `/v3/bill/fundflowbill?bill_date=${day}&account_type=BASIC&tar_type=GZIP`;
  try {
    const { json } = await client.call({ operation: `bill_${kind}`, method: 'GET', target });
    return readAddress(json);
  } catch (error) {
    if (error instanceof NotAsDocumented) throw failed('unreadable_answer', error.message);
    if (!(error instanceof WechatCallError)) throw error;
    if (error.code === 'NO_STATEMENT_EXIST') return null;
    // Refused for now, not for good: the bill of that day will be there later.
    if (error.code === 'STATEMENT_CREATING') throw failed(error.code, error.message, error.httpStatus);
    throw error;
  }
}

function readAddress(json: JsonObject): BillAddress {
  if (idField(json, 'hash_type', 32) !== 'SHA1') throw new NotAsDocumented('wrong_field', 'hash_type is not SHA1');
  const url = idField(json, 'download_url', 2048);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new NotAsDocumented('wrong_field', 'download_url is not a URL');
  return { hash: idField(json, 'hash_value', 1024).toLowerCase(), url: new URL(url) };
}

async function downloadBill(client: WechatClient, address: BillAddress): Promise<Readable> {
  const body = await client.download('bill_download', address.url).catch((error: unknown) => {
    // "Token expired" and its like: a new address helps.
    if (error instanceof WechatCallError && error.outcome === 'rejected')
      throw failed('bill_address_refused', error.message, error.httpStatus);
    throw error;
  });
  const file = await namelessFile();
  try {
    const packed = await store(body, file);
    if (packed !== address.hash && (await plainHash(file)) !== address.hash) {
      throw failed('bill_hash_mismatch', 'its hash is not the one that was announced');
    }
    return await plainText(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opened, then unlinked: it is gone with the process, whatever ends it, and nobody else can open it. */
async function namelessFile(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'paydesk-bill-'));
  try {
    return await open(join(folder, 'bill'), 'wx+', 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the body to the file; answers the SHA-1 of the bytes as they came. */
async function store(body: WireStream['body'], file: FileHandle): Promise<string> {
  const hash = createHash('sha1');
  try {
    await pipeline(body, new Tap(MAX_PACKED_BYTES, hash), file.createWriteStream({ autoClose: false }));
  } catch (error) {
    throw failed('bill_not_downloaded', asCallError('bill_download', error).message);
  }
  return hash.digest('hex');
}

/** The SHA-1 of the CSV itself: the manual's own sample unpacks before it hashes, its text leaves it open. */
async function plainHash(file: FileHandle): Promise<string> {
  const hash = createHash('sha1');
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    const packed = file.createReadStream({ start: 0, autoClose: false });
    await pipeline([packed, ...(await unpackers(file)), new Tap(MAX_PLAIN_BYTES, hash), nowhere]);
  } catch {
    throw failed('bill_hash_mismatch', 'it does not unpack');
  }
  return hash.digest('hex');
}

/** Closes the file when it was read to its end, or given up. */
async function plainText(file: FileHandle): Promise<Readable> {
  const last = new Tap(MAX_PLAIN_BYTES);
  const steps = await unpackers(file);
  // A failure reaches the reader through the stream; being given up half-way is none.
  pipeline([file.createReadStream({ start: 0, autoClose: true }), ...steps, last]).catch(() => undefined);
  return last;
}

/** GZIP is asked for, but a plain CSV is taken too. */
async function unpackers(file: FileHandle): Promise<Transform[]> {
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
  return buffer[0] === 0x1f && buffer[1] === 0x8b ? [createGunzip()] : [];
}

/** Passes bytes on, hashes them on the way, and ends it when there are too many. */
class Tap extends Transform {
  private size = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly hash?: { update(chunk: Buffer): unknown },
  ) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    this.hash?.update(chunk);
    if (this.size > this.maxBytes) done(new Error('the bill is too large'));
    else done(null, chunk);
  }
}

function failed(code: string, why: string, httpStatus: number | null = null): WechatCallError {
  return new WechatCallError('unknown', code, `bill: ${why}`, httpStatus);
}
