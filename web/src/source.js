// Where the bytes of a picture in a page come from, and what they announce before they are decoded.

import { ByteCursor } from "./bytes.js";
import { LimitError, TgsError } from "./errors.js";
import { MAX_SIDE } from "./limits.js";

/**
 * Return the bytes that a URL stands for, or a promise of them. Those of a data URI are there at once; no rule of the
 * page about connections applies to it.
 *
 * @param {string} url
 * @param {number} most bytes that are loaded; more are a LimitError
 * @param {AbortSignal} [signal]
 * @returns {Uint8Array | Promise<Uint8Array>}
 */
export function loadBytes(url, most, signal) {
  const data = /^\s*data:([^,]*),([^#]*)/i.exec(url);
  return data ? dataOf(data[1], data[2]) : fetchBytes(url, most, signal);
}

function dataOf(head, content) {
  try {
    const isBase64 = /;\s*base64\s*$/i.test(head);
    const plain = content.replace(/%([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
    const text = isBase64 ? atob(plain) : plain;
    // Not Uint8Array.from, which takes ten times as long: a page may have hundreds of pictures.
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  } catch {
    throw new TgsError("The data URI of the picture is damaged.");
  }
}

async function fetchBytes(url, most, signal) {
  let response;
  try {
    response = await fetch(url, { signal });
    if (response.ok) return await bodyOf(response, url, most);
  } catch (error) {
    throw error instanceof TgsError ? error : new TgsError(`The file ${url} cannot be loaded.`);
  }
  throw new TgsError(`The file ${url} cannot be loaded: the server answers with status ${response.status}.`);
}

async function bodyOf(response, url, most) {
  const pieces = [];
  let size = 0;
  const reader = response.body.getReader();
  for (let piece; !(piece = await reader.read()).done;) {
    pieces.push(piece.value);
    size += piece.value.length;
    if (size <= most) continue;
    reader.cancel().catch(() => undefined);
    throw new LimitError(`The file ${url} has more than the ${most} bytes that all limits together allow.`);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/**
 * Return the width and the height that the first bytes of a file announce, or undefined if they announce none that a
 * picture can have. Nothing else of the file is checked.
 *
 * @param {Uint8Array} bytes
 * @returns {[number, number] | undefined}
 */
export function announcedSize(bytes) {
  if (bytes[0] !== 0x89 || bytes[1] !== 0x54 || bytes[2] !== 0x47) return undefined;
  try {
    const cursor = new ByteCursor(bytes);
    cursor.take(4);
    const size = [cursor.varint(), cursor.varint()];
    return size.every((side) => side > 0 && side <= MAX_SIDE) ? size : undefined;
  } catch {
    return undefined;
  }
}
