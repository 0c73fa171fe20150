/** Why a file is not decoded, or not drawn. The message is one sentence, the same as that of the Python package. */
export class TgsError extends Error {
  name = "TgsError";
}

/** A file asks for more than the limits allow. */
export class LimitError extends TgsError {
  name = "LimitError";
}
