/** Answers of INFO and CONFIG GET. */

/** Fields by name, as text. */
export class InfoFields {
  private readonly fields: ReadonlyMap<string, string>;

  constructor(fields: ReadonlyMap<string, string>) {
    this.fields = fields;
  }

  names(): Iterable<string> {
    return this.fields.keys();
  }

  text(name: string): string {
    return this.fields.get(name) ?? '';
  }

  /** NaN when there is no such number. */
  number(name: string): number {
    const text = this.fields.get(name);
    return text === undefined || text === '' ? Number.NaN : Number(text);
  }
}

/** Replicas that follow by now; one that is being copied to does not count. */
export function onlineReplicas(info: InfoFields): number {
  let count = 0;
  for (let index = 0; info.text(`slave${index}`) !== ''; index++) {
    if (info.text(`slave${index}`).includes('state=online')) count++;
  }
  return count;
}

/** `name:value` lines. */
export function parseInfo(reply: unknown): InfoFields {
  const fields = new Map<string, string>();
  for (const line of String(reply).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return new InfoFields(fields);
}

/** Names and values in turn. */
export function parsePairs(reply: unknown): InfoFields {
  const fields = new Map<string, string>();
  const parts = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    fields.set(String(parts[at]), String(parts[at + 1]));
  }
  return new InfoFields(fields);
}

/** `7.0.15` as 70 015: comparable. 0 for what is no version. */
export function versionNumber(text: string): number {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  if (match === null) return 0;
  return Number(match[1]) * 10_000 + Number(match[2]) * 1_000 + Number(match[3] ?? '0');
}
