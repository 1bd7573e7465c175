import { connect, type Socket } from 'node:net';
import { HttpLine } from '../../dev/http-line.js';

/** Sends bytes as they are and answers all that comes back until the service hangs up. */
export function sendBytes(base: string, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

/** A request whose target and header lines go out exactly as they are, over a connection of its own. */
export async function sendTarget(
  base: string,
  method: string,
  target: string,
  headers: readonly string[] = [],
  body: string | Buffer = '',
): Promise<{ status: number; head: string; body: string }> {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: shop.example.com',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
  const line = new HttpLine(Number(new URL(base).port));
  return line.send({ bytes, head: method === 'HEAD' }).finally(() => line.close());
}
