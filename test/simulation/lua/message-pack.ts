/** Redis' `cmsgpack` library, as far as scripts use it: no extension types. */
import { toText } from './number.js';
import { LuaError, LuaTable, type LuaValue, multi, tableOf } from './value.js';

const scratch = Buffer.alloc(9);

function bytes(size: number, lead: number, write: () => void): string {
  scratch[0] = lead;
  write();
  return scratch.toString('latin1', 0, 1 + size);
}

function packInteger(value: number): string {
  if (value >= 0) {
    if (value < 0x80) return String.fromCharCode(value);
    if (value <= 0xff) return bytes(1, 0xcc, () => scratch.writeUInt8(value, 1));
    if (value <= 0xffff) return bytes(2, 0xcd, () => scratch.writeUInt16BE(value, 1));
    if (value <= 0xffff_ffff) return bytes(4, 0xce, () => scratch.writeUInt32BE(value, 1));
    return bytes(8, 0xcf, () => scratch.writeBigUInt64BE(BigInt(value), 1));
  }
  if (value >= -32) return String.fromCharCode(256 + value);
  if (value >= -128) return bytes(1, 0xd0, () => scratch.writeInt8(value, 1));
  if (value >= -32768) return bytes(2, 0xd1, () => scratch.writeInt16BE(value, 1));
  if (value >= -2147483648) return bytes(4, 0xd2, () => scratch.writeInt32BE(value, 1));
  return bytes(8, 0xd3, () => scratch.writeBigInt64BE(BigInt(value), 1));
}

function packNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return packInteger(value);
  if (Object.is(Math.fround(value), value))
    return bytes(4, 0xca, () => scratch.writeFloatBE(value, 1));
  return bytes(8, 0xcb, () => scratch.writeDoubleBE(value, 1));
}

function head(length: number, small: number, smallMax: number, wide: readonly number[]): string {
  if (length <= smallMax) return String.fromCharCode(small + length);
  const [one, two, four] = wide;
  if (one !== 0 && length <= 0xff) return bytes(1, one!, () => scratch.writeUInt8(length, 1));
  if (length <= 0xffff) return bytes(2, two!, () => scratch.writeUInt16BE(length, 1));
  return bytes(4, four!, () => scratch.writeUInt32BE(length, 1));
}

function packValue(value: LuaValue): string {
  if (typeof value === 'string') {
    return head(value.length, 0xa0, 31, [0xd9, 0xda, 0xdb]) + value;
  }
  if (typeof value === 'number') return packNumber(value);
  if (typeof value === 'boolean') return value ? '\xc3' : '\xc2';
  if (!(value instanceof LuaTable)) return '\xc0';
  const entries = value.entries();
  if (entries.length === value.list.length) {
    return head(entries.length, 0x90, 15, [0, 0xdc, 0xdd]) + value.list.map(packValue).join('');
  }
  const parts = entries.map(([key, one]) => packValue(key) + packValue(one));
  return head(entries.length, 0x80, 15, [0, 0xde, 0xdf]) + parts.join('');
}

class Unpacker {
  at = 0;
  private readonly data: Buffer;

  constructor(text: string) {
    this.data = Buffer.from(text, 'latin1');
  }

  get isOver(): boolean {
    return this.at >= this.data.length;
  }

  next(): LuaValue {
    if (this.isOver) throw new LuaError('Missing bytes in input.');
    const lead = this.data[this.at++]!;
    if (lead < 0x80) return lead;
    if (lead >= 0xe0) return lead - 256;
    if (lead < 0x90) return this.map(lead & 15);
    if (lead < 0xa0) return this.list(lead & 15);
    if (lead < 0xc0) return this.text(lead & 31);
    return this.wide(lead);
  }

  private wide(lead: number): LuaValue {
    switch (lead) {
      case 0xc0:
        return undefined;
      case 0xc2:
      case 0xc3:
        return lead === 0xc3;
      case 0xca:
        return this.take(4).readFloatBE();
      case 0xcb:
        return this.take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.unsigned(1 << (lead - 0xcc));
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.take(1 << (lead - 0xd0)).readIntBE(0, 1 << (lead - 0xd0));
      case 0xd3:
        return Number(this.take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.unsigned(1 << (lead - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.list(this.unsigned(lead === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return this.map(this.unsigned(lead === 0xde ? 2 : 4));
      default:
        throw new LuaError('Bad data format in input.');
    }
  }

  private take(size: number): Buffer {
    this.at += size;
    if (this.at > this.data.length) throw new LuaError('Missing bytes in input.');
    return this.data.subarray(this.at - size, this.at);
  }

  private unsigned(size: number): number {
    const taken = this.take(size);
    return size === 8 ? Number(taken.readBigUInt64BE()) : taken.readUIntBE(0, size);
  }

  private text(length: number): string {
    return this.take(length).toString('latin1');
  }

  private list(length: number): LuaTable {
    const values: LuaValue[] = [];
    for (let index = 0; index < length; index++) values.push(this.next());
    return tableOf(values);
  }

  private map(length: number): LuaTable {
    const table = new LuaTable();
    for (let index = 0; index < length; index++) {
      const key = this.next();
      table.set(key, this.next());
    }
    return table;
  }
}

export const messagePackLibrary = new LuaTable();
messagePackLibrary.set('pack', (...values) => values.map(packValue).join(''));
messagePackLibrary.set('unpack', (text) => {
  const unpacker = new Unpacker(toText(text));
  const values: LuaValue[] = [];
  while (!unpacker.isOver) values.push(unpacker.next());
  return multi(values);
});
