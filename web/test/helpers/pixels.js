/**
 * Return the largest difference between pixels, RGBA, and an image with one channel (gray), two (gray and alpha), three
 * or four.
 */
export function largestDifference(pixels, { channels, data }) {
  const sources = [
    [0, 0, 0],
    [0, 0, 0, 1],
    [0, 1, 2],
    [0, 1, 2, 3],
  ][channels - 1];
  let largest = 0;
  for (let pixel = 0; pixel < pixels.length / 4; pixel++) {
    for (let channel = 0; channel < 4; channel++) {
      const expected = channel in sources ? data[pixel * channels + sources[channel]] : 255;
      largest = Math.max(largest, Math.abs(pixels[4 * pixel + channel] - expected));
    }
  }
  return largest;
}
