/**
 * Looks at a database's file before LMDB does, for LMDB's binding does not survive a file that it
 * cannot open: the process would end without a word.
 *
 *     each of the first two pages: 24 bytes · u32 magic · u32 version · …, in the machine's order
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { BrokerError, messageOf, systemCode } from '../../base/errors.js';

const MAGIC = 0xbeef_c0de;
const VERSION = 2;
const MAGIC_AT = 24;
const PAGE_BYTES_AT = 48;
const HEADER_BYTES = 64;

/**
 * Passes a file that is not there, or empty.
 *
 * @throws BrokerError `STORE_DAMAGED`
 */
export function checkHeader(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw damaged(path, messageOf(error), error);
  }
  try {
    const first = readHeader(file, 0);
    if (first.length === 0) return;
    if (!isHeader(first)) throw damaged(path, 'it is not a database of this broker');
    const second = readHeader(file, wordOf(first, PAGE_BYTES_AT));
    if (!isHeader(second)) throw damaged(path, 'its second page is damaged');
  } finally {
    closeSync(file);
  }
}

export function damaged(path: string, why: string, cause?: unknown): BrokerError {
  const detail =
    `cannot open ${path}: ${why}; ` +
    'if the disk is sound, restore the folder from a copy, or move it away';
  return new BrokerError('STORE_DAMAGED', detail, { cause });
}

function readHeader(file: number, at: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  return bytes.subarray(0, readSync(file, bytes, 0, HEADER_BYTES, at));
}

function isHeader(bytes: Buffer): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  return wordOf(bytes, MAGIC_AT) === MAGIC && wordOf(bytes, MAGIC_AT + 4) === VERSION;
}

function wordOf(bytes: Buffer, at: number): number {
  return isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
