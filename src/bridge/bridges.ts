/** All bridges of a broker. MQTT.js is loaded when there is one. */
import { BrokerError } from '../base/errors.js';
import type { Access } from '../broker/access.js';
import type { BrokerCore } from '../broker/core.js';
import type { Entrance } from '../broker/restore.js';
import type { BridgeConfig } from '../config/bridge-config.js';
import { Bridge, type BridgeContext } from './bridge.js';
import { alwaysOurs, type BridgeLease } from './bridge-lease.js';
import type { Mqtt } from './link.js';
import { listenerName } from './local-side.js';

const TICK_MS = 1_000;

export class Bridges {
  private readonly context: BridgeContext;
  private readonly bridges = new Map<string, Bridge>();
  private configs: readonly BridgeConfig[] = [];
  private ticker: NodeJS.Timeout | null = null;

  /** @param rules for clients with a `local_username` */
  constructor(core: BrokerCore, rules: Access, lease: BridgeLease = alwaysOurs) {
    let mqtt: Promise<Mqtt> | null = null;
    this.context = {
      ...{ core, rules, lease },
      mqtt: () => {
        mqtt ??= import('mqtt');
        return mqtt;
      },
    };
  }

  /**
   * Makes the bridges, and so their entrances, before sessions are restored.
   *
   * @throws BrokerError `BRIDGE_TLS` for a file that cannot be used
   */
  create(configs: readonly BridgeConfig[]): void {
    this.configs = configs;
    for (const config of configs) this.bridges.set(config.name, new Bridge(config, this.context));
  }

  /** Resolves when what is to go out is queued; connections follow by themselves. */
  async start(): Promise<void> {
    this.ticker = setInterval(() => {
      for (const bridge of this.bridges.values()) bridge.tick();
    }, TICK_MS);
    await Promise.all([...this.bridges.values()].map((bridge) => bridge.start()));
  }

  /** Where a restored session of a bridge belongs; null: it is none of a bridge. */
  entranceOf(name: string): Entrance | null {
    for (const bridge of this.bridges.values()) {
      if (listenerName(bridge.name) === name) return bridge.localSide.entrance;
    }
    return null;
  }

  /** New ones begin, others end, changed ones follow. @returns what was wrong with some of them */
  reload(configs: readonly BridgeConfig[]): BrokerError[] {
    const errors: BrokerError[] = [];
    const before = new Map(this.configs.map((config) => [config.name, config]));
    const inForce: BridgeConfig[] = [];
    for (const [name, bridge] of this.bridges) {
      if (configs.some((config) => config.name === name)) continue;
      this.bridges.delete(name);
      void bridge.remove();
    }
    for (const config of configs) {
      const old = before.get(config.name);
      try {
        if (JSON.stringify(old) !== JSON.stringify(config)) this.apply(config);
        inForce.push(config);
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        errors.push(error);
        if (old !== undefined) inForce.push(old);
      }
    }
    this.configs = inForce;
    return errors;
  }

  async stop(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.ticker = null;
    await Promise.all([...this.bridges.values()].map((bridge) => bridge.stop()));
  }

  private apply(config: BridgeConfig): void {
    const known = this.bridges.get(config.name);
    if (known !== undefined) {
      known.reconfigure(config);
      return;
    }
    const bridge = new Bridge(config, this.context);
    this.bridges.set(config.name, bridge);
    void bridge.start();
  }
}
