// Runs Shopify's theme check over the extension given as an argument and prints what it found as JSON.
import path from "node:path";
import { createRequire } from "node:module";

const [modules, root] = process.argv.slice(2);
const require = createRequire(path.join(modules, "package.json"));
const { themeCheckRun } = require("@shopify/theme-check-node");
const { offenses } = await themeCheckRun(path.resolve(root), "theme-check:theme-app-extension", () => {});
const found = offenses.map(({ check, severity, message, uri, start }) => ({
  check,
  severity,
  message,
  file: path.relative(path.resolve(root), new URL(uri).pathname),
  line: start.line + 1,
}));
process.stdout.write(JSON.stringify(found));
