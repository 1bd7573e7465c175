import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, open, ReadStream, WriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Transform, TransformCallback, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { BillNotReady } from '../payment-provider.js';
import { WechatCallError } from './call-error.js';
import { WechatClient } from './client.js';
import { idField, JsonObject, ProtocolError } from './json.js';
import { asCallError, WireStream } from './transport.js';

/** A day of ten million lines stays below this; more is a mistake or an attack. */
const MAX_PACKED_BYTES = 2 * 1024 ** 3;
const MAX_PLAIN_BYTES = 16 * 1024 ** 3;

/** Downloads may fail half-way, and an address lives for five minutes only: then all is asked for again. */
const ATTEMPTS = 2;

export type BillKind = 'trade' | 'fund_flow';

interface BillAddress {
  /** Lower-case hex of SHA-1. */
  hash: string;
  url: URL;
}

/**
 * A day's bill as a stream in bounded memory, by way of a file that has no name any more: no line is handed on before
 * the hash of the whole was right. Null when the channel says that nothing happened that day.
 * @throws BillNotReady
 * @throws WechatCallError; `unknown` / `bill_hash_mismatch`
 */
export async function downloadBill(client: WechatClient, day: string, kind: BillKind): Promise<Readable | null> {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) throw new RangeError('the day of a bill must have the form YYYY-MM-DD');
  for (let attempt = 1; ; attempt += 1) {
    try {
      const address = await applyForBill(client, day, kind);
      return address && (await downloadFrom(client, address));
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
    if (error instanceof ProtocolError) throw failed('unreadable_answer', error.message);
    if (!(error instanceof WechatCallError)) throw error;
    if (error.code === 'NO_STATEMENT_EXIST') return null;
    // Refused for now, not for good: the bill of that day will be there later.
    if (error.code === 'STATEMENT_CREATING') throw new BillNotReady(error.code, error.message, error.httpStatus);
    throw error;
  }
}

function readAddress(json: JsonObject): BillAddress {
  if (idField(json, 'hash_type', 32) !== 'SHA1') throw new ProtocolError('wrong_field', 'hash_type is not SHA1');
  const url = idField(json, 'download_url', 2048);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new ProtocolError('wrong_field', 'download_url is not a URL');
  return { hash: idField(json, 'hash_value', 1024).toLowerCase(), url: new URL(url) };
}

async function downloadFrom(client: WechatClient, address: BillAddress): Promise<Readable> {
  const body = await client.download('bill_download', address.url).catch((error: unknown) => {
    // "Token expired" and its like: a new address helps.
    if (error instanceof WechatCallError && error.outcome === 'rejected')
      throw failed('bill_address_refused', error.message, error.httpStatus);
    throw error;
  });
  const file = await namelessFile().catch((error: unknown) => {
    body.destroy();
    throw error;
  });
  try {
    const got = await store(body, file.write);
    if (got.hash !== address.hash && (await plainHash(file.check, got.zipped)) !== address.hash) {
      throw failed('bill_hash_mismatch', 'hash mismatch');
    }
    return plainText(file.read, got.zipped);
  } catch (error) {
    file.read.destroy();
    throw error;
  } finally {
    file.check.destroy();
  }
}

/** Three openings of one file; each stream owns its own and closes it. */
interface NamelessFile {
  write: WriteStream;
  check: ReadStream;
  read: ReadStream;
}

/** Opened, then unlinked: it is gone with the process, however that ends, and no other process can open it. */
async function namelessFile(): Promise<NamelessFile> {
  const folder = await mkdtemp(join(tmpdir(), `paydesk-bill-${process.pid}-`));
  const path = join(folder, 'bill');
  const opened = (flags: string): Promise<number> => promisify(open)(path, flags, 0o600);
  try {
    const write = createWriteStream('', { fd: await opened('wx') });
    const check = createReadStream('', { fd: await opened('r'), start: 0 });
    return { write, check, read: createReadStream('', { fd: await opened('r'), start: 0 }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Stored {
  /** SHA-1 of the bytes as they came. */
  hash: string;
  /** GZIP is asked for, but a plain CSV is taken too. */
  zipped: boolean;
}

async function store(body: WireStream['body'], file: WriteStream): Promise<Stored> {
  const seen = new Tap(MAX_PACKED_BYTES);
  try {
    await pipeline(body, seen, file);
  } catch (error) {
    throw failed('bill_not_downloaded', asCallError('bill_download', error).message);
  }
  return { hash: seen.hash.digest('hex'), zipped: seen.start.equals(GZIP_START) };
}

/** The SHA-1 of the CSV itself: the manual's own sample unpacks before it hashes, its text leaves it open. */
async function plainHash(file: ReadStream, zipped: boolean): Promise<string> {
  const seen = new Tap(MAX_PLAIN_BYTES);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline([file, ...unpackers(zipped), seen, nowhere]);
  } catch {
    throw failed('bill_hash_mismatch', 'the file cannot be decompressed');
  }
  return seen.hash.digest('hex');
}

function plainText(file: ReadStream, zipped: boolean): Readable {
  const last = new Tap(MAX_PLAIN_BYTES);
  // A failure reaches the reader through the stream; being given up half-way is none.
  pipeline([file, ...unpackers(zipped), last]).catch(() => undefined);
  return last;
}

const GZIP_START = Buffer.from([0x1f, 0x8b]);

function unpackers(zipped: boolean): Transform[] {
  return zipped ? [createGunzip()] : [];
}

/** Passes bytes on, hashes them on the way, and ends it when there are too many. */
class Tap extends Transform {
  readonly hash = createHash('sha1');
  /** The first two bytes. */
  start = Buffer.alloc(0);
  private size = 0;

  constructor(private readonly maxBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.start.length < 2) this.start = Buffer.concat([this.start, chunk]).subarray(0, 2);
    this.size += chunk.length;
    this.hash.update(chunk);
    if (this.size > this.maxBytes) done(new Error('the bill is too large'));
    else done(null, chunk);
  }
}

function failed(code: string, why: string, httpStatus: number | null = null): WechatCallError {
  return new WechatCallError('unknown', code, `bill: ${why}`, httpStatus);
}
