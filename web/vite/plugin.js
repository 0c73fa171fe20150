// The plugin of Vite: `import preview from "./photo.jpg?tgs"` makes a preview of a picture.

import { join } from "node:path";

import { announcedSize } from "../src/source.js";
import { Previews } from "./previews.js";

const MEDIA_TYPE = "image/x-taichi-gs";

/** @param {{bytes?: number, command?: string | string[]}} options see `Options` in plugin.d.ts */
export default function tgs({ bytes, command = "tgs" } = {}) {
  let previews;
  return {
    name: "taichi-gs",
    // Otherwise Vite takes the picture for an asset first.
    enforce: "pre",
    // The bundles that Vite makes of packages for its server leave the worker behind.
    config: () => ({ optimizeDeps: { exclude: ["taichi-gs"] } }),
    configResolved({ cacheDir }) {
      previews = new Previews([command].flat(), join(cacheDir, "taichi-gs"));
    },
    async load(id) {
      const [path, query] = id.split("?", 2);
      const parameters = new URLSearchParams(query);
      if (!parameters.has("tgs")) return undefined;
      this.addWatchFile(path);
      try {
        const file = await previews.of(path, parameters.get("bytes") ?? bytes);
        const [width, height] = announcedSize(file);
        const preview = { src: `data:${MEDIA_TYPE};base64,${file.toString("base64")}`, width, height };
        return { code: `export default ${JSON.stringify(preview)};`, moduleType: "js" };
      } catch (error) {
        return this.error(error.message);
      }
    },
  };
}
