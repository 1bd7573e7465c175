import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An answer as it came over the wire. Status 0: the connection was lost before it came. */
export interface WireAnswer {
  status: number;
  head: string;
  body: string;
}

const LOST: WireAnswer = { status: 0, head: '', body: '' };
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * A kept-alive HTTP connection that sends finished bytes, one request at a time: a client library would cost the
 * machine more than the service that is measured.
 */
export class Wire {
  private received: Buffer = Buffer.alloc(0);
  private answered: ((answer: WireAnswer) => void) | null = null;
  private lost = false;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('close', () => {
      this.lost = true;
      this.answer(LOST);
    });
    socket.on('error', () => undefined);
  }

  /** @throws Error when it is not let in */
  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Wire(socket);
  }

  get isLost(): boolean {
    return this.lost;
  }

  send(request: Buffer): Promise<WireAnswer> {
    if (this.lost) return Promise.resolve(LOST);
    return new Promise((resolve) => {
      this.answered = resolve;
      this.socket.write(request);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const end = this.received.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.received.toString('latin1', 0, end);
    const bodyAt = end + HEAD_END.length;
    const bodyEnd = bodyAt + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.received.length < bodyEnd) return;
    const body = this.received.toString('utf8', bodyAt, bodyEnd);
    this.received = this.received.subarray(bodyEnd);
    this.answer({ status: Number(head.slice(9, 12)), head, body });
  }

  private answer(answer: WireAnswer): void {
    const { answered } = this;
    this.answered = null;
    answered?.(answer);
  }
}

/** A request as {@link Wire} sends it. */
export function httpRequest(
  method: 'GET' | 'POST',
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Buffer {
  const length: Record<string, string> = method === 'GET' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const lines = Object.entries({ Host: 'paydesk', ...length, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
