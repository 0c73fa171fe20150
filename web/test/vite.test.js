// The plugin of Vite, without Vite and with a command that only seems to compress. `tests/web/test_vite.py` has both.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { decode } from "../src/index.js";
import { loadBytes } from "../src/source.js";
import tgs from "../vite/plugin.js";
import { bytesOf } from "./helpers/conformance.js";

const COMMAND = [process.execPath, fileURLToPath(new URL("helpers/tgs.js", import.meta.url))];

/** A folder with pictures and a cache, in which the plugin is at work. */
class Project {
  static async in(context) {
    const folder = await mkdtemp(join(tmpdir(), "taichi-gs-"));
    context.after(() => rm(folder, { recursive: true }));
    return new Project(folder);
  }

  constructor(folder) {
    this.folder = folder;
    this.log = join(folder, "log");
    this.watched = [];
    this.use({});
  }

  /** Start anew, with options of the plugin and a version of the command. */
  use({ version = "1", config = {}, ...options }) {
    this.plugin = tgs({ command: [...COMMAND, this.log, version], ...options });
    this.plugin.configResolved({ cacheDir: join(this.folder, "cache"), root: this.folder, ...config });
  }

  write(name, content = name) {
    return writeFile(join(this.folder, name), content);
  }

  /** Import as a page does; return the module's default export. */
  async import(name) {
    const context = {
      addWatchFile: (path) => this.watched.push(path),
      error: (sentence) => {
        throw new Error(sentence);
      },
    };
    const module = await this.plugin.load.call(context, join(this.folder, name));
    return module && JSON.parse(module.code.replace(/^export default (.*);$/, "$1"));
  }

  /** Return the lines of the log so far. */
  async calls(what = "begin") {
    const text = await readFile(this.log, "utf-8").catch(() => "");
    return text.split("\n").filter((line) => line.startsWith(what));
  }

  kept() {
    return readdir(join(this.folder, "cache", "taichi-gs")).catch(() => []);
  }
}

test("an import is a data URI and the size of the picture", async (context) => {
  const project = await Project.in(context);
  await project.write("photo.jpg");
  const { src, ...size } = await project.import("photo.jpg?tgs");
  assert.match(src, /^data:image\/x-taichi-gs;base64,/);
  assert.deepEqual(loadBytes(src, 0), bytesOf("valid/wide.tgs"));
  const { width, height } = decode(loadBytes(src, 0));
  assert.deepEqual(size, { width, height });
  assert.deepEqual(project.watched, [join(project.folder, "photo.jpg")]);
});

test("what has been made is kept, until something of it changes", async (context) => {
  const project = await Project.in(context);
  await project.write("photo.jpg");
  const expectCalls = async (expected) => assert.equal((await project.calls()).length, expected);
  await project.import("photo.jpg?tgs");
  await project.import("photo.jpg?import&tgs");
  project.use({});
  await project.import("photo.jpg?tgs");
  await expectCalls(1);
  await project.import("photo.jpg?bytes=1000&tgs");
  project.use({ bytes: 1000 });
  await project.import("photo.jpg?tgs");
  await expectCalls(2);
  await project.write("photo.jpg", "another");
  await project.import("photo.jpg?tgs");
  await expectCalls(3);
  project.use({ version: "2" });
  await project.import("photo.jpg?tgs");
  await expectCalls(4);
  assert.equal((await project.calls())[1], "begin photo.jpg -o - --quiet --preview --bytes 1000");
  const kept = await project.kept();
  assert.equal(kept.filter((name) => /^[0-9a-f]{64}\.tgs$/.test(name)).length, 4);
  assert.equal(kept.length, 4);
});

test("a file that is not whole is made again", async (context) => {
  const project = await Project.in(context);
  await project.write("photo.jpg");
  const first = await project.import("photo.jpg?tgs");
  await writeFile(join(project.folder, "cache", "taichi-gs", (await project.kept())[0]), "");
  assert.deepEqual(await project.import("photo.jpg?tgs"), first);
  assert.equal((await project.calls()).length, 2);
});

