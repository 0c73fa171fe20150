import tgs from "taichi-gs/vite";
import { defineConfig } from "vite";

export default defineConfig({
  // The test puts this command there.
  plugins: [tgs({ bytes: 120, command: "./tgs" })],
  build: { target: "esnext" },
});
