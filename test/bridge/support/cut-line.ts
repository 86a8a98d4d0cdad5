/** A TCP proxy between a bridge and its remote broker: the network, which can be cut. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class CutLine {
  readonly port: number;
  /** Connections that came so far. */
  connections = 0;
  private readonly server: Server;
  private readonly targetPort: number;
  private readonly sockets = new Set<Socket>();
  private isOpen = true;
  /** Bytes that still pass on the next connection before it breaks; Infinity: all. */
  private budget = Number.POSITIVE_INFINITY;

  private constructor(server: Server, targetPort: number) {
    this.server = server;
    this.targetPort = targetPort;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.onConnection(client));
  }

  static start(targetPort: number): Promise<CutLine> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(new CutLine(server, targetPort)));
    });
  }

  /** Nothing passes until `restore`. */
  cut(): void {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
  }

  restore(): void {
    this.isOpen = true;
  }

  /** The next connection breaks when so many bytes have passed, in the middle of whatever it is. */
  breakAfter(bytes: number): void {
    this.budget = bytes;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private onConnection(client: Socket): void {
    this.connections++;
    if (!this.isOpen) {
      client.destroy();
      return;
    }
    let left = this.budget;
    this.budget = Number.POSITIVE_INFINITY;
    const target = connect(this.targetPort, '127.0.0.1');
    const end = (): void => {
      for (const socket of [client, target]) {
        socket.destroy();
        this.sockets.delete(socket);
      }
    };
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.sockets.add(from);
      from.on('error', end);
      from.on('close', end);
      from.on('data', (bytes) => {
        to.write(bytes.subarray(0, Math.max(0, Math.min(left, bytes.length))));
        left -= bytes.length;
        if (left <= 0) to.end(end);
      });
    }
  }
}
