// Renders pages of the extension with liquidjs: {sources, pages: [{block, context, texts}]} on standard input.
import path from "node:path";
import { createRequire } from "node:module";

const [modules] = process.argv.slice(2);
const { Liquid } = createRequire(path.join(modules, "package.json"))("liquidjs");
let input = "";
for await (const part of process.stdin) input += part;
const { sources, pages } = JSON.parse(input);
const safe = (text) => String(text ?? "").replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const made = pages.map(({ block, context, texts }) => {
  const engine = new Liquid({ templates: sources });
  engine.registerFilter("t", (key, ...values) => {
    const found = String(key).split(".").reduce((level, part) => level?.[part], texts);
    const named = Object.fromEntries(values);
    return found.replace(/\{\{ (\w+) \}\}/g, (all, name) => safe(named[name]));
  });
  engine.registerFilter("asset_url", (name) => `/extension/${name}`);
  // Global, because snippets see `shop` and `request` too.
  return engine.renderFileSync(`blocks/${block}`, {}, { globals: context });
});
process.stdout.write(JSON.stringify(made));
