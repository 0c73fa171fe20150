// What imports of previews are, for TypeScript: `"types": ["taichi-gs/vite/client"]`.

declare module "*?tgs" {
  const preview: import("./plugin.js").Preview;
  export default preview;
}

// Only the end of a name can be matched: `./photo.jpg?bytes=1000&tgs`.
declare module "*&tgs" {
  const preview: import("./plugin.js").Preview;
  export default preview;
}
