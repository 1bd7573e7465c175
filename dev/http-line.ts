import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An answer as it came over the wire. */
export interface Answer {
  /** 0: the connection ended without an answer. */
  status: number;
  /** The head as it came, the status line included. */
  head: string;
  /** By lower-case name; a header that came twice is joined by a comma. */
  headers: ReadonlyMap<string, string>;
  body: string;
  /** Bytes came after it that were not asked for: the service saw two requests where one was sent. */
  more: boolean;
  milliseconds: number;
}

/** Bytes of one request, and whether its answer has no body. */
export interface Sent {
  bytes: Buffer;
  head?: boolean;
}

/** The parts of a request; what is odd about them stays as it is. */
export interface Parts {
  method: string;
  target: string;
  headers: readonly (readonly [name: string, value: string])[];
  body?: Buffer;
}

/** Header values are latin1, so that any byte can be said. A length is added unless the headers say how long it is. */
export function requestBytes({ method, target, headers, body }: Parts): Buffer {
  const said = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [`${method} ${target} HTTP/1.1`];
  if (!said.has('host')) lines.push('Host: paydesk.test');
  if (body && !said.has('content-length') && !said.has('transfer-encoding'))
    lines.push(`Content-Length: ${body.length}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return body ? Buffer.concat([head, body]) : head;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');

const NOTHING: Answer = { status: 0, head: '', headers: new Map(), body: '', more: false, milliseconds: 0 };

/**
 * A kept-alive connection that sends any bytes at all, one request at a time, and keeps the whole answer: a client
 * library would not send all of them, and cost the machine more than the service that is measured. It is opened again
 * when the service has closed it: that is the right answer to bytes that are no HTTP.
 */
export class HttpLine {
  private socket: Socket | null = null;
  private received: Buffer = Buffer.alloc(0);
  private changed: (() => void) | null = null;
  private ended = false;

  /**
   * @param options `again`: a connection that had been idle may be closed just as it is used, then, and only then, it is
   *   tried once more; `withinMs`: milliseconds that an answer may take
   */
  constructor(
    private readonly port: number,
    private readonly options: { again: boolean; withinMs: number } = { again: true, withinMs: 20_000 },
  ) {}

  async send(sent: Sent): Promise<Answer> {
    const used = this.options.again && this.socket !== null && !this.ended;
    let began = performance.now();
    let answer = await this.try(sent);
    if (answer.status === 0 && used) {
      began = performance.now();
      answer = await this.try(sent);
    }
    return { ...answer, milliseconds: performance.now() - began };
  }

  close(): void {
    this.socket?.destroy();
    this.socket = null;
  }

  private async try({ bytes, head = false }: Sent): Promise<Answer> {
    if ((this.socket === null || this.ended) && !(await this.open())) return NOTHING;
    this.socket?.write(bytes);
    const until = performance.now() + this.options.withinMs;
    for (;;) {
      const answer = this.read(head);
      if (answer) {
        if (/^close$/i.test(answer.headers.get('connection') ?? '')) this.close();
        return answer;
      }
      if (this.ended || performance.now() > until) {
        this.close();
        return NOTHING;
      }
      await this.change(until);
    }
  }

  /** False when the service does not let it in. */
  private async open(): Promise<boolean> {
    this.close();
    this.received = Buffer.alloc(0);
    this.ended = false;
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => undefined);
    try {
      await once(socket, 'connect');
    } catch {
      return false;
    }
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      if (socket !== this.socket) return;
      this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
      this.changed?.();
    });
    socket.on('close', () => {
      if (socket !== this.socket) return;
      this.ended = true;
      this.changed?.();
    });
    this.socket = socket;
    return true;
  }

  private change(until: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, until - performance.now()));
      this.changed = () => {
        clearTimeout(timer);
        this.changed = null;
        resolve();
      };
    });
  }

  private read(headOnly: boolean): Answer | null {
    const end = this.received.indexOf(HEAD_END);
    if (end < 0) return null;
    const head = this.received.toString('latin1', 0, end);
    const status = Number(head.slice(9, 12));
    const start = end + HEAD_END.length;
    if (status === 100) {
      this.received = this.received.subarray(start);
      return this.read(headOnly);
    }
    const headers = headersOf(head);
    const bodyEnd = this.bodyEnd(start, headers, headOnly || status === 204 || status === 304);
    if (bodyEnd === null) return null;
    const body = this.received.toString('utf8', start, bodyEnd);
    this.received = this.received.subarray(bodyEnd);
    return { status, head, headers, body, more: this.received.length > 0, milliseconds: 0 };
  }

  private bodyEnd(start: number, headers: ReadonlyMap<string, string>, none: boolean): number | null {
    if (none) return start;
    const length = headers.get('content-length');
    if (length !== undefined) return this.received.length < start + Number(length) ? null : start + Number(length);
    if (headers.get('transfer-encoding') === 'chunked') {
      const last = this.received.indexOf(LAST_CHUNK, start - 2);
      return last < 0 ? null : last + LAST_CHUNK.length;
    }
    return this.ended ? this.received.length : null;
  }
}

function headersOf(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  return headers;
}
