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

/** A kept-alive HTTP connection, one request at a time: a client library would cost more than the service it loads. */
export class AskingWire {
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
  static async open(port: number): Promise<AskingWire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new AskingWire(socket);
  }

  get isLost(): boolean {
    return this.lost;
  }

  send(request: string): Promise<WireAnswer> {
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

/** A request as it goes over the wire. */
export function wireRequest(
  method: 'GET' | 'POST',
  path: string,
  token: string | null,
  body?: object,
  headers = '',
): string {
  const text = body === undefined ? '' : JSON.stringify(body);
  const authorization = token === null ? '' : `Authorization: Bearer ${token}\r\n`;
  const content =
    method === 'GET' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: paydesk\r\n${authorization}${content}${headers}\r\n${text}`;
}
