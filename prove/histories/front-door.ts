import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the channel's notices arrive: hands each to the processes in turn, byte for byte, whichever of them are up. */
export class FrontDoor {
  /** The processes that are up. */
  receivers: () => NestFastifyApplication[] = () => [];
  /** How many notices have come: even ones go to the first process. */
  turn = 0;
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      this.take(request, response).catch(() => response.destroy());
    });
  }

  static async open(): Promise<FrontDoor> {
    const door = new FrontDoor();
    door.server.listen(0, '127.0.0.1');
    await once(door.server, 'listening');
    return door;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const up = this.receivers();
    const app = up[this.turn++ % up.length];
    if (!app) return void response.destroy();
    const { headers, url = '/' } = request;
    const answer = await app.inject({ method: 'POST', url, headers, payload: Buffer.concat(chunks) });
    response.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(answer.rawPayload);
  }
}
