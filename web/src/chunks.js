// The chunks, after the payload: metadata and the alpha plane, each as tag, length and content.

import { LimitError, TgsError } from "./errors.js";
import { inflate } from "./inflate.js";
import { checkMost } from "./limits.js";

/** Far more than there are uses for; each takes time to look at, and next to no bytes. */
const MAX_CHUNKS = 1000;

/** Tags of chunks that only tell something about the picture. Their content is one zlib stream. */
const METADATA_TAGS = ["ICCP", "EXIF", "XMP_"];

/** Characters of tags that have a short form in Python's notation of bytes. */
const ESCAPES = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\", "'": "\\'" };

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
    const head = cursor.take(4);
    const tag = String.fromCharCode(...head);
    let content = cursor.take(cursor.u32());
    if (chunks.size === MAX_CHUNKS) {
      throw new LimitError(`The file has metadata in more pieces than the ${MAX_CHUNKS} allowed.`);
    }
    if (chunks.has(tag)) throw new TgsError(`The file is invalid: it has the metadata ${quoted(tag)} twice.`);
    const isMetadata = METADATA_TAGS.includes(tag);
    if (!isMetadata && tag !== ALPHA_TAG && !/^[a-z]/.test(tag)) {
      throw new TgsError(`The file has the metadata ${quoted(tag)}, which only a newer version understands.`);
    }
    if (isMetadata) {
      content = decompressed(tag, content, room);
      room -= content.length;
    }
    chunks.set(tag, content);
  }
  return chunks;
}

function decompressed(tag, content, room) {
  const result = inflate(content, room);
  if (typeof result !== "string") return result;
  const name = `metadata ${quoted(tag)}`;
  if (result === "too large") throw new LimitError(`The file's ${name} is larger than the ${room} bytes left to it.`);
  throw new TgsError(
    `The file is invalid: its ${name} ${result === "damaged" ? "cannot be decompressed" : `is ${result}`}.`,
  );
}

/** A tag as Python writes bytes. */
function quoted(tag) {
  const quote = tag.includes("'") && !tag.includes('"') ? '"' : "'";
  const escaped = (character) => ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  return `b${quote}${tag.replace(quote === "'" ? /[^ -~]|[\\']/g : /[^ -~]|\\/g, escaped)}${quote}`;
}
