// The chunks, after the payload: metadata and the alpha plane, each as tag, length and content.

import { LimitError, TgsError } from "./errors.js";
import { inflate } from "./inflate.js";
import { checkMost } from "./limits.js";

/** Far more than there are uses for; each takes time to look at, and next to no bytes. */
const MAX_CHUNKS = 1000;

/** The tag of the alpha plane, a gray .tgs file within the file. */
export const ALPHA_TAG = "ALPH";

/**
 * Return the chunks that are left to read.
 *
 * @param {import("./bytes.js").ByteCursor} cursor
 * @param {number} maxBytes of all chunks, as they are and when decompressed
 * @returns {Map<string, Uint8Array>} tag, as Latin-1, to content, decompressed
 */
export function readChunks(cursor, maxBytes) {
  checkMost(cursor.remaining, "bytes of metadata", maxBytes);
  const chunks = new Map();
  let room = maxBytes;
  while (cursor.remaining) {
    const tag = String.fromCharCode(...cursor.take(4));
    let content = cursor.take(cursor.u32());
    if (chunks.size === MAX_CHUNKS) {
      throw new LimitError(`The file has metadata in more pieces than the ${MAX_CHUNKS} allowed.`);
    }
    if (chunks.has(tag)) throw new TgsError(`The file is invalid: it has the metadata ${quoted(tag)} twice.`);
    // Chunks of these tags only tell something about the picture. Their content is one zlib stream.
    if (/ICCP|EXIF|XMP_/.test(tag)) {
      content = inflate(content, room, `metadata ${quoted(tag)}`);
      room -= content.length;
    } else if (tag !== ALPHA_TAG && !/^[a-z]/.test(tag)) {
      throw new TgsError(`The file has the metadata ${quoted(tag)}, which only a newer version understands.`);
    }
    chunks.set(tag, content);
  }
  return chunks;
}

/** A tag as Python writes bytes. */
function quoted(tag) {
  const quote = tag.includes("'") && !tag.includes('"') ? '"' : "'";
  const escaped = (character) => {
    if (character === "'" && quote === '"') return character;
    const short = "\t\n\r\\'".indexOf(character);
    return `\\${short < 0 ? `x${character.charCodeAt().toString(16).padStart(2, "0")}` : "tnr\\'"[short]}`;
  };
  return `b${quote}${tag.replace(/[^ -~]|[\\']/g, escaped)}${quote}`;
}
