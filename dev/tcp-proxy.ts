import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Both halves of one connection. */
interface Link {
  client: Socket;
  upstream: Socket | null;
  silent: boolean;
}

/**
 * Stands between the service and its database, as the name or the address of a cluster does: it can lead to another
 * server, be cut as a cable is, or swallow everything as a firewall does that has lost its table of connections.
 */
export class TcpProxy {
  private readonly links = new Set<Link>();
  private server: Server | null = null;
  port = 0;
  private isSilent = false;

  /** `choose` answers the port of one of several servers, or null while there is none. */
  private constructor(
    private target: URL,
    private readonly choose: () => number | null = () => Number(this.target.port),
  ) {}

  /** In front of several servers on this machine: each connection leads to the one that is chosen for it. */
  static async choosing(choose: () => number | null): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL('http://127.0.0.1'), choose);
    await proxy.mend();
    return proxy;
  }

  static async to(databaseUrl: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(databaseUrl));
    await proxy.mend();
    return proxy;
  }

  /** The database's address through this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${this.port}`;
    return url.toString();
  }

  /** Breaks every connection and refuses new ones. */
  async cut(): Promise<void> {
    const { server } = this;
    this.server = null;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.breakAll();
    await closed;
  }

  async mend(): Promise<void> {
    this.server = createServer((client) => this.join(client));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    if (typeof address === 'object' && address) this.port = address.port;
  }

  /** Breaks every connection. */
  breakAll(): void {
    for (const { client, upstream } of this.links) {
      client.destroy();
      upstream?.destroy();
    }
  }

  /** New connections lead to another server with the same databases; those that there are stay where they are. */
  turnTo(databaseUrl: string): void {
    this.target = new URL(databaseUrl);
  }

  /**
   * Nothing passes any more, and neither side hears of it: what is sent is swallowed, new connections too. The server
   * keeps its half of each, with whatever was under way on it, until it gives up by itself.
   */
  fallSilent(): void {
    this.isSilent = true;
    for (const link of this.links) {
      const { client, upstream } = link;
      link.silent = true;
      if (!upstream) continue;
      client.unpipe(upstream).resume();
      upstream.unpipe(client).resume();
    }
  }

  /** New connections pass again. Those from before stay as they are: what was known of them is lost. */
  speak(): void {
    this.isSilent = false;
  }

  private join(client: Socket): void {
    const port = this.choose();
    if (port === null) return void client.destroy();
    const upstream = this.isSilent ? null : connect(port, this.target.hostname);
    const link: Link = { client, upstream, silent: this.isSilent };
    this.links.add(link);
    client.on('error', () => undefined);
    client.on('close', () => this.left(link));
    if (!upstream) return void client.resume();
    upstream.on('error', () => undefined);
    upstream.on('close', () => this.left(link));
    client.pipe(upstream);
    upstream.pipe(client);
  }

  /** One half has closed. */
  private left(link: Link): void {
    const { client, upstream, silent } = link;
    if (!silent) {
      client.destroy();
      upstream?.destroy();
    }
    if (client.destroyed && (upstream?.destroyed ?? true)) this.links.delete(link);
  }
}