test("few processes run at once, and one for each picture", async (context) => {
  const project = await Project.in(context);
  const names = Array.from({ length: 2 * availableParallelism() }, (_, i) => `${i}.jpg`);
  for (const name of names) await project.write(name);
  await Promise.all([...names, ...names].map((name) => project.import(`${name}?tgs`)));
  let [running, most] = [0, 0];
  for (const line of await project.calls("")) {
    if (line) running += line.startsWith("begin") ? 1 : -1;
    most = Math.max(most, running);
  }
  assert.equal((await project.calls()).length, names.length);
  assert.equal(running, 0);
  assert.ok(most <= Math.max(1, availableParallelism() / 2), `${most}`);
});

test("errors are one sentence, and nothing is kept", async (context) => {
  const project = await Project.in(context);
  const fails = (name, message) => assert.rejects(() => project.import(name), { message });
  for (const name of ["bad.jpg", "killed.jpg", "nothing.jpg"]) await project.write(name);
  await fails("bad.jpg?tgs", "'bad.jpg' is not a picture that can be read");
  await fails("killed.jpg?tgs", `The command ${process.execPath} has failed: SIGKILL.`);
  await fails("nothing.jpg?tgs", `The command ${process.execPath} has made no .tgs file.`);
  await fails("missing.jpg?tgs", `The picture ${join(project.folder, "missing.jpg")} cannot be read.`);
  project.use({ command: "no-such-tgs" });
  await fails("bad.jpg?tgs", /^There is no command no-such-tgs: install the Python package taichi_gs, or .*\.$/);
  assert.deepEqual(await project.kept(), []);
  // What has failed is tried again.
  project.use({});
  await fails("bad.jpg?tgs", "'bad.jpg' is not a picture that can be read");
  assert.equal((await project.calls("begin bad.jpg")).length, 2);
  assert.equal(project.watched.filter((path) => path.endsWith("bad.jpg")).length, 3);
});

test("a command that is installed later is asked again for its version", async (context) => {
  const project = await Project.in(context);
  await project.write("photo.jpg");
  project.use({ version: "missing at first" });
  await assert.rejects(() => project.import("photo.jpg?tgs"), { message: "not installed yet" });
  assert.ok((await project.import("photo.jpg?tgs")).src);
});

test("a server makes previews of what it may serve alone", async (context) => {
  const project = await Project.in(context);
  for (const name of ["photo.jpg", "..photo.jpg"]) await project.write(name);
  const allow = [join(project.folder, "src"), project.folder];
  const serve = (fs) => ({ command: "serve", server: { fs: { strict: true, ...fs } } });
  project.use({ config: serve({ allow }) });
  assert.ok((await project.import("photo.jpg?tgs")).src);
  assert.ok((await project.import("..photo.jpg?tgs")).src);
  project.use({ config: serve({ allow: [join(project.folder, "src"), `${project.folder}-2`] }) });
  const path = join(project.folder, "photo.jpg");
  const message = `The picture ${path} is outside of the folders in server.fs.allow.`;
  await assert.rejects(() => project.import("photo.jpg?tgs"), { message });
  project.use({ config: serve({ allow: [], strict: false }) });
  assert.ok((await project.import("photo.jpg?tgs")).src);
  project.use({ config: { ...serve({ allow: [] }), command: "build" } });
  assert.ok((await project.import("photo.jpg?tgs")).src);
});

test("a command with a relative path is found from the root of the project", async (context) => {
  const project = await Project.in(context);
  await project.write("photo.jpg");
  await symlink(process.execPath, join(project.folder, "node"));
  project.use({ command: [`.${sep}node`, ...COMMAND.slice(1), project.log, "1"] });
  assert.ok((await project.import("photo.jpg?tgs")).src);
});

test("other imports are left to Vite", async (context) => {
  const project = await Project.in(context);
  for (const name of ["photo.jpg", "photo.jpg?url", "main.js?v=tgs"]) {
    assert.equal(await project.import(name), undefined);
  }
});
