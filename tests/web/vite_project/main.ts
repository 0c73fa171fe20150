// A page that shows a preview with the element, and decodes it too. It tells what it has in `found`.

import { decode } from "taichi-gs";
import "taichi-gs/element";

import preview from "./photo.png?tgs";
import same from "./photo.png?bytes=120&tgs";

declare global {
  var found: { preview: typeof preview; isSame: boolean; decodedSize: [number, number]; failure?: string };
}

const bytes = new Uint8Array(await (await fetch(preview.src)).arrayBuffer());
const { width, height } = decode(bytes);
globalThis.found = { preview, isSame: preview.src === same.src, decodedSize: [width, height] };

const element = document.createElement("tgs-image");
element.addEventListener("error", (event) => (globalThis.found.failure = (event as ErrorEvent).message));
Object.assign(element, preview, { alt: "A picture" });
document.body.append(element);
