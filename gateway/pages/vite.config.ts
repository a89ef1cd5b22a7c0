import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig, type Plugin } from "vite";

const folder = import.meta.dirname;
const sourceFiles = [
  "console.html",
  "package-lock.json",
  "package.json",
  "terminal.html",
  "tsconfig.json",
  "vite.config.ts",
];

/** Every file of a folder by its path from here, in a fixed order. */
function filesIn(name: string): string[] {
  return readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/**
 * Write which sources a build was made from, and what it made: lines that `sha256sum --check` reads. Only after a build:
 * a run of the tests would vouch for files that were built from other sources.
 */
function noteSources(): Plugin {
  return {
    name: "note-sources",
    apply: "build",
    writeBundle() {
      const sources = [...sourceFiles, ...filesIn("src").filter((path) => !path.endsWith(".test.ts"))].sort();
      const built = filesIn("built").filter((path) => !path.endsWith("SOURCES.sha256"));
      const lines = [...sources, ...built].map((path) => {
        const hash = createHash("sha256")
          .update(readFileSync(join(folder, path)))
          .digest("hex");
        return `${hash}  ${path}\n`;
      });
      writeFileSync(join(folder, "built", "SOURCES.sha256"), lines.join(""));
    },
  };
}

export default defineConfig({
  root: folder,
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "built",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["terminal.html", "console.html"] },
  },
  plugins: [noteSources()],
});
