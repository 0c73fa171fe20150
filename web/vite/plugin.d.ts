import type { Plugin } from "vite";

/** What `import preview from "./photo.jpg?tgs"` gives: the attributes of a `<tgs-image>`. */
export interface Preview {
  /** The .tgs file, as a data URI. */
  src: string;
  /** Of the picture, in pixels. */
  width: number;
  height: number;
}

export interface Options {
  /** How large a preview may be, if its import does not say it: by default 300 bytes. */
  bytes?: number;
  /** The command `tgs` of the Python package, with arguments in an array; by default `"tgs"`. A path is one from the root. */
  command?: string | string[];
}

/** The plugin: `plugins: [tgs()]`. It keeps previews in the cache folder of Vite. */
export default function tgs(options?: Options): Plugin;
