import type { Limits } from "./index.js";

/**
 * The element `<tgs-image>`, which importing the module defines. Its properties are its attributes; null or undefined
 * removes one.
 *
 * It fires `load` when a file has been drawn for the first time, or the full picture is in its place. It fires `error`,
 * an ErrorEvent whose `message` is one sentence, when the file or the full picture cannot be shown.
 */
export class TgsImage extends HTMLElement {
  /** Of what the files of all elements may ask for. They hold for files that are loaded later. */
  static limits: Partial<Limits>;

  /** The URL of the .tgs file; it may be a data URI. */
  get src(): string;
  set src(value: string | null | undefined);
  /** The URL of the full picture, which is shown in place of the file. */
  get full(): string;
  set full(value: string | null | undefined);
  /** What is to be seen, for people who cannot see it; "" if the picture only decorates. */
  get alt(): string;
  set alt(value: string | null | undefined);
  /** Of the place on the page, in CSS pixels; 0 if the attribute is not there. */
  get width(): number;
  set width(value: number | null | undefined);
  get height(): number;
  set height(value: number | null | undefined);
}

declare global {
  interface HTMLElementTagNameMap {
    "tgs-image": TgsImage;
  }
}
