/**
 * `TIDEWIRE_<KEY>` for any global key: what containers set instead of writing a file.
 *
 * Kubernetes gives every pod variables for each service of its namespace; a service that is
 * called `tidewire` makes them look like ours. Those are left alone.
 */
import { hint } from './nearest.js';
import { failAt, type Place } from './place.js';
import { findKey, keyNames } from './schema.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentSetting {
  readonly key: string;
  readonly value: string;
  readonly place: Place;
}

const PREFIX = 'TIDEWIRE_';

/**
 * In a fixed order. An empty variable counts as not set; several values of `log_dest` or
 * `log_type` are separated by commas.
 */
export function environmentSettings(environment: Environment): EnvironmentSetting[] {
  const settings: EnvironmentSetting[] = [];
  for (const variable of Object.keys(environment).sort()) {
    const value = environment[variable];
    if (value === undefined || value === '' || !variable.startsWith(PREFIX)) continue;
    if (isServiceLink(variable, value)) continue;
    const key = checkedKey(variable);
    const isRepeatable = findKey(key)?.again === 'append';
    const values = isRepeatable ? value.split(',') : [value];
    for (const one of values)
      settings.push({ key, value: one.trim(), place: { file: variable, line: 0 } });
  }
  return settings;
}

function checkedKey(variable: string): string {
  const place = { file: variable, line: 0 };
  const name = variable.slice(PREFIX.length);
  const key = name.toLowerCase();
  const found = name === name.toUpperCase() ? findKey(key) : null;
  if (found === null) {
    const known = keyNames('global', 'access').map((one) => PREFIX + one.toUpperCase());
    return failAt(place, `unknown variable${hint(variable, known)}`);
  }
  if (found.scope === 'listener' || key === 'listener') {
    const advice =
      'TIDEWIRE_PORT and TIDEWIRE_BIND_ADDRESS open one listener; the rest belongs in a file';
    failAt(place, `only global keys can be set by a variable: ${advice}`);
  }
  if (found.scope === 'bridge' || key === 'connection') {
    failAt(place, 'only global keys can be set by a variable: a bridge belongs in a file');
  }
  if (found.scope === 'structure') {
    failAt(place, 'this key changes what the lines of a file mean: set it in the file');
  }
  return key;
}

/** `TIDEWIRE_SERVICE_HOST`, `TIDEWIRE_PORT=tcp://…`, `TIDEWIRE_PORT_1883_TCP_ADDR`, … */
function isServiceLink(variable: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(variable)) return true;
  if (/_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(variable)) return true;
  return variable.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value);
}
