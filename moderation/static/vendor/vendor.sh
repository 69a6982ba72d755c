#!/bin/sh
# Fetch the packages of package-lock.json and copy the few files that the pages use.
#
# Run it by hand after changing package.json (`npm install --package-lock-only
# --ignore-scripts`), and commit what it copies: no user and no image build needs Node.
# Lines that name source maps are taken out, for the maps are not copied.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --omit=peer --loglevel=error)

take() { # package, file inside it, folder here
    mkdir -p "$3"
    sed -e 's|/\*# sourceMappingURL=[^*]*\*/||' -e 's|^//# sourceMappingURL=.*$||' \
        "$work/node_modules/$1/$2" > "$3/$(basename "$2")"
}

take swagger-ui-dist swagger-ui-bundle.js swagger-ui
take swagger-ui-dist swagger-ui.css swagger-ui
take swagger-ui-dist LICENSE swagger-ui
take swagger-ui-dist NOTICE swagger-ui

NODE_PATH="$work/node_modules" node - <<'JS'
const fs = require("fs"), crypto = require("crypto");
const packages = { "swagger-ui": "swagger-ui-dist" };
const manifest = Object.entries(packages).map(([folder, name]) => ({
  name,
  version: require(`${name}/package.json`).version,
  license: require(`${name}/package.json`).license,
  files: Object.fromEntries(fs.readdirSync(folder).sort().map((file) => [
    `${folder}/${file}`,
    crypto.createHash("sha256").update(fs.readFileSync(`${folder}/${file}`)).digest("hex"),
  ])),
}));
fs.writeFileSync("MANIFEST.json", JSON.stringify(manifest, null, 2) + "\n");
JS
