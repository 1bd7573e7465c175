import { createDecipheriv } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Simulator } from '../../../simulator/index.js';
import { isSigned } from './merchant.js';

/** A notice as it arrived at the shop. */
export interface Arrival {
  path: string;
  serial: string;
  signature: string;
  timestamp: string;
  /** Whether the signature fits. */
  signed: boolean;
  id: string;
  eventType: string;
  /** The opened resource; null when it does not open with the APIv3 key. */
  content: Record<string, unknown> | null;
  associatedData: string;
}

export interface Receiver {
  url: string;
  arrivals: Arrival[];
  /** What to answer from now on: a status, or nothing at all. */
  answer: number | 'silence';
  close: () => Promise<void>;
}

/** A shop's callback address that writes down what comes in. Told of the simulator before the first notice. */
export async function startReceiver(simulator: () => Simulator): Promise<Receiver> {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      receiver.arrivals.push(arrival(simulator(), request.url ?? '', new Headers(headersOf(request.headers)), body));
      if (receiver.answer === 'silence') return;
      response.writeHead(receiver.answer, { 'Content-Type': 'application/json' });
      response.end(receiver.answer === 204 ? undefined : '{"code":"SUCCESS","message":"成功"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/notify`,
    arrivals: [],
    answer: 200,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return receiver;
}

function headersOf(headers: NodeJS.Dict<string | string[]>): [string, string][] {
  return Object.entries(headers).map(([name, value]) => [name, String(value)]);
}

function arrival(sim: Simulator, path: string, headers: Headers, text: string): Arrival {
  const body = JSON.parse(text) as { id: string; event_type: string; resource: Record<string, string> };
  return {
    path,
    serial: headers.get('Wechatpay-Serial') ?? '',
    signature: headers.get('Wechatpay-Signature') ?? '',
    timestamp: headers.get('Wechatpay-Timestamp') ?? '',
    signed: isSigned(sim, headers, text),
    id: body.id,
    eventType: body.event_type,
    content: opened(body.resource, sim.credentials.apiV3Key),
    associatedData: body.resource.associated_data ?? '',
  };
}

function opened(resource: Record<string, string>, key: string): Record<string, unknown> | null {
  const bytes = Buffer.from(resource.ciphertext ?? '', 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, resource.nonce ?? '');
  decipher.setAuthTag(bytes.subarray(-16));
  if (resource.associated_data) decipher.setAAD(Buffer.from(resource.associated_data));
  try {
    const plain = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
    return JSON.parse(plain.toString()) as Record<string, unknown>;
  } catch {
    return null;
  }
}
