/**
 * The element `<tgs-image>`, which importing the module defines. Its properties are its attributes.
 *
 * It fires `load` when the file has been drawn for the first time, and `error`, an ErrorEvent whose `message` is one
 * sentence, when the file or the full picture cannot be shown.
 */
export class TgsImage extends HTMLElement {
  /** The URL of the .tgs file; it may be a data URI. */
  src: string;
  /** The URL of the full picture, which is shown in place of the file. */
  full: string;
  /** What is to be seen, for people who cannot see it; "" if the picture only decorates. */
  alt: string;
  /** Of the place on the page, in CSS pixels; 0 if the attribute is not there. */
  width: number;
  height: number;
}

declare global {
  interface HTMLElementTagNameMap {
    "tgs-image": TgsImage;
  }
}
