/**
 * `http_dir`: files served over plain HTTP GET and HEAD on a websockets listener. One request per
 * connection, nothing outside the folder (symbolic links included), no listings.
 */
import { constants, createReadStream } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

// Without O_NONBLOCK, opening a named pipe would wait for its writer for ever.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Answers one request from `folder`. */
export async function serveFile(
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    answer(response, 405, 'only GET and HEAD are served here');
    return;
  }
  const path = await insidePath(folder, request.url ?? '/');
  const file = path === null ? null : await open(path, openFlags).catch(() => null);
  const facts = await file?.stat();
  if (path === null || file === null || !facts?.isFile()) {
    await file?.close();
    answer(response, 404, 'not found');
    return;
  }
  response.writeHead(200, {
    'Content-Type': contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream',
    'Content-Length': facts.size,
    'Last-Modified': facts.mtime.toUTCString(),
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  });
  if (request.method === 'HEAD' || facts.size === 0) {
    await file.close();
    response.end();
    return;
  }
  // A file that grows meanwhile must not exceed the length that was announced.
  const content = createReadStream('', { fd: file, end: facts.size - 1 });
  pipeline(content, response, () => undefined); // Closes both; a reader who left is no error.
}

/** A short plain answer, after which the connection closes. */
export function answer(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(response.req.method === 'HEAD' ? '' : body);
}

/** The real path that a URL names inside `folder`; null when there is none. */
async function insidePath(folder: string, url: string): Promise<string | null> {
  const end = url.search(/[?#]/);
  let name: string;
  try {
    name = decodeURIComponent(end < 0 ? url : url.slice(0, end));
  } catch {
    return null; // Not UTF-8: no file has such a name.
  }
  if (!name.startsWith('/') || name.includes('\0')) return null;
  if (name.endsWith('/')) name += 'index.html';
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, name));
    return path.startsWith(root.endsWith(sep) ? root : root + sep) ? path : null;
  } catch {
    return null; // Nothing of that name, or it may not be read.
  }
}
