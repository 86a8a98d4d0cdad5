/** Commands as they are on the wire. */

/** Reads whole commands: arrays of byte strings. */
export function parseCommands(bytes: Buffer): string[][] {
  const commands: string[][] = [];
  let at = 0;
  const size = (): number => {
    const end = bytes.indexOf(13, at);
    const value = Number(bytes.toString('latin1', at + 1, end));
    at = end + 2;
    return value;
  };
  while (at < bytes.length) {
    const parts: string[] = [];
    for (let left = size(); left > 0; left--) {
      const length = size();
      parts.push(bytes.toString('latin1', at, at + length));
      at += length + 2;
    }
    commands.push(parts);
  }
  return commands;
}
