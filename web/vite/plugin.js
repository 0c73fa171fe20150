// The plugin of Vite: `import preview from "./photo.jpg?tgs"` makes a preview of a picture.

import { isAbsolute, join, relative, sep } from "node:path";

import { announcedSize } from "../src/source.js";
import { Previews } from "./previews.js";

const MEDIA_TYPE = "image/x-taichi-gs";

/** @param {{bytes?: number, command?: string | string[]}} options see `Options` in plugin.d.ts */
export default function tgs({ bytes, command = "tgs" } = {}) {
  let previews;
  let folders; // from which Vite's server may serve files; undefined if it is not one, or serves all
  return {
    name: "taichi-gs",
    // Otherwise Vite takes the picture for an asset first.
    enforce: "pre",
    // The bundles that Vite makes of packages for its server leave the worker behind.
    config: () => ({ optimizeDeps: { exclude: ["taichi-gs"] } }),
    configResolved({ cacheDir, root, command: task, server }) {
      previews = new Previews([command].flat(), join(cacheDir, "taichi-gs"), root);
      folders = task === "serve" && server.fs.strict !== false ? server.fs.allow : undefined;
    },
    async load(id) {
      const [path, query] = id.split("?", 2);
      const parameters = new URLSearchParams(query);
      if (!parameters.has("tgs")) return undefined;
      if (folders && !folders.some((folder) => isInside(path, folder))) {
        // Vite itself does not check what plugins load.
        return this.error(`The picture ${path} is outside of the folders in server.fs.allow.`);
      }
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

function isInside(path, folder) {
  const way = relative(folder, path);
  return !isAbsolute(way) && way.split(sep)[0] !== "..";
}
