export { decode } from "./decode.js";
export { draw } from "./draw.js";
export { LimitError, TgsError } from "./errors.js";
export { render } from "./render.js";
