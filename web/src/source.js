// Where the bytes of a picture in a page come from, and what they announce before they are decoded.

import { ByteCursor } from "./bytes.js";
import { TgsError } from "./errors.js";
import { MAX_SIDE } from "./limits.js";

/**
 * Return the bytes that a URL stands for, or a promise of them. Those of a data URI are there at once; no rule of the
 * page about connections applies to it.
 *
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Uint8Array | Promise<Uint8Array>}
 */
export function loadBytes(url, signal) {
  const data = /^\s*data:([^,]*),([^#]*)/i.exec(url);
  return data ? dataOf(data[1], data[2]) : fetchBytes(url, signal);
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

async function fetchBytes(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new TgsError(`The file ${url} cannot be loaded.`);
  }
  throw new TgsError(`The file ${url} cannot be loaded: the server answers with status ${response.status}.`);
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
