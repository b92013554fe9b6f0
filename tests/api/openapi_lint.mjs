// node openapi_lint.mjs <file>: what the linter's recommended rules have to say of an API description, a line each.
import { createRequire } from 'node:module';

const { createConfig, lint } = createRequire(new URL('../browser/package.json', import.meta.url))('@redocly/openapi-core');
const config = await createConfig({
  extends: ['recommended'],
  rules: {
    'operation-4xx-response': 'off', // every operation has `default`: one envelope for whatever was not done
  },
});
for (const p of await lint({ ref: process.argv[2], config }))
  console.log(`${p.severity} ${p.ruleId} ${p.location[0]?.pointer ?? ''}: ${p.message}`);
