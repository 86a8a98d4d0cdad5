/** A TCP proxy in front of a server that cuts connections at bad moments. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `reply`: the server got everything, the client hears nothing; `request`: the server gets half.
 */
export type Cut = 'reply' | 'request';

export class CuttingProxy {
  readonly port: number;
  cuts = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private next: Cut | null = null;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static start(targetPort: number): Promise<CuttingProxy> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const proxy = new CuttingProxy(server);
        server.on('connection', (client) => proxy.onConnection(client, targetPort));
        resolve(proxy);
      });
    });
  }

  /** The next script call that comes along is cut off. */
  arm(cut: Cut): void {
    this.next = cut;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private onConnection(client: Socket, targetPort: number): void {
    const target = connect(targetPort, '127.0.0.1');
    let isMuted = false;
    const end = () => {
      client.destroy();
      target.destroy();
      this.sockets.delete(client);
    };
    this.sockets.add(client);
    for (const socket of [client, target]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (bytes) => {
      if (this.next === null || !bytes.includes('EVALSHA')) {
        target.write(bytes);
        return;
      }
      const cut = this.next;
      this.next = null;
      this.cuts++;
      if (cut === 'request') {
        target.end(bytes.subarray(0, Math.floor(bytes.length / 2)));
        client.destroy();
        return;
      }
      isMuted = true;
      target.write(bytes);
    });
    target.on('data', (bytes) => {
      if (isMuted) end();
      else client.write(bytes);
    });
  }
}
